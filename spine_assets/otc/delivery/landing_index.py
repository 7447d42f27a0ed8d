"""The landing index: what each delivered file was found to be, by name, size and time.

A cache that may be deleted at any time: whatever is missing or damaged is examined again.
An entry is plain JSON: size, mtime_ns, examined_on and, a content, either `refused` with the
reason or its sha256 and placement.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake import atomic_write
from spine_assets.otc.delivery.placement import Placement, WeekSource

_VERSION = 3  # raise it when placement would answer differently for the same file
_LOG = logging.getLogger(__name__)


def load(path: Path) -> dict[str, dict[str, Any]]:
    """The sound entries of the index; whatever is damaged is examined again."""
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict) or stored.get("version") != _VERSION:
        return {}
    files = stored.get("files")
    # A changed digit may leave a sound entry that tells another week or hash.
    if not isinstance(files, dict) or stored.get("digest") != _digest(files):
        return {}
    return {k: v for k, v in files.items() if _is_sound(v)}


def _digest(files: dict[str, Any]) -> str:
    """What the entries of an index must hash to."""
    return hashlib.sha256(json.dumps(files, default=str).encode()).hexdigest()


def _is_sound(entry: Any) -> bool:
    """Whether an index entry has all that is read of it."""
    try:
        return bool(
            isinstance(entry["size"], int)
            and isinstance(entry["mtime_ns"], int)
            and isinstance(entry["examined_on"], str)
            and all(
                isinstance(content.get("refused"), str)
                or (isinstance(content["sha256"], str) and placement_of(content["placement"]))
                for content in entry["contents"]
            )
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def placement_of(stored: dict[str, Any]) -> Placement:
    """A placement as it stands in the index."""
    return Placement(
        date.fromisoformat(str(stored["week_ending"])),
        Tier(stored["tier"]),
        VenueClass(stored["venue_class"]),
        WeekSource(stored["week_source"]),
        date.fromisoformat(str(stored["or_week"])) if stored["or_week"] else None,
    )


def entry_of(placement: Placement) -> dict[str, Any]:
    """A placement for the index; names in the file do not follow the code's."""
    entry = asdict(placement)
    entry["or_week"] = entry.pop("alternative_week")
    return entry


def save(path: Path, files: dict[str, dict[str, Any]]) -> bool:
    """Replace the index; failing to (False) only makes the next scan cost more."""
    stored = {"version": _VERSION, "digest": _digest(files), "files": files}
    text = json.dumps(stored, default=str)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            atomic_write.remove_leftovers(path)
            atomic_write.write(path, text.encode())
    except OSError as error:
        _LOG.warning("cannot write the landing index %s: %s", path, error)
        return False
    return True
