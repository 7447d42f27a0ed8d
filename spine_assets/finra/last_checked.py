"""When FINRA was last asked for an answer whole, also where nothing new came of it.

A cache: without it such an answer is asked for once more. A file alone cannot tell, since an
unchanged answer makes no file.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake import atomic_write
from spine_assets.otc.delivery.placement import Key


class Looks:
    """Times by week, tier and class, in one JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _read(path)

    def __contains__(self, key: Key) -> bool:
        """Whether an answer was ever asked for whole."""
        return key in self._known

    def last(self, key: Key) -> datetime | None:
        """When it was, or None."""
        return self._known.get(key)

    def add(self, key: Key, at: datetime) -> None:
        """Remember a look, beside those that other processes made meanwhile."""
        self._known = _read(self._path) | {key: at}
        told = {"/".join(map(str, known)): at.isoformat() for known, at in self._known.items()}
        atomic_write.write(self._path, json.dumps(dict(sorted(told.items())), indent=0).encode())


def _read(path: Path) -> dict[Key, datetime]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        found = {}
        for text, at in told.items():
            week, tier, venue_class = text.split("/")
            key = (date.fromisoformat(week), Tier(tier), VenueClass(venue_class))
            found[key] = datetime.fromisoformat(at)
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return found
