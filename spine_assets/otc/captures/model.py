"""What a capture is, and which capture of a week is current.

A capture is one content that was delivered for a week, tier and class. Belongs here: the
values that describe captures, and the rule that chooses the current one. Does not belong here:
how captures are written and read (`captures.storage`), and the history of choices
(`captures.steps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property

import polars as pl

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.captures import pins
from spine_assets.otc.captures.pins import Pin

TierClass = tuple[Tier, VenueClass]
"""Tier and venue class; of each, one capture of a week is current."""
CaptureName = tuple[str, str, str]
"""Tier, class and the first digits of the hash, as a capture's file name has them."""
CaptureNames = Mapping[date, set[CaptureName]]
"""What is captured, by week ending."""


@dataclass(frozen=True)
class Capture:
    """One content of one (week, tier, class), with the facts its checks need.

    Quantities are shares; `lines_counted` comes from the bytes, not from the parser.
    `alternative_week` is another week to which half of the rows point, where that is in doubt.
    """

    capture_id: str
    week_ending: date
    tier: Tier
    venue_class: VenueClass
    sha256: str
    captured_at: datetime
    last_update_date: date
    source_file: str
    week_source: str
    rows: int
    row_shares: Decimal
    reject_shares: Decimal
    file_shares: Decimal
    lines_counted: int
    blank_lines: int
    ends_mid_line: bool
    rejects: dict[str, int] = field(default_factory=dict)
    ends_with_date: bool = True
    alternative_week: date | None = None

    @property
    def key(self) -> TierClass:
        """Tier and class."""
        return self.tier, self.venue_class

    @property
    def reject_lines(self) -> int:
        """Parse rejects, all reasons."""
        return sum(self.rejects.values())

    @property
    def file_name(self) -> str:
        """Name of its raw file within the week's folder."""
        return f"{self.tier}.{self.venue_class}.{self.capture_id}.parquet"

    @property
    def rank(self) -> tuple[date, datetime, str]:
        """The greatest is current, in whatever order captures arrived."""
        return self.last_update_date, self.captured_at, self.sha256


@dataclass(frozen=True)
class CapturedFrames:
    """A capture with its frames, before or after it is written."""

    capture: Capture
    rows: pl.DataFrame
    rejects: pl.DataFrame


@dataclass(frozen=True)
class WeekCaptures:
    """Captures and pins of one week: all of them, or those of an earlier time."""

    captures: tuple[Capture, ...]
    pins: tuple[Pin, ...] = ()

    @cached_property
    def current(self) -> dict[TierClass, Capture]:
        """The current capture of each tier and class."""
        return current_captures(self.captures, pins.chosen(self.pins))


def current_captures(
    captures: Iterable[Capture], pinned: Mapping[TierClass, str]
) -> dict[TierClass, Capture]:
    """The current capture of each tier and class: the pinned one, else the greatest by rank.

    Args:
        captures: Captures of one week, in any order.
        pinned: Capture ids by tier and class (`pins.chosen`).
    """
    chosen: dict[TierClass, Capture] = {}
    for capture in sorted(captures, key=lambda item: item.rank):
        before = chosen.get(capture.key)
        if before is None or before.capture_id != pinned.get(capture.key):
            chosen[capture.key] = capture
    return dict(sorted(chosen.items()))


def why_current(item: Capture, current: Capture, pinned: Mapping[TierClass, str]) -> str:
    """Why a capture is current (`yes: ...`) or not (`no: ...`).

    `current` is the current one of its tier and class, `pinned` as for `current_captures`.
    """
    if item.capture_id == current.capture_id:
        return "yes: pinned" if pinned.get(item.key) == item.capture_id else "yes: latest update"
    if pinned.get(item.key) == current.capture_id:
        return "no: another is pinned"
    if item.last_update_date < current.last_update_date:
        return "no: an update is later"
    return "no: another of that date was captured later"
