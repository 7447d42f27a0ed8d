"""Whether the tables hold what a simulated FINRA holds, told by other means than the program's."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.dev.finra_sim import Simulator
from spine_assets.finra.api import SUMMARY_TYPES
from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect

Row = tuple[str, str, str, Decimal, int, date]
"""Class, symbol, venue, shares, trades, day of the last change."""

_TABLE = """
    SELECT venue_class, symbol, coalesce(mpid, venue_name, ''), share_volume, trade_count,
        last_update_date
    FROM otc_raw_current
    WHERE week_ending = $week AND tier = $tier
"""


def held_by(sim: Simulator, week: date, tier: Tier) -> list[Row]:
    """What FINRA holds today of a tier of a week, both classes."""
    found: list[Row] = []
    for venue_class in VenueClass:
        rows = sim.rows(week, tier, SUMMARY_TYPES[venue_class])
        venue = pl.coalesce("MPID", "marketParticipantName", pl.lit(""))
        found += [
            (venue_class.value, *row)
            for row in rows.select(
                "issueSymbolIdentifier",
                venue,
                pl.col("totalWeeklyShareQuantity").cast(pl.Decimal(28, 6)),
                pl.col("totalWeeklyTradeCount").cast(pl.Int64),
                "lastUpdateDate",
            ).iter_rows()
        ]
    return sorted(found)


def differences(lake: Path, sim: Simulator, weeks: Iterable[date]) -> list[str]:
    """The tiers of weeks of which the current captures are not what FINRA holds today."""
    with connect(LocalLake(lake), TABLES) as warehouse, closing(warehouse.cursor()) as cursor:
        return [
            f"{week} {tier}"
            for week in weeks
            for tier in Tier
            if held_by(sim, week, tier)
            != sorted(cursor.execute(_TABLE, {"week": week, "tier": tier.description}).fetchall())
        ]
