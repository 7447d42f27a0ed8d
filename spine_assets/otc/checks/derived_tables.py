"""Checks of the derived tables: against what they are made from, and the weeks before.

Reconciliations are counted by DuckDB on the Parquet files that are about to be
published, so that neither the builder (Polars) nor the writer vouches for itself.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import polars as pl

from spine_assets.core.tables import exact_sum
from spine_assets.core.values import metadata_value, number
from spine_assets.lake.base import LakeError
from spine_assets.otc.checks.context import CheckContext, sample
from spine_assets.otc.delivery.venue_id import known_by_crd
from spine_assets.otc.state.results import CheckResult, Severity
from spine_assets.otc.tables import raw, rejects, venue_volume

_VENUES = venue_volume.TABLE.name
_LOOK_BACK_WEEKS = 4  # further back, venues and symbols differ for good reasons
_MOST_VENUE_LOSS = 0.20
_MOST_VOLUME_SWING = 0.50
_MOST_SHIFT_POINTS = 10.0
# Above FINRA's p95 of shares per trade (about 17,000) by far; a block of a penny stock
# may pass it, so it is a warning.
_OUTLYING_TRADE_SHARES = 10_000_000
_NAMED_SYMBOLS = 5  # in a summary; the sample has more
_NOT_PUBLISHED = "The old file stays and nothing was published; report it with this sample."


def venue_volume_reconciles(context: CheckContext) -> CheckResult:
    """Current raw rows = venue rows + rule rejects, in rows and shares."""
    counts = context.query(
        "reconcile_venue_volume",
        raw=context.files[raw.TABLE.name],
        rejects=context.files[rejects.TABLE.name],
        venue_volume=context.files[_VENUES],
    ).row(0, named=True)
    facts = {name: number(value) for name, value in counts.items()}
    rows_off = counts["raw_rows"] - counts["venue_rows"] - counts["reject_rows"]
    shares_off = counts["raw_shares"] - counts["venue_shares"] - counts["reject_shares"]
    summary = (
        f"{facts['raw_rows']:,} raw rows = {facts['venue_rows']:,} in venue rows + "
        f"{facts['reject_rows']:,} rule rejects; shares agree"
    )
    if rows_off or shares_off:
        summary = f"{rows_off} rows and {shares_off} shares of {context.week} are unaccounted for. "
        summary += _NOT_PUBLISHED
    return context.result("reconciles", not (rows_off or shares_off), summary, facts=facts)


def symbol_summary_reconciles(context: CheckContext) -> CheckResult:
    """Totals by tier and symbol against the venue rows."""
    return _same_totals(context, "reconcile_symbol_summary", "tier and symbol")


def venue_share_reconciles(context: CheckContext) -> CheckResult:
    """Totals by venue against the venue rows."""
    return _same_totals(context, "reconcile_venue_share", "venue")


def _same_totals(context: CheckContext, sql: str, by: str) -> CheckResult:
    """A query that returns a row for each group whose totals differ finds none."""
    differing = context.query(
        sql, venue_volume=context.files[_VENUES], derived=context.files[context.table.name]
    )
    facts = {"rows": context.frame.height, "differing": differing.height}
    summary = f"{context.frame.height:,} totals by {by} agree"
    if differing.height:
        summary = f"{differing.height} totals by {by} differ from {_VENUES}. {_NOT_PUBLISHED}"
    return context.result(
        "reconciles", differing.is_empty(), summary, facts=facts, samples=sample(differing)
    )


def volumes(context: CheckContext) -> CheckResult:
    """Rows whose figures are possible but odd."""
    volume, trades = pl.col("share_volume"), pl.col("trade_count")
    odd = (
        context.frame.with_columns(
            finding=pl.when(volume == 0)
            .then(pl.lit("zero volume"))
            .when(trades == 0)
            .then(pl.lit("volume without trades"))
            .when(pl.col("avg_trade_size") > _OUTLYING_TRADE_SHARES)
            .then(pl.lit("outlying trade size"))
        )
        .filter(pl.col("finding").is_not_null())
        .select("finding", "tier", "symbol", "mpid", "share_volume", "trade_count")
    )
    counts = dict(odd.group_by("finding").len().sort("finding").iter_rows())
    facts = {"rows": context.frame.height, **counts}
    summary = "no odd figures"
    if counts:
        found = ", ".join(f"{count} rows of {finding}" for finding, count in counts.items())
        summary = f"{found}; they are in the tables as delivered. "
        summary += "Look at the rows before you rely on them."
    return context.result(
        "volumes", not counts, summary, failure=Severity.WARN, facts=facts, samples=sample(odd)
    )


def issues(context: CheckContext) -> CheckResult:
    """Symbols of which a venue has several lines, added up."""
    several = context.frame.filter(pl.col("issue_count") > 1)
    facts = {
        "rows": several.height,
        "symbols": several.select("tier", "symbol").n_unique(),
        "lines": int(several["issue_count"].sum()),
        "shares": metadata_value(exact_sum(several["share_volume"])),
    }
    if several.is_empty():
        return context.result("issues", True, "one line for each symbol and venue", facts=facts)
    listed = several.group_by("tier", "symbol").agg(
        pl.col("issue_name").first(),
        venues=pl.len(),
        lines=pl.col("issue_count").sum(),
        share_volume=pl.col("share_volume").sum(),
    )
    shown = listed.sort("share_volume", "symbol", descending=[True, False])
    named = ", ".join(shown["symbol"].head(_NAMED_SYMBOLS).to_list())
    more = ", ..." if shown.height > _NAMED_SYMBOLS else ""
    summary = (
        f"symbols with several lines at one venue: {facts['symbols']} ({named}{more}); they are "
        "several issues under one symbol, and are added up"
    )
    return context.result(
        "issues", False, summary, failure=Severity.WARN, facts=facts, samples=sample(shown)
    )


def continuity(context: CheckContext) -> CheckResult:
    """Venues lost and volume swings since the nearest earlier week."""
    pair = _like_for_like(context)
    if pair is None:
        return context.result("continuity", True, "no earlier week within four to compare with")
    now, before, like = pair
    venues_now, venues_before = now["mpid"].n_unique(), before["mpid"].n_unique()
    shares_now, shares_before = (float(frame["share_volume"].sum()) for frame in (now, before))
    lost = 1 - venues_now / venues_before if venues_before else 0.0
    swing = shares_now / shares_before - 1 if shares_before else 0.0
    facts = {
        **like,
        "venues": venues_now,
        "venues_before": venues_before,
        "volume_change_pct": round(100 * swing, 2),
    }
    problems = []
    if lost > _MOST_VENUE_LOSS:
        problems.append(f"{venues_before - venues_now} of {venues_before} venues are gone")
    if abs(swing) > _MOST_VOLUME_SWING:
        problems.append(f"volume changed by {100 * swing:+.0f}%")
    if not problems:
        summary = f"{venues_now} venues, volume {100 * swing:+.1f}% against {like['against']}"
        return context.result("continuity", True, summary, facts=facts)
    gone = before.filter(~pl.col("mpid").is_in(now["mpid"].unique().to_list()))
    largest = gone.group_by("mpid").agg(shares_before=pl.col("share_volume").sum())
    return context.result(
        "continuity",
        False,
        f"{' and '.join(problems)} against {like['against']}. A holiday week or a cut file does "
        "this: compare the row counts of the two weeks.",
        failure=Severity.WARN,
        facts=facts,
        samples=sample(largest.sort("shares_before", "mpid", descending=[True, False])),
    )


def share_shift(context: CheckContext) -> CheckResult:
    """Venues whose share of their class moved far since the nearest earlier week."""
    pair = _like_for_like(context)
    if pair is None:
        return context.result("share_shift", True, "no earlier week within four to compare with")
    now, before, like = pair
    key = ["venue_class", "mpid"]
    moved = (
        _class_shares(now)
        .join(_class_shares(before), on=key, how="full", coalesce=True, suffix="_before")
        .with_columns(pl.col("share_pct", "share_pct_before").fill_null(0.0))
        .with_columns(points=pl.col("share_pct") - pl.col("share_pct_before"))
        .sort(pl.col("points").abs(), descending=True)
    )
    far = moved.filter(pl.col("points").abs() > _MOST_SHIFT_POINTS)
    largest = moved["points"].to_list()[0] if moved.height else 0.0
    facts = {**like, "largest_move_points": round(largest, 3), "venues_moved": far.height}
    summary = f"largest move {largest:+.1f} points against {like['against']}"
    if far.height:
        summary = (
            f"{far.height} venues moved over {_MOST_SHIFT_POINTS:.0f} points against "
            f"{like['against']}. A venue that opens, closes or misreports does this: "
            "look at its rows."
        )
    return context.result(
        "share_shift",
        far.is_empty(),
        summary,
        failure=Severity.WARN,
        facts=facts,
        samples=sample(far),
    )


def _class_shares(venues: pl.DataFrame) -> pl.DataFrame:
    volume = pl.col("share_volume").cast(pl.Float64).sum()
    totals = venues.group_by("venue_class", "mpid").agg(_volume=volume)
    part = pl.col("_volume") / pl.col("_volume").sum().over("venue_class") * 100
    return totals.select("venue_class", "mpid", share_pct=part.fill_nan(0.0))


def _like_for_like(
    context: CheckContext,
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]] | None:
    """This week's and the nearest earlier week's venue totals, tiers and classes of both only."""
    earlier = _nearest_earlier(context)
    if earlier is None:
        return None
    against, before = earlier
    now = context.inputs.frames.venue_totals
    group = ["tier", "venue_class"]
    like = now.select(group).unique().join(before.select(group).unique(), on=group)
    if like.is_empty():
        return None
    labels = sorted(f"{tier} {venue_class}" for tier, venue_class in like.iter_rows())
    facts = {"against": str(against), "like_for_like": ", ".join(labels)}
    now, before = (frame.join(like, on=group, how="semi") for frame in (now, before))
    return known_by_crd(now, before), known_by_crd(before, now), facts


def _nearest_earlier(context: CheckContext) -> tuple[date, pl.DataFrame] | None:
    """The venue totals of the nearest earlier week within four that can be read."""
    others = context.other_weeks
    for back in range(1, _LOOK_BACK_WEEKS + 1):
        week = context.week - timedelta(weeks=back)
        with suppress(LakeError):  # that week's own build names its damaged file
            if (found := others.venue_totals.of(others.lake, week)) is not None:
                return week, found
    return None
