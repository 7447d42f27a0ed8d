"""What corrections changed, row by row.

The two captures of a step (`captures.steps`) are compared by what the tables make of them:
their `otc_venue_volume` rows, and how many lines each left in the rejects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from spine_assets.core.table_schema import polars_type
from spine_assets.core.tables import Type, exact_sum
from spine_assets.lake.base import Lake
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import Capture, TierClass
from spine_assets.otc.captures.steps import CaptureStep, Correction, RowChange, steps
from spine_assets.otc.delivery.venue_id import known_by_crd
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.tables import venue_volume

_KEY = ("symbol", "mpid")
_FIGURES = ("share_volume", "trade_count")
_OTHERS = ("issue_name", "venue_name", "last_update_date")


@dataclass(frozen=True)
class _Side:
    """One side of a correction: a capture, its venue rows, and the number of its rejects."""

    capture: Capture | None
    rows: pl.DataFrame
    rejects: int


def of_week(lake: Lake, week: date, known: WeekCaptures) -> Iterator[Correction]:
    """Every correction of a week, the earliest first.

    Raises:
        LakeError: a capture cannot be read.
    """
    if not known.pins and len(known.captures) <= len(known.current):
        return
    last: dict[TierClass, _Side] = {}  # what a step leads to, the next one mostly leads from
    for step in steps(known.captures, known.pins):
        side = last.get(step.key)
        is_next = side is not None and side.capture == step.before
        old = side if side is not None and is_next else _side(lake, week, step.before)
        new = last[step.key] = _side(lake, week, step.after)
        yield _correction(step, old, new)


def correction(lake: Lake, week: date, step: CaptureStep) -> Correction:
    """Compare the two captures of a step.

    Raises:
        LakeError: a capture cannot be read.
    """
    return _correction(step, _side(lake, week, step.before), _side(lake, week, step.after))


def _correction(step: CaptureStep, old: _Side, new: _Side) -> Correction:
    compared = _compare(old.rows, new.rows)
    counts = dict(compared.group_by("kind").len().iter_rows())
    return Correction(
        step,
        compared,
        {kind: counts.get(kind.value, 0) for kind in RowChange},
        old.rows.height,
        new.rows.height,
        exact_sum(old.rows["share_volume"]),
        exact_sum(new.rows["share_volume"]),
        old.rejects,
        new.rejects,
    )


def _side(lake: Lake, week: date, capture: Capture | None) -> _Side:
    """What one capture gives.

    Row rules look at one tier and class at a time, so a capture alone gives what it gives
    within its week.
    """
    if capture is None:
        empty = {"symbol": pl.String(), "mpid": pl.String(), "trade_count": pl.Int64()}
        empty |= dict.fromkeys(_OTHERS, pl.String())
        schema = {**empty, "share_volume": polars_type(Type.SHARES)}
        return _Side(None, pl.DataFrame(schema=schema), 0)
    frames = WeekFrames(lake, week, WeekCaptures((capture,)))
    accepted, broken = frames.split
    rows = venue_volume.build(accepted, capture.capture_id)
    return _Side(capture, rows, frames.parse_rejects().height + broken.height)


def _compare(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Rows of either side that differ, by symbol and venue.

    A firm that one side knows by its name and the other by its CRD number is one venue.
    """
    old, new = known_by_crd(old, new), known_by_crd(new, old)
    columns = [*_KEY, *_FIGURES, *(pl.col(name).cast(pl.String) for name in _OTHERS)]
    joined = (
        old.select(columns)
        .with_columns(_old=True)
        .join(
            new.select(columns).with_columns(_new=True),
            on=list(_KEY),
            how="full",
            coalesce=True,
            suffix="_after",
        )
    )
    differs = [
        pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in names)
        for names in (_FIGURES, _OTHERS)
    ]
    kind = (
        pl.when(pl.col("_old").is_null())
        .then(pl.lit(RowChange.ADDED.value))
        .when(pl.col("_new").is_null())
        .then(pl.lit(RowChange.REMOVED.value))
        .when(differs[0])
        .then(pl.lit(RowChange.CHANGED.value))
        .when(differs[1])
        .then(pl.lit(RowChange.RELABELLED.value))
    )
    moved = (
        pl.col("shares_after").fill_null(0).cast(pl.Float64)
        - pl.col("shares_before").fill_null(0).cast(pl.Float64)
    ).abs()
    return (
        joined.select(
            *_KEY,
            kind=kind,
            shares_before="share_volume",
            shares_after="share_volume_after",
            trades_before="trade_count",
            trades_after="trade_count_after",
        )
        .filter(pl.col("kind").is_not_null())
        .sort(moved, *_KEY, descending=[True, False, False])
    )
