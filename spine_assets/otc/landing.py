"""The landing folder: which delivered content holds which week, and which is unusable.

Files are only ever read. What each file is stands in an index beside the landing folder
(path, size, mtime -> hash and placement), so that thousands of known files cost one
`stat` each; the index is a cache and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from spine_assets.otc import landing_index
from spine_assets.otc.contents import MEMBER_MARK, SUFFIXES, read_contents
from spine_assets.otc.file_format import FileRefused, count_lines, parse
from spine_assets.otc.placement import Placement, path_week, place
from spine_assets.weeks import VenueClass

MAX_DEPTH = 32  # week and class are two; a walk without an end would end in an error
_UNFINISHED_PREFIXES = (".", "~", "_")
_MOST_THREADS = 4  # reading is soon bound by the disk, and each thread may hold a content
# Larger contents are parsed one at a time: the memory of one bounds that of a scan.
_LARGE_BYTES = 16_000_000
_LARGE_LINES = 200_000
_ONE_LARGE = threading.Lock()
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

    def in_other_weeks(self, week: date) -> dict[str, str]:
        """Contents of a week, by name, that are also delivered as another: where else."""
        mine = {item.sha256: item.name for item in self.of_week(week)}
        others = [item for item in self.deliveries if item.placement.week_ending != week]
        return {
            mine[item.sha256]: f"{item.name} (week ending {item.placement.week_ending})"
            for item in others
            if item.sha256 in mine
        }

    def weeks(self) -> list[date]:
        """Weeks with at least one usable content, oldest first."""
        return sorted({item.placement.week_ending for item in self.deliveries})


def scan(folder: Path, index_path: Path) -> Landing:
    """Look at every delivered file; read only those the index does not know.

    A file that changes while it is read is left alone until the next scan, and says so.
    """
    today = datetime.now(UTC).date()
    index = landing_index.load(index_path)
    found: dict[str, dict[str, Any]] = {}
    pending: list[tuple[str, Path]] = []
    refused: list[Unusable] = []
    for name, path in _walk(folder):
        if fault := _no_file(path, folder):
            refused.append(Unusable(_full_name(name, None), fault))
            continue
        entry = index.get(name)
        if entry and _still_holds(entry, path, today):
            found[name] = entry
        else:
            pending.append((name, path))
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        for (name, _), entry in zip(
            pending, pool.map(lambda item: _examine(item[0], item[1], today), pending), strict=True
        ):
            found[name] = entry
    _refuse_unsettled(pending, found)
    if found != index:
        landing_index.save(index_path, found)
    deliveries, unusable = _unpack(folder, found)
    sound, contradictory = _part_contradictory(deliveries)
    return Landing(tuple(sound), (*refused, *unusable, *contradictory))


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
    for member, content in read_contents(delivery.path, delivery.member):
        if member != delivery.member:
            continue
        if isinstance(content, FileRefused):
            raise content
        if hashlib.sha256(content).hexdigest() == delivery.sha256:
            return content
    raise FileRefused(f"{delivery.name} changed while it was read; run the week again")


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """What could be a data file below the folder, by name.

    Hidden and temporary names are passed over. Links to folders are not followed, so what
    they hold is not read; the link itself is yielded, to be told.
    """
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = [name for name in names if _is_data_name(name)]
        deepest = len(Path(root).relative_to(folder).parts) >= MAX_DEPTH
        odd = [
            name
            for name in folders
            if deepest or _is_data_name(name) or (Path(root) / name).is_symlink()
        ]
        folders[:] = [name for name in folders if name not in odd]
        for name in sorted([*files, *odd]):
            path = Path(root) / name
            yield path.relative_to(folder).as_posix(), path


def _is_data_name(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(_UNFINISHED_PREFIXES)


def _no_file(path: Path, folder: Path) -> str | None:
    """Why nothing is read under a name, or None where it is a file of the folder."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return "a link that leads nowhere" if path.is_symlink() else None
    if path.is_symlink() and not target.is_relative_to(folder.resolve()):
        return "a link that leads out of the landing folder"
    if target.is_dir() and len(path.relative_to(folder).parts) > MAX_DEPTH:
        return f"deeper than {MAX_DEPTH} folders; nothing in it is read"
    if target.is_dir():
        return "a folder or a link to one, where a file is expected; nothing below it is read"
    return None if target.is_file() else "no ordinary file"


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
    large = len(content) > _LARGE_BYTES or count_lines(content) > _LARGE_LINES
    try:
        with _ONE_LARGE if large else nullcontext():
            parsed = parse(content, today)
            placement = place(parsed, _full_name(name, member))
    except FileRefused as refused:
        return {"refused": str(refused)}
    return {"sha256": parsed.sha256, "placement": asdict(placement)}


def _full_name(name: str, member: str | None) -> str:
    """A name that can be shown and stored; bytes of a path that are no text are escaped."""
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    return shown if member is None else f"{shown}{MEMBER_MARK}{member}"


def _part_contradictory(deliveries: list[Delivery]) -> tuple[list[Delivery], list[Unusable]]:
    """Contents that are delivered as both classes of a week: neither counts."""
    claims: dict[tuple[str, date], dict[VenueClass, str]] = {}
    for item in deliveries:
        claimed = claims.setdefault((item.sha256, item.placement.week_ending), {})
        claimed.setdefault(item.placement.venue_class, item.name)
    sound, contradictory = [], []
    for item in deliveries:
        claimed = claims[item.sha256, item.placement.week_ending]
        if len(claimed) == 1:
            sound.append(item)
            continue
        said = " and ".join(f"{kind} ({name})" for kind, name in sorted(claimed.items()))
        reason = f"the same content is placed as {said}; leave it only where it belongs"
        contradictory.append(Unusable(item.name, reason, item.placement.week_ending))
    return sound, contradictory


def _unpack(
    folder: Path, found: dict[str, dict[str, Any]]
) -> tuple[list[Delivery], list[Unusable]]:
    deliveries, unusable = [], []
    for name, entry in sorted(found.items()):
        for content in entry["contents"]:
            full = _full_name(name, content.get("member"))
            if "refused" in content:
                unusable.append(Unusable(full, content["refused"], _hinted_week(full)))
                continue
            placement = landing_index.placement_of(content["placement"])
            deliveries.append(
                Delivery(full, folder / name, content.get("member"), content["sha256"], placement)
            )
    return deliveries, unusable


def _hinted_week(name: str) -> date | None:
    """The week an unusable file claims by its path, where it claims a sound one."""
    try:
        return path_week(name)
    except FileRefused:
        return None
