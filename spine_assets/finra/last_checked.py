"""When each answer was last known to be what FINRA has: fetched, or found unchanged.

It is a cache, without which such an answer is requested once more: an unchanged answer writes no
file, so the files alone do not show it.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

from filelock import FileLock

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake import atomic_write
from spine_assets.otc.delivery.placement import Key


class LastChecked:
    """Times by week, tier and class, in one JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _read(path)

    def __contains__(self, key: Key) -> bool:
        """Whether an answer was ever requested."""
        return key in self._known

    def last(self, key: Key) -> datetime | None:
        """When it was last; None if never."""
        return self._known.get(key)

    def add(self, key: Key, at: datetime) -> None:
        """Record a time, and keep those that other processes recorded meanwhile."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")):
            self._known = _read(self._path) | {key: at}
            texts = {"/".join(map(str, known)): at.isoformat() for known, at in self._known.items()}
            content = json.dumps(dict(sorted(texts.items())), indent=0).encode()
            atomic_write.remove_leftovers(self._path)  # of a fetch that was killed
            atomic_write.write(self._path, content)


def _read(path: Path) -> dict[Key, datetime]:
    try:
        texts = json.loads(path.read_text(encoding="utf-8"))
        found = {}
        for text, at in texts.items():
            week, tier, venue_class = text.split("/")
            key = (date.fromisoformat(week), Tier(tier), VenueClass(venue_class))
            found[key] = datetime.fromisoformat(at)
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return found
