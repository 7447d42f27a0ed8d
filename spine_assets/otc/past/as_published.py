"""What of a week was public on a day, by FINRA's clock and not by ours (`as_of`).

Every row has the day of its last update. A capture without an update after the day therefore shows
what was public then, whenever it was captured; of a capture with later updates, the rows that were
not updated since do. The updated rows were public with figures that are not known: they are given
without figures. Captures that wait or are retracted are left out; pins choose what counts for us,
so they have no part in this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import polars as pl

from spine_assets.core.table_schema import in_order, polars_schema
from spine_assets.core.weeks import Tier, publication_day
from spine_assets.lake.base import Lake
from spine_assets.otc.build.builders import BUILDERS, build, build_id
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import Capture, TierClass
from spine_assets.otc.past.as_of import NotKnown
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.tables import venue_volume
from spine_assets.otc.tables.registry import table
from spine_assets.otc.tables.row_rules import ORDER

TABLES = (venue_volume.TABLE.name, *BUILDERS)
"""The tables that are made from accepted rows."""

_KEY = ("symbol", "mpid")
_FIRST = "initial_published_date"
_FIGURES = ("share_volume", "trade_count", "avg_trade_size", "record_hash")


@dataclass(frozen=True)
class CaptureContent:
    """A capture's content: its `otc_venue_volume` rows, and `initial_published_date` of each."""

    capture: Capture
    rows: pl.DataFrame


@dataclass(frozen=True)
class PublishedPart:
    """What was public of a tier and class.

    Attributes:
        capture: The capture that shows it.
        is_captured: That capture has what was public; else it has later updates too.
        rows: `otc_venue_volume` rows and `is_known`; `capture_id` names the capture.
        not_known_rows: Rows in `rows` that were public, or may have been, with figures that no
            capture has.
        not_public_rows: Rows of the capture that were published later; they are not in `rows`.
        by_calendar: Rows without `initial_published_date` were taken to be public from the
            tier's publication day on.
    """

    capture: Capture
    is_captured: bool
    rows: pl.DataFrame
    not_known_rows: int = 0
    not_public_rows: int = 0
    by_calendar: bool = False


@dataclass(frozen=True)
class Published:
    """A table's week as it was public on a day."""

    rows: pl.DataFrame
    parts: tuple[PublishedPart, ...]

    @property
    def not_known_rows(self) -> int:
        """Rows of `otc_venue_volume` whose figures of that day no capture has."""
        return sum(part.not_known_rows for part in self.parts)


def table_as_published(lake: Lake, name: str, week: date, day: date) -> Published:
    """A table's week as FINRA showed it at the end of a day.

    Args:
        lake: Where the captures are.
        name: One of `TABLES`. Of `otc_venue_volume` the rows have `is_known` besides; others are
            built from rows that are all known.
        week: Week ending.
        day: A day of FINRA's calendar.

    Raises:
        NotKnown: nothing is captured, nothing was public, or totals would need unknown rows.
        LakeError: a capture cannot be read.
    """
    known = captures.known_of(lake, week)
    if not known.captures:
        raise NotKnown(f"nothing of week {week} is captured; `spine captures` lists what is")
    by_key: dict[TierClass, list[Capture]] = {}
    for item in known.candidates:
        by_key.setdefault(item.key, []).append(item)
    found = [
        content([_version(lake, item) for item in _witnesses(by_key[key], day) if item], day)
        for key in sorted(by_key)
    ]
    parts = tuple(part for part in found if part.rows.height)
    if not parts:
        raise NotKnown(_nothing(week, day))
    rows = pl.concat(part.rows for part in parts)
    volume = Published(in_order(rows, venue_volume.TABLE.sort), parts)
    return volume if name == venue_volume.TABLE.name else _derived(lake, name, week, day, volume)


def content(versions: Sequence[CaptureContent], day: date) -> PublishedPart:
    """What was public on a day of one tier and class, found from its captures.

    The greatest capture without an update after the day has it, unless a later capture has rows
    that were updated or added after that capture and until the day: then something was published
    in between that was not captured, and the dates in the later capture decide row by row.

    Args:
        versions: Captures of one week, tier and class, at least one.
        day: The day.
    """
    by_id = {item.capture.capture_id: item for item in versions}
    until, after = _witnesses([item.capture for item in versions], day)
    earlier = by_id[until.capture_id] if until else None
    later = by_id[after.capture_id] if after else None
    if earlier is not None and (later is None or not _has_between(later, earlier, day)):
        rows = earlier.rows.drop(_FIRST).with_columns(is_known=True)
        return PublishedPart(earlier.capture, True, rows)
    if later is None:
        raise ValueError("no captures of the tier and class were given")
    return _by_dates(later, earlier, day)


def _witnesses(stored: Iterable[Capture], day: date) -> tuple[Capture | None, Capture | None]:
    """The greatest capture without an update after the day, and the nearest one with some."""
    ranked = sorted(stored, key=lambda item: item.rank)
    until = [item for item in ranked if item.last_update_date <= day]
    after = [item for item in ranked if item.last_update_date > day]
    nearest = [item for item in after if item.last_update_date == after[0].last_update_date]
    return (until[-1] if until else None), (nearest[-1] if nearest else None)


def _version(lake: Lake, capture: Capture) -> CaptureContent:
    frames = WeekFrames(lake, capture.week_ending, WeekCaptures((capture,)))
    accepted, _ = frames.split
    rows = venue_volume.build(accepted, capture.capture_id)
    # Several issues may be one row: it is public since the first of them is.
    first = accepted.group_by(ORDER).agg(pl.min(_FIRST)).sort(ORDER)
    return CaptureContent(capture, rows.with_columns(first[_FIRST]))


def _has_between(later: CaptureContent, earlier: CaptureContent, day: date) -> bool:
    """Whether a row shows a publication after the earlier capture and until the day."""
    since = earlier.capture.last_update_date
    new = later.rows.join(earlier.rows, on=list(_KEY), how="anti")
    updated = later.rows["last_update_date"].is_between(since, day, closed="right")
    added = new[_FIRST].is_between(since, day, closed="right").fill_null(False)
    return bool(updated.any() or added.any())


def _by_dates(later: CaptureContent, earlier: CaptureContent | None, day: date) -> PublishedPart:
    """What a capture with later updates shows of the day, row by row."""
    calendar = publication_day(later.capture.week_ending, later.capture.tier)
    known = pl.col("last_update_date") <= day
    # A row that was updated by then was public, even if the calendar has a later day.
    first = pl.coalesce(_FIRST, pl.when(known).then("last_update_date").otherwise(calendar))
    dated = later.rows.with_columns(is_known=known, _public=first <= day)
    rows = dated.filter("_public").drop("_public")
    if earlier is not None:
        removed = earlier.rows.join(later.rows, on=list(_KEY), how="anti")
        rows = pl.concat([rows, removed.with_columns(is_known=False)])
    undated = dated.filter(~pl.col("is_known") & pl.col(_FIRST).is_null())
    return PublishedPart(
        later.capture,
        False,
        rows.with_columns(pl.when("is_known").then(pl.col(name)) for name in _FIGURES).drop(_FIRST),
        not_known_rows=rows.height - int(rows["is_known"].sum()),
        not_public_rows=dated.height - int(dated["_public"].sum()),
        by_calendar=not undated.is_empty(),
    )


def _derived(lake: Lake, name: str, week: date, day: date, volume: Published) -> Published:
    """A table of totals, if all rows are known."""
    if volume.not_known_rows:
        raise NotKnown(
            f"{volume.not_known_rows:,} rows of week {week} were updated after {day} and not "
            f"captured before, so totals of that day are not known; {venue_volume.TABLE.name} "
            "has the other rows, and marks these by is_known"
        )
    known = WeekCaptures(tuple(part.capture for part in volume.parts))
    frames = WeekFrames(lake, week, known)
    frames[venue_volume.TABLE.name] = volume.rows.select(*polars_schema(venue_volume.TABLE))
    declared = table(name)
    at = datetime.combine(day, time.max, UTC)
    return Published(build(declared, frames, build_id(declared, known, at), lake), volume.parts)


def _nothing(week: date, day: date) -> str:
    due = ", ".join(f"{tier} is published on {publication_day(week, tier)}" for tier in Tier)
    return f"nothing of week {week} was public on {day}; by FINRA's calendar {due}"
