"""The source of a report: the stored tables of a week and of the weeks before it.

Belongs here: which files and columns are read. Does not belong here: any figure.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from spine_assets.lake.base import Lake, LakeError
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.tables import rejects, restatements, symbol_summary, venue_share, venue_volume
from spine_assets.report import symbols, trend
from spine_assets.report.pair import LOOK_BACK_WEEKS, Pair, Totals, pair
from spine_assets.report.trend import WeekPoint
from spine_assets.report.venues import Venues, venues_of

_SHARES = venue_share.TABLE.name
_SYMBOLS = symbol_summary.TABLE.name


@dataclass(frozen=True)
class Source:
    """All that a report of a week is made from.

    Attributes:
        known: Captures and pins of the week.
        venues: Identities and names in the quarter that ends with the week.
        shares: `otc_venue_share` of the week, a row per venue.
        summary: `otc_symbol_summary` of the week, as far as it is shown.
        summary_before: The same of the earlier week of the comparison.
        rejects: `otc_rejects` of the current captures.
        restated: `otc_restatements` of the week.
        pair: The week and the earlier one.
        points: The quarter that ends with the week.
    """

    week: date
    known: WeekCaptures
    venues: Venues
    shares: pl.DataFrame
    summary: pl.DataFrame
    summary_before: pl.DataFrame | None
    rejects: pl.DataFrame
    restated: pl.DataFrame
    pair: Pair
    points: list[WeekPoint]


class Points:
    """Points of stored weeks, each read again only when the file of its week has changed."""

    def __init__(self) -> None:
        self._kept: dict[date, tuple[object, pl.DataFrame | None, WeekPoint]] = {}

    def shares(self, lake: Lake, week: date) -> list[pl.DataFrame]:
        """The stored venues of the quarter that ends with a week."""
        found = (self._of(lake, each)[0] for each in trend.weeks_until(week))
        return [frame for frame in found if frame is not None]

    def until(self, lake: Lake, week: date, venues: Venues) -> list[WeekPoint]:
        """The quarter that ends with a week."""
        found = []
        for each in trend.weeks_until(week):
            frame, made = self._of(lake, each)
            if frame is not None and venues.merged(frame):
                made = trend.point(each, trend.summed(venues.identified(frame)))
            found.append(made)
        return found

    def _of(self, lake: Lake, week: date) -> tuple[pl.DataFrame | None, WeekPoint]:
        stamp = lake.stamp(lake.part(_SHARES, week))
        if stamp is None:
            return None, trend.point(week, None)
        kept = self._kept.get(week)
        if kept is None or kept[0] != stamp:
            frame = _stored(lake, _SHARES, week, trend.COLUMNS)
            kept = self._kept[week] = (stamp, frame, trend.point(week, frame))
        return kept[1], kept[2]


def read(place: RunContext, week: date, points: Points | None = None) -> Source:
    """Read the stored tables.

    Args:
        place: With the lake.
        week: Week ending.
        points: Points that earlier reports of the same run have read.

    Raises:
        LakeError: a file of the week is missing or damaged. Damaged files of earlier weeks count
            as missing; the build of their week reports them.
    """
    lake = place.lake
    points = points or Points()
    known = captures.known_of(lake, week)
    frames = WeekFrames(lake, week, known)
    venues = venues_of(points.shares(lake, week), place.connect)
    compared = _pair(place, week, venues)
    before = compared.before
    shares = lake.read(lake.part(_SHARES, week))
    summary = lake.read(lake.part(_SYMBOLS, week), symbols.COLUMNS)
    return Source(
        week=week,
        known=known,
        venues=venues,
        shares=venues.shares(shares, _symbols_of(lake, week, venues.merged(shares))),
        summary=venues.identified(summary, "top_mpid"),
        summary_before=_stored(lake, _SYMBOLS, before.week, symbols.COLUMNS) if before else None,
        rejects=frames[rejects.TABLE.name],
        restated=lake.read(lake.part(restatements.TABLE.name, week)),
        pair=compared,
        points=points.until(lake, week, venues),
    )


def issue_names(lake: Lake, week: date, wanted: list[str]) -> dict[str, str]:
    """Symbol -> issue name in a week, from the row that was updated last."""
    columns = ["symbol", "issue_name", "last_update_date"]
    rows = lake.read(lake.part(venue_volume.TABLE.name, week), columns)
    named = (
        rows.filter(pl.col("symbol").is_in(wanted))
        .sort("last_update_date", "issue_name")
        .group_by("symbol", maintain_order=True)
        .last()
    )
    return dict(named.select("symbol", "issue_name").iter_rows())


def _symbols_of(lake: Lake, week: date, venues: list[str]) -> pl.DataFrame:
    """Venue and symbol of the rows of some stored venues."""
    part, columns = lake.part(venue_volume.TABLE.name, week), ["mpid", "symbol"]
    return lake.read(part, columns, where=pl.col("mpid").is_in(venues))


def _pair(place: RunContext, week: date, venues: Venues) -> Pair:
    now = place.venue_totals.of(place.lake, week)
    if now is None:
        raise LakeError(f"{week}: otc_venue_volume is missing; run the week")
    earlier = []
    for back in range(1, LOOK_BACK_WEEKS + 1):
        other = week - timedelta(weeks=back)
        with suppress(LakeError):
            if (found := place.venue_totals.of(place.lake, other)) is not None:
                earlier.append(Totals(other, venues.identified(found)))
    return pair(Totals(week, venues.identified(now)), earlier)


def _stored(lake: Lake, table: str, week: date, columns: list[str]) -> pl.DataFrame | None:
    part = lake.part(table, week)
    with suppress(LakeError):
        return lake.read(part, columns) if part.exists() else None
    return None
