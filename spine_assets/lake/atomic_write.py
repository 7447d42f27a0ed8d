"""Local files that are replaced in one step: complete and on disk before they get their name.

A file is written under a hidden name in its target's folder, synced to disk and renamed, and the
folder is synced too: a reader, and whoever looks after a power failure, finds the earlier file or
the new one. Every file that this program replaces is written here. Belongs here: those steps, and
the temporary files that a killed process left. Does not belong here: what is written.
"""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from spine_assets.lake.base import LakeError, LakeUnavailable
from spine_assets.lake.file_errors import not_a_folder
from spine_assets.lake.lock_wait import Wait

TEMPORARY = ".tmp"


class NotAFile(OSError):
    """A folder, a device or a pipe stands where a file is to be written: it stays as it is."""


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """A hidden path in the target's folder, which no scan looks at; removed at the end."""
    staged = _temporary(target)
    try:
        yield staged
    finally:
        with suppress(OSError):
            staged.unlink(missing_ok=True)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A hidden path to write to, which takes the target's place when the block ends.

    The target's folder is made where it is missing. Where the block raises an error, the target
    stays as it was.

    Raises:
        OSError: the target cannot be replaced; it stays as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(target) as staged:
        yield staged
        _sync(staged)
        _rename(staged, target)


def write(target: Path, content: bytes) -> Path:
    """Replace a file by these bytes and return its path; raises as `replacing`."""
    with replacing(target) as staged:
        staged.write_bytes(content)
    return target


def stage(target: Path, content: bytes | bytearray) -> Path:
    """Write bytes beside their target, synced to disk, and return the temporary path.

    For those who look at the file before they `publish` it; others use `replacing`.

    Raises:
        LakeUnavailable: the disk is full or the folder is not writable.
        LakeError: a file is where a folder is expected, or anything else where the file is.
    """
    try:
        staged = _temporary(target)
    except NotAFile as error:
        raise LakeError(f"{error}; move it away, then run the week again") from error
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(content)
        _sync(staged)
    except OSError as error:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
        if problem := not_a_folder(target):
            raise LakeError(f"cannot write {target}: {problem}") from error
        raise LakeUnavailable(
            f"cannot write {target}: {error}; the earlier file is unchanged. Free space or correct "
            "the permissions, then run the week again"
        ) from error
    return staged


def publish(staged: Path, target: Path) -> None:
    """Put a staged file in its target's place, in one step.

    Raises:
        LakeUnavailable: the place cannot be written.
    """
    try:
        _rename(staged, target)
    except OSError as error:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
        raise LakeUnavailable(f"cannot publish {target}: {error}; run the week again") from error


@contextmanager
def locked(place: Path, name: str = "") -> Iterator[None]:
    """Hold what a person names, and make its folder; a second process waits, and logs that it does.

    The lock of a killed process becomes free by itself.

    Args:
        place: A folder that the block writes into; or, with a name, that of a file.
        name: Of the file.
    """
    place.mkdir(parents=True, exist_ok=True)
    wait = Wait(f"{place / name}", lambda: "another process")
    lock = FileLock(place / f".{name or 'spine'}.lock")
    lock.acquire(cancel_check=wait.is_over)
    try:
        yield
    finally:
        lock.release()


def remove_leftovers(target: Path) -> int:
    """Delete temporary files that killed processes left beside a file, and return their number.

    Only for those who hold the lock under which the file is written.
    """
    return remove_all(target.parent.glob(f".{glob.escape(target.name)}.*{TEMPORARY}*"))


def remove_all(leftovers: Iterable[Path]) -> int:
    """Delete files, and folders with what is in them; return their number."""
    found = list(leftovers)
    for path in found:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(found)


def _temporary(target: Path) -> Path:
    """A hidden path beside a file, or beside the place where one will be."""
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "a device or a pipe"
        raise NotAFile(f"{target} is {kind}, and no file to replace")
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}{TEMPORARY}")


def _rename(staged: Path, target: Path) -> None:
    staged.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Wait until the disk has a file's bytes or a folder's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
