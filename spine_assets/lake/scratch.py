"""Temporary local files of a process, removed by the next process that makes some.

The folders of `tempfile` are left behind by a process that is killed; these are found by a lock
that ends with its process. A folder per process and its removal belong here, nothing else.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import uuid
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

_FOLDERS = "spine-scratch"
_ALIVE = "alive.lock"


def new_path(name: str) -> Path:
    """A path for a temporary file, in a folder of this process, which exists."""
    return _folder(os.getpid()) / f"{uuid.uuid4().hex}.{name}"


@cache
def _folder(process: int) -> Path:
    """This process's folder; its lock is held until the process dies."""
    root = Path(tempfile.gettempdir()) / f"{_FOLDERS}-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    require_own(root)
    with FileLock(root / "sweep.lock"):
        for folder in root.glob("p*"):
            _remove_if_dead(folder)
        own = Path(tempfile.mkdtemp(prefix=f"p{process}-", dir=root))
        _HELD.append(_locked(own))
    return own


def require_own(root: Path) -> None:
    """Refuse a folder that another user may have made first, or may write to.

    Raises:
        PermissionError: with the remedy.
    """
    found = root.lstat()
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_own or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            f"{root} is not a folder that you alone can write to, so that others could read or "
            "replace temporary files: remove it, or set TMPDIR to a folder of your own"
        )


_HELD: list[FileLock] = []  # a lock is released when nothing refers to it


def _locked(folder: Path) -> FileLock:
    lock = FileLock(folder / _ALIVE)
    lock.acquire(timeout=0)
    return lock


def _remove_if_dead(folder: Path) -> None:
    try:
        lock = _locked(folder)
    except Timeout:
        return  # its process is alive
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
