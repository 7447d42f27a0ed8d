"""Which weeks have something delivered that is not captured yet.

Told by the landing folder and the names in the lake alone, so that it costs milliseconds and
holds whatever became of earlier runs. Belongs here: what a sensor or schedule needs to know
before it asks for a run. Does not belong here: runs (`defs.otc.asking`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date

from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import CaptureName, CaptureNames
from spine_assets.otc.delivery.deliveries import Delivery, Landing
from spine_assets.otc.delivery.listing import Glance

_HASH_DIGITS = 12


@dataclass(frozen=True)
class WeekInput:
    """What is delivered for a week, and what of it is not captured.

    `content` is a hash of the names and hashes of all usable contents of the week, `left` one
    of those that no capture holds, empty where all are captured. Both change with what is
    delivered, never by a touch.
    """

    week_ending: date
    content: str
    left: str

    @property
    def key(self) -> str:
        """Names this input among all of all weeks."""
        return f"{self.week_ending}:{self.content}"


def uncaptured(landing: Landing, held: CaptureNames) -> list[WeekInput]:
    """Weeks with a content that no capture holds, oldest first.

    Args:
        landing: What is delivered.
        held: What is captured (`captures.names`).
    """
    by_week: dict[date, list[Delivery]] = {}
    for item in landing.deliveries:
        by_week.setdefault(item.placement.week_ending, []).append(item)
    found = (_input(week, items, held) for week, items in sorted(by_week.items()))
    return [item for item in found if item.left]


def state(files: Glance, held: CaptureNames, today: date) -> str:
    """A hash that changes with every file and capture, and every day (a refusal may fall then)."""
    captured = sorted((str(week), sorted(names)) for week, names in held.items())
    told = json.dumps([files.fingerprint, captured, str(today)])
    return hashlib.sha256(told.encode()).hexdigest()


def input_of(week: date, landing: Landing, held: CaptureNames) -> WeekInput:
    """What is delivered for one week, captured or not."""
    return _input(week, landing.of_week(week), held)


def _input(week: date, items: list[Delivery], held: CaptureNames) -> WeekInput:
    left = [item for item in items if _identity(item) not in held.get(week, set())]
    return WeekInput(week, _hash(items), _hash(left) if left else "")


def _identity(item: Delivery) -> CaptureName:
    return captures.name_of(item.placement.tier, item.placement.venue_class, item.sha256)


def _hash(items: list[Delivery]) -> str:
    told = sorted((item.name, item.sha256) for item in items)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:_HASH_DIGITS]
