"""The landing index: what each delivered file was found to be, by name, size and time.

It is a cache and may be deleted at any time: files without a valid entry are examined again, and
a file whose content is another than its entry says. An entry is plain JSON: size, mtime_ns,
ctime_ns, examined_on and, for each part of a content, its sha256, placement, sample and provenance,
or for a content of which nothing is used, `refused` with the reason and the `week` that it claims.
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
from spine_assets.otc.delivery.placement import Grain, Placement, WeekSource

_VERSION = 6  # raise it when placement would answer differently for the same file
_LOG = logging.getLogger(__name__)


def load(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of the index; none if it is missing, damaged or of another version."""
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict) or stored.get("version") != _VERSION:
        return {}
    files = stored.get("files")
    # What has the checksum was written by `save`, so entries need no check of their own.
    if not isinstance(files, dict) or stored.get("digest") != _digest(files):
        return {}
    return files


def _digest(files: dict[str, Any]) -> str:
    """The checksum of all entries."""
    return hashlib.sha256(json.dumps(files, default=str).encode()).hexdigest()


def placement_of(stored: dict[str, Any]) -> Placement:
    """A placement from its entry in the index."""
    return Placement(
        date.fromisoformat(str(stored["week_ending"])),
        Tier(stored["tier"]),
        VenueClass(stored["venue_class"]),
        WeekSource(stored["week_source"]),
        date.fromisoformat(str(stored["or_week"])) if stored["or_week"] else None,
        Grain(stored["grain"]),
    )


def entry_of(placement: Placement) -> dict[str, Any]:
    """A placement as an entry for the index, whose names do not change with those of the code."""
    entry = asdict(placement)
    entry["or_week"] = entry.pop("alternative_week")
    return entry


def save(path: Path, files: dict[str, dict[str, Any]]) -> bool:
    """Replace the index; False if it cannot be written: the next scan reads the files again."""
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
