"""The landing folder: which delivered content holds which week, and which is unusable.

Files are only ever read. What each file is stands in an index beside the landing folder
(path, size, mtime -> hash and placement), so that thousands of known files cost one
`stat` each; the index is a cache and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from spine_assets.otc.contents import MEMBER_MARK, SUFFIXES, read_contents
from spine_assets.otc.file_format import FileRefused, parse
from spine_assets.otc.placement import Placement, WeekSource, path_week, place
from spine_assets.weeks import Tier, VenueClass

_INDEX_VERSION = 1  # raise it when placement would answer differently for the same file
_UNFINISHED_PREFIXES = (".", "~", "_")
# A copy that pauses longer should write under a temporary name.
SETTLE_SECONDS = 2.0
_NANOSECONDS = 1e9
# No file has this size, so the next scan looks at it again.
_UNSETTLED: dict[str, Any] = {
    "size": -1,
    "mtime_ns": 0,
    "examined_on": "",
    "contents": [{"member": None, "refused": "still being written; left alone until it settles"}],
}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """One usable content: a file, or a member of an archive."""

    name: str
    path: Path
    member: str | None
    sha256: str
    placement: Placement


@dataclass(frozen=True)
class Unusable:
    """One content that nothing is loaded from, and why."""

    name: str
    reason: str
    week_ending: date | None = None


@dataclass(frozen=True)
class Landing:
    """What stands in the landing folder now."""

    deliveries: tuple[Delivery, ...]
    unusable: tuple[Unusable, ...]

    def of_week(self, week: date) -> list[Delivery]:
        """Usable contents of a week, by name."""
        return [item for item in self.deliveries if item.placement.week_ending == week]

    def weeks(self) -> list[date]:
        """Weeks with at least one usable content, oldest first."""
        return sorted({item.placement.week_ending for item in self.deliveries})


def scan(folder: Path, index_path: Path) -> Landing:
    """Look at every delivered file; read only those the index does not know.

    A file that changes while it is read is left alone until the next scan, and says so.
    """
    today = datetime.now(UTC).date()
    index = _load_index(index_path)
    found: dict[str, dict[str, Any]] = {}
    pending: list[tuple[str, Path]] = []
    refused: list[Unusable] = []
    for name, path in _walk(folder):
        if path.is_symlink() and (fault := _bad_link(path, folder)):
            refused.append(Unusable(_full_name(name, None), fault))
        elif path.is_file():
            entry = index.get(name)
            if entry and _still_holds(entry, path, today):
                found[name] = entry
            else:
                pending.append((name, path))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (name, _), entry in zip(
            pending, pool.map(lambda item: _examine(item[0], item[1], today), pending), strict=True
        ):
            found[name] = entry
    _refuse_unsettled(pending, found)
    if found != index:
        _save_index(index_path, found)
    deliveries, unusable = _unpack(folder, found)
    return Landing(deliveries, tuple(refused) + unusable)


def _refuse_unsettled(pending: list[tuple[str, Path]], found: dict[str, dict[str, Any]]) -> None:
    """Watch files that were written a moment ago; those that still grow are left alone."""
    now = time.time()
    fresh = [
        (name, path)
        for name, path in pending
        if 0 <= now - found[name]["mtime_ns"] / _NANOSECONDS < SETTLE_SECONDS
    ]
    if fresh:
        time.sleep(SETTLE_SECONDS)
    for name, path in fresh:
        if not _same_file(found[name], path):
            found[name] = _UNSETTLED


def read(delivery: Delivery) -> bytes:
    """The content of a delivery.

    Raises:
        FileRefused: the file is not what the scan saw any more.
    """
    for member, content in read_contents(delivery.path):
        if member != delivery.member:
            continue
        if isinstance(content, FileRefused):
            raise content
        if hashlib.sha256(content).hexdigest() == delivery.sha256:
            return content
    raise FileRefused(f"{delivery.name} changed while it was read; run the week again")


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Data files below the folder, by name; hidden and temporary names are passed over."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES) and not name.startswith(_UNFINISHED_PREFIXES):
                path = Path(root) / name
                yield path.relative_to(folder).as_posix(), path


def _bad_link(path: Path, folder: Path) -> str | None:
    """Why a link is not followed, or None where it leads to a file in the folder."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return "a link that leads nowhere"
    if not target.is_relative_to(folder.resolve()):
        return "a link that leads out of the landing folder"
    return None


def _still_holds(entry: dict[str, Any], path: Path, today: date) -> bool:
    """Whether an index entry describes the file as it stands.

    A refusal is looked at again on another day: what lay in the future may not any more.
    """
    if not _same_file(entry, path):
        return False
    refused = any("refused" in content for content in entry["contents"])
    return not refused or bool(entry["examined_on"] == str(today))


def _same_file(entry: dict[str, Any], path: Path) -> bool:
    """Whether size and time of change are those of an index entry."""
    try:
        status = path.stat()
    except OSError:  # taken away since it was listed: examined, and then told as unreadable
        return False
    return (entry["size"], entry["mtime_ns"]) == (status.st_size, status.st_mtime_ns)


def _examine(name: str, path: Path, today: date) -> dict[str, Any]:
    """Read one file and find what each of its contents is."""
    contents: list[dict[str, Any]] = []
    entry = {"size": 0, "mtime_ns": 0, "examined_on": str(today), "contents": contents}
    try:
        status = path.stat()
        entry |= {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        for member, content in read_contents(path):
            contents.append({"member": member, **_examine_content(name, member, content, today)})
    except (FileRefused, OSError) as error:
        contents[:] = [{"member": None, "refused": str(error)}]
        return entry
    return entry if _same_file(entry, path) else _UNSETTLED


def _examine_content(
    name: str, member: str | None, content: bytes | FileRefused, today: date
) -> dict[str, Any]:
    if isinstance(content, FileRefused):
        return {"refused": str(content)}
    try:
        parsed = parse(content, today)
        placement = place(parsed, _full_name(name, member))
    except FileRefused as refused:
        return {"refused": str(refused)}
    return {"sha256": parsed.sha256, "placement": asdict(placement)}


def _full_name(name: str, member: str | None) -> str:
    """A name that can be shown and stored; bytes of a path that are no text are escaped."""
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    return shown if member is None else f"{shown}{MEMBER_MARK}{member}"


def _unpack(
    folder: Path, found: dict[str, dict[str, Any]]
) -> tuple[tuple[Delivery, ...], tuple[Unusable, ...]]:
    deliveries, unusable = [], []
    for name, entry in sorted(found.items()):
        for content in entry["contents"]:
            full = _full_name(name, content.get("member"))
            if "refused" in content:
                unusable.append(Unusable(full, content["refused"], _hinted_week(full)))
                continue
            placement = _placement(content["placement"])
            deliveries.append(
                Delivery(full, folder / name, content.get("member"), content["sha256"], placement)
            )
    return tuple(deliveries), tuple(unusable)


def _hinted_week(name: str) -> date | None:
    """The week an unusable file claims by its path, where it claims a sound one."""
    try:
        return path_week(name)
    except FileRefused:
        return None


def _load_index(path: Path) -> dict[str, dict[str, Any]]:
    """The sound entries of the index; whatever is damaged is examined again."""
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict) or stored.get("version") != _INDEX_VERSION:
        return {}
    files = stored.get("files")
    return {k: v for k, v in files.items() if _is_sound(v)} if isinstance(files, dict) else {}


def _is_sound(entry: Any) -> bool:
    """Whether an index entry has all that is read of it."""
    try:
        return bool(
            isinstance(entry["size"], int)
            and isinstance(entry["mtime_ns"], int)
            and isinstance(entry["examined_on"], str)
            and all(
                isinstance(content.get("refused"), str)
                or (isinstance(content["sha256"], str) and _placement(content["placement"]))
                for content in entry["contents"]
            )
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _placement(stored: dict[str, Any]) -> Placement:
    """A placement as it stands in the index."""
    return Placement(
        date.fromisoformat(str(stored["week_ending"])),
        Tier(stored["tier"]),
        VenueClass(stored["venue_class"]),
        WeekSource(stored["week_source"]),
    )


def _save_index(path: Path, files: dict[str, dict[str, Any]]) -> None:
    """Replace the index; failing to is no error, the next scan only costs more."""
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    text = json.dumps({"version": _INDEX_VERSION, "files": files}, default=str)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(text, "utf-8")
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        _LOG.warning("cannot write the landing index %s: %s", path, error)
