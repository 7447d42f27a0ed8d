"""What the page of a week shows: the values of its template, and the figures of its stamp.

Belongs here: putting together what `market`, `symbols`, `trend` and `notes` compute. Does not
belong here: the computing, and when a page is made (`building`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date
from typing import Any

from spine_assets.core.tables import exact_sum
from spine_assets.core.values import number
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.freshness import build_facts, part_of
from spine_assets.otc.state.results import CheckResult
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import market, notes, symbols
from spine_assets.report.source import Source, issue_names

_MOST_SYMBOLS = 8  # of each tier, in each list: three tiers fit on two printed pages
_MOST_VENUES = 25
_METADATA_ROWS = 10


def values(place: RunContext, source: Source, results: Sequence[CheckResult]) -> dict[str, Any]:
    """All that the page shows, by the names in its template."""
    now = place.now().astimezone(UTC)
    totals = source.pair.now.frame
    by_tier = symbols.by_tier(source.summary, source.summary_before, source.pair, _MOST_SYMBOLS)
    listed = [row["symbol"] for tier in by_tier for row in (*tier.top, *tier.movers)]
    reasons, lines = notes.rejects(source)
    is_complete = not source.pair.now.missing
    concentrations, checks = market.concentrations(totals), notes.checks(results)
    arrived = notes.arrivals(place, source, now.date())
    return {
        "week": source.week,
        "trading_days": notes.trading_days(source.week),
        "built_at": now,
        "is_complete": is_complete,
        "is_overdue": notes.is_overdue(arrived),
        "caveats": notes.caveats(source, is_complete),
        "is_synthetic": source.known.is_synthetic,
        "limits": source.pair.limits,
        "is_alike": source.pair.is_alike,
        "against": source.pair.before.week if source.pair.before else None,
        "change_pct": market.change_pct(source.pair),
        "shares": exact_sum(source.shares["total_volume"]),
        "trades": int(source.shares["total_trades"].sum()),
        "symbol_count": source.summary["symbol"].n_unique(),
        "venues": market.venue_rows(source.shares, source.pair),
        "has_finras_ranks": source.shares["reported_rank"].count() > 0,
        "most_venues": _MOST_VENUES,
        "gone": market.gone(source.pair),
        "concentrations": concentrations,
        "concentration_rows": [
            {"of": scope, **vars(row), "effective_venues": row.effective_venues}
            for scope, row in concentrations
        ],
        "split": market.class_split(totals),
        "tiers": by_tier,
        "venue_names": source.venues.names,
        "names": issue_names(place.lake, source.week, listed),
        "arrivals": arrived,
        "points": source.points,
        "reasons": reasons,
        "lines": lines,
        "checks": checks,
        "check_rows": [{n: v for n, v in row.items() if n != "samples"} for row in checks],
        "restated": source.restated.sort("displaced_at", "tier", "venue_class", "step").to_dicts(),
        "captures": list(source.known.current.values()),
        "builds": _builds(place, source.week),
    }


def _builds(place: RunContext, week: date) -> dict[str, str]:
    """The build of each derived table that the page is made from."""
    parts = {table.name: part_of(place.lake, table.name, week) for table in TABLES[1:]}
    return {n: build_facts(place.lake, part)["facts"]["build_id"] for n, part in parts.items()}


def facts(source: Source, page: dict[str, Any], results: Sequence[CheckResult]) -> dict[str, Any]:
    """Figures of the page, by names with units, for its stamp, the index and run metadata."""
    market_wide = page["concentrations"][0][1] if page["concentrations"] else None
    top_mpid = market_wide.top_mpid if market_wide else None
    outcomes = [notes.outcome(item) for item in results]
    split = page["split"][-1] if page["split"] else {"ats_pct": None}
    movers = [
        {"tier": tier.tier, "symbol": row["symbol"], "change_shares": number(row["change"])}
        | {"change_pct": _rounded(row["change_pct"], 1)}
        for tier in page["tiers"]
        for row in tier.movers
    ]
    movers.sort(key=lambda row: (-abs(row["change_shares"]), row["symbol"]))
    return {
        "week_ending": str(source.week),
        "is_complete": page["is_complete"],
        "is_synthetic": page["is_synthetic"],
        "trading_days": source.points[-1].sessions,
        "tiers_in": sorted({tier for tier, _ in source.pair.now.groups}),
        "tiers_missing": source.pair.now.missing,
        "classes_in": sorted({cls for _, cls in source.pair.now.groups}),
        "shares": number(page["shares"]),
        "trades": page["trades"],
        "change_pct": _rounded(page["change_pct"], 6),
        "against": str(page["against"]) if page["against"] else None,
        "symbols": page["symbol_count"],
        "venues": market_wide.venues if market_wide else 0,
        "hhi": _rounded(market_wide.hhi if market_wide else None, 6),
        "hhi_high": _rounded(market_wide.hhi_high if market_wide else None, 6),
        "top_venue": source.venues.names.get(top_mpid, top_mpid) if top_mpid else None,
        "top_mpid": top_mpid,
        "top_share_pct": _rounded(market_wide.top_share_pct if market_wide else None, 3),
        "ats_pct": _rounded(split["ats_pct"], 6),
        "rejects": source.rejects.height,
        "checks_warned": outcomes.count("warned"),
        "checks_failed": outcomes.count("failed"),
        "restatements": source.restated.height,
        "built_at": f"{page['built_at']:%Y-%m-%d %H:%M:%S}",
        "movers": movers[:_METADATA_ROWS],
    }


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)
