"""Local files that are replaced in one step: whole and on disk before they have their name.

Belongs here: writing beside, syncing, renaming, and what a killed process left. Does not belong
here: what is written.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import polars as pl

from spine_assets.lake.base import LakeUnavailable

TEMPORARY = ".tmp"
_FULL_BYTES = 65_536  # less than this is not worth a file


def stage(target: Path, made: Callable[[], bytes | bytearray]) -> Path:
    """Write what is made beside its target, synced to disk, and return the temporary path.

    Raises:
        LakeUnavailable: the disk is full or the folder is not writable.
    """
    staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_synced(staged, made())
    except (OSError, pl.exceptions.ComputeError) as error:
        # Polars may call a full disk a transport error; so look at the disk itself.
        full = _is_full(target.parent)
        with suppress(OSError):
            staged.unlink(missing_ok=True)
        raise LakeUnavailable(
            f"cannot write {target}: {os.strerror(errno.ENOSPC) if full else error}; "
            "the earlier file stands "
            "as it was. Free space or mend the permissions, then run the week again"
        ) from error
    return staged


def stage_bytes(content: bytes, target: Path) -> Path:
    """Write bytes beside their target, as `stage` does."""
    return stage(target, lambda: content)


def publish(staged: Path, target: Path) -> None:
    """Put a staged file in its target's place, in one step.

    Raises:
        LakeUnavailable: the place cannot be written.
    """
    try:
        staged.replace(target)
        _sync(target.parent)
    except OSError as error:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
        raise LakeUnavailable(f"cannot publish {target}: {error}; run the week again") from error


def put(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the folders it needs.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY}")  # no scan looks at it
    try:
        write_synced(staged, bytearray(content))
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def remove_beside(target: Path) -> int:
    """Delete temporary files that a killed run left beside a file; how many there were."""
    return remove_all(target.parent.glob(f".{target.name}.*{TEMPORARY}"))


def remove_all(leftovers: Iterable[Path]) -> int:
    """Delete files; how many there were."""
    found = list(leftovers)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def write_synced(path: Path, content: bytes | bytearray) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BYTES
    except OSError:
        return False


def _sync(path: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
