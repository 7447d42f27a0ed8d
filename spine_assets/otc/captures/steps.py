"""The steps by which another capture became current, and the values that describe a correction.

Steps follow from the captures and pins of a week alone; nothing is read here. Does not belong
here: which capture is current at one time (`captures.current`), and the comparison of the
two captures of a step (`build.corrections`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import polars as pl

from spine_assets.otc.captures import pins
from spine_assets.otc.captures.current import Arriving
from spine_assets.otc.captures.model import Capture, TierClass
from spine_assets.otc.captures.pins import Pin


class RowChange(StrEnum):
    """What happened to a row."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RELABELLED = "relabelled"
    """The figures are the same; a name or the update date differs."""


@dataclass(frozen=True)
class CaptureStep:
    """At a time, another capture of a tier and class became current."""

    key: TierClass
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
        rejects_before: Rejected lines, both stages; likewise `rejects_after`.
    """

    step: CaptureStep
    rows: pl.DataFrame
    counts: dict[RowChange, int]
    rows_before: int
    rows_after: int
    shares_before: Decimal
    shares_after: Decimal
    rejects_before: int
    rejects_after: int


def steps(known: Iterable[Capture], pinned: Iterable[Pin]) -> list[CaptureStep]:
    """Every time that a capture took the place of another, the earliest first.

    Where none was current for a time, since all were retracted, the last one before is what the
    next one replaces, so that the steps of a tier and class follow one another.

    Args:
        known: All captures of a week.
        pinned: All pins of a week.
    """
    found: list[CaptureStep] = []
    last: dict[TierClass, Capture] = {}
    for at, current in _history(known, pinned):
        found += [
            CaptureStep(key, at, last[key], capture)
            for key, capture in current.items()
            if last.get(key, capture) != capture
        ]
        last |= current
    return found


def first_current(known: Iterable[Capture], pinned: Iterable[Pin]) -> dict[TierClass, Capture]:
    """The capture of each tier and class that was current first."""
    found: dict[TierClass, Capture] = {}
    for _, current in _history(known, pinned):
        found = current | found
    return found


def _history(
    known: Iterable[Capture], pinned: Iterable[Pin]
) -> Iterator[tuple[datetime, dict[TierClass, Capture]]]:
    """The current captures after each capture and decision.

    Captures of one moment are taken one by one, those that can be current first and in the order of
    their rank, so that a correction which is delivered together with what it corrects is a step
    too, and a part of it is none.
    """
    arriving = Arriving()
    arrived: dict[datetime, list[Capture]] = defaultdict(list)
    decided: dict[datetime, list[Pin]] = defaultdict(list)
    for item in known:
        arrived[item.captured_at].append(item)
    for pin in pins.in_order(pinned):
        decided[pin.pinned_at].append(pin)
    for at in sorted({*arrived, *decided}):
        for item in arriving.in_order(arrived[at]):
            arriving.add(item)
            yield at, arriving.current
        for pin in decided[at]:
            arriving.decide(pin)
            yield at, arriving.current


def between(
    before: Mapping[TierClass, Capture], after: Mapping[TierClass, Capture], at: datetime
) -> list[CaptureStep]:
    """The tiers and classes whose current capture differs."""
    return [
        CaptureStep(key, at, before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
