"""Figures of a built week that Dagster shows and plots: numbers by name, and short lists of rows.

Each function takes a table's frame and returns plain values. Does not belong here: what is wrong
with a week (checks) and comparisons of weeks (`report`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from spine_assets.core.tables import exact_sum
from spine_assets.core.values import metadata_value, number
from spine_assets.core.weeks import VenueClass
from spine_assets.otc.delivery.reasons import ADVICE, RejectReason
from spine_assets.otc.tables.concentration import concentration

Figures = dict[str, Any]

_LISTED = 10  # rows that fit beside a graph
_PLACES = 6  # an HHI needs as many; a table cell holds them


def of_rejects(frame: pl.DataFrame) -> Figures:
    """`otc_rejects`: lines by reason, and what to do about each."""
    counted = frame.group_by("stage", "reason").agg(
        lines=pl.len(), shares=pl.col("share_volume").sum()
    )
    rows = counted.sort("lines", "stage", "reason", descending=[True, False, False])
    by_reason = dict(frame.group_by("reason").len().sort("reason").iter_rows())
    listed = [row | {"advice": ADVICE[RejectReason(row["reason"])]} for row in _plain(rows)]
    return {**by_reason, **({"by_reason": listed} if listed else {})}


def of_venue_volume(frame: pl.DataFrame) -> Figures:
    """`otc_venue_volume`: trades, symbols, venues, the mean trade, and the ATS part of shares."""
    trades, shares = int(frame["trade_count"].sum()), float(exact_sum(frame["share_volume"]))
    return {
        "trades": trades,
        "symbols": frame["symbol"].n_unique(),
        "venues": frame["mpid"].n_unique(),
        "avg_trade_size": round(shares / trades, 3) if trades else None,
        "ats_pct": _rounded(_ats_pct(frame), 3),
    }


def of_symbol_summary(frame: pl.DataFrame) -> Figures:
    """`otc_symbol_summary`: trades, symbols on one venue alone, and the largest symbols."""
    alone = frame.filter(pl.col("venue_count") == 1).height
    ordered = frame.sort("total_volume", "symbol", descending=[True, False]).head(_LISTED)
    shown = ["symbol", "tier", "total_volume", "total_trades", "venue_count", "top_mpid", "hhi"]
    return {
        "trades": int(frame["total_trades"].sum()),
        "single_venue_pct": round(100 * alone / frame.height, 3) if frame.height else None,
        "top_symbols": _plain(ordered.select(shown)),
    }


def of_venue_share(frame: pl.DataFrame) -> Figures:
    """`otc_venue_share`: concentration of the week, and the largest venues."""
    market = concentration(frame)
    ordered = frame.sort("total_volume", "mpid", descending=[True, False]).head(_LISTED)
    shown = ["rank", "venue_name", "mpid", "venue_class", "total_volume", "market_share_pct"]
    return {
        "trades": int(frame["total_trades"].sum()),
        "venues": market.venues,
        "hhi": _rounded(market.hhi, 6),
        "hhi_high": _rounded(market.hhi_high, 6),
        "top_mpid": market.top_mpid,
        "top_share_pct": _rounded(market.top_share_pct, 3),
        "top_venues": _plain(ordered.select(shown)),
    }


def of_restatements(frame: pl.DataFrame) -> Figures:
    """`otc_restatements`: the largest change by which another capture came to count."""
    changes = [abs(value) for value in frame["share_change_pct"].to_list() if value is not None]
    return {"largest_change_pct": round(max(changes), 4) if changes else 0.0}


def _ats_pct(venues: pl.DataFrame) -> float | None:
    """ATS part of shares; None, not 0 or 100, unless each loaded tier has both classes."""
    volumes = venues.group_by("tier", "venue_class").agg(pl.col("share_volume").sum())
    ats = volumes.filter(pl.col("venue_class") == VenueClass.ATS.value)
    total = exact_sum(volumes["share_volume"])
    if volumes.height != 2 * volumes["tier"].n_unique() or not total:
        return None
    return float(exact_sum(ats["share_volume"]) / total * 100)


def _plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows for a table in an event's metadata."""
    return [
        {name: _shown(value) for name, value in row.items()} for row in frame.iter_rows(named=True)
    ]


def _shown(value: Any) -> Any:
    if isinstance(value, Decimal):
        return number(value)
    return round(value, _PLACES) if isinstance(value, float) else metadata_value(value)


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)
