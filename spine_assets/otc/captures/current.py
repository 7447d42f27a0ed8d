"""Which capture of each tier and class of a week is current, and why.

The rule is the same for a build, for an earlier time and for restatements. The macros of
`otc/views/sql/` that answer as of a time state it once more in SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from spine_assets.otc.captures import pins
from spine_assets.otc.captures.model import Capture, TierClass
from spine_assets.otc.captures.pins import Pin


@dataclass(frozen=True)
class WeekCaptures:
    """Captures and pins of one week: all of them, or those of an earlier time.

    `captures` are of rows by venue; `totals` are of FINRA's control totals.
    """

    captures: tuple[Capture, ...]
    pins: tuple[Pin, ...] = ()
    totals: tuple[Capture, ...] = ()

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
