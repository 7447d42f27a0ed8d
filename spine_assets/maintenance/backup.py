"""A copy of Dagster's SQLite history and of the lake, made while runs go on.

SQLite's own backup copies a database page by page in one read transaction, so each copied database
is one that existed. Between the databases time passes: the record of runs is copied first, then the
index of events, then each run's log, then the lake. What a restored history lacks is thus in the
restored lake, and `spine doctor --repair` records it; a run that was under way when it was copied
counts as one whose process has died. Files that did not change since the last backup into the same
folder are left alone. Belongs here: what is copied, in which order. Does not belong here: copying a
lake (`copy_lake`); a history in PostgreSQL, of which its own tools make backups.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from spine_assets.lake.atomic_write import remove_leftovers, replacing

HISTORY, LAKE = "dagster", "lake"
"""Folders of a backup."""
_FIRST = ("history/runs.db", "history/runs/index.db")
_DATABASE = ".db"
_OPEN = ("-wal", "-shm", "-journal")  # of a database in use; the copy has all that is in them
_BUSY_SECONDS = 60
_PAGES = 2_000  # 8 MB at a time; between them other processes may write


def copy_history(
    source: Path, target: Path, *, advance: Callable[[], None] = lambda: None
) -> tuple[int, int]:
    """Copy a folder of Dagster's databases and logs.

    Args:
        source: Folder of the history (`base_dir`).
        target: Folder of its copy, which may hold an earlier one.
        advance: Called after each file of `files_of`.

    Returns:
        How many files were copied, and how many were equal already.

    Raises:
        sqlite3.Error: a database is damaged, or locked for longer than a minute.
        OSError: no space, or a folder that cannot be written.
    """
    copied = equal = 0
    for path in files_of(source):
        into = target / path.relative_to(source)
        into.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(into)  # of a backup that was killed
        if _is_same(path, into):
            equal += 1
        elif _copy(path, into):
            copied += 1
        advance()
    return copied, equal


def files_of(source: Path) -> list[Path]:
    """The files of a history in the order in which they are copied."""
    found = [path for path in sorted(_files(source)) if not path.name.endswith(_OPEN)]
    first = [source / name for name in _FIRST if (source / name) in found]
    return [*first, *(path for path in found if path not in first)]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def _is_same(source: Path, target: Path) -> bool:
    """Whether a file is as it was when it was copied; a database with a log may have changed."""
    if source.with_name(f"{source.name}-wal").exists() or not target.exists():
        return False
    here, there = source.stat(), target.stat()
    return (here.st_size, here.st_mtime_ns) == (there.st_size, there.st_mtime_ns)


def _copy(source: Path, target: Path) -> bool:
    """Copy one file, which then replaces an earlier copy; False if it was deleted meanwhile."""
    try:
        times = source.stat()
        with replacing(target) as staged:
            if source.suffix == _DATABASE:
                _copy_database(source, staged)
            else:
                shutil.copyfile(source, staged)
            os.utime(staged, ns=(times.st_atime_ns, times.st_mtime_ns))
    except FileNotFoundError:
        if source.exists():
            raise
        return False
    return True


def _copy_database(source: Path, staged: Path) -> None:
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as live,
        closing(sqlite3.connect(staged)) as copy,
    ):
        live.execute("BEGIN")  # one moment for all pages, however long it takes
        live.execute("SELECT count(*) FROM sqlite_master").fetchall()
        live.backup(copy, pages=_PAGES)
