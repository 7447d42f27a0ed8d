"""Which capture of each tier and class of a week is current, and why.

The rule is the same for a build, for an earlier time and for restatements, and does not depend on
the order in which captures are given. The macros of `otc/views/sql/` that answer as of a time state
it once more in SQL.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain

from spine_assets.otc.captures import pins
from spine_assets.otc.captures.model import Capture, TierClass
from spine_assets.otc.captures.pins import Pin, PinAction
from spine_assets.otc.delivery.provenance import Provenance

# Of the keys of the fullest capture: what has fewer is a part of a week, not its correction. FINRA
# adds and removes single rows.
_LEAST_TENTHS = 9


class CaptureState(StrEnum):
    """What a capture is to its week."""

    CURRENT = "current"
    PINNED = "pinned"
    OLDER = "older"
    WAITING = "waiting"
    RETRACTED = "retracted"


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
        return current_captures(self.captures, self.pins)

    @cached_property
    def candidates(self) -> list[Capture]:
        """The captures that are neither waiting nor retracted; pins have no part in it."""
        return candidates(self.captures, self.pins)

    @property
    def every(self) -> tuple[Capture, ...]:
        """Its captures of both kinds."""
        return (*self.captures, *self.totals)

    @property
    def is_synthetic(self) -> bool:
        """Whether rows of a current capture, or FINRA's totals, are our generator's."""
        made_from = (*self.current.values(), *self.totals)
        return any(Provenance.SYNTHETIC in item.provenance for item in made_from)

    def state(self, item: Capture) -> tuple[CaptureState, str]:
        """What one of the captures is, and why, in words."""
        return self._states[item.key, item.capture_id]

    def is_decided(self, item: Capture) -> bool:
        """Whether a person pinned a capture of its tier and class since it was captured."""
        made = [pin for pin in self.pins if pin.action is PinAction.PIN]
        return any(pin.key == item.key and pin.pinned_at >= item.captured_at for pin in made)

    @cached_property
    def _states(self) -> dict[tuple[TierClass, str], tuple[CaptureState, str]]:
        fullest = _fullest(self.captures, self.pins)
        candidates = {(item.key, item.capture_id) for item in self.candidates}
        retracted, pinned = pins.retracted(self.pins), pins.chosen(self.pins)

        def state(item: Capture) -> tuple[CaptureState, str]:
            current = self.current.get(item.key)
            if (item.key, item.capture_id) in retracted:
                return CaptureState.RETRACTED, "a person took it out"
            if current is not None and item.capture_id == current.capture_id:
                if pinned.get(item.key) == item.capture_id:
                    return CaptureState.PINNED, "a person chose it"
                return CaptureState.CURRENT, _why_current(item, self.candidates)
            if (item.key, item.capture_id) not in candidates:
                most = fullest[item.key]
                return CaptureState.WAITING, (
                    f"it has {item.keys:,} rows of symbol and venue, the fullest capture {most:,}"
                )
            return CaptureState.OLDER, _why_not(item, current, pinned)

        return {(item.key, item.capture_id): state(item) for item in self.captures}

    @cached_property
    def ranked_totals(self) -> tuple[Capture, ...]:
        """The captures of control totals, the greatest last, whose figures are current."""
        return tuple(sorted(self.totals, key=lambda item: item.rank))


def current_captures(
    captures: Iterable[Capture], decided: Iterable[Pin]
) -> dict[TierClass, Capture]:
    """The current capture of each tier and class.

    It is the pinned one, else the greatest by rank of those that have at least 90% of the keys of
    the fullest. Retracted captures are left out; a tier and class of which all are has none.

    Args:
        captures: Captures of one week, in any order.
        decided: Pins, releases and retractions of that week, in any order.
    """
    known, decided = list(captures), list(decided)
    pinned = pins.chosen(decided)
    chosen = {item.key: item for item in sorted(candidates(known, decided), key=lambda i: i.rank)}
    chosen |= {item.key: item for item in known if pinned.get(item.key) == item.capture_id}
    return dict(sorted(chosen.items()))


def candidates(captures: Iterable[Capture], decided: Iterable[Pin]) -> list[Capture]:
    """The captures of which the greatest is current where none is pinned.

    Args:
        captures: Captures of one week, in any order.
        decided: Pins, releases and retractions of that week, in any order.
    """
    known, decided = list(captures), list(decided)
    fullest, retracted = _fullest(known, decided), pins.retracted(decided)
    return [
        item
        for item in known
        if (item.key, item.capture_id) not in retracted and _is_full(item, fullest)
    ]


class Arriving:
    """The current captures of a week whose captures and pins come one after the other.

    The rule is that of `current_captures`; a capture costs the same however many came before it.
    """

    def __init__(self) -> None:
        self._ranked: dict[TierClass, list[Capture]] = defaultdict(list)
        self._decided: list[Pin] = []
        self._fullest: dict[TierClass, int] = {}
        self._retracted: set[tuple[TierClass, str]] = set()
        self._pinned: dict[TierClass, str] = {}
        self._current: dict[TierClass, Capture] = {}

    @property
    def current(self) -> dict[TierClass, Capture]:
        """The current capture of each tier and class."""
        return dict(sorted(self._current.items()))

    def in_order(self, fresh: Iterable[Capture]) -> list[Capture]:
        """Captures of one moment: those that can be current first, each group by rank."""
        fresh = list(fresh)
        fullest = self._fullest | {
            key: max(most, self._fullest.get(key, 0))
            for key, most in _fullest(fresh, self._decided).items()
        }
        return sorted(fresh, key=lambda item: (not self._is_able(item, fullest), item.rank))

    def add(self, item: Capture) -> None:
        """A capture comes."""
        insort(self._ranked[item.key], item, key=lambda other: other.rank)
        if (item.key, item.capture_id) not in self._retracted:
            self._fullest[item.key] = max(item.keys, self._fullest.get(item.key, 0))
        self._choose(item.key)

    def decide(self, pin: Pin) -> None:
        """A decision comes."""
        self._decided.append(pin)
        self._retracted, self._pinned = pins.retracted(self._decided), pins.chosen(self._decided)
        self._fullest = _fullest(chain(*self._ranked.values()), self._decided)
        for key in [*self._ranked]:
            self._choose(key)

    def _is_able(self, item: Capture, fullest: Mapping[TierClass, int]) -> bool:
        is_retracted = (item.key, item.capture_id) in self._retracted
        return not is_retracted and _is_full(item, fullest)

    def _choose(self, key: TierClass) -> None:
        wanted, ranked = self._pinned.get(key), self._ranked[key]
        pinned = (item for item in ranked if wanted and item.capture_id == wanted)
        able = (item for item in reversed(ranked) if self._is_able(item, self._fullest))
        chosen = next(pinned, None) or next(able, None)
        self._current.pop(key, None)
        if chosen is not None:
            self._current[key] = chosen


def _is_full(item: Capture, fullest: Mapping[TierClass, int]) -> bool:
    """Whether it has nearly as many keys as the fullest of its tier and class."""
    return 10 * item.keys >= _LEAST_TENTHS * fullest[item.key]


def _fullest(captures: Iterable[Capture], decided: Iterable[Pin]) -> dict[TierClass, int]:
    """The greatest number of keys of a capture that is not retracted, by tier and class."""
    retracted = pins.retracted(decided)
    most: dict[TierClass, int] = {}
    for item in captures:
        if (item.key, item.capture_id) not in retracted:
            most[item.key] = max(most.get(item.key, 0), item.keys)
    return most


def _why_current(item: Capture, known: Iterable[Capture]) -> str:
    others = [one for one in known if one.key == item.key and one != item]
    if not others:
        return "no other is as full"
    return f"latest update: {_why(item, max(others, key=lambda one: one.rank))}"


def _why_not(item: Capture, current: Capture | None, pinned: Mapping[TierClass, str]) -> str:
    if current is None:
        return "none of its tier and class is current"
    if pinned.get(item.key) == current.capture_id:
        return "another is pinned"
    return f"the current one is preferred: {_why(current, item)}"


def _why(winner: Capture, other: Capture) -> str:
    """Which part of the rank decides between two captures."""
    if winner.last_update_date != other.last_update_date:
        return f"updated on {winner.last_update_date}, the other on {other.last_update_date}"
    if winner.captured_at != other.captured_at:
        return f"of two that were updated on {winner.last_update_date} it was captured later"
    return (
        f"both were updated on {winner.last_update_date} and captured at one time, so their hashes "
        "decide; pin the right one"
    )
