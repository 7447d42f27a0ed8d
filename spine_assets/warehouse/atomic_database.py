"""Replacing a DuckDB file that `spine db build` wrote, and no other.

Belongs here: what may be replaced, by one process at a time, and the errors of a full disk. Does
not belong here: what is written (`database_file`), and the rename itself (`lake.atomic_write`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from spine_assets.core.sql import literal
from spine_assets.lake.atomic_write import remove_leftovers, replacing
from spine_assets.otc.captures import pins
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.core_tables import DAGSTER_TABLES

BUILD = "spine_build"
"""Table of a built file that lists what is in it, and marks the file as one of ours."""

_OURS = {
    *(BUILD, pins.TABLE.name),
    *(table.name for table in TABLES),
    *(table.name for table in DAGSTER_TABLES),
}
_FULL_BYTES = 16 * 2**20  # less than this is too little for a database
_IN_USE = ("Conflicting lock", "is already attached")
_NO_ROOM = ("No space left", "File too large", "max_temp_directory_size")


class CannotBuild(Exception):
    """No file can be made; the message has the reason and what to do. An earlier file stays."""


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the block ends without error.

    Who has the earlier file open still reads that. What a killed process left is removed.

    Raises:
        CannotBuild: another process builds the file, the existing file is of another kind or open
            for writing, or there is no space or memory.
    """
    path = path.resolve()
    with _locked(path), _explained(path):
        _require_ours(path)
        remove_leftovers(path)
        try:
            with replacing(path) as staged:
                yield staged
                _require_ours(path)  # no other process has begun to write into it meanwhile
                path.with_name(f"{path.name}.wal").unlink(missing_ok=True)  # of the old file
        finally:
            remove_leftovers(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the file against other builds; a killed build's lock is free.

    The lock's file is deleted while it is held, so that nothing is left beside the database. A
    process that opened it in that moment may build at the same time: one of the two then fails,
    and nothing is mixed.
    """
    if "?" in str(path):
        raise CannotBuild(f"{path} holds a question mark, which DuckDB takes for options")
    path.parent.mkdir(parents=True, exist_ok=True)
    place = path.with_name(f".{path.name}.building")
    lock = FileLock(place)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CannotBuild(f"{path} is being built by another process; wait for it") from error
    try:
        yield
    finally:
        place.unlink(missing_ok=True)
        lock.release()


def _require_ours(path: Path) -> None:
    """Make sure that an existing file may be replaced.

    Raises:
        CannotBuild: it is not a copy of a lake, holds other tables too, or is open for writing.
    """
    if not path.exists():
        return
    advice = "choose another name, or delete it"
    with duckdb.connect(":memory:") as connection:
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS found (TYPE duckdb, READ_ONLY)")
        except duckdb.Error as error:
            if any(mark in str(error) for mark in _IN_USE):
                raise CannotBuild(
                    f"{path} is open for writing elsewhere ({error}); close it there"
                ) from error
            raise CannotBuild(f"{path} is not a file of `spine db build`; {advice}") from error
        rows = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'found'"
        ).fetchall()
    tables = {name for (name,) in rows}
    if BUILD not in tables:
        raise CannotBuild(f"{path} is not a file of `spine db build`; {advice}")
    if foreign := sorted(tables - _OURS):
        raise CannotBuild(
            f"{path} also holds {', '.join(foreign)}, which would be lost; move them elsewhere, or "
            "choose another name"
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise a lack of space or memory with what to do."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        reason = str(error).partition("\n")[0]  # advice on settings follows
        if any(mark in str(error) for mark in _NO_ROOM) or _is_full(path.parent):
            raise CannotBuild(
                f"no space for {path.name} in {path.parent} ({reason}); the earlier file "
                "is unchanged. Free space, choose another folder, or fewer weeks with --since"
            ) from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise CannotBuild(
                f"{path} needs more memory ({reason}); give it with --memory"
            ) from error
        raise


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BYTES
    except OSError:
        return False
