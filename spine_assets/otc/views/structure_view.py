"""`otc_market_structure`: how a week's off-exchange volume is spread over classes and venues.

`hhi` and `hhi_high` are those of `otc_symbol_summary` (`otc.tables.concentration`).
"""

from __future__ import annotations

from dataclasses import replace

from spine_assets.core.tables import Column, Type
from spine_assets.core.views import View
from spine_assets.core.weeks import Tier
from spine_assets.otc.tables import columns as c

_SUMMARY, _VENUES = "otc_symbol_summary", "otc_venue_volume"
_VOLUME = ((_VENUES, "share_volume"),)
_BY_CLASS = (*_VOLUME, (_VENUES, "venue_class"))
_BY_VENUE = (*_VOLUME, (_VENUES, "mpid"))
_SHARES = "otc_venue_share"
_ALL = "ALL"

STRUCTURE = View(
    name="otc_market_structure",
    description="A week's reported off-exchange volume by tier and, as tier ALL, over the loaded "
    "tiers: classes, venues, concentration. A firm that files of a week have by CRD and by name is "
    "one venue.",
    grain="week x tier, and ALL tiers of the week",
    key=("week_ending", "tier"),
    deps=(_VENUES, _SUMMARY, _SHARES, "otc_weeks_calendar"),
    columns=(
        c.WEEK_ENDING,
        replace(
            c.TIER,
            description="FINRA's group of issues; ALL for the loaded ones together",
            isin=(*(tier.value for tier in Tier), _ALL),
        ),
        c.shares_sum("total_volume", "Shares, buckets included"),
        c.trades("total_trades", "Trades, buckets included"),
        c.shares_sum("ats_volume", "Shares on ATSs; null where no ATS is loaded", nullable=True),
        c.shares_sum(
            "non_ats_volume",
            "Shares of broker-dealers outside ATSs, bucket included; null where none is loaded",
            nullable=True,
        ),
        c.percentage("ats_share_pct", "Part of ATSs; null unless classes has both"),
        Column(
            "classes", Type.TEXT_LIST, "Classes loaded, sorted; of ALL those of every loaded tier"
        ),
        c.VENUE_COUNT,
        Column(
            "symbol_count",
            Type.COUNT,
            "Symbols, in ALL each once, as some stand in two tiers; null while "
            "otc_symbol_summary of the week is not built",
            "symbols",
            nullable=True,
            ge=1,
        ),
        c.HHI,
        c.HHI_HIGH,
        Column(
            "effective_venues",
            Type.RATIO,
            "So many venues of one size would be as concentrated; null where hhi is 0",
            "venues",
            nullable=True,
            ge=0,
        ),
        Column(
            "venues_per_symbol",
            Type.RATIO,
            "Mean of identified venues a symbol",
            "venues/symbol",
            nullable=True,
            ge=0,
        ),
        c.percentage("single_venue_symbols_pct", "Symbols with exactly one identified venue"),
        replace(
            c.TOP_MPID,
            description="Identified venue of the largest volume, as in otc_venues; ties by mpid",
        ),
        Column("top_venue_name", Type.TEXT, "Name of top_mpid in the week", nullable=True),
        c.TOP_SHARE,
        c.AVG_TRADE_SIZE,
        c.TRADING_DAYS,
        c.IS_COMPLETE,
    ),
    formulas={
        "ats_share_pct": "100 x ats_volume / total_volume",
        "hhi": "sum((v / V)^2) over identified venues, V = total_volume",
        "hhi_high": "hhi + sum((bucket / V)^2) over buckets",
        "effective_venues": "1 / hhi",
        "venues_per_symbol": "sum of the symbols' identified venues / symbol_count",
        "single_venue_symbols_pct": "100 x symbols of one identified venue / symbol_count",
        "top_share_pct": "100 x v / V of top_mpid",
        "avg_trade_size": "total_volume / total_trades",
    },
    lineage={
        "week_ending": ((_VENUES, "week_ending"),),
        "tier": ((_VENUES, "tier"),),
        "total_volume": _VOLUME,
        "total_trades": ((_VENUES, "trade_count"),),
        **dict.fromkeys(("ats_volume", "non_ats_volume", "ats_share_pct"), _BY_CLASS),
        "classes": ((_VENUES, "venue_class"),),
        "venue_count": ((_VENUES, "mpid"),),
        "symbol_count": ((_SUMMARY, "symbol"),),
        **dict.fromkeys(("hhi", "hhi_high", "effective_venues"), _BY_VENUE),
        "venues_per_symbol": ((_SUMMARY, "venue_count"),),
        "single_venue_symbols_pct": ((_SUMMARY, "venue_count"),),
        **dict.fromkeys(("top_mpid", "top_share_pct"), _BY_VENUE),
        "top_venue_name": (*_BY_VENUE, (_SHARES, "venue_name")),
        "avg_trade_size": (*_VOLUME, (_VENUES, "trade_count")),
        "trading_days": (("otc_weeks_calendar", "trading_days"),),
        "is_complete": ((_VENUES, "tier"), (_VENUES, "venue_class")),
    },
)
