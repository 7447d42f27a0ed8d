"""What the alert sensor keeps between ticks: how far runs were read, what was reported, what waits.

It is the sensor's cursor, which Dagster stores with every tick, so it is kept small: weeks as
ranges, names as hashes, a bounded number of both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from spine_assets.alerts.alert import Alert
from spine_assets.alerts.problem import Problem
from spine_assets.core.weeks import stretches, weeks_between

_VERSION = 1
_MOST_CAUSES = 200  # about 10 kB; a cause that is dropped is only reported once more
_RANGE = re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})")
_WEEK = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass
class Reported:
    """The things reported for each cause; the least recently used cause comes first."""

    items: dict[str, set[str]] = field(default_factory=dict)

    def new(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems that were not reported yet, each thing once per cause."""
        seen: set[tuple[str, str]] = set()
        found = []
        for problem in problems:
            key = problem.cause, problem.item
            if problem.item not in self.items.get(problem.cause, ()) and key not in seen:
                seen.add(key)
                found.append(problem)
        return found

    def add(self, problems: Iterable[Problem]) -> None:
        """Record problems as reported."""
        for problem in problems:
            held = self.items.pop(problem.cause, set())
            self.items[problem.cause] = held | {problem.item}
        for cause in list(self.items)[:-_MOST_CAUSES]:
            del self.items[cause]

    def forget(self, things: Iterable[str]) -> None:
        """Drop things that have recovered: their next problem is reported again."""
        fine = set(things)
        self.items = {cause: held - fine for cause, held in self.items.items() if held - fine}

    def keep(self, ongoing: Iterable[Problem]) -> None:
        """Drop what is no longer a problem."""
        now = {(problem.cause, problem.item) for problem in ongoing}
        kept = {
            cause: {item for item in held if (cause, item) in now}
            for cause, held in self.items.items()
        }
        self.items = {cause: held for cause, held in kept.items() if held}


@dataclass
class WaitingAlert:
    """An alert that some channels have not accepted yet.

    Attributes:
        channels: Names of those channels.
        tries: Ticks in which it was sent to them in vain.
    """

    alert: Alert
    channels: list[str]
    tries: int = 0


@dataclass
class SensorState:
    """The sensor's cursor.

    Attributes:
        position: Storage id of the last run event that was read.
        runs: What was reported about runs.
        ongoing: What was reported about files and tiers and still holds.
        folders: State of lake and landing folder when they were last examined.
        waiting: Alerts that are not sent yet.
    """

    position: int
    runs: Reported = field(default_factory=Reported)
    ongoing: Reported = field(default_factory=Reported)
    folders: str = ""
    waiting: list[WaitingAlert] = field(default_factory=list)

    def as_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(
            {
                "version": _VERSION,
                "position": self.position,
                "runs": _packed(self.runs),
                "standing": _packed(self.ongoing),
                "looked_at": self.folders,
                "waiting": [
                    {"alert": item.alert.as_json(), "channels": item.channels, "tries": item.tries}
                    for item in self.waiting
                ],
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str | None) -> SensorState | None:
        """The state that `as_json` wrote; None for no text or one of another version."""
        try:
            facts = json.loads(text or "null")
            if not isinstance(facts, dict) or facts.get("version") != _VERSION:
                return None
            return cls(
                facts["position"],
                _unpacked(facts["runs"]),
                _unpacked(facts["standing"]),
                facts["looked_at"],
                [
                    WaitingAlert(Alert.from_json(item["alert"]), item["channels"], item["tries"])
                    for item in facts["waiting"]
                ],
            )
        except (ValueError, KeyError, TypeError):  # somebody edited it in the UI
            return None


def _packed(reported: Reported) -> dict[str, list[str]]:
    """Items by cause, consecutive weeks as `first..last`."""
    packed = {}
    for cause, items in reported.items.items():
        weeks = [date.fromisoformat(item) for item in items if _WEEK.fullmatch(item)]
        spans = [str(a) if a == b else f"{a}..{b}" for a, b in stretches(weeks)]
        packed[cause] = [*spans, *sorted(item for item in items if not _WEEK.fullmatch(item))]
    return packed


def _unpacked(packed: dict[str, Any]) -> Reported:
    return Reported(
        {cause: {i for text in items for i in _each(text)} for cause, items in packed.items()}
    )


def _each(text: str) -> list[str]:
    span = _RANGE.fullmatch(text)
    if span is None:
        return [text]
    first, last = (date.fromisoformat(day) for day in span.groups())
    return [str(week) for week in weeks_between(first, last)]
