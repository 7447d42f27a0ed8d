"""The steps by which another capture became current, and the values that describe a correction.

Steps follow from the captures and pins of a week alone; nothing is read here. Does not belong
here: which capture is current at one time (`captures.current`), and the comparison of the
two captures of a step (`build.corrections`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import polars as pl

from spine_assets.otc.captures import pins
from spine_assets.otc.captures.current import current_captures
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
    """Every time that a capture displaced another, the earliest first.

    Captures of one moment are taken in the order of their rank, so that a correction which
    was delivered together with what it corrects is a step too.

    Args:
        known: All captures of a week.
        pinned: All pins of a week.
    """
    events: list[tuple[datetime, int, Capture | Pin]] = [
        (item.captured_at, 0, item) for item in sorted(known, key=lambda item: item.rank)
    ]
    events += [(pin.pinned_at, 1, pin) for pin in pinned]
    arrived: list[Capture] = []
    so_far: list[Pin] = []
    found: list[CaptureStep] = []
    current: dict[TierClass, Capture] = {}
    for at, _, event in sorted(events, key=lambda item: item[:2]):
        if isinstance(event, Capture):
            arrived.append(event)
        else:
            so_far.append(event)
        now = current_captures(arrived, pins.chosen(so_far))
        found += [step for step in between(current, now, at) if step.before is not None]
        current = now
    return found


def between(
    before: Mapping[TierClass, Capture], after: Mapping[TierClass, Capture], at: datetime
) -> list[CaptureStep]:
    """The tiers and classes whose current capture differs."""
    return [
        CaptureStep(key, at, before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
