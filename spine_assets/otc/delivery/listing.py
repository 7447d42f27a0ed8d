"""The landing folder's files by name, size and time; nothing is opened here.

Each file costs one `stat`, so that thousands of known files take some hundredths of a second.
Belongs here: which names could be data files, and which of those cannot be read as one. Does not
belong here: what a file holds (`deliveries`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spine_assets.otc.delivery.archives import OTHER_SUFFIXES, SUFFIXES

MAX_DEPTH = 32  # week and class are two; a walk without an end would end in an error
_UNFINISHED_PREFIXES = (".", "~", "_")
_NANOSECONDS = 1e9


@dataclass(frozen=True)
class Listed:
    """One name that could be a data file; `problem` is why it cannot be read as one.

    `changed_ns` is the later of two times: of its last modification, and of the last change of its
    content, name or times (`ctime_ns`), which no copying program can set.
    """

    name: str
    path: Path
    size: int = -1
    mtime_ns: int = 0
    changed_ns: int = 0
    ctime_ns: int = 0
    problem: str | None = None

    def changed_within(self, seconds: float, now: float) -> bool:
        """Whether it was written or renamed within seconds of `now` (Unix time).

        Also after it: the clock of the machine that stores the file may be ahead of this one.
        """
        return abs(now - self.changed_ns / _NANOSECONDS) < seconds


def listing(folder: Path) -> list[Listed]:
    """What could be a data file below the folder, in a stable order.

    Hidden and temporary names are left out. Links to folders are not followed; the link itself is
    listed with its problem.
    """
    return list(_below(os.fspath(folder), folder.resolve(), "", 0))


@dataclass(frozen=True)
class Glance:
    """How many files there are, and a hash that changes when one is added, removed or touched."""

    files: int
    fingerprint: str


def glance(folder: Path) -> Glance:
    """Names, sizes and times alone: the least that shows that nothing has changed.

    Links are not followed: a target that counts is below the folder too.
    """
    digest = hashlib.sha256()
    files = _glance(os.fspath(folder), digest.update)
    return Glance(files, digest.hexdigest())


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """A folder's entries by name; none if it does not exist (yet, or any more)."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _glance(folder: str, update: Callable[[bytes], object]) -> int:
    files = 0
    for entry in _entries(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            update(os.fsencode(f"{entry.name}/\n"))
            files += _glance(entry.path, update)
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:  # removed since it was listed
            continue
        stamp = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
        update(os.fsencode(f"{entry.name} {stamp}\n"))
        files += 1
    return files


def _below(folder: str, top: Path, prefix: str, depth: int) -> Iterator[Listed]:
    for entry in _entries(folder):
        name = f"{prefix}{entry.name}"
        is_folder = _is_folder(entry)
        if is_folder and entry.name.startswith("."):
            continue
        if is_folder and not _is_odd(entry, depth):
            yield from _below(entry.path, top, f"{name}/", depth + 1)
        elif is_folder or is_listed_name(entry.name):
            yield _listed(entry, name, top, depth)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _is_odd(entry: os.DirEntry[str], depth: int) -> bool:
    """Whether a folder is listed with its problem instead of walked."""
    return depth >= MAX_DEPTH or is_data_name(entry.name) or entry.is_symlink()


def _listed(entry: os.DirEntry[str], name: str, top: Path, depth: int) -> Listed:
    path = Path(entry.path)
    ordinary = entry.is_file(follow_symlinks=False)
    problem = None if ordinary else _problem(path, top, depth)
    try:
        status = entry.stat()
    except OSError:
        return Listed(name, path, problem=problem)
    changed = max(status.st_mtime_ns, status.st_ctime_ns) if ordinary else status.st_mtime_ns
    size, mtime, ctime = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return Listed(name, path, size, mtime, changed, ctime, problem)


def is_data_name(name: str) -> bool:
    """Whether a name could be a data file's: a known ending, neither hidden nor unfinished."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(_UNFINISHED_PREFIXES)


def is_listed_name(name: str) -> bool:
    """Whether a file of that name is looked at: as data, or as something that is no data."""
    is_other = name.lower().endswith(OTHER_SUFFIXES)
    return is_data_name(name) or (is_other and not name.startswith(_UNFINISHED_PREFIXES))


def _problem(path: Path, top: Path, depth: int) -> str | None:
    """Why nothing is read under a name, or None if it is a file of the folder."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return (
            "a link whose target does not exist; remove it, or deliver the file itself"
            if path.is_symlink()
            else None
        )
    if path.is_symlink() and not target.is_relative_to(top):
        return "a link that leads out of the landing folder; deliver the file itself"
    if target.is_dir() and depth >= MAX_DEPTH:
        return f"deeper than {MAX_DEPTH} folders, so it is not read; move its files up"
    if target.is_dir():
        return "a folder or a link to one with the name of a file, so it is not read; rename it"
    return None if target.is_file() else "no ordinary file, so it is not read; remove it"
