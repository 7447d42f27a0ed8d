"""What the alerts remember from tick to tick: how far runs were read, what was told, what waits.

It is stored with every tick of the sensor, so it is kept small: weeks as ranges, names as
hashes, a bounded number of both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from spine_assets.alerts.alert import Alert
from spine_assets.alerts.finding import Finding
from spine_assets.weeks import stretches, weeks_between

_VERSION = 1
_MOST_CAUSES = 200  # about 10 kB; a cause that is forgotten is only told once more
_RANGE = re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})")
_WEEK = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass
class Told:
    """Which things each cause was told of; the cause used longest ago comes first."""

    items: dict[str, set[str]] = field(default_factory=dict)

    def news(self, findings: Iterable[Finding]) -> list[Finding]:
        """Findings that were not told yet, each thing once a cause."""
        seen: set[tuple[str, str]] = set()
        found = []
        for finding in findings:
            key = finding.cause, finding.item
            if finding.item not in self.items.get(finding.cause, ()) and key not in seen:
                seen.add(key)
                found.append(finding)
        return found

    def add(self, findings: Iterable[Finding]) -> None:
        """Remember findings as told."""
        for finding in findings:
            held = self.items.pop(finding.cause, set())
            self.items[finding.cause] = held | {finding.item}
        for cause in list(self.items)[:-_MOST_CAUSES]:
            del self.items[cause]

    def forget(self, things: Iterable[str]) -> None:
        """These things are well again: whatever meets them next is told anew."""
        well = set(things)
        self.items = {cause: held - well for cause, held in self.items.items() if held - well}

    def keep(self, standing: Iterable[Finding]) -> None:
        """Forget what does not stand any more."""
        now = {(finding.cause, finding.item) for finding in standing}
        kept = {
            cause: {item for item in held if (cause, item) in now}
            for cause, held in self.items.items()
        }
        self.items = {cause: held for cause, held in kept.items() if held}


@dataclass
class Waiting:
    """An alert that some channels have not taken yet.

    Attributes:
        channels: Names of those channels.
        tries: Ticks in which it was tried.
    """

    alert: Alert
    channels: list[str]
    tries: int = 0


@dataclass
class Memory:
    """All that is remembered.

    Attributes:
        position: Storage id of the last run event that was read.
        runs: What was told of runs.
        standing: What was told of files and tiers that are still so.
        looked_at: What the folders were like when they were last looked at.
        waiting: Alerts that are not sent yet.
    """

    position: int
    runs: Told = field(default_factory=Told)
    standing: Told = field(default_factory=Told)
    looked_at: str = ""
    waiting: list[Waiting] = field(default_factory=list)

    def as_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(
            {
                "version": _VERSION,
                "position": self.position,
                "runs": _packed(self.runs),
                "standing": _packed(self.standing),
                "looked_at": self.looked_at,
                "waiting": [
                    {"alert": item.alert.as_json(), "channels": item.channels, "tries": item.tries}
                    for item in self.waiting
                ],
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str | None) -> Memory | None:
        """What was remembered; None where nothing was, or by a program that wrote otherwise."""
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
                    Waiting(Alert.from_json(item["alert"]), item["channels"], item["tries"])
                    for item in facts["waiting"]
                ],
            )
        except (ValueError, KeyError, TypeError):  # somebody edited it in the UI
            return None


def _packed(told: Told) -> dict[str, list[str]]:
    """Items by cause, unbroken weeks as `first..last`."""
    packed = {}
    for cause, items in told.items.items():
        weeks = [date.fromisoformat(item) for item in items if _WEEK.fullmatch(item)]
        spans = [str(a) if a == b else f"{a}..{b}" for a, b in stretches(weeks)]
        packed[cause] = [*spans, *sorted(item for item in items if not _WEEK.fullmatch(item))]
    return packed


def _unpacked(packed: dict[str, Any]) -> Told:
    return Told(
        {cause: {i for text in items for i in _each(text)} for cause, items in packed.items()}
    )


def _each(text: str) -> list[str]:
    span = _RANGE.fullmatch(text)
    if span is None:
        return [text]
    first, last = (date.fromisoformat(day) for day in span.groups())
    return [str(week) for week in weeks_between(first, last)]
