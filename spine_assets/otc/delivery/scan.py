"""Scanning the landing folder: files are listed, and those that the index does not know are read.

The index beside the landing folder says what each file is (path, size, times -> hash and
placement), so that thousands of known files cost one `stat` each. It is a cache and may be deleted
at any time. Belongs here: which files are examined when. Does not belong here: what a file holds
(`deliveries`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from spine_assets.core.text import Shown
from spine_assets.core.weeks import VenueClass
from spine_assets.otc.delivery import landing_index
from spine_assets.otc.delivery.deliveries import (
    UNSETTLED,
    Contents,
    Delivery,
    Entry,
    Landing,
    Parsed,
    Unusable,
    examine,
    full_name,
    is_same_file,
    refusal,
    unpack,
)
from spine_assets.otc.delivery.listing import Listed, listing
from spine_assets.otc.delivery.placement import Grain

_MOST_THREADS = 4  # more are bound by the disk, and each may need the memory of a content
# A program that pauses longer while it copies should write under a temporary name.
SETTLE_SECONDS = 2.0


@dataclass
class Limit:
    """How much one scan reads: it begins no further file after so many bytes or seconds.

    Files that were written less than `settle_seconds` ago are left for the next scan, as is what
    exceeds the limit; `reached` is whether bytes or seconds ended this one.
    """

    bytes: int
    seconds: float
    settle_seconds: float
    reached: bool = False
    _begun: float = field(default_factory=time.monotonic)

    def takes(self, item: Listed) -> bool:
        """Whether a file may be read; if so it is counted."""
        if item.changed_within(self.settle_seconds, time.time()):
            return False
        if self.bytes <= 0 or time.monotonic() - self._begun > self.seconds:
            self.reached = True
            return False
        self.bytes -= max(item.size, 0)
        return True


def scan(folder: Path, index_path: Path, limit: Limit | None = None) -> Landing:
    """List every delivered file and read those that the index does not know.

    A file that changes while it is read is reported as such and left for the next scan.

    Args:
        folder: The landing folder.
        index_path: The landing index, a cache.
        limit: Read no more than this now; by default all.

    Raises:
        OSError: the index cannot be written although the limit was reached, so that the next scan
            would read the same files again.
    """
    opened = Scan(folder, index_path)
    opened.examine(opened.pending, limit)
    if not opened.save() and limit is not None and limit.reached:
        raise OSError(
            f"{index_path} cannot be written, so the next scan would read the same files again "
            "and never reach the others; free disk space or correct the permissions"
        )
    return opened.landing()


class Scan:
    """The landing folder, listed once; files that are not examined yet are `pending`.

    Several threads may examine at the same time, each its own files.
    """

    def __init__(self, folder: Path, index_path: Path) -> None:
        self._folder, self._index_path = folder, index_path
        self._today = datetime.now(UTC).date()
        self._stored = landing_index.load(index_path)
        self._found: dict[str, Entry] = {}
        self._refused: list[Unusable] = []
        self._unpacked: dict[str, tuple[Entry, Contents]] = {}
        self._changing = threading.Lock()
        self.pending: list[Listed] = []
        for item in listing(folder):
            entry = self._stored.get(item.name)
            if item.problem:
                name = full_name(item.name, None)
                self._refused.append(refusal(name, {"refused": item.problem}))
            elif entry and _still_holds(entry, item, self._today):
                self._found[item.name] = entry
            else:
                self.pending.append(item)

    def settled(self) -> list[Listed]:
        """Pending files that were not written in the last moments."""
        now = time.time()
        return [item for item in self.pending if not item.changed_within(SETTLE_SECONDS, now)]

    def examine(
        self,
        items: Sequence[Listed],
        limit: Limit | None = None,
        *,
        keep: bool = False,
        threads: int = _MOST_THREADS,
    ) -> Parsed:
        """Read files and place each of their contents.

        Args:
            items: Some of the pending files.
            limit: Read no more than this; by default all.
            keep: Return the parsed contents, which need some 15 bytes of memory per byte.
            threads: At most so many files are read at once.
        """
        if not items:
            return {}
        kept: Parsed = {}

        def examined_entry(item: Listed) -> Entry | None:
            if limit is not None and not limit.takes(item):
                return None
            return examine(item.name, item.path, self._today, kept if keep else None)

        at_once = min(os.cpu_count() or 1, threads, len(items))
        with ThreadPoolExecutor(at_once) if at_once > 1 else nullcontext() as pool:
            found = pool.map(examined_entry, items) if pool else map(examined_entry, items)
            entries = zip(items, found, strict=True)
            examined = {item.name: entry for item, entry in entries if entry is not None}
        if limit is None:
            _refuse_unsettled(items, examined)
        with self._changing:
            self._found |= examined
            self.pending = [item for item in self.pending if item.name not in examined]
        return kept

    def examine_again(self, deliveries: Sequence[Delivery]) -> Parsed:
        """Read the files of deliveries that are not what the index says; as `examine`."""
        paths = {item.path for item in deliveries}
        again = [Listed(path.relative_to(self._folder).as_posix(), path) for path in sorted(paths)]
        return self.examine(again, keep=True)

    def save(self) -> bool:
        """Write the index; False if it cannot be: the next scan reads the files again."""
        found = dict(self._found)
        if found == self._stored:
            return True
        saved = landing_index.save(self._index_path, found)
        self._stored = found if saved else self._stored
        return saved

    def landing(self, parsed: Parsed | None = None) -> Landing:
        """What is known now; `parsed` contents become part of their deliveries."""
        deliveries: list[Delivery] = []
        unusable = list(self._refused)
        for name, entry in sorted(dict(self._found).items()):
            found, refused = self._contents(name, entry)
            deliveries += found
            unusable += refused
        if parsed:
            deliveries = [
                replace(item, parsed=parsed[item.name]) if item.name in parsed else item
                for item in deliveries
            ]
        sound, contradictory = _split_contradictory(deliveries)
        by_grain = {
            grain: tuple(item for item in sound if item.placement.grain is grain) for grain in Grain
        }
        return Landing(
            deliveries=by_grain[Grain.VENUES],
            unusable=(*unusable, *contradictory),
            waiting=tuple(full_name(item.name, None) for item in self.pending),
            totals=by_grain[Grain.TOTALS],
        )

    def _contents(self, name: str, entry: Entry) -> Contents:
        """The contents of a known file; unpacked once, since a run needs them for each week."""
        known = self._unpacked.get(name)
        if known is None or known[0] is not entry:
            known = self._unpacked[name] = (entry, unpack(self._folder, name, entry))
        return known[1]


def _refuse_unsettled(pending: Sequence[Listed], found: dict[str, Entry]) -> None:
    """Wait for files that were written a moment ago; those that still grow are not used."""
    now = time.time()
    fresh = [item for item in pending if item.changed_within(SETTLE_SECONDS, now)]
    if fresh:
        time.sleep(SETTLE_SECONDS)
    for item in fresh:
        if not is_same_file(found[item.name], item.path):
            found[item.name] = UNSETTLED


def _still_holds(entry: Entry, item: Listed, today: date) -> bool:
    """Whether an index entry describes the file as it is now.

    A refused file is examined again on another day: a date in it may no longer be in the future.
    """
    stamp = (entry["size"], entry["mtime_ns"], entry["ctime_ns"])
    if stamp != (item.size, item.mtime_ns, item.ctime_ns):
        return False
    refused = any("refused" in content for content in entry["contents"])
    return not refused or bool(entry["examined_on"] == str(today))


def _split_contradictory(deliveries: list[Delivery]) -> tuple[list[Delivery], list[Unusable]]:
    """Usable contents, and those that are delivered as one class of a week and as the other.

    A content with both classes is delivered as both under each of its names.
    """
    claims: dict[tuple[str, date], dict[str, set[VenueClass]]] = {}
    for item in deliveries:
        claimed = claims.setdefault((item.sha256, item.placement.week_ending), {})
        claimed.setdefault(item.name, set()).add(item.placement.venue_class)
    sound, contradictory = [], []
    for item in deliveries:
        claimed = claims[item.sha256, item.placement.week_ending]
        if all(classes == claimed[item.name] for classes in claimed.values()):
            sound.append(item)
            continue
        names = {kind: name for name, kinds in reversed(claimed.items()) for kind in kinds}
        both = " and ".join(f"{kind} ({name})" for kind, name in sorted(names.items()))
        reason = Shown(f"the same content is placed as {both}; leave it only where it belongs")
        contradictory.append(Unusable(item.name, reason, item.placement.week_ending))
    return sound, contradictory
