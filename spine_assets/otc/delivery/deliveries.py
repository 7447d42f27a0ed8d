"""What is delivered: which content holds which week, and which is unusable.

Files are only ever read. Belongs here: what one file is, and what is known of them all. Does
not belong here: which files are looked at when (`otc.scanning`).
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from spine_assets.otc.delivery import landing_index
from spine_assets.otc.delivery.archives import MEMBER_MARK, read_contents
from spine_assets.otc.delivery.file_format import ParsedFile, parse
from spine_assets.otc.delivery.line_split import count_lines
from spine_assets.otc.delivery.path_claims import path_week
from spine_assets.otc.delivery.placement import Placement, place
from spine_assets.otc.delivery.reasons import FileRefused

# Larger contents are parsed one at a time: the memory of one bounds that of a scan.
_LARGE_BYTES = 16_000_000
_LARGE_LINES = 200_000
_ONE_LARGE = threading.Lock()
STILL_WRITTEN = "still being written; left alone until it settles"
"""The one reason for being unusable that ends by itself."""
UNSETTLED: dict[str, Any] = {
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
    parsed: ParsedFile | None = field(default=None, compare=False, repr=False)
    """What was read to find out, where it is kept: `parse` then gives it again at no cost."""


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


Entry = dict[str, Any]
"""What the index holds of a file."""
Parsed = dict[str, ParsedFile]
"""What was read of each content, by its full name."""


Contents = tuple[list[Delivery], list[Unusable]]
"""What a file is made of, usable or not."""


def read_parsed(delivery: Delivery, captured_on: date) -> ParsedFile:
    """The content of a delivery, parsed.

    Raises:
        FileRefused: the file is not what the scan saw any more.
    """
    held = delivery.parsed
    if held is not None and held.captured_on == captured_on:
        return held
    return parse(read(delivery), captured_on)


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


def is_same_file(entry: dict[str, Any], path: Path) -> bool:
    """Whether size and time of change are those of an index entry."""
    try:
        status = path.stat()
    except OSError:  # taken away since it was listed: examined, and then told as unreadable
        return False
    return (entry["size"], entry["mtime_ns"]) == (status.st_size, status.st_mtime_ns)


def examine(name: str, path: Path, today: date, kept: Parsed | None) -> Entry:
    """Read one file and find what each of its contents is."""
    contents: list[dict[str, Any]] = []
    entry = {"size": 0, "mtime_ns": 0, "examined_on": str(today), "contents": contents}
    try:
        status = path.stat()
        entry |= {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        for member, content in read_contents(path):
            full = full_name(name, member)
            contents.append({"member": member, **_examine_content(full, content, today, kept)})
    except (FileRefused, OSError) as error:
        contents[:] = [{"member": None, "refused": str(error)}]
        return entry
    return entry if is_same_file(entry, path) else UNSETTLED


def _examine_content(
    full_name: str, content: bytes | FileRefused, today: date, kept: Parsed | None
) -> Entry:
    if isinstance(content, FileRefused):
        return {"refused": str(content)}
    large = len(content) > _LARGE_BYTES or count_lines(content) > _LARGE_LINES
    try:
        with _ONE_LARGE if large else nullcontext():
            parsed = parse(content, today)
            placement = place(parsed, full_name)
    except FileRefused as refused:
        return {"refused": str(refused)}
    if kept is not None:
        kept[full_name] = parsed
    return {"sha256": parsed.sha256, "placement": landing_index.entry_of(placement)}


def full_name(name: str, member: str | None) -> str:
    """A name that can be shown and stored; bytes of a path that are no text are escaped."""
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    return shown if member is None else f"{shown}{MEMBER_MARK}{member}"


def unpack(folder: Path, name: str, entry: Entry) -> Contents:
    """What the index holds of a file, as contents."""
    deliveries, unusable = [], []
    for content in entry["contents"]:
        full = full_name(name, content.get("member"))
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
