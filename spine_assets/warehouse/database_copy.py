"""Replacing a DuckDB database by a changed copy of itself while others read it.

A reader sees the earlier database or the new one. Whoever has the earlier one open keeps it. What
a person made in the database is copied with the rest. Nobody can begin to write to the database
while its copy is made, and one that is open for writing is left alone.

DuckDB (1.4 to 2.0) opens a file by its name once for the header and once more for everything else.
Where the rename falls between the two, it reads the earlier header and the new blocks. So the new
file has all blocks of the earlier one where they were: there is one checkpoint, at the end, since
blocks that one makes free are overwritten only after it, and a file does not become shorter.

Belongs here: one process at a time, the copy, and the errors of a full disk. Does not belong here:
what is changed (`database`) and the rename itself (`lake.atomic_write`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from spine_assets.core.errors import Explained
from spine_assets.core.sql import literal
from spine_assets.core.text import first_line
from spine_assets.lake import atomic_write
from spine_assets.lake.atomic_write import remove_leftovers, replacing

STORAGE_VERSION = "v1.0.0"
"""Of all databases that are written: DuckDB 1.1 and later open them."""

DRAFT_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": STORAGE_VERSION,
    "checkpoint_threshold": "1TB",  # none before the one at the end
    "force_compression": "dictionary",  # texts repeat; to let DuckDB choose takes a fifth longer
}
"""How the copy is opened."""

_FULL_BYTES = 16 * 2**20  # less than this is too little for a database
_IN_USE = ("Conflicting lock", "is already attached", "different configuration")
_NO_ROOM = ("No space left", "File too large", "max_temp_directory_size")


class CannotRefresh(Explained):
    """The database stays as it is; the message has the reason and what to do."""


class OpenElsewhere(CannotRefresh):
    """Another process has the database open for writing; it is refreshed the next time."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process refreshes the database, and hold the others off.

    The lock of a killed process becomes free by itself.
    """
    if "?" in str(path):
        raise CannotRefresh(f"{path} holds a question mark, which DuckDB takes for options")
    with ExitStack() as stack:
        with _explained(path):
            stack.enter_context(atomic_write.locked(path.parent, path.name))
        remove_leftovers(path)  # of a killed refresh, also where nothing is to be done now
        yield


@contextmanager
def changed_copy(path: Path) -> Iterator[Path]:
    """A copy beside the database, to be changed; it takes the database's place when the block ends.

    Where there is no database yet, the copy is an empty one. Hold `locked`.

    Raises:
        OpenElsewhere: another process has it open for writing.
        CannotRefresh: the file is no database, or there is no space or memory.
    """
    with _explained(path):
        try:
            with _held(path) as held, replacing(path) as draft:
                has_same_blocks = held is not None and _copy(held, draft)
                yield draft
                if held is not None and has_same_blocks:
                    _keep_end(held.descriptor, draft)
        finally:
            remove_leftovers(path)


@dataclass(frozen=True)
class _Held:
    """A database that nobody can write to: a descriptor of it, and DuckDB with it as `held`."""

    descriptor: int
    reader: duckdb.DuckDBPyConnection


@contextmanager
def _held(path: Path) -> Iterator[_Held | None]:
    """Keep others from writing to the database; None where there is none.

    On closing any descriptor of a file, a process loses its locks on it, DuckDB's among them. So
    the one that is copied is opened before DuckDB opens the file, and closed after.
    """
    log = path.with_name(f"{path.name}.wal")
    if not path.exists():
        log.unlink(missing_ok=True)  # of a database that was deleted
        yield None
        return
    if log.exists():  # after the rename it would be replayed into the new database
        with _open_errors(path), duckdb.connect(str(path)) as connection:
            connection.execute("CHECKPOINT")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with duckdb.connect(":memory:") as reader:
            with _open_errors(path):
                reader.execute(f"ATTACH {literal(str(path))} AS held (TYPE duckdb, READ_ONLY)")
            yield _Held(descriptor, reader)
    finally:
        os.close(descriptor)


@contextmanager
def _open_errors(path: Path) -> Iterator[None]:
    """Raise that a database is open for writing, or is none."""
    try:
        yield
    except duckdb.Error as error:
        if any(mark in str(error) for mark in _IN_USE):
            raise OpenElsewhere(
                f"{path} is open for writing in another process ({first_line(error)}); it stays as "
                "it is until the next refresh after that is closed. To read only, open it with "
                "read_only=True (in the shell: duckdb -readonly)"
            ) from error
        if isinstance(error, (duckdb.IOException, duckdb.SerializationException)):
            raise CannotRefresh(
                f"{path} is not a database that DuckDB {duckdb.__version__} reads "
                f"({first_line(error)}); move it away, or choose another name"
            ) from error
        raise


def open_draft(draft: Path) -> duckdb.DuckDBPyConnection:
    """Open the copy for writing; what is written reaches its blocks when it is closed."""
    return duckdb.connect(str(draft), config=DRAFT_CONFIG)


def _copy(held: _Held, draft: Path) -> bool:
    """Copy the database, byte by byte where its storage version is ours; whether it was."""
    ((version,),) = held.reader.sql(
        "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'held'"
    ).fetchall()
    if not str(version).startswith(STORAGE_VERSION):
        target = f"{literal(str(draft))} AS draft (STORAGE_VERSION '{STORAGE_VERSION}')"
        held.reader.execute(f"ATTACH {target}")
        held.reader.execute("COPY FROM DATABASE held TO draft")
        held.reader.execute("DETACH draft")
        return False
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        _copy_bytes(held.descriptor, descriptor)
    finally:
        os.close(descriptor)
    return True


def _keep_end(earlier: int, draft: Path) -> None:
    """Append what the earlier file has beyond the end of the new one, where that is shorter."""
    with draft.open("ab") as file:
        while end := os.pread(earlier, 16 * 2**20, file.tell()):
            file.write(end)


def _copy_bytes(source: int, target: int) -> None:
    """Copy a file; a file system that can share blocks between files does so."""
    left = os.fstat(source).st_size
    try:
        while left > 0:
            copied = os.copy_file_range(source, target, left)
            if copied == 0:
                break
            left -= copied
    except (AttributeError, OSError):  # another operating system, or a file system that cannot
        os.lseek(source, 0, os.SEEK_SET)
        os.lseek(target, 0, os.SEEK_SET)
        with os.fdopen(os.dup(source), "rb") as read, os.fdopen(os.dup(target), "wb") as write:
            shutil.copyfileobj(read, write, 16 * 2**20)


def is_lack(error: Exception) -> bool:
    """Whether DuckDB fails for want of space or memory."""
    return isinstance(error, duckdb.OutOfMemoryException) or any(
        mark in str(error) for mark in _NO_ROOM
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise a lack of space or memory with what to do."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        reason = first_line(error)  # advice on settings follows
        if any(mark in str(error) for mark in _NO_ROOM) or _is_full(path.parent):
            raise CannotRefresh(
                f"no space for {path.name} in {path.parent} ({reason}); the database is unchanged. "
                "Free space, or keep fewer tables in it (SPINE_DATABASE_TABLES)"
            ) from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise CannotRefresh(
                f"{path} needs more memory ({reason}); raise SPINE_MEMORY_LIMIT"
            ) from error
        raise


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BYTES
    except OSError:
        return False
