"""Views of venues over the weeks: `otc_venue_trend` and `otc_tier_venue_share`.

Every share is one of reported off-exchange volume, never of all trading. A firm that
files have by CRD and by name is one venue: that of `otc_venues`.
"""

from __future__ import annotations

from dataclasses import replace

from spine_assets.core.tables import Column, Type
from spine_assets.core.views import View
from spine_assets.otc.tables import columns as c

_SHARES, _VENUES = "otc_venue_share", "otc_venue_volume"
_DAYS = (("otc_weeks_calendar", "trading_days"),)
_LOADED = ((_VENUES, "week_ending"), (_VENUES, "tier"), (_VENUES, "venue_class"))
_VOLUME = ((_VENUES, "share_volume"),)
_MPID = replace(c.MPID, description="The venue: venue_id of otc_venues")

_RANK_CHANGE = Column("rank_change", Type.COUNT, "Ranks moved up (positive) or down", nullable=True)


def _is_new(description: str) -> Column:
    return Column("is_new", Type.FLAG, description, nullable=True)


def _prior(name: str) -> tuple[tuple[str, str], ...]:
    return ((_SHARES, name), *_LOADED)


TREND = View(
    name="otc_venue_trend",
    description="A venue's week against the prior week and the six calendar weeks that end with "
    "it. Two weeks are comparable where the same tiers and classes are loaded. A firm that the "
    "files of a week have by CRD and by name is one venue: volumes are summed, and shares and "
    "ranks are of the sums. A venue that had a row in the prior week and has none now has no "
    "row here. class_rank ranks by FINRA's own totals where these are in: of firms outside of ATSs "
    "rows name only a part, since small volume is pooled by symbol.",
    grain="week x venue",
    key=("week_ending", "mpid"),
    deps=(_VENUES, _SHARES, "otc_weeks_calendar"),
    columns=(
        c.WEEK_ENDING,
        _MPID,
        c.VENUE_CLASS,
        c.VENUE_NAME,
        c.shares("total_volume", "Shares over all symbols"),
        c.percentage("market_share_pct", "Part of all reported off-exchange shares loaded"),
        c.percentage("class_share_pct", "Part of the shares loaded of its class"),
        c.rank("rank", "1 = largest total_volume, ties share a rank (1-1-3); null for a bucket"),
        c.shares(
            "reported_total_volume",
            "FINRA's own total of the venue; null where it is not in",
            nullable=True,
        ),
        c.rank(
            "class_rank",
            "1 = largest of its class: by FINRA's totals, among all firms, where these are in for "
            "the loaded tiers of the class; else by total_volume",
        ),
        Column(
            "class_rank_basis",
            Type.TEXT,
            "What the ranks of its class are by: FINRA's totals, or total_volume of rows",
            isin=("FINRA", "rows"),
        ),
        c.PRIOR_WEEK,
        c.percentage("prior_market_share_pct", "market_share_pct of the prior week, if comparable"),
        c.percentage("prior_class_share_pct", "class_share_pct of the prior week, if comparable"),
        c.rank("prior_rank", "rank of the prior week, if comparable"),
        c.change("share_change_points", "Change of market_share_pct", "percentage points"),
        c.change("class_share_change_points", "Change of class_share_pct", "percentage points"),
        _RANK_CHANGE,
        c.window_weeks(
            "window_weeks_loaded", "Of the six weeks, those with the same tiers and classes as here"
        ),
        c.window_weeks("window_weeks_traded", "Of those, weeks with a row of the venue"),
        c.percentage("avg_6w_class_share_pct", "Mean of class_share_pct over the weeks with a row"),
        _is_new("No row in the prior week; null where that is not comparable"),
        c.IS_COMPARABLE,
        c.TRADING_DAYS,
        c.IS_COMPLETE,
    ),
    formulas={
        "market_share_pct": "100 x v / sum(v) within week_ending",
        "class_share_pct": "100 x v / sum(v) within week_ending and venue_class",
        "rank": "rank by total_volume within week_ending",
        "class_rank": "rank by reported_total_volume, else by total_volume, within week_ending and "
        "venue_class",
        "share_change_points": "market_share_pct - prior_market_share_pct",
        "class_share_change_points": "class_share_pct - prior_class_share_pct",
        "rank_change": "prior_rank - rank",
        "avg_6w_class_share_pct": "sum(class_share_pct) / window_weeks_traded",
        "is_comparable": "both weeks have the same tiers, each with the same classes",
    },
    lineage={
        name: ((_SHARES, name),)
        for name in (*("week_ending", "venue_class", "venue_name", "total_volume"),)
    }
    | {
        "mpid": ((_SHARES, "mpid"), (_SHARES, "venue_name")),
        **dict.fromkeys(
            ("market_share_pct", "class_share_pct", "rank"), ((_SHARES, "total_volume"),)
        ),
        "reported_total_volume": ((_SHARES, "reported_total_volume"),),
        "class_rank": ((_SHARES, "total_volume"), (_SHARES, "reported_rank")),
        "class_rank_basis": ((_SHARES, "reported_rank"),),
        "prior_week_ending": _LOADED,
        "prior_market_share_pct": _prior("total_volume"),
        "prior_class_share_pct": _prior("total_volume"),
        "prior_rank": _prior("total_volume"),
        "share_change_points": _prior("total_volume"),
        "class_share_change_points": _prior("total_volume"),
        "rank_change": _prior("total_volume"),
        "window_weeks_loaded": _LOADED,
        "avg_6w_class_share_pct": _prior("total_volume"),
        "is_new": _prior("mpid"),
        "is_comparable": _LOADED,
        "trading_days": _DAYS,
        "is_complete": _LOADED,
    },
)

TIER_SHARE = View(
    name="otc_tier_venue_share",
    description="A venue's week in one tier, so that shares of cheap stocks do not swamp those of "
    "the others: volume, rank and part of its class in the tier, beside those of the prior week. A "
    "venue that had a row in the prior week and has none now has no row here.",
    grain="week x tier x class x venue",
    key=("week_ending", "tier", "venue_class", "mpid"),
    deps=(_VENUES, _SHARES, "otc_weeks_calendar"),
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.VENUE_CLASS,
        _MPID,
        c.VENUE_NAME,
        c.shares_sum("share_volume", "Shares over all symbols of the tier"),
        c.trades("trade_count", "Trades over all symbols of the tier"),
        Column("symbol_count", Type.COUNT, "Symbols traded by the venue", "symbols", ge=1),
        c.percentage("tier_class_share_pct", "Part of the shares of its class in the tier"),
        c.percentage("tier_share_pct", "Part of the tier's shares, all classes loaded"),
        c.rank(
            "rank",
            "1 = largest share_volume of its class in the tier, ties share a rank (1-1-3); null "
            "for a bucket",
        ),
        c.AVG_TRADE_SIZE,
        Column(
            "prior_week_ending",
            Type.DATE,
            "Nearest earlier week with this class of the tier, at most 4 weeks before; null when "
            "there is none",
            nullable=True,
        ),
        c.percentage("prior_tier_class_share_pct", "tier_class_share_pct of the prior week"),
        c.rank("prior_rank", "rank of the prior week"),
        c.change(
            "tier_class_share_change_points",
            "Change of tier_class_share_pct",
            "percentage points",
        ),
        _RANK_CHANGE,
        _is_new("No row in the prior week; null where there is none"),
        Column("is_comparable", Type.FLAG, "There is a prior week of this class of the tier"),
        c.TRADING_DAYS,
        c.IS_COMPLETE,
    ),
    formulas={
        "tier_class_share_pct": "100 x v / sum(v) within week_ending, tier and venue_class",
        "tier_share_pct": "100 x v / sum(v) within week_ending and tier",
        "rank": "rank by share_volume within week_ending, tier and venue_class",
        "avg_trade_size": "share_volume / trade_count",
        "tier_class_share_change_points": "tier_class_share_pct - prior_tier_class_share_pct",
        "rank_change": "prior_rank - rank",
        "is_comparable": "prior_week_ending is not null",
    },
    lineage={
        name: ((_VENUES, name),)
        for name in (
            *("week_ending", "tier", "venue_class", "venue_name"),
            *("share_volume", "trade_count"),
        )
    }
    | {
        "mpid": ((_VENUES, "mpid"), (_SHARES, "mpid"), (_SHARES, "venue_name")),
        "symbol_count": ((_VENUES, "symbol"),),
        "tier_class_share_pct": _VOLUME,
        "tier_share_pct": _VOLUME,
        "rank": _VOLUME,
        "avg_trade_size": (*_VOLUME, (_VENUES, "trade_count")),
        "prior_week_ending": _LOADED,
        "prior_tier_class_share_pct": (*_VOLUME, *_LOADED),
        "prior_rank": (*_VOLUME, *_LOADED),
        "tier_class_share_change_points": (*_VOLUME, *_LOADED),
        "rank_change": (*_VOLUME, *_LOADED),
        "is_new": ((_VENUES, "mpid"), *_LOADED),
        "is_comparable": _LOADED,
        "trading_days": _DAYS,
        "is_complete": _LOADED,
    },
)
