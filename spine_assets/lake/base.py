"""What every lake is: tables by week in Parquet files that are replaced atomically.

A file appears under its name only when it is complete and stored, so a reader sees a table's
earlier week or its new one. Belongs here: errors, and what every lake can do. Does not belong
here: a lake's names (`names`), what it is stored on (`local`, `bucket.lake`), and what its files
mean (`otc.captures`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self

import polars as pl
from typing_extensions import TypeVar

from spine_assets.core.errors import Explained
from spine_assets.core.table_schema import polars_schema
from spine_assets.core.tables import Table
from spine_assets.lake.checksum import parquet_bytes
from spine_assets.lake.names import EMPTY_PART, EMPTY_WEEK, PART, UNPARTITIONED, LockName

if TYPE_CHECKING:
    import duckdb

REPLACED = "was replaced while it was read"
"""In the error of a query that read two versions of a file; the query can be repeated."""


class LakeError(Explained):
    """The lake cannot be read or written; the message says what to do."""


class LakeUnavailable(LakeError):
    """The lake's place fails (a full disk, a lost mount): a transient error."""


class LakeMissing(LakeUnavailable):
    """There is no such file: not yet, or it was deleted a moment ago."""


class LakeFile(Protocol):
    """A place in a lake: a `pathlib.Path`, or an object in a bucket; its text is its address."""

    @property
    def name(self) -> str:
        """The last part of its address."""

    @property
    def parent(self) -> Self:
        """The folder it is in."""

    def __truediv__(self, name: str, /) -> Self:
        """A place in this folder."""

    def __hash__(self) -> int:
        """Places are keys of caches."""

    def exists(self) -> bool:
        """Whether the file exists."""

    def read_bytes(self) -> bytes:
        """All of the file."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the file."""


FileT = TypeVar("FileT", bound=LakeFile)
"""The file of a lake that a function over any lake returns."""

FileT_co = TypeVar("FileT_co", bound=LakeFile, covariant=True, default=LakeFile)


class Lake(ABC, Generic[FileT_co]):
    """Tables by week, wherever they are stored.

    What reads or writes files raises LakeError: `LakeUnavailable` where the place fails, others
    where a file is damaged or the place can never work.
    """

    @property
    @abstractmethod
    def root(self) -> FileT_co:
        """Where the tables' folders are."""

    @property
    @abstractmethod
    def place(self) -> Path | str:
        """What `open_lake` opens: a folder or a URL."""

    # --- places

    def folder(self, table: str, week: date) -> FileT_co:
        """Folder of one table's week."""
        return self.root / table / f"week_ending={week}"

    def part(self, table: str, week: date | None) -> FileT_co:
        """The file of one derived table's week, or of a table without weeks, existing or not."""
        folder = self.root / table / UNPARTITIONED if week is None else self.folder(table, week)
        return folder / PART

    def is_unpartitioned(self, table: str) -> bool:
        """Whether a table has no weeks."""
        return bool(self.entries(table, UNPARTITIONED))

    def empty_part(self, table: str) -> FileT_co:
        """The file without rows that has a table's columns."""
        return self.root / table / EMPTY_WEEK / EMPTY_PART

    def weeks(self, table: str) -> list[date]:
        """Weeks of a table that hold a file, oldest first."""
        return list(self.names(table))

    @abstractmethod
    def within(self, *folders: str) -> Self:
        """A lake of its own in a folder of this one."""

    @abstractmethod
    def entries(self, *folders: str) -> list[str]:
        """Names of the files and folders in a folder, sorted; empty where it is missing."""

    @abstractmethod
    def files(self, table: str, week: date, suffix: str = ".parquet") -> list[FileT_co]:
        """All published files of one table's week, by name."""

    @abstractmethod
    def stored_bytes(self, table: str, week: date) -> int:
        """Size of all files of a table's week together."""

    @abstractmethod
    def names(self, table: str, suffix: str = ".parquet") -> dict[date, list[str]]:
        """Names of all published files of a table by week, oldest first; no file is opened."""

    @abstractmethod
    def stamps(self, table: str) -> dict[date | None, dict[str, str]]:
        """Of each published file, by week and name, a value that changes when it is replaced.

        The file of a table without weeks is under None. No file is opened.
        """

    @abstractmethod
    def stamps_of(self, table: str, week: date | None) -> dict[str, str]:
        """The same of one week."""

    # --- writing

    @abstractmethod
    def stage_bytes(self, content: bytes | bytearray, target: LakeFile) -> Path:
        """Write a file that readers do not see, and return its temporary local path."""

    def stage(self, frame: pl.DataFrame, target: LakeFile, metadata: dict[str, Any]) -> Path:
        """Write a frame with its metadata, as `stage_bytes` does."""
        return self.stage_bytes(parquet_bytes(frame, metadata), target)

    @abstractmethod
    def publish(self, staged: Path, target: LakeFile) -> None:
        """Put a staged file in its target's place, in one step.

        Raises:
            LakeError: the place cannot be written, or another process published meanwhile.
        """

    @abstractmethod
    def append(self, staged: Path, target: LakeFile) -> None:
        """Publish a file that is never replaced: a capture, a pin."""

    # --- reading

    @abstractmethod
    def read(
        self, path: LakeFile, columns: list[str] | None = None, where: pl.Expr | None = None
    ) -> pl.DataFrame:
        """The rows of a file, or those that meet a condition."""

    @abstractmethod
    def beginning(self, path: LakeFile, size: int) -> bytes:
        """The first bytes of a file."""

    @abstractmethod
    def verify(self, path: LakeFile) -> None:
        """Compare a file with its checksum.

        Raises:
            LakeError: a byte of it has changed, or it is not readable.
        """

    @abstractmethod
    def metadata(self, path: LakeFile) -> dict[str, Any]:
        """The metadata that was written with the rows of a file; empty where there is none."""

    @abstractmethod
    def stamp(self, path: LakeFile) -> object | None:
        """A value that changes whenever a file is replaced; None where there is no file."""

    def readable_by(self, connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        """Let a DuckDB connection open the lake's files, and raise their errors as the lake's.

        Raises:
            LakeError: DuckDB met this error of the lake within the block.
        """
        return nullcontext()

    # --- locks and leftovers

    def lock(
        self, week: date, given_up: Callable[[], bool] | None = None
    ) -> AbstractContextManager[None]:
        """Hold the lock of a week, as `lock_of`."""
        return self.lock_of(LockName.week(week), given_up)

    @abstractmethod
    def lock_of(
        self, name: LockName, given_up: Callable[[], bool] | None = None
    ) -> AbstractContextManager[None]:
        """Hold a lock: no other process changes meanwhile what it protects.

        The lock of a killed process becomes free by itself.

        Args:
            name: What it protects.
            given_up: Called while another process holds it; true ends the wait.

        Raises:
            LakeUnavailable: the lock cannot be had, or was not waited for any longer.
        """

    def remove_leftovers(self, week: date) -> int:
        """Delete temporary files that a killed run left in a week; only under its lock."""
        return 0

    def remove_leftovers_beside(self, target: LakeFile) -> int:
        """Delete temporary files that a killed run left beside a file; only under its lock."""
        return 0

    def remove_week(self, week: date, *, last: str = "") -> None:
        """Delete all files of a week, those of the table `last` after the others; hold its lock."""
        tables = [name for name in self.entries() if not name.startswith(("_", "."))]
        for table in sorted(tables, key=lambda name: name == last):
            for file in self.files(table, week, ""):
                file.unlink(missing_ok=True)

    @abstractmethod
    def remove(self) -> None:
        """Delete all tables, each week when its lock is free; the locks stay."""

    # --- declarations

    def declare(self, tables: tuple[Table, ...]) -> None:
        """Write an empty file for each table, so that views answer before the first week."""
        if all(self.is_declared(table) for table in tables):
            return
        with self.lock_of(LockName.TABLES):
            for table in tables:
                target = self.empty_part(table.name)
                self.remove_leftovers_beside(target)
                if not self.is_declared(table):
                    empty = pl.DataFrame(schema=polars_schema(table))
                    self.publish(self.stage(empty, target, {}), target)

    def is_declared(self, table: Table) -> bool:
        """Whether a table's empty file is there, with the declared columns."""
        return self.schema(self.empty_part(table.name)) == pl.Schema(polars_schema(table))

    @abstractmethod
    def schema(self, path: LakeFile) -> dict[str, pl.DataType] | None:
        """Columns of a file, or None where it is missing or damaged."""
