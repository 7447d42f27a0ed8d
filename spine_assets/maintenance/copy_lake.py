"""Copying a lake to another place, and comparing two: by the bytes of each file, week by week.

A week is copied under its lock at both places, so it arrives as one run left it. An interrupted
copy is completed by the next: files with equal bytes are left alone. Belongs here: copying and
comparing. Does not belong here: what a lake holds (`lake_inventory`).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from spine_assets.lake.base import Lake, LakeError, LakeFile
from spine_assets.lake.format import copy_format, stored_format
from spine_assets.lake.names import UNFINISHED_COPY, LockName
from spine_assets.maintenance.copy_results import CopyPlan, CopyResult
from spine_assets.maintenance.lake_inventory import LakeName, contents, present, tables
from spine_assets.pipelines.steps.workspace import TENANTS, tenants_in

_AT_ONCE = 4  # weeks: a request to a bucket waits more than it works


@dataclass(frozen=True)
class _Group:
    """Files under one lock, of a lake or of a tenant's lake within it."""

    source: Lake
    target: Lake
    lock: LockName
    names: list[LakeName]
    tables: list[str]
    before: str = ""


@dataclass
class _Work:
    """A running copy or comparison; several threads add their results."""

    writes: bool
    replace: bool
    result: CopyResult = field(default_factory=CopyResult)
    hashes: dict[str, str] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)


class LakeCopy:
    """A copy of one lake to another place, or the comparison of both."""

    def __init__(self, source: Lake, target: Lake) -> None:
        """List what there is to copy.

        Args:
            source: Is not changed, except for its locks.
            target: May hold the copy already, or a part of it.

        Raises:
            LakeError: the places are the same, one is in the other, their formats differ, or the
                source holds no table.
        """
        places = [_address(lake) for lake in (source, target)]
        if any(one.startswith(other) for one, other in (places, places[::-1])):
            raise LakeError(f"{source.place} and {target.place} overlap; name two separate places")
        _require_common_format(source, target)
        self._source, self._target = source, target
        self._groups = _groups(source, target)
        if not self._groups:
            raise LakeError(f"there is no lake at {source.place}: it holds no table")

    @property
    def steps(self) -> int:
        """How often `advance` is called: once per lock, which is mostly once per week."""
        return len(self._groups)

    def copy(
        self, *, replace: bool = False, advance: Callable[[], None] | None = None
    ) -> CopyResult:
        """Copy all files; nothing is deleted anywhere.

        Args:
            replace: Also replace files of the same name, except delivered contents and pins.
            advance: Called after each step.

        Raises:
            LakeError: a place fails, or a written file reads back differently; copy again.
        """
        begin(self._source, self._target)
        copy_format(self._source, self._target)
        found = self._done(_Work(True, replace), advance)
        if not unfinished(self._source):
            (self._target.root / UNFINISHED_COPY).unlink(missing_ok=True)
        return found

    def compare(self, *, advance: Callable[[], None] | None = None) -> CopyResult:
        """Read both lakes and compare each file of the source; only locks are written.

        Raises:
            LakeError: a place fails, or there is no lake at the target.
        """
        if not tables(self._target):
            raise LakeError(f"there is no lake at {self._target.place}: it holds no table")
        return self._done(_Work(False, False), advance)

    def plan(self) -> CopyPlan:
        """What a copy would do."""
        existing = _all_names(self._target)
        names = [f"{group.before}{name}" for group in self._groups for name in group.names]
        return CopyPlan(len(names), _weeks(self._groups), sum(name in existing for name in names))

    def _done(self, work: _Work, advance: Callable[[], None] | None) -> CopyResult:
        begun = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            try:
                for _ in threads.map(lambda group: _group(group, work), self._groups):
                    if advance is not None:
                        advance()
            finally:
                work.ended.set()  # so that threads that wait for a lock end, whatever the reason
                threads.shutdown(cancel_futures=True)
        found = work.result
        found.weeks = _weeks(self._groups)
        found.extra = sorted(_all_names(self._target) - work.hashes.keys() - {*found.damaged})
        lines = (f"{digest}  {name}\n" for name, digest in sorted(work.hashes.items()))
        found.digest = _sha256("".join(lines).encode())
        for names in (found.missing, found.differing, found.damaged):
            names.sort()
        found.seconds = time.monotonic() - begun
        return found


def begin(source: Lake, target: Lake) -> None:
    """Mark a lake as a copy that is not complete, until `LakeCopy.copy` has come to its end."""
    file = target.root / UNFINISHED_COPY
    target.remove_leftovers_beside(file)
    target.publish(target.stage_bytes(f"{source.place}\n".encode(), file), file)


def unfinished(lake: Lake) -> str | None:
    """The place that a lake is an incomplete copy of; None if it is complete, or no copy."""
    content = _read(lake.root / UNFINISHED_COPY)
    return None if content is None else content.decode().strip()


def _require_common_format(source: Lake, target: Lake) -> None:
    """A target that is not empty must have the format of the source."""
    one, other = stored_format(source), stored_format(target)
    if one != other and tables(target):
        older = source if one < other else target
        raise LakeError(
            f"{source.place} has format {one} and {target.place} format {other}: let SPINE_LAKE "
            f"name {older.place} and run spine lake migrate, then copy"
        )


def _group(group: _Group, work: _Work) -> None:
    """Copy or compare the files of one lock, which is held at both places."""
    # Always in the same order, so that two copies in opposite directions cannot block each other.
    lakes = sorted((group.source, group.target), key=_address)
    with ExitStack() as locks:
        for lake in lakes:
            locks.enter_context(lake.lock_of(group.lock, work.ended.is_set))
        for name in present(group.source, group.lock, group.names, group.tables):
            if work.ended.is_set():
                return
            _file(group, name, work)


def _file(group: _Group, name: LakeName, work: _Work) -> None:
    """Copy or compare one file."""
    shown = f"{group.before}{name}"
    content = name.at(group.source).read_bytes()
    try:
        name.verify(content)
    except ValueError:
        with work.guard:
            work.result.files += 1
            work.result.damaged.append(shown)
        return
    digest = _sha256(content)
    file = name.at(group.target)
    existing = _read(file)
    is_equal = existing is not None and _sha256(existing) == digest
    may_write = work.writes and (existing is None or (work.replace and not name.is_never_replaced))
    if may_write and not is_equal:
        _write(group.target, name, content, digest)
    with work.guard:
        found = work.result
        found.files += 1
        found.bytes += len(content)
        work.hashes[shown] = digest
        if is_equal:
            found.equal += 1
        elif may_write:
            found.written += 1
        else:
            (found.missing if existing is None else found.differing).append(shown)


def _write(lake: Lake, name: LakeName, content: bytes, digest: str) -> None:
    """Publish a file and read it back."""
    file = name.at(lake)
    lake.remove_leftovers_beside(file)
    staged = lake.stage_bytes(content, file)
    if name.is_never_replaced:
        lake.append(staged, file)
    else:
        lake.publish(staged, file)
    written = _read(file)
    if written is None or _sha256(written) != digest:
        raise LakeError(
            f"{file} does not hold what was written to it; copy again, and if that does not help "
            "check the disk or bucket"
        )


def _read(file: LakeFile) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _groups(source: Lake, target: Lake) -> list[_Group]:
    """All files by their locks, the shared lake's first and then each tenant's."""
    found = _of_one(source, target, "")
    for tenant in tenants_in(source):
        own, other = source.within(TENANTS, tenant), target.within(TENANTS, tenant)
        found += _of_one(own, other, f"{TENANTS}/{tenant}/")
    return found


def _of_one(source: Lake, target: Lake, before: str) -> list[_Group]:
    known = tables(source)
    return [
        _Group(source, target, lock, names, known, before)
        for lock, names in contents(source).items()
    ]


def _all_names(lake: Lake) -> set[str]:
    return {f"{group.before}{name}" for group in _groups(lake, lake) for name in group.names}


def _weeks(groups: Iterable[_Group]) -> int:
    return len({group.lock for group in groups if group.lock.of_week})


def _address(lake: Lake) -> str:
    """A place as text that begins with another's if it is in that."""
    place = lake.place
    return f"{place.resolve() if isinstance(place, Path) else place}/"
