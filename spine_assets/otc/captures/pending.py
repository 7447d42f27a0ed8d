"""Which weeks have a delivery that is not captured yet.

The answer comes from the landing folder and from names in the lake alone, so that it takes
milliseconds and does not depend on earlier runs. Belongs here: what a sensor or schedule needs to
know before it requests a run. Does not belong here: runs (`defs.otc`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date

from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import CaptureNames
from spine_assets.otc.delivery.deliveries import Delivery, Landing
from spine_assets.otc.delivery.listing import Glance
from spine_assets.otc.delivery.week_contents import content_hash


@dataclass(frozen=True)
class WeekInput:
    """What is delivered for a week, and what of it is not captured.

    `content` is a hash of the names and hashes of all usable files of the week, `left` one of
    those that are not captured, empty where all are. A mere touch of a file changes neither.
    """

    week_ending: date
    content: str
    left: str

    @property
    def key(self) -> str:
        """Identifies this input among those of all weeks."""
        return f"{self.week_ending}:{self.content}"


def uncaptured(landing: Landing, captured: CaptureNames) -> list[WeekInput]:
    """Weeks with a delivery that is not captured, oldest first.

    Control totals of a week that has nothing else yet wait in the landing folder: they are
    captured together with the first rows of that week.

    Args:
        landing: What is delivered.
        captured: What is captured (`captures.names`).
    """
    by_week: dict[date, list[Delivery]] = {}
    for item in landing.deliveries:
        by_week.setdefault(item.placement.week_ending, []).append(item)
    for item in landing.totals:
        week = item.placement.week_ending
        if week in by_week or captured.get(week):
            by_week.setdefault(week, []).append(item)
    found = (_input(week, items, captured) for week, items in sorted(by_week.items()))
    return [item for item in found if item.left]


def state(files: Glance, captured: CaptureNames, today: date) -> str:
    """A hash that changes with every file and capture, and every day (a refusal may fall then)."""
    names_by_week = sorted((str(week), sorted(names)) for week, names in captured.items())
    content = json.dumps([files.fingerprint, names_by_week, str(today)])
    return hashlib.sha256(content.encode()).hexdigest()


def input_of(week: date, landing: Landing, captured: CaptureNames) -> WeekInput:
    """What is delivered for one week, captured or not."""
    return _input(week, [*landing.of_week(week), *landing.totals_of_week(week)], captured)


def _input(week: date, items: list[Delivery], captured: CaptureNames) -> WeekInput:
    left = [item for item in items if is_pending(item, captured)]
    return WeekInput(week, content_hash(items), content_hash(left) if left else "")


def is_pending(item: Delivery, captured: CaptureNames) -> bool:
    """Whether a delivery is not captured yet."""
    place = item.placement
    name = captures.name_of(place.tier, place.venue_class, item.sha256, place.grain)
    return name not in captured.get(place.week_ending, set())
