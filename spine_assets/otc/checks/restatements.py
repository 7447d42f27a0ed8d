"""Checks of `otc_restatements`: do the steps add up, and was any of them large?

DuckDB counts the reconciliation on the files, as those of `checks.derived_tables`.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from spine_assets.otc.captures.steps import first_current
from spine_assets.otc.checks.context import SAMPLE_ROWS, CheckContext, sample
from spine_assets.otc.state.results import CheckResult, Severity
from spine_assets.otc.tables import raw, rejects

# FINRA's usual revisions are a few aggregates of thousands, well below a percent of the shares;
# a move of this size changes ranks and shares of a week's venues.
_MOST_CHANGE_PCT = 5.0
# A revision of single firms' reports; where a tenth of all rows differs, another file came.
_MOST_TOUCHED_PCT = 10.0
_NAMED = 3  # as many as fit a sentence; the sample has the others
_SHOWN = (
    "tier",
    "venue_class",
    "step",
    "displaced_at",
    "shares_before",
    "shares_after",
    "share_change_pct",
    "rows_before",
    "rows_added",
    "rows_removed",
    "rows_changed",
    "touched_pct",
    "from_capture_id",
    "to_capture_id",
)


def reconciles(context: CheckContext) -> CheckResult:
    """Steps against one another, and the last ones against the current captures."""
    steps = context.frame
    incomplete = _with_missing_steps(context)
    differing = _differing(context) if steps.height else []
    facts = {"rows": steps.height, "differing": len(differing), "not_begun": len(incomplete)}
    samples = [*differing, *incomplete]
    summary = (
        f"{steps.height:,} steps add up and end in the current captures"
        if steps.height
        else "no step"
    )
    if samples:
        summary = (
            f"{len(samples)} steps of {context.week} do not lead from the first "
            "capture to the current one. The old file stays and nothing was published; "
            "report it with this sample."
        )
    return context.result(
        "reconciles", not samples, summary, facts=facts, samples=samples[:SAMPLE_ROWS]
    )


def _differing(context: CheckContext) -> list[dict[str, Any]]:
    return sample(
        context.query(
            "reconcile_restatements",
            raw=context.files[raw.TABLE.name],
            rejects=context.files[rejects.TABLE.name],
            derived=context.files[context.table.name],
        )
    )


def _with_missing_steps(context: CheckContext) -> list[dict[str, Any]]:
    """Tiers and classes whose steps do not begin at the first capture, or that lack a step.

    Without a step the first capture is the current one.
    """
    firsts = first_current(context.known.captures, context.known.pins)
    first = {key: item.capture_id for key, item in firsts.items()}
    begun = context.frame.filter(pl.col("step") == 1).select(
        "tier", "venue_class", "from_capture_id"
    )
    began = {(tier, cls): capture_id for tier, cls, capture_id in begun.iter_rows()}
    found = {key: began.get(key, item.capture_id) for key, item in context.known.current.items()}
    return [
        {
            "tier": key[0].value,
            "venue_class": key[1].value,
            "expected_capture": first[key],
            "found_capture": capture_id,
        }
        for key, capture_id in found.items()
        if first[key] != capture_id
    ]


def size(context: CheckContext) -> CheckResult:
    """Restatements that changed much of their tier and class."""
    touched = pl.col("rows_added") + pl.col("rows_removed") + pl.col("rows_changed")
    most = pl.max_horizontal("rows_before", "rows_after")
    steps = context.frame.with_columns(
        touched_pct=pl.when(most > 0).then(touched / most * 100).otherwise(0.0)
    )
    change = pl.col("share_change_pct").abs() > _MOST_CHANGE_PCT
    new = pl.col("share_change_pct").is_null() & (pl.col("shares_after") > 0)  # none before
    large = steps.filter(change | new | (pl.col("touched_pct") > _MOST_TOUCHED_PCT))
    facts = {"restatements": steps.height, "large": large.height}
    if large.is_empty():
        summary = f"{steps.height} restatements, none large" if steps.height else "never restated"
        return context.result("size", True, summary, facts=facts)
    named = [_named(row) for row in large.head(_NAMED).iter_rows(named=True)]
    others = f" and {large.height - _NAMED} others" if large.height > _NAMED else ""
    return context.result(
        "size",
        False,
        f"{large.height} of {steps.height} restatements changed over {_MOST_CHANGE_PCT:.0f}% of "
        f"the shares or touched over {_MOST_TOUCHED_PCT:.0f}% of the rows: {'; '.join(named)}"
        f"{others}. Run `spine diff {context.week}` and compare with the source; "
        "`spine captures use` chooses another capture.",
        failure=Severity.WARN,
        facts=facts,
        samples=sample(large.select(_SHOWN)),
    )


def _named(row: dict[str, Any]) -> str:
    change = row["share_change_pct"]
    shares = "other shares" if change is None else f"{change:+.1f}% shares"
    return f"{row['tier']} {row['venue_class']} {shares}, {row['touched_pct']:.1f}% of rows"
