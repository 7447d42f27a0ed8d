"""What is delivered: which content holds which week, and which content is unusable.

Delivered files are only read. Belongs here: examining one file, and the result of all of them. Does
not belong here: which files are examined when (`scan`).
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

from spine_assets.core.text import Shown
from spine_assets.otc.delivery import landing_index
from spine_assets.otc.delivery.archives import MEMBER_MARK, read_contents
from spine_assets.otc.delivery.file_format import ParsedFile, parse
from spine_assets.otc.delivery.line_split import count_lines
from spine_assets.otc.delivery.parts import part_of, placements
from spine_assets.otc.delivery.placement import Placement
from spine_assets.otc.delivery.provenance import Provenance
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.delivery.week_guess import guess_week_of_content

# Larger contents are parsed one at a time, so that a scan needs no more memory than one of them.
_NAME_CHARS = 200  # before a reason
_LARGE_BYTES = 16_000_000
_LARGE_LINES = 200_000
_ONE_LARGE = threading.Lock()
STILL_WRITTEN = Shown("still being written; left alone until it settles")
"""The only reason for being unusable that passes without anybody's help."""
UNSETTLED: dict[str, Any] = {
    "size": -1,
    "mtime_ns": 0,
    "ctime_ns": 0,
    "examined_on": "",
    "contents": [{"member": None, "refused": STILL_WRITTEN}],
}


class ContentChanged(FileRefused):
    """A file does not hold the content that was found in it."""


@dataclass(frozen=True)
class Delivery:
    """One usable content, or one of its parts: of a file, or of a member of an archive."""

    name: str
    path: Path
    member: str | None
    sha256: str
    placement: Placement
    sample: str = field(default="", compare=False, repr=False)
    """The sample of its figures (`delivery.figures`), as text."""
    provenance: tuple[Provenance, ...] = field(default=(Provenance.FINRA,), compare=False)
    """Who made its rows."""
    parsed: ParsedFile | None = field(default=None, compare=False, repr=False)
    """The parsed content, with all of its parts, where a scan kept it (`Scan.examine`), so that it
    is not read again."""


@dataclass(frozen=True)
class Unusable:
    """One content from which nothing is loaded, and why.

    `week_ending` is the week that it claims: by its path or a week column, else by its first row.
    """

    name: str
    reason: Shown
    week_ending: date | None = None

    @property
    def text(self) -> Shown:
        """Its name and why, as one line."""
        return Shown(f"{Shown(self.name, _NAME_CHARS)}: {self.reason}")


@dataclass(frozen=True)
class Landing:
    """What is in the landing folder now; `waiting` names files that are not examined yet.

    `deliveries` are of rows by venue; `totals` are FINRA's control totals.
    """

    deliveries: tuple[Delivery, ...]
    unusable: tuple[Unusable, ...]
    waiting: tuple[str, ...] = ()
    totals: tuple[Delivery, ...] = ()

    def of_week(self, week: date) -> list[Delivery]:
        """Usable contents of a week."""
        return [item for item in self.deliveries if item.placement.week_ending == week]

    def totals_of_week(self, week: date) -> list[Delivery]:
        """Control totals of a week."""
        return [item for item in self.totals if item.placement.week_ending == week]

    def in_other_weeks(self, week: date) -> dict[str, str]:
        """Contents of a week that are also delivered as another week: name to the other place."""
        mine = {item.sha256: item.name for item in self.of_week(week)}
        others = [item for item in self.deliveries if item.placement.week_ending != week]
        return {
            mine[item.sha256]: f"{item.name} (week ending {item.placement.week_ending})"
            for item in others
            if item.sha256 in mine
        }

    def refused_of_week(self, week: date) -> list[Unusable]:
        """Contents that claim a week and of which nothing is loaded."""
        return [item for item in self.unusable if item.week_ending == week]

    def refused(self) -> list[Unusable]:
        """Contents of which nothing is loaded; one that is still being written is not refused."""
        return [item for item in self.unusable if item.reason != STILL_WRITTEN]

    def refused_weeks(self) -> list[date]:
        """Weeks that a refused content claims, oldest first, whether they have a usable one."""
        return sorted({item.week_ending for item in self.refused() if item.week_ending})

    def weeks(self) -> list[date]:
        """Weeks with at least one usable content, oldest first."""
        return sorted({item.placement.week_ending for item in self.deliveries})


Entry = dict[str, Any]
"""A file's entry in the landing index."""
Parsed = dict[str, ParsedFile]
"""Parsed contents by full name."""
Contents = tuple[list[Delivery], list[Unusable]]
"""The contents of one file."""


def read_parsed(delivery: Delivery, captured_on: date) -> ParsedFile:
    """The content of a delivery, parsed; of several parts, the one that it is.

    Raises:
        FileRefused: the file has changed since it was scanned.
    """
    whole = read_whole(delivery, captured_on)
    return part_of(whole, delivery.placement.venue_class, delivery.placement.grain)


def read_whole(delivery: Delivery, captured_on: date) -> ParsedFile:
    """The content of a delivery with all of its parts, parsed; raises as `read`."""
    kept = delivery.parsed
    if kept is not None and kept.captured_on == captured_on:
        return kept
    return parse(read(delivery), captured_on)


def read(delivery: Delivery) -> bytes:
    """The content of a delivery.

    Raises:
        ContentChanged: the file has changed since it was scanned.
        FileRefused: it cannot be read any more.
    """
    for member, content in read_contents(delivery.path, delivery.member):
        if member != delivery.member:
            continue
        if isinstance(content, FileRefused):
            raise content
        if hashlib.sha256(content).hexdigest() == delivery.sha256:
            return content
    raise ContentChanged(f"{delivery.name} changed while it was read; run the week again")


def is_same_file(entry: dict[str, Any], path: Path) -> bool:
    """Whether size and times are those of an index entry."""
    try:
        return entry.items() >= _stamp(path.stat()).items()
    except OSError:  # removed since it was listed; reading it will report that
        return False


def _stamp(status: os.stat_result) -> dict[str, int]:
    """What changes whenever a file does: nobody can set the time of its last change (ctime)."""
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }


def examine(name: str, path: Path, today: date, kept: Parsed | None) -> Entry:
    """Read one file and place each of its contents; into `kept` go the parsed ones."""
    contents: list[dict[str, Any]] = []
    entry: Entry = {"size": 0, "mtime_ns": 0, "ctime_ns": 0}
    entry |= {"examined_on": str(today), "contents": contents}
    try:
        entry |= _stamp(path.stat())
        for member, content in read_contents(path):
            full = full_name(name, member)
            found = _examine_content(full, content, today, kept)
            for part in found:
                if "refused" in part:
                    part["week"] = _claimed_week(full, content)
                contents.append({"member": member, **part})
    except (FileRefused, OSError) as error:
        contents[:] = [{"member": None, "refused": Shown(error)}]
        return entry
    return entry if is_same_file(entry, path) else UNSETTLED


def _examine_content(
    full_name: str, content: bytes | FileRefused, today: date, kept: Parsed | None
) -> list[Entry]:
    """An entry for each part of a content, or one with the reason why nothing of it is used."""
    if isinstance(content, FileRefused):
        return [{"refused": str(content)}]
    large = len(content) > _LARGE_BYTES or count_lines(content) > _LARGE_LINES
    try:
        with _ONE_LARGE if large else nullcontext():
            parsed = parse(content, today)
            placed = placements(parsed, full_name)
    except FileRefused as refused:
        return [{"refused": str(refused)}]
    if kept is not None:
        kept[full_name] = parsed
    parts = [(place, part_of(parsed, place.venue_class, place.grain)) for place in placed]
    return [
        {
            "sha256": parsed.sha256,
            "placement": landing_index.entry_of(placement),
            "sample": part.sample.text(),
            "provenance": list(part.provenance),
        }
        for placement, part in parts
    ]


def full_name(name: str, member: str | None) -> str:
    """A name that can be shown and stored: bytes of a path that are not UTF-8 are escaped."""
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    return shown if member is None else f"{shown}{MEMBER_MARK}{member}"


def unpack(folder: Path, name: str, entry: Entry) -> Contents:
    """The contents of a file from its index entry."""
    deliveries, unusable = [], []
    for content in entry["contents"]:
        full = full_name(name, content.get("member"))
        if "refused" in content:
            unusable.append(refusal(full, content))
            continue
        placement = landing_index.placement_of(content["placement"])
        deliveries.append(
            Delivery(
                full,
                folder / name,
                content.get("member"),
                content["sha256"],
                placement,
                content["sample"],
                tuple(map(Provenance, content["provenance"])),
            )
        )
    return deliveries, unusable


def refusal(full_name: str, content: dict[str, Any]) -> Unusable:
    """A refused content from its entry in the index; one that was never read has a path alone."""
    week = content["week"] if "week" in content else _claimed_week(full_name, b"")
    day = date.fromisoformat(week) if week else None
    return Unusable(full_name, Shown(content["refused"]), day)


def _claimed_week(full_name: str, content: bytes | FileRefused) -> str | None:
    """The week that a refused content claims, as the index has it."""
    week = guess_week_of_content(full_name, b"" if isinstance(content, FileRefused) else content)
    return str(week) if week else None
