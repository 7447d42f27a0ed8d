"""Replacing a DuckDB file that `spine db build` wrote, and nothing else.

Belongs here: what may be replaced, by one process at a time, in one step; and what a full disk
says. Does not belong here: what is written (`database_file`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from spine_assets.core.sql import literal
from spine_assets.lake.atomic_write import is_full, remove_leftovers, replacing
from spine_assets.otc.captures import pins
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.run_tables import LOG_TABLES

BUILD = "spine_build"
"""Table of a built file that tells what is in it; marks the file as one of ours."""

_OURS = {
    *(BUILD, pins.TABLE.name),
    *(table.name for table in TABLES),
    *(table.name for table in LOG_TABLES),
}
_FULL_BYTES = 16 * 2**20  # less than this is not worth a database
_IN_USE = ("Conflicting lock", "is already attached")
_NO_ROOM = ("No space left", "File too large", "max_temp_directory_size")


class CannotBuild(Exception):
    """No file can be made; the message says why and what to do. An earlier file stands."""


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the block ends without error.

    Who has the earlier file open goes on reading it. What a killed process left is removed.

    Raises:
        CannotBuild: another process builds the file, what is there is no such file or is open
            for writing, or there is no room or memory.
    """
    path = path.resolve()
    with _alone(path), _explained(path):
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
def _alone(path: Path) -> Iterator[None]:
    """Keep other builds of the same file away; a killed build's lock is free.

    The lock is deleted while it is held, so that nothing lies beside somebody's file. Who opened it
    in that very moment may build at the same time: one of the two then fails, and nothing is mixed.
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
    """Make sure that a file which is there may be replaced.

    Raises:
        CannotBuild: it is no copy of a lake, holds other tables too, or is open for writing.
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
            raise CannotBuild(f"{path} is no file of `spine db build`; {advice}") from error
        names = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'found'"
        ).fetchall()
    tables = {name for (name,) in names}
    if BUILD not in tables:
        raise CannotBuild(f"{path} is no file of `spine db build`; {advice}")
    if own := sorted(tables - _OURS):
        raise CannotBuild(
            f"{path} also holds {', '.join(own)}, which would be lost; move them elsewhere, or "
            "choose another name"
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say what a lack of room or memory means here."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        said = str(error).partition("\n")[0]  # advice on settings follows
        if any(mark in str(error) for mark in _NO_ROOM) or is_full(path.parent, _FULL_BYTES):
            raise CannotBuild(
                f"no room for {path.name} in {path.parent} ({said}); what was there before is "
                "there still. Free space, choose another folder, or fewer weeks with --since"
            ) from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise CannotBuild(
                f"{path} needs more memory ({said}); give it with --memory"
            ) from error
        raise
