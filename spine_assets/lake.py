"""The lake: one folder a table, one a week, Parquet files replaced atomically.

    <root>/<table>/week_ending=YYYY-MM-DD/<file>.parquet
    <root>/<table>/all/data.parquet                        a table without weeks

A file appears under its name only when it is whole and on disk, so a reader sees a
table's old week or its new one. Belongs here: paths, atomic writes, file metadata, the
per-week lock. Does not belong here: what the files mean (`otc.captures`, `otc.week`).
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock, Timeout

from spine_assets.table import Table, polars_schema

PART = "data.parquet"
"""Name of the one file of a derived table's week."""

_METADATA_KEY = "spine"
_SEAL_KEY = "spine_seal"
# Hash of the whole file with zeros in the seal's own place: Parquet files that Polars
# writes hold no checksum, so a changed byte could pass for another figure.
_OPEN_SEAL = "sha256:" + "0" * 64
_SEAL_PREFIX = b"sha256:"
_FULL_BYTES = 65_536  # less than this is not worth a file
_TEMPORARY = ".tmp"
_LOCKS = "_locks"
# Small enough that one symbol's rows of a sorted week touch few groups, large enough
# that a full-size week (190,000 rows) has only a handful of footers entries to read.
_ROW_GROUP_ROWS = 32_768
# Measured on full-size weeks: level 1 takes two thirds of the time of level 3, Polars' own
# default, and its files are as small.
_ZSTD_LEVEL = 1
_WEEK_FOLDER = "week_ending=2"  # of a real week; the empty one begins otherwise
_EMPTY_WEEK = "week_ending=__HIVE_DEFAULT_PARTITION__"
_WHOLE = "all"


class LakeError(Exception):
    """The lake cannot be read or written; the message says what to do."""


class LakeUnavailable(LakeError):
    """The lake's place fails (a full disk, a lost mount): the same may work a little later."""


class Lake:
    """A lake on a local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, table: str, week: date) -> Path:
        """Folder of one table's week."""
        return self.root / table / f"week_ending={week}"

    def part(self, table: str, week: date) -> Path:
        """The file of one derived table's week, existing or not."""
        return self.folder(table, week) / PART

    def whole_part(self, table: str) -> Path:
        """The file of a table without weeks, existing or not."""
        return self.root / table / _WHOLE / PART

    def is_whole(self, table: str) -> bool:
        """Whether a table has no weeks."""
        return (self.root / table / _WHOLE).is_dir()

    def empty_part(self, table: str) -> Path:
        """The file without rows that tells a table's columns."""
        return self.root / table / _EMPTY_WEEK / "empty.parquet"

    def files(self, table: str, week: date) -> list[Path]:
        """All whole files of one table's week, by name."""
        return sorted(self.folder(table, week).glob("*.parquet"))

    def weeks(self, table: str) -> list[date]:
        """Weeks of a table that hold a file, oldest first."""
        return list(self.names(table))

    def names(self, table: str) -> dict[date, list[str]]:
        """Names of all whole files of a table by week, oldest first; no file is opened."""
        found = {}
        for folder in _entries(self.root / table):
            if folder.startswith(_WEEK_FOLDER):
                files = _entries(self.root / table / folder)
                if whole := [name for name in files if _is_whole(name)]:
                    found[date.fromisoformat(folder.partition("=")[2])] = whole
        return found

    def stage(self, frame: pl.DataFrame, target: Path, metadata: dict[str, Any]) -> Path:
        """Write a frame beside its target, synced to disk, and return the temporary path.

        Raises:
            LakeError: the disk is full or the folder is not writable.
        """
        return self._staged(target, lambda: _parquet(frame, metadata))

    def stage_bytes(self, content: bytes, target: Path) -> Path:
        """Write any other file beside its target, as `stage` does.

        Raises:
            LakeError: the disk is full or the folder is not writable.
        """
        return self._staged(target, lambda: bytearray(content))

    def _staged(self, target: Path, made: Callable[[], bytearray]) -> Path:
        staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}{_TEMPORARY}")
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

    def publish(self, staged: Path, target: Path) -> None:
        """Put a staged file in its target's place, in one step.

        Raises:
            LakeError: the place cannot be written.
        """
        try:
            staged.replace(target)
            _sync(target.parent)
        except OSError as error:
            with suppress(OSError):
                staged.unlink(missing_ok=True)
            raise LakeUnavailable(
                f"cannot publish {target}: {error}; run the week again"
            ) from error

    def read(
        self, path: Path, columns: list[str] | None = None, where: pl.Expr | None = None
    ) -> pl.DataFrame:
        """The rows of a file, or those of them that fulfil a condition.

        Raises:
            LakeError: the file is damaged or not readable.
        """
        with _told_if_damaged(path):
            if where is not None:
                rows = pl.scan_parquet(path, glob=False, hive_partitioning=False).filter(where)
                return rows.select(columns or pl.all()).collect()
            return pl.read_parquet(path, columns=columns, glob=False)  # a name, no pattern

    def verify(self, path: Path) -> None:
        """Make sure that a file holds the bytes that were written.

        Raises:
            LakeError: a byte of it was changed, or it is not readable.
        """
        with _told_if_damaged(path):
            content = path.read_bytes()
            # Looked for from the end, where the footer is: that reads a thousandth of the file.
            if content.rfind(_SEAL_KEY.encode()) < 0:
                return  # written before files had seals
            place = content.rfind(_SEAL_PREFIX)
            seal = content[place : place + len(_OPEN_SEAL)]
            if place < 0 or _sealed(content, place).encode() != seal:
                raise ValueError("its bytes are not those that were written")

    def metadata(self, path: Path) -> dict[str, Any]:
        """What was written beside the rows of a file; empty where nothing was.

        Raises:
            LakeError: the file is damaged or not readable.
        """
        with _told_if_damaged(path):
            text = pl.read_parquet_metadata(path).get(_METADATA_KEY, "{}")
            found: dict[str, Any] = json.loads(text)
            return found

    def remove_leftovers(self, week: date) -> int:
        """Delete temporary files that a killed run left in a week; hold its lock."""
        return _remove(self.root.glob(f"*/week_ending={week}/.*{_TEMPORARY}"))

    def remove_leftovers_beside(self, target: Path) -> int:
        """Delete temporary files that a killed run left beside a file; hold its lock."""
        return _remove(target.parent.glob(f".{target.name}.*{_TEMPORARY}"))

    def lock(
        self, week: date, given_up: Callable[[], bool] | None = None
    ) -> AbstractContextManager[None]:
        """Hold a week: no other process captures, builds or publishes it meanwhile.

        The operating system frees the lock of a killed process.

        Args:
            week: Week ending.
            given_up: Asked while another holds it; true ends the wait.

        Raises:
            LakeUnavailable: the lock cannot be had, or was not waited for any longer.
        """
        return self._hold(str(week), given_up)

    def lock_of(
        self, name: str, given_up: Callable[[], bool] | None = None
    ) -> AbstractContextManager[None]:
        """Hold something of the lake that is no week; else as `lock`."""
        return self._hold(name, given_up)

    @contextmanager
    def _hold(self, name: str, given_up: Callable[[], bool] | None = None) -> Iterator[None]:
        folder = self.root / _LOCKS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{name}.lock")
            lock.acquire(cancel_check=given_up)
        except Timeout as error:
            raise LakeUnavailable(f"{name}: the run ended while it waited for the lock") from error
        except OSError as error:
            raise LakeUnavailable(
                f"cannot lock {name} in {folder}: {error.strerror or error}; "
                "the lake must be a writable folder"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def declare(self, tables: tuple[Table, ...]) -> None:
        """Put an empty file of each table in place, so that views answer from day one."""
        if all(self._is_declared(table) for table in tables):
            return
        with self._hold("tables"):
            for table in tables:
                _remove(self.empty_part(table.name).parent.glob(f".*{_TEMPORARY}"))
                if not self._is_declared(table):
                    target = self.empty_part(table.name)
                    empty = pl.DataFrame(schema=polars_schema(table))
                    self.publish(self.stage(empty, target, {}), target)

    def _is_declared(self, table: Table) -> bool:
        target = self.empty_part(table.name)
        return target.exists() and self._schema(target) == pl.Schema(polars_schema(table))

    def _schema(self, path: Path) -> dict[str, pl.DataType] | None:
        """Columns of a file, or None where it is damaged."""
        try:
            return dict(pl.read_parquet_schema(path))
        except (OSError, pl.exceptions.PolarsError):
            return None

    def remove(self) -> None:
        """Delete all tables, week by week as each falls free; the locks stay."""
        for folder in sorted(self.root.glob("*/week_ending=2*")):
            with self._hold(folder.name.partition("=")[2]):
                shutil.rmtree(folder)
        with self._hold("tables"):
            for folder in self.root.iterdir():
                if folder.name != _LOCKS:
                    shutil.rmtree(folder)


@contextmanager
def _told_if_damaged(path: Path) -> Iterator[None]:
    """Name the file that cannot be read."""
    try:
        yield
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        fault = LakeUnavailable if isinstance(error, OSError) else LakeError
        raise fault(
            f"{path} cannot be read ({error}); restore it from a copy, or delete it and build "
            "the week again while its delivered files are in the landing folder"
        ) from error


def _entries(folder: Path) -> list[str]:
    """Names in a folder, sorted; none where it is missing."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names alone, some times faster
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_whole(name: str) -> bool:
    return name.endswith(".parquet") and not name.startswith(".")


def _remove(leftovers: Iterable[Path]) -> int:
    """Delete files; how many there were."""
    found = list(leftovers)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _sealed(content: bytes, place: int) -> str:
    """The seal of a file whose seal stands at a place."""
    size = len(_OPEN_SEAL)
    open_seal = _OPEN_SEAL.encode()
    view = memoryview(content)
    whole = hashlib.sha256(view[:place])
    whole.update(open_seal)
    whole.update(view[place + size :])
    return f"sha256:{whole.hexdigest()}"


def _parquet(frame: pl.DataFrame, metadata: dict[str, Any]) -> bytearray:
    """A whole Parquet file with its seal, made in memory so that it is read and hashed once."""
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        row_group_size=_ROW_GROUP_ROWS,
        metadata={_METADATA_KEY: json.dumps(metadata, default=str), _SEAL_KEY: _OPEN_SEAL},
    )
    content = bytearray(buffer.getbuffer())
    place = content.rindex(_OPEN_SEAL.encode())
    seal = f"sha256:{hashlib.sha256(content).hexdigest()}"
    content[place : place + len(seal)] = seal.encode()
    return content


def write_synced(path: Path, content: bytearray) -> None:
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
    """Make a file or folder entry durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
