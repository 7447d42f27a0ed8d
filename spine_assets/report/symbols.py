"""Symbols of a week: the largest, and those whose volume changed most since the earlier week.

Pure functions from frames to rows. A symbol without a row has no figure, which is not zero: it is
listed as new or gone, never as a change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from spine_assets.core.tables import exact_sum
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.report.pair import Pair

COLUMNS = [
    "tier",
    "symbol",
    "total_volume",
    "total_trades",
    "venue_count",
    "ats_volume",
    "non_ats_volume",
    "top_mpid",
    "top_share_pct",
    "hhi",
]
"""The columns of `otc_symbol_summary` that are shown."""

_NAMED = 5  # of the new and the gone; more do not fit on a line
_VOLUMES = {VenueClass.ATS.value: "ats_volume", VenueClass.NON_ATS.value: "non_ats_volume"}
Row = dict[str, Any]


@dataclass(frozen=True)
class TierSymbols:
    """Symbols of one tier of a week.

    Attributes:
        top: The largest by shares, with `change_pct` (None if nothing can be compared).
        movers: The largest changes in shares of symbols with a row in both weeks: `volume`,
            `volume_before`, `change`, `change_pct`, over the classes that both weeks have.
        compared: Whether there is an earlier week with this tier.
        new: Number of symbols with a row now and none then; `new_shares` is their volume, and
            `came` the largest of them (symbol, volume).
        gone: Number of symbols with a row then and none now; `gone_shares` was their volume, and
            `went` the largest of them.
    """

    tier: str
    symbols: int
    top: list[Row]
    movers: list[Row]
    compared: bool
    new: int = 0
    new_shares: Decimal = Decimal(0)
    gone: int = 0
    gone_shares: Decimal = Decimal(0)
    came: tuple[tuple[str, Decimal], ...] = ()
    went: tuple[tuple[str, Decimal], ...] = ()


def by_tier(
    now: pl.DataFrame, before: pl.DataFrame | None, pair: Pair, most: int
) -> list[TierSymbols]:
    """Symbols of each loaded tier.

    Args:
        now: `otc_symbol_summary` of the week.
        before: The same of the earlier week of the pair.
        pair: What can be compared.
        most: Rows of each list.
    """
    found = []
    for tier in Tier:
        mine = now.filter(pl.col("tier") == tier.value)
        if not mine.height:
            continue
        classes = pair.classes(tier.value)
        if before is None or not classes:
            top = _largest(mine, most).with_columns(change_pct=pl.lit(None, pl.Float64))
            found.append(TierSymbols(tier.value, mine.height, top.to_dicts(), [], False))
        else:
            found.append(_compared(tier.value, mine, before, classes, most))
    return found


def _compared(
    tier: str, now: pl.DataFrame, before: pl.DataFrame, classes: Collection[str], most: int
) -> TierSymbols:
    earlier = before.filter(pl.col("tier") == tier)
    moved = _like(now, classes).join(
        _like(earlier, classes), on="symbol", how="full", coalesce=True, suffix="_before"
    )
    change = pl.col("volume") - pl.col("volume_before")
    moved = moved.with_columns(
        change=change,
        change_pct=change.cast(pl.Float64) / pl.col("volume_before").cast(pl.Float64) * 100,
    )
    new = moved.filter(pl.col("volume_before").is_null())
    gone = moved.filter(pl.col("volume").is_null())
    order = pl.col("change").cast(pl.Float64).abs()
    stayed = moved.filter(pl.col("change").is_not_null() & (pl.col("change") != 0))
    movers = stayed.sort(order, pl.col("symbol"), descending=[True, False]).head(most)
    top = _largest(now, most).join(
        moved.select("symbol", "change_pct"), on="symbol", how="left", maintain_order="left"
    )
    return TierSymbols(
        tier,
        now.height,
        top.to_dicts(),
        movers.to_dicts(),
        True,
        new.height,
        exact_sum(new["volume"]),
        gone.height,
        exact_sum(gone["volume_before"]),
        _named(new, "volume"),
        _named(gone, "volume_before"),
    )


def _like(summary: pl.DataFrame, classes: Collection[str]) -> pl.DataFrame:
    """Symbol and volume over some classes; a symbol without volume in them has no row."""
    volume = pl.sum_horizontal(_VOLUMES[name] for name in sorted(classes))
    return summary.select("symbol", volume=volume).filter(pl.col("volume") > 0)


def _named(frame: pl.DataFrame, volume: str) -> tuple[tuple[str, Decimal], ...]:
    ordered = frame.sort(volume, "symbol", descending=[True, False]).head(_NAMED)
    return tuple(ordered.select("symbol", volume).iter_rows())


def _largest(summary: pl.DataFrame, most: int) -> pl.DataFrame:
    return summary.sort("total_volume", "symbol", descending=[True, False]).head(most)
