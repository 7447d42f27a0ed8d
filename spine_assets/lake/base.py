"""The lake: one folder a table, one a week, Parquet files replaced atomically.

    <root>/<table>/week_ending=YYYY-MM-DD/<file>.parquet
    <root>/<table>/all/data.parquet                        a table without weeks

A file appears under its name only when it is whole and stored, so a reader sees a table's old
week or its new one. Belongs here: names, errors, and what every lake can do. Does not belong here:
what it stands on (`local_lake`, `object_lake`), what the files mean (`otc.captures`, `otc.week`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self

import polars as pl
from typing_extensions import TypeVar

from spine_assets.core.table_schema import polars_schema
from spine_assets.core.tables import Table
from spine_assets.lake.checksum import sealed

if TYPE_CHECKING:
    import duckdb

PART = "data.parquet"
"""Name of the one file of a derived table's week."""

REPLACED = "was replaced while it was read"
"""What a query fails with that read a file in parts; asked again it is right."""

LOCKS = "_locks"
"""Folder of the locks; begins as what is no table."""

_WEEK_FOLDER = "week_ending=2"  # of a real week; the empty one begins otherwise
EMPTY_WEEK = "week_ending=__HIVE_DEFAULT_PARTITION__"
"""Folder of the file without rows."""

EMPTY_PART = "empty.parquet"
"""Name of that file."""

WHOLE = "all"
"""Folder of a table without weeks."""


class LakeError(Exception):
    """The lake cannot be read or written; the message says what to do."""


class LakeUnavailable(LakeError):
    """The lake's place fails (a full disk, a lost mount): the same may work a little later."""


class LakeMissing(LakeUnavailable):
    """There is no such file: none yet, or it was deleted a moment ago."""


class LakeFile(Protocol):
    """A place in a lake: a `pathlib.Path`, or an object in a bucket; its text is its address."""

    @property
    def name(self) -> str:
        """The last part of its address."""
        ...

    @property
    def parent(self) -> Self:
        """The folder it is in."""
        ...

    def __truediv__(self, name: str, /) -> Self:
        """A place in it."""
        ...

    def __hash__(self) -> int:
        """Places are keys of what is remembered of them."""
        ...

    def exists(self) -> bool:
        """Whether a file stands there."""
        ...

    def read_bytes(self) -> bytes:
        """All of the file."""
        ...

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the file."""
        ...


FileT = TypeVar("FileT", bound=LakeFile)
"""What a function over any lake gives back: a file of that lake."""

FileT_co = TypeVar("FileT_co", bound=LakeFile, covariant=True, default=LakeFile)


class Lake(ABC, Generic[FileT_co]):
    """Tables by week, wherever they stand."""

    @property
    @abstractmethod
    def root(self) -> FileT_co:
        """Where the tables' folders are."""

    @property
    @abstractmethod
    def place(self) -> Path | str:
        """What `lakes.open_lake` opens again: a folder or a URL."""

    # --- names

    def folder(self, table: str, week: date) -> FileT_co:
        """Folder of one table's week."""
        return self.root / table / f"week_ending={week}"

    def part(self, table: str, week: date) -> FileT_co:
        """The file of one derived table's week, existing or not."""
        return self.folder(table, week) / PART

    def whole_part(self, table: str) -> FileT_co:
        """The file of a table without weeks, existing or not."""
        return self.root / table / WHOLE / PART

    def is_whole(self, table: str) -> bool:
        """Whether a table has no weeks."""
        return bool(self.entries(table, WHOLE))

    def empty_part(self, table: str) -> FileT_co:
        """The file without rows that tells a table's columns."""
        return self.root / table / EMPTY_WEEK / EMPTY_PART

    def weeks(self, table: str) -> list[date]:
        """Weeks of a table that hold a file, oldest first."""
        return list(self.names(table))

    @abstractmethod
    def within(self, *folders: str) -> Self:
        """A lake of its own in a folder of this one."""

    @abstractmethod
    def entries(self, *folders: str) -> list[str]:
        """Names of the files and folders in a folder, sorted; none where it is missing."""

    @abstractmethod
    def files(self, table: str, week: date) -> list[FileT_co]:
        """All whole files of one table's week, by name."""

    @abstractmethod
    def stored_bytes(self, table: str, week: date) -> int:
        """How large the files of a table's week are together."""

    @abstractmethod
    def names(self, table: str, suffix: str = ".parquet") -> dict[date, list[str]]:
        """Names of all whole files of a table by week, oldest first; no file is opened."""

    # --- writing

    @abstractmethod
    def stage_bytes(self, content: bytes | bytearray, target: LakeFile) -> Path:
        """Write a file that readers do not see, and return its temporary local path.

        Raises:
            LakeError: the disk is full or the folder is not writable.
        """

    def stage(self, frame: pl.DataFrame, target: LakeFile, metadata: dict[str, Any]) -> Path:
        """Write a frame with its metadata, as `stage_bytes` does."""
        return self.stage_bytes(sealed(frame, metadata), target)

    @abstractmethod
    def publish(self, staged: Path, target: LakeFile) -> None:
        """Put a staged file in its target's place, in one step.

        Raises:
            LakeError: the place cannot be written, or another writer was there meanwhile.
        """

    @abstractmethod
    def append(self, staged: Path, target: LakeFile) -> None:
        """Publish a file that is never replaced: a capture, a pin.

        Raises:
            LakeError: the place cannot be written.
        """

    # --- reading

    @abstractmethod
    def read(
        self, path: LakeFile, columns: list[str] | None = None, where: pl.Expr | None = None
    ) -> pl.DataFrame:
        """The rows of a file, or those of them that fulfil a condition.

        Raises:
            LakeError: the file is damaged or not readable.
        """

    @abstractmethod
    def beginning(self, path: LakeFile, size: int) -> bytes:
        """The first bytes of a file.

        Raises:
            LakeError: the file is not readable.
        """

    @abstractmethod
    def verify(self, path: LakeFile) -> None:
        """Make sure that a file holds the bytes that were written.

        Raises:
            LakeError: a byte of it was changed, or it is not readable.
        """

    @abstractmethod
    def metadata(self, path: LakeFile) -> dict[str, Any]:
        """What was written beside the rows of a file; empty where nothing was.

        Raises:
            LakeError: the file is damaged or not readable.
        """

    @abstractmethod
    def stamp(self, path: LakeFile) -> object | None:
        """Which file stands under a name, another where its bytes changed; None where none does."""

    def reach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB connection open the lake's files."""

    # --- locks and leftovers

    def lock(
        self, week: date, given_up: Callable[[], bool] | None = None
    ) -> AbstractContextManager[None]:
        """Hold a week: no other process captures, builds or publishes it meanwhile.

        The lock of a killed process falls free by itself.

        Args:
            week: Week ending.
            given_up: Asked while another holds it; true ends the wait.

        Raises:
            LakeUnavailable: the lock cannot be had, or was not waited for any longer.
        """
        return self.lock_of(str(week), given_up)

    @abstractmethod
    def lock_of(
        self, name: str, given_up: Callable[[], bool] | None = None
    ) -> AbstractContextManager[None]:
        """Hold something of the lake that is no week; else as `lock`."""

    @abstractmethod
    def remove_leftovers(self, week: date) -> int:
        """Delete temporary files that a killed run left in a week; hold its lock."""

    @abstractmethod
    def remove_leftovers_beside(self, target: LakeFile) -> int:
        """Delete temporary files that a killed run left beside a file; hold its lock."""

    @abstractmethod
    def remove(self) -> None:
        """Delete all tables, week by week as each falls free; the locks stay."""

    # --- declarations

    def declare(self, tables: tuple[Table, ...]) -> None:
        """Put an empty file of each table in place, so that views answer from day one."""
        if all(self._is_declared(table) for table in tables):
            return
        with self.lock_of("tables"):
            for table in tables:
                target = self.empty_part(table.name)
                self.remove_leftovers_beside(target)
                if not self._is_declared(table):
                    empty = pl.DataFrame(schema=polars_schema(table))
                    self.publish(self.stage(empty, target, {}), target)

    def _is_declared(self, table: Table) -> bool:
        return self.schema(self.empty_part(table.name)) == pl.Schema(polars_schema(table))

    @abstractmethod
    def schema(self, path: LakeFile) -> dict[str, pl.DataType] | None:
        """Columns of a file, or None where it is missing or damaged."""


@contextmanager
def told_if_damaged(path: LakeFile) -> Iterator[None]:
    """Name the file that cannot be read."""
    try:
        yield
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        fault = LakeUnavailable if isinstance(error, OSError) else LakeError
        if isinstance(error, FileNotFoundError):
            fault = LakeMissing
        raise fault(
            f"{path} cannot be read ({error}); restore it from a copy, or delete it and build "
            "the week again while its delivered files are in the landing folder"
        ) from error


def is_whole_name(name: str, suffix: str) -> bool:
    """Whether a name is that of a whole file of a table, no temporary one."""
    return bool(name) and name.endswith(suffix) and not name.startswith(".")


def week_of(folder: str) -> date | None:
    """The week that a folder's name tells; None for others, the empty one among them."""
    if not folder.startswith(_WEEK_FOLDER):
        return None
    said = folder.partition("=")[2]
    try:
        week = date.fromisoformat(said)
    except ValueError:
        return None  # somebody's own folder, such as a copy
    return week if str(week) == said else None
