"""The rows of `otc_restatements`: corrections of a week in, one row each out.

Corrections come from captures and pins alone (`build.corrections`), so the table can be built
again at any time. Does not belong here: the declaration of the table (`tables.restatements`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from spine_assets.core.table_schema import conform, polars_schema
from spine_assets.otc.captures.steps import Correction, RowChange
from spine_assets.otc.tables import restatements

_STEP_GROUP = ("week_ending", "tier", "venue_class")


def build(corrections: Iterable[Correction], build_id: str) -> pl.DataFrame:
    """Corrections of a week, the earliest first -> `otc_restatements`, one row each."""
    rows = [_row(item) for item in corrections]
    if not rows:
        return pl.DataFrame(schema=polars_schema(restatements.TABLE))
    before, after = (pl.col(name).cast(pl.Float64) for name in ("shares_before", "shares_after"))
    made = {"step", "share_change_pct", "capture_id", "build_id"}
    types = polars_schema(restatements.TABLE)
    given = {name: type_ for name, type_ in types.items() if name not in made}
    frame = pl.DataFrame(rows, schema=given, orient="row").with_columns(
        step=pl.int_range(1, pl.len() + 1).over(_STEP_GROUP),
        share_change_pct=pl.when(before > 0).then((after - before) / before * 100),
        capture_id=pl.lit(build_id),
        build_id=pl.lit(build_id),
    )
    return conform(frame, restatements.TABLE)


def _row(item: Correction) -> dict[str, Any]:
    """The columns that follow from one correction alone."""
    before, after = item.step.before, item.step.after
    if before is None or after is None:
        raise AssertionError(f"{item.step}: a step of a week's history leads between two captures")
    return {
        "week_ending": after.week_ending,
        "tier": after.tier.value,
        "venue_class": after.venue_class.value,
        "from_capture_id": before.capture_id,
        "to_capture_id": after.capture_id,
        "captured_from": before.captured_at,
        "captured_to": after.captured_at,
        "displaced_at": item.step.at,
        "rows_before": item.rows_before,
        "rows_after": item.rows_after,
        **{f"rows_{kind.value}": item.counts[kind] for kind in RowChange},
        "shares_before": item.shares_before,
        "shares_after": item.shares_after,
        "last_update_date": after.last_update_date,
    }
