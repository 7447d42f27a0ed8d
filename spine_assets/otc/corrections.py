"""What corrections changed: the steps by which other captures came to count, row by row.

Two captures of one tier and class are compared by what the tables make of them: their
`otc_venue_volume` rows, and how many lines each left in the rejects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import polars as pl

from spine_assets.lake import Lake
from spine_assets.otc import captures, pins, venue_volume
from spine_assets.otc.captures import Capture, Key, Known
from spine_assets.otc.pins import Pin
from spine_assets.otc.week_frames import WeekFrames
from spine_assets.table import Type, exact_sum, polars_type

_KEY = ("symbol", "mpid")
_FIGURES = ("share_volume", "trade_count")
_OTHERS = ("issue_name", "venue_name", "last_update_date")


class Kind(StrEnum):
    """What happened to a row."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RELABELLED = "relabelled"
    """The figures are the same; a name or the update date is another."""


@dataclass(frozen=True)
class Step:
    """At a time, another capture of a tier and class came to count."""

    key: Key
    at: datetime
    before: Capture | None
    after: Capture | None


@dataclass(frozen=True)
class Correction:
    """What a step changed.

    Attributes:
        rows: symbol, mpid, kind, shares and trades before and after (null where the row was
            not there), the largest change of shares first.
        counts: Number of rows by kind; all kinds are there.
        rejects_before: Lines turned away, both stages; likewise `rejects_after`.
    """

    step: Step
    rows: pl.DataFrame
    counts: dict[Kind, int]
    rows_before: int
    rows_after: int
    shares_before: Decimal
    shares_after: Decimal
    rejects_before: int
    rejects_after: int


def steps(known: Iterable[Capture], said: Iterable[Pin]) -> list[Step]:
    """Every time that a capture displaced another, the earliest first.

    Captures of one moment are taken in the order of their rank, so that a correction which
    was delivered together with what it corrects is told too.

    Args:
        known: All captures of a week.
        said: All pins of a week.
    """
    events: list[tuple[datetime, int, Capture | Pin]] = [
        (item.captured_at, 0, item) for item in sorted(known, key=lambda item: item.rank)
    ]
    events += [(pin.pinned_at, 1, pin) for pin in said]
    arrived: list[Capture] = []
    pinned: list[Pin] = []
    found: list[Step] = []
    counted: dict[Key, Capture] = {}
    for at, _, event in sorted(events, key=lambda item: item[:2]):
        if isinstance(event, Capture):
            arrived.append(event)
        else:
            pinned.append(event)
        now = captures.current(arrived, pins.chosen(pinned))
        found += [step for step in between(counted, now, at) if step.before is not None]
        counted = now
    return found


def between(
    before: Mapping[Key, Capture], after: Mapping[Key, Capture], at: datetime
) -> list[Step]:
    """The tiers and classes for which not the same capture counts."""
    return [
        Step(key, at, before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def of_week(lake: Lake, week: date, known: Known) -> Iterator[Correction]:
    """Every correction of a week, the earliest first.

    Raises:
        LakeError: a capture cannot be read.
    """
    if known.pins or len(known.captures) > len(known.current):
        for step in steps(known.captures, known.pins):
            yield correction(lake, week, step)


def correction(lake: Lake, week: date, step: Step) -> Correction:
    """Compare the two captures of a step.

    Raises:
        LakeError: a capture cannot be read.
    """
    old, rejects_before = _venue_rows(lake, week, step.before)
    new, rejects_after = _venue_rows(lake, week, step.after)
    compared = _compare(old, new)
    counts = dict(compared.group_by("kind").len().iter_rows())
    return Correction(
        step,
        compared,
        {kind: counts.get(kind.value, 0) for kind in Kind},
        old.height,
        new.height,
        exact_sum(old["share_volume"]),
        exact_sum(new["share_volume"]),
        rejects_before,
        rejects_after,
    )


def _venue_rows(lake: Lake, week: date, capture: Capture | None) -> tuple[pl.DataFrame, int]:
    """What one capture gives: its venue rows, and the number of its rejects.

    Row rules look at one tier and class at a time, so a capture alone gives what it gives
    within its week.
    """
    if capture is None:
        empty = {"symbol": pl.String(), "mpid": pl.String(), "trade_count": pl.Int64()}
        empty |= dict.fromkeys(_OTHERS, pl.String())
        return pl.DataFrame(schema={**empty, "share_volume": polars_type(Type.SHARES)}), 0
    frames = WeekFrames(lake, week, Known((capture,)))
    accepted, broken = frames.split
    rows = venue_volume.build(accepted, capture.capture_id)
    return rows, frames.parse_rejects().height + broken.height


def _compare(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Rows of either side that differ, by symbol and venue."""
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
        .then(pl.lit(Kind.ADDED.value))
        .when(pl.col("_new").is_null())
        .then(pl.lit(Kind.REMOVED.value))
        .when(differs[0])
        .then(pl.lit(Kind.CHANGED.value))
        .when(differs[1])
        .then(pl.lit(Kind.RELABELLED.value))
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
