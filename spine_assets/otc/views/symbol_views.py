"""Views of symbols over the weeks: `otc_symbol_week`, `otc_symbol_trend` and `otc_movers`.

Absence is not zero: a symbol without a row in a loaded week has no figure there, and a week that
is not loaded is a gap. The views show both and fill neither. Weeks are compared if the same classes
(ATS, NON_ATS) of the tier are loaded in both.
"""

from __future__ import annotations

from dataclasses import replace

from spine_assets.core.tables import Column, Type
from spine_assets.core.views import View
from spine_assets.otc.tables import columns as c

_SUMMARY, _VENUES = "otc_symbol_summary", "otc_venue_volume"
_DEPS = (_VENUES, _SUMMARY, "otc_weeks_calendar")
_VOLUME = ((_SUMMARY, "total_volume"),)
_LOADED = ((_VENUES, "week_ending"), (_VENUES, "tier"), (_VENUES, "venue_class"))
_KEY = {name: ((_SUMMARY, name),) for name in ("week_ending", "tier", "symbol")}

_BY_VENUE = ((_VENUES, "share_volume"), (_VENUES, "mpid"))
_BY_CLASS = ((_VENUES, "share_volume"), *_LOADED)
_SHARES_OF = ((_VENUES, "share_volume"),)

WEEK = View(
    name="otc_symbol_week",
    description="A symbol's week over all tiers and classes that are loaded, beside the prior "
    "week. A symbol that stands in two tiers of a week has one row; a firm that files have by CRD "
    "and by name is one venue. What is not loaded is null, not 0.",
    grain="week x symbol",
    key=("week_ending", "symbol"),
    deps=(_VENUES, "otc_venue_share", "otc_weeks_calendar"),
    columns=(
        c.WEEK_ENDING,
        c.SYMBOL,
        Column("issue_name", Type.TEXT, "Its latest name in the week"),
        Column("tiers", Type.TEXT_LIST, "Tiers with a row of the symbol, sorted"),
        Column("classes", Type.TEXT_LIST, "Classes loaded for each of these tiers, sorted"),
        c.shares_sum("total_volume", "Shares over all venues, buckets included"),
        c.trades("total_trades", "Trades over all venues, buckets included"),
        c.shares_sum(
            "ats_volume", "Of total_volume on ATSs; null unless loaded for its tiers", nullable=True
        ),
        c.shares_sum(
            "non_ats_volume",
            "Of total_volume outside ATSs, bucket included; null unless loaded for its tiers",
            nullable=True,
        ),
        c.percentage("ats_share_pct", "Part of ATSs; null unless classes has both"),
        c.AVG_TRADE_SIZE,
        c.VENUE_COUNT,
        c.TOP_MPID,
        c.TOP_SHARE,
        c.HHI,
        c.PRIOR_WEEK,
        c.shares_sum(
            "prior_volume",
            "Shares of the prior week; null if not comparable or without a row then",
            nullable=True,
        ),
        Column(
            "volume_change",
            Type.SHARES_SUM,
            "Change of shares; null without prior_volume",
            "shares",
            nullable=True,
        ),
        c.change("volume_change_pct", "volume_change in percent; null of 0"),
        replace(c.IS_COMPARABLE, description="The prior week has the same tiers and classes"),
        c.TRADING_DAYS,
        c.IS_COMPLETE,
    ),
    formulas={
        "total_volume": "sum(share_volume) over tiers, classes and venues",
        "ats_share_pct": "100 x ats_volume / total_volume",
        "avg_trade_size": "total_volume / total_trades",
        "top_share_pct": "100 x v / V of top_mpid",
        "hhi": "sum((v / V)^2) over identified venues, V = total_volume",
        "volume_change": "v - w, with w the volume of the prior week",
        "volume_change_pct": "100 x (v - w) / w",
        "is_comparable": "both weeks have the same tiers, each with the same classes",
    },
    lineage={
        **{name: ((_VENUES, name),) for name in ("week_ending", "symbol", "issue_name")},
        "tiers": ((_VENUES, "tier"),),
        "classes": _LOADED,
        "total_volume": _SHARES_OF,
        "total_trades": ((_VENUES, "trade_count"),),
        **dict.fromkeys(("ats_volume", "non_ats_volume", "ats_share_pct"), _BY_CLASS),
        "avg_trade_size": (*_SHARES_OF, (_VENUES, "trade_count")),
        "venue_count": ((_VENUES, "mpid"),),
        **dict.fromkeys(("top_mpid", "top_share_pct", "hhi"), _BY_VENUE),
        "prior_week_ending": _LOADED,
        **dict.fromkeys(("prior_volume", "volume_change", "volume_change_pct"), _SHARES_OF),
        "is_comparable": _LOADED,
        "trading_days": (("otc_weeks_calendar", "trading_days"),),
        "is_complete": _LOADED,
    },
)

TREND = View(
    name="otc_symbol_trend",
    description="A symbol's week against the six calendar weeks that end with it. Weeks that are "
    "not loaded, or with other classes of the tier, are missing from the window; weeks in which "
    "the symbol has no row are absent from it; neither counts as zero.",
    grain="week x tier x symbol",
    key=("week_ending", "tier", "symbol"),
    deps=_DEPS,
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.SYMBOL,
        c.shares("total_volume", "Shares over all venues, bucket included"),
        c.trades("total_trades", "Trades over all venues, bucket included"),
        c.shares("ats_volume", "Of total_volume on ATSs; null where none is loaded", nullable=True),
        c.shares(
            "non_ats_volume",
            "Of total_volume outside ATSs, bucket included; null where no such file is loaded",
            nullable=True,
        ),
        Column("classes", Type.TEXT_LIST, "Classes of the tier that are loaded, sorted"),
        c.window_weeks(
            "window_weeks_loaded",
            "Weeks of the window in which the tier is loaded with the same classes as here",
        ),
        c.window_weeks("window_weeks_traded", "Of those, weeks with a row of the symbol"),
        Column("avg_6w_volume", Type.RATIO, "Mean over the weeks with a row", "shares", ge=0),
        c.shares("min_6w_volume", "Least over the weeks with a row"),
        c.shares("max_6w_volume", "Greatest over the weeks with a row"),
        Column("avg_6w_trades", Type.RATIO, "Mean over the weeks with a row", "trades", ge=0),
        Column(
            "trend",
            Type.TEXT,
            "The week against the mean of the window's other weeks; null where the window is not "
            "complete or the mean is unknown or 0",
            nullable=True,
            isin=("UP", "DOWN", "FLAT"),
        ),
        c.change("volume_vs_avg_pct", "The week against the mean of the window's other weeks"),
        Column("is_complete_window", Type.FLAG, "All six weeks are loaded with the same classes"),
        Column(
            "missing_weeks",
            Type.DATE_LIST,
            "Weeks of the window (since 2014-05-16) not loaded, or loaded with other classes",
        ),
        Column("absent_weeks", Type.DATE_LIST, "Weeks that are loaded without a row of the symbol"),
        Column("holiday_weeks", Type.DATE_LIST, "Weeks of the window of fewer than 5 trading days"),
        c.TRADING_DAYS,
        c.IS_COMPLETE,
    ),
    formulas={
        "avg_6w_volume": "sum(v) / n over the n weeks of the window with a row",
        "avg_6w_trades": "sum(trades) / n over the same weeks",
        "volume_vs_avg_pct": "100 x (v - m) / m, with m the mean of the n - 1 other weeks; null "
        "where n = 1 or m = 0",
        "trend": "UP where volume_vs_avg_pct > 10, DOWN where < -10, else FLAT",
        "is_complete_window": "window_weeks_loaded = 6",
    },
    lineage=_KEY
    | {
        "total_volume": _VOLUME,
        "total_trades": ((_SUMMARY, "total_trades"),),
        "ats_volume": ((_SUMMARY, "ats_volume"), *_LOADED),
        "non_ats_volume": ((_SUMMARY, "non_ats_volume"), *_LOADED),
        "classes": _LOADED,
        "window_weeks_loaded": _LOADED,
        **dict.fromkeys(("avg_6w_volume", "min_6w_volume", "max_6w_volume"), _VOLUME),
        "avg_6w_trades": ((_SUMMARY, "total_trades"),),
        "trend": _VOLUME,
        "volume_vs_avg_pct": _VOLUME,
        "missing_weeks": _LOADED,
        "holiday_weeks": (("otc_weeks_calendar", "trading_days"),),
        "trading_days": (("otc_weeks_calendar", "trading_days"),),
        "is_complete": _LOADED,
    },
)

MOVERS = View(
    name="otc_movers",
    description="A symbol's week against the prior week of its tier, with symbols that came "
    "(NEW) and went (GONE). Where nothing earlier is comparable, kind and changes are null. A "
    "symbol that moved to another tier is GONE in the one and NEW in the other.",
    grain="week x tier x symbol",
    key=("week_ending", "tier", "symbol"),
    deps=_DEPS,
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.SYMBOL,
        Column(
            "issue_name",
            Type.TEXT,
            "Its latest name in the week, of one that is gone in the prior week",
        ),
        c.shares("total_volume", "Shares over all venues; null if gone", nullable=True),
        c.PRIOR_WEEK,
        c.shares(
            "prior_volume", "Shares of the prior week; null if new or not comparable", nullable=True
        ),
        Column(
            "volume_change",
            Type.SHARES_SUM,
            "Change of shares; null unless both weeks have a row",
            "shares",
            nullable=True,
        ),
        c.change("volume_change_pct", "volume_change in percent; null of 0"),
        Column(
            "kind",
            Type.TEXT,
            "UP, DOWN or SAME; NEW without a row in the prior week; GONE without one now; null "
            "where no earlier week is comparable",
            nullable=True,
            isin=("UP", "DOWN", "SAME", "NEW", "GONE"),
        ),
        c.rank(
            "mover_rank",
            "1 = largest change, up or down, of the week and tier, ties share a rank (1-1-3); "
            "null without a change",
        ),
        c.TRADING_DAYS,
        c.PRIOR_TRADING_DAYS,
        c.change(
            "volume_change_per_day_pct",
            "Change of the volume per trading day, so that a week with a holiday does not look "
            "like a decline; null if the earlier volume is 0",
        ),
        c.IS_COMPARABLE,
        c.IS_COMPLETE,
    ),
    formulas={
        "volume_change": "v - w, with w the volume of the prior week",
        "volume_change_pct": "100 x (v - w) / w",
        "mover_rank": "rank by abs(volume_change) within week_ending and tier",
        "volume_change_per_day_pct": "100 x (v / d - w / e) / (w / e), with d and e the trading "
        "days of the two weeks",
        "is_comparable": "the tier has the same classes in both weeks",
    },
    lineage=_KEY
    | {
        "issue_name": ((_VENUES, "issue_name"),),
        "total_volume": _VOLUME,
        "prior_week_ending": _LOADED,
        "prior_volume": _VOLUME,
        **dict.fromkeys(("volume_change", "volume_change_pct", "kind", "mover_rank"), _VOLUME),
        "trading_days": (("otc_weeks_calendar", "trading_days"),),
        "prior_trading_days": (("otc_weeks_calendar", "trading_days"),),
        "volume_change_per_day_pct": (*_VOLUME, ("otc_weeks_calendar", "trading_days")),
        "is_comparable": _LOADED,
        "is_complete": _LOADED,
    },
)
