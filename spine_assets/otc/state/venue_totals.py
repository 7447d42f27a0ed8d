"""Shares by tier, class and venue of a week, with which the checks of later weeks compare.

A build keeps the totals of the weeks it has just built, so that the next week's checks need
not read its file again.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import date

import polars as pl

from spine_assets.lake.base import Lake, LakeFile
from spine_assets.otc.tables import venue_volume

COLUMNS = ["tier", "venue_class", "mpid", "venue_name", "share_volume"]
"""The columns that totals need."""
_VENUES = venue_volume.TABLE.name
_KEPT_WEEKS = 32  # more than weeks are looked back and built at once; one has a few hundred rows


def totals(venues: pl.DataFrame) -> pl.DataFrame:
    """Rows of `otc_venue_volume`, or sums of them -> `share_volume` by tier, venue_class and mpid.

    Each has one of its names.
    """
    return venues.group_by("tier", "venue_class", "mpid").agg(
        pl.col("venue_name").max(), pl.col("share_volume").sum()
    )


class VenueTotals:
    """Totals of stored weeks, each kept as long as its file is the same."""

    def __init__(self) -> None:
        self._kept: OrderedDict[LakeFile, tuple[object, pl.DataFrame]] = OrderedDict()

    def of(self, lake: Lake, week: date) -> pl.DataFrame | None:
        """The totals of a week as stored, or None where it is not.

        Raises:
            LakeError: its file is damaged.
        """
        part = lake.part(_VENUES, week)
        stamp = lake.stamp(part)
        if stamp is None:
            return None
        kept = self._kept.get(part)
        if kept is None or kept[0] != stamp:
            kept = (stamp, totals(lake.read(part, COLUMNS)))
            self._keep(part, kept)
        return kept[1]

    def keep(self, lake: Lake, week: date, made: pl.DataFrame) -> None:
        """Keep the totals of a week that was just published; the caller holds its lock."""
        part = lake.part(_VENUES, week)
        stamp = lake.stamp(part)
        if stamp is not None:
            self._keep(part, (stamp, made))

    def _keep(self, part: LakeFile, entry: tuple[object, pl.DataFrame]) -> None:
        self._kept[part] = entry
        while len(self._kept) > _KEPT_WEEKS:
            self._kept.popitem(last=False)
