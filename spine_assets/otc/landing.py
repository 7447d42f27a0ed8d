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
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from spine_assets.otc import landing_index
from spine_assets.otc.contents import MEMBER_MARK, read_contents
from spine_assets.otc.file_format import FileRefused, count_lines, parse
from spine_assets.otc.listing import Listed, listing
from spine_assets.otc.placement import Placement, path_week, place
from spine_assets.weeks import VenueClass

_MOST_THREADS = 4  # reading is soon bound by the disk, and each thread may hold a content
# Larger contents are parsed one at a time: the memory of one bounds that of a scan.
_LARGE_BYTES = 16_000_000
_LARGE_LINES = 200_000
_ONE_LARGE = threading.Lock()
# A copy that pauses longer should write under a temporary name.
SETTLE_SECONDS = 2.0
STILL_WRITTEN = "still being written; left alone until it settles"
"""The one reason for being unusable that ends by itself."""
# No file has this size, so the next scan looks at it again.
_UNSETTLED: dict[str, Any] = {
    "size": -1,
    "mtime_ns": 0,
    "examined_on": "",
    "contents": [{"member": None, "refused": STILL_WRITTEN}],
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
    """What stands in the landing folder now; `waiting` names files not looked at yet."""

    deliveries: tuple[Delivery, ...]
    unusable: tuple[Unusable, ...]
    waiting: tuple[str, ...] = ()

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


@dataclass
class Limit:
    """How much one scan reads: it begins no file after so many bytes or seconds.

    Files that were written less than `settle_seconds` ago are not waited for. What is left
    waits for the next scan; `reached` tells that bytes or seconds ended this one.
    """

    bytes: int
    seconds: float
    settle_seconds: float
    reached: bool = False
    _begun: float = field(default_factory=time.monotonic)

    def takes(self, item: Listed) -> bool:
        """Whether a file may be begun; counts it."""
        if item.changed_within(self.settle_seconds, time.time()):
            return False
        if self.bytes <= 0 or time.monotonic() - self._begun > self.seconds:
            self.reached = True
            return False
        self.bytes -= max(item.size, 0)
        return True


def scan(folder: Path, index_path: Path, limit: Limit | None = None) -> Landing:
    """Look at every delivered file; read only those the index does not know.

    A file that changes while it is read is left alone until the next scan, and says so.

    Args:
        folder: The landing folder.
        index_path: The landing index, a cache.
        limit: Read no more than this now; by default all.

    Raises:
        OSError: files are left for the next scan, which would not know what this one read.
    """
    today = datetime.now(UTC).date()
    index = landing_index.load(index_path)
    found: dict[str, dict[str, Any]] = {}
    pending: list[Listed] = []
    refused: list[Unusable] = []
    for item in listing(folder):
        entry = index.get(item.name)
        if item.fault:
            refused.append(Unusable(_full_name(item.name, None), item.fault))
        elif entry and _still_holds(entry, item, today):
            found[item.name] = entry
        else:
            pending.append(item)
    examined = _examine_all(pending, today, limit)
    if limit is None:
        _refuse_unsettled(pending, examined)
    found |= examined
    saved = found == index or landing_index.save(index_path, found)
    if not saved and limit is not None and limit.reached:
        raise OSError(
            f"{index_path} cannot be written, so the next scan would read the same files again "
            "and never reach the others; free space or mend the permissions"
        )
    waiting = tuple(_full_name(i.name, None) for i in pending if i.name not in examined)
    deliveries, unusable = _unpack(folder, found)
    sound, contradictory = _part_contradictory(deliveries)
    return Landing(tuple(sound), (*refused, *unusable, *contradictory), waiting)


def _examine_all(
    pending: list[Listed], today: date, limit: Limit | None
) -> dict[str, dict[str, Any]]:
    """Read new files in threads, by name; those beyond the limit are left out."""

    def examine(item: Listed) -> dict[str, Any] | None:
        if limit is not None and not limit.takes(item):
            return None
        return _examine(item.name, item.path, today)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        entries = zip(pending, pool.map(examine, pending), strict=True)
        return {item.name: entry for item, entry in entries if entry is not None}


def _refuse_unsettled(pending: list[Listed], found: dict[str, dict[str, Any]]) -> None:
    """Watch files that were written a moment ago; those that still grow are left alone."""
    now = time.time()
    fresh = [item for item in pending if item.changed_within(SETTLE_SECONDS, now)]
    if fresh:
        time.sleep(SETTLE_SECONDS)
    for item in fresh:
        if not _same_file(found[item.name], item.path):
            found[item.name] = _UNSETTLED


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


def _still_holds(entry: dict[str, Any], item: Listed, today: date) -> bool:
    """Whether an index entry describes the file as it stands.

    A refusal is looked at again on another day: what lay in the future may not any more.
    """
    if (entry["size"], entry["mtime_ns"]) != (item.size, item.mtime_ns):
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
