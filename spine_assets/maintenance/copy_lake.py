"""Copying a lake to another place, and comparing two: by the bytes of each file, week by week.

A week is copied under its lock at both places, so it arrives as one run left it. A copy that was
broken off is completed by the next: what is there with equal bytes is left as it is. Belongs here:
copying and comparing. Does not belong here: what a lake holds (`lake_contents`).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from spine_assets.lake.base import Lake, LakeError, LakeFile
from spine_assets.lake.checksum import verify
from spine_assets.lake.names import LockName
from spine_assets.maintenance.copy_results import Copied, Planned
from spine_assets.maintenance.lake_inventory import LakeName, contents, standing, tables
from spine_assets.pipelines.steps.workspace import TENANTS, tenants_in

_AT_ONCE = 4  # weeks: a request to a bucket waits more than it works


@dataclass(frozen=True)
class _Group:
    """Files of one lock, of a lake and of a tenant's lake within it."""

    source: Lake
    target: Lake
    lock: LockName
    names: list[LakeName]
    tables: list[str]
    before: str = ""


@dataclass
class _Work:
    """A copy under way; several threads tell it what they found."""

    writes: bool
    replace: bool
    found: Copied = field(default_factory=Copied)
    hashes: dict[str, str] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)


class LakeCopy:
    """A copy of one lake to another place, or the comparison of both."""

    def __init__(self, source: Lake, target: Lake) -> None:
        """Look at what there is to copy.

        Args:
            source: Stays as it is, but for its locks.
            target: May hold the copy already, or a part of it.

        Raises:
            LakeError: the places are one, one is in the other, or the source holds no table.
        """
        places = [_address(lake) for lake in (source, target)]
        if any(one.startswith(other) for one, other in (places, places[::-1])):
            raise LakeError(f"{source.place} and {target.place} overlap; name two places apart")
        self._target = target
        self._groups = _groups(source, target)
        if not self._groups:
            raise LakeError(f"there is no lake at {source.place}: it holds no table")

    @property
    def steps(self) -> int:
        """How often `advance` is called: once a week, and for what has none."""
        return len(self._groups)

    def copy(self, *, replace: bool = False, advance: Callable[[], None] | None = None) -> Copied:
        """Copy all files; nothing is deleted anywhere.

        Args:
            replace: Also put files in place of others of the same name, but for captures and pins.
            advance: Called after each step.

        Raises:
            LakeError: a place fails, or what was written is not read back; copy again.
        """
        return self._done(_Work(True, replace), advance)

    def compare(self, *, advance: Callable[[], None] | None = None) -> Copied:
        """Read both lakes and compare each file of the source; only locks are written.

        Raises:
            LakeError: a place fails, or there is no lake at the target.
        """
        if not tables(self._target):
            raise LakeError(f"there is no lake at {self._target.place}: it holds no table")
        return self._done(_Work(False, False), advance)

    def plan(self) -> Planned:
        """What a copy would do."""
        there = _all_names(self._target)
        names = [f"{group.before}{name}" for group in self._groups for name in group.names]
        return Planned(len(names), _weeks(self._groups), sum(name in there for name in names))

    def _done(self, work: _Work, advance: Callable[[], None] | None) -> Copied:
        begun = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as threads, closing(_Ending(work, threads)):
            for _ in threads.map(lambda group: _group(group, work), self._groups):
                if advance is not None:
                    advance()
        found = work.found
        found.weeks = _weeks(self._groups)
        found.extra = sorted(_all_names(self._target) - work.hashes.keys() - {*found.damaged})
        lines = (f"{digest}  {name}\n" for name, digest in sorted(work.hashes.items()))
        found.digest = _sha256("".join(lines).encode())
        for names in (found.missing, found.differing, found.damaged):
            names.sort()
        found.seconds = time.monotonic() - begun
        return found


@dataclass(frozen=True)
class _Ending:
    """Lets threads end that wait for a lock when the work is over, for whatever reason."""

    work: _Work
    threads: ThreadPoolExecutor

    def close(self) -> None:
        self.work.ended.set()
        self.threads.shutdown(wait=True, cancel_futures=True)


def _group(group: _Group, work: _Work) -> None:
    """Copy or compare the files of one lock, which is held at both places."""
    # Always in the same order, so that two copies in opposite directions cannot block each other.
    lakes = sorted((group.source, group.target), key=_address)
    with ExitStack() as held:
        for lake in lakes:
            held.enter_context(lake.lock_of(group.lock, work.ended.is_set))
        for name in standing(group.source, group.lock, group.names, group.tables):
            if work.ended.is_set():
                return
            _file(group, name, work)


def _file(group: _Group, name: LakeName, work: _Work) -> None:
    """Copy or compare one file."""
    shown = f"{group.before}{name}"
    content = name.at(group.source).read_bytes()
    if name.is_parquet and not _is_whole(content):
        with work.guard:
            work.found.files += 1
            work.found.damaged.append(shown)
        return
    digest = _sha256(content)
    file = name.at(group.target)
    held = _held(file)
    is_equal = held is not None and _sha256(held) == digest
    may_write = work.writes and (held is None or (work.replace and not name.is_never_replaced))
    if may_write and not is_equal:
        _write(group.target, name, content, digest)
    with work.guard:
        found = work.found
        found.files += 1
        found.bytes += len(content)
        work.hashes[shown] = digest
        if is_equal:
            found.equal += 1
        elif may_write:
            found.written += 1
        else:
            (found.missing if held is None else found.differing).append(shown)


def _write(lake: Lake, name: LakeName, content: bytes, digest: str) -> None:
    """Put a file in its place and read it back."""
    file = name.at(lake)
    lake.remove_leftovers_beside(file)
    staged = lake.stage_bytes(content, file)
    if name.is_never_replaced:
        lake.append(staged, file)
    else:
        lake.publish(staged, file)
    held = _held(file)
    if held is None or _sha256(held) != digest:
        raise LakeError(
            f"{file} does not hold what was written to it; copy again, and if it stays so look at "
            "the disk or bucket"
        )


def _held(file: LakeFile) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _is_whole(content: bytes) -> bool:
    try:
        verify(content)
    except ValueError:
        return False
    return True


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
    """A place as text that tells whether one is in the other."""
    place = lake.place
    return f"{place.resolve() if isinstance(place, Path) else place}/"
