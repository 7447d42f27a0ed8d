"""A lake on a local folder: files are renamed into place, locks are the operating system's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl
from filelock import FileLock, Timeout

from spine_assets.lake import atomic_write
from spine_assets.lake.atomic_write import TEMPORARY
from spine_assets.lake.base import Lake, LakeError, LakeFile, LakeUnavailable
from spine_assets.lake.checksum import read_metadata, verify
from spine_assets.lake.file_errors import not_a_folder, queried, reading
from spine_assets.lake.lock_wait import Wait, this_process
from spine_assets.lake.names import LOCKS, LockName, is_published, week_of

if TYPE_CHECKING:
    import duckdb


class LocalLake(Lake[Path]):
    """A lake on a local folder; several machines may share one that they have mounted."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        """The folder."""
        return self._root

    @property
    def place(self) -> Path:
        """The folder."""
        return self._root

    def within(self, *folders: str) -> Self:
        """A lake of its own in a folder of this one."""
        return type(self)(self._root.joinpath(*folders))

    def entries(self, *folders: str) -> list[str]:
        """Names in a folder, sorted; empty where it is missing.

        Raises:
            LakeUnavailable: the folder cannot be read.
        """
        folder = self._root.joinpath(*folders)
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208 - names alone, some times faster
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise LakeUnavailable(f"{folder} cannot be listed: {error.strerror}") from error

    def files(self, table: str, week: date, suffix: str = ".parquet") -> list[Path]:
        """All published files of one table's week, by name."""
        folder = self.folder(table, week)
        return sorted(path for path in folder.glob("*") if is_published(table, path.name, suffix))

    def stored_bytes(self, table: str, week: date) -> int:
        """Size of all files of a table's week together."""
        return sum(path.stat().st_size for path in self.files(table, week))

    def names(self, table: str, suffix: str = ".parquet") -> dict[date, list[str]]:
        """Names of all published files of a table by week, oldest first; no file is opened."""
        found = {}
        for folder in self.entries(table):
            if (week := week_of(folder)) is not None:
                files = self.entries(table, folder)
                if published := [name for name in files if is_published(table, name, suffix)]:
                    found[week] = published
        return found

    def stamps(self, table: str) -> dict[date | None, dict[str, str]]:
        """Size and time of change of each published file by week and name; a copy may keep both."""
        weeks = {week_of(folder) for folder in self.entries(table)}
        found = {week: self.stamps_of(table, week) for week in weeks}
        return {week: files for week, files in found.items() if files}

    def stamps_of(self, table: str, week: date | None) -> dict[str, str]:
        """The same of one week."""
        folder = self.part(table, week).parent
        try:
            with os.scandir(folder) as entries:
                files = [item for item in entries if is_published(table, item.name)]
                return {item.name: _stamp(item.stat()) for item in files}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise LakeUnavailable(f"{folder} cannot be listed: {error.strerror}") from error

    def stage_bytes(self, content: bytes | bytearray, target: LakeFile) -> Path:
        """Write a file beside its target, synced to disk, and return the temporary path."""
        return atomic_write.stage(_local(target), content)

    def publish(self, staged: Path, target: LakeFile) -> None:
        """Rename a staged file to its target."""
        atomic_write.publish(staged, _local(target))

    def append(self, staged: Path, target: LakeFile) -> None:
        """Rename a staged file to its target, whose name depends on its content."""
        self.publish(staged, target)

    def read(
        self, path: LakeFile, columns: list[str] | None = None, where: pl.Expr | None = None
    ) -> pl.DataFrame:
        """The rows of a file; of one with a condition only the row groups that may hold some."""
        local = _local(path)
        with reading(path):
            if where is not None:
                rows = pl.scan_parquet(local, glob=False, hive_partitioning=False).filter(where)
                return rows.select(columns or pl.all()).collect()
            return pl.read_parquet(local, columns=columns, glob=False)  # a name, no pattern

    def beginning(self, path: LakeFile, size: int) -> bytes:
        """The first bytes of a file."""
        with reading(path), _local(path).open("rb") as file:
            return file.read(size)

    def verify(self, path: LakeFile) -> None:
        """Compare a file with its checksum."""
        with reading(path):
            verify(path.read_bytes())

    def metadata(self, path: LakeFile) -> dict[str, Any]:
        """The metadata that was written with the rows of a file."""
        with reading(path):
            return read_metadata(pl.read_parquet_metadata(_local(path)))

    def readable_by(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        """DuckDB opens local files by itself; a damaged one is an error of the lake."""
        return queried(self._root)

    def stamp(self, path: LakeFile) -> object | None:
        """Inode and time of change: each published file is a new one."""
        try:
            status = _local(path).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def schema(self, path: LakeFile) -> dict[str, pl.DataType] | None:
        """Columns of a file, or None where it is missing or damaged."""
        try:
            return dict(pl.read_parquet_schema(_local(path)))
        except (OSError, pl.exceptions.PolarsError):
            return None

    @contextmanager
    def lock_of(self, name: LockName, given_up: Callable[[], bool] | None = None) -> Iterator[None]:
        """Hold a lock that the operating system releases when the process dies."""
        folder = self._root / LOCKS
        path = folder / f"{name}.lock"
        wait = Wait(name.meaning, lambda: _holder_of(path), given_up)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            lock.acquire(cancel_check=wait.is_over)
        except Timeout as error:
            raise LakeUnavailable(f"{name}: the run ended while it waited for the lock") from error
        except OSError as error:
            if problem := not_a_folder(folder / "name"):
                raise LakeError(f"cannot lock {name}: {problem}") from error
            raise LakeUnavailable(
                f"cannot lock {name} in {folder}: {error.strerror or error}; "
                "the lake must be a writable folder"
            ) from error
        try:
            _describe_holder(path)
            yield
        finally:
            lock.release()

    def remove_leftovers(self, week: date) -> int:
        """Delete temporary files that a killed run left in a week; hold its lock."""
        return atomic_write.remove_all(self._root.glob(f"*/week_ending={week}/.*{TEMPORARY}"))

    def remove_leftovers_beside(self, target: LakeFile) -> int:
        """Delete temporary files that a killed run left beside a file; hold its lock."""
        return atomic_write.remove_leftovers(_local(target))

    def remove_week(self, week: date, *, last: str = "") -> None:
        """Delete all files of a week, and its folders, as far as they are empty; hold its lock."""
        super().remove_week(week, last=last)
        for folder in self._root.glob(f"*/week_ending={week}"):
            with suppress(OSError):  # somebody's own folder is in it
                folder.rmdir()

    def remove(self) -> None:
        """Delete all tables, each week when its lock is free; the locks stay."""
        for folder in sorted(self._root.glob("*/week_ending=2*")):
            with self.lock_of(LockName(folder.name.partition("=")[2])):
                shutil.rmtree(folder)
        with self.lock_of(LockName.TABLES):
            for entry in self._root.iterdir():
                if entry.is_file():
                    entry.unlink()
                elif entry.name != LOCKS:
                    shutil.rmtree(entry)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _describe_holder(path: Path) -> None:
    """Write into the file of a lock who holds it; where that fails, the file is empty."""
    with suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(file, this_process().encode())
        finally:
            os.close(file)


def _holder_of(path: Path) -> str:
    try:
        return path.read_text("utf-8") or "another process"
    except (OSError, ValueError):
        return "another process"


def _local(path: LakeFile) -> Path:
    """The path of a file of a local lake."""
    if not isinstance(path, Path):
        raise TypeError(f"{path} is not a file of a local lake")
    return path
