"""Volume and concentration over the quarter that ends with a week; missing weeks stay gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from spine_assets.core.tables import exact_sum
from spine_assets.core.weeks import SESSIONS, VenueClass, sessions_of
from spine_assets.otc.tables.concentration import concentration
from spine_assets.report import venues

WEEKS = 13
"""A quarter, including the week itself."""

COLUMNS = [*venues.COLUMNS, "total_volume", "tiers", "is_complete"]
"""The columns of `otc_venue_share` that are shown, and those that identify a venue."""


@dataclass(frozen=True)
class WeekPoint:
    """One week of the trend.

    Attributes:
        week: Week ending.
        sessions: Trading days of the New York exchanges in it.
        shares: Volume by class; a class that is not loaded is missing. Empty if the week is not
            loaded at all, which is a gap, not a zero.
        hhi: By class: sum of squared shares of identified venues in the class, 0-1.
        tiers: Tiers that are loaded.
        is_complete: Each loaded class has all three.
    """

    week: date
    sessions: int
    shares: Mapping[str, Decimal]
    hhi: Mapping[str, float]
    tiers: tuple[str, ...]
    is_complete: bool

    @property
    def is_loaded(self) -> bool:
        """Whether any row of the week is stored."""
        return bool(self.shares)

    @property
    def is_short(self) -> bool:
        """Whether a holiday left fewer than five trading days."""
        return self.sessions < SESSIONS


def weeks_until(week: date) -> list[date]:
    """The weeks of a trend that ends with a week, oldest first."""
    return [week - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1)]


def summed(shares: pl.DataFrame) -> pl.DataFrame:
    """`COLUMNS` of a week with the rows of each venue summed."""
    volume = pl.col("total_volume")
    return shares.group_by("mpid").agg(pl.exclude("total_volume").first(), volume.sum())


def point(week: date, shares: pl.DataFrame | None) -> WeekPoint:
    """One week, from the `COLUMNS` of its `otc_venue_share`, or from None if it is not stored."""
    sessions = len(sessions_of(week))
    if shares is None or not shares.height:
        return WeekPoint(week, sessions, {}, {}, (), False)
    volumes: dict[str, Decimal] = {}
    hhi: dict[str, float | None] = {}
    for name in VenueClass:
        mine = shares.filter(pl.col("venue_class") == name.value)
        if mine.height:
            volumes[name.value] = exact_sum(mine["total_volume"])
            hhi[name.value] = concentration(mine).hhi
    first = shares.row(0, named=True)
    known = {scope: value for scope, value in hhi.items() if value is not None}
    return WeekPoint(week, sessions, volumes, known, tuple(first["tiers"]), first["is_complete"])
