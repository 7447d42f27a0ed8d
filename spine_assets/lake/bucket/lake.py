"""A lake in a bucket: an object is replaced by one PUT, locks are objects (`lease`).

The names are those of a lake in a folder. While a week's lock is held, a file of it is written
only where the version is still the one that was found, so that of two writers one is refused,
whatever happened to the lock. Belongs here: what every `Lake` can do. Does not belong here:
requests (`objects`), and how DuckDB reads objects (`filesystem`). An interrupted PUT leaves no
object, so there are no leftovers to remove.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import polars as pl

from spine_assets.lake import atomic_write, scratch
from spine_assets.lake.base import Lake, LakeFile, LakeUnavailable
from spine_assets.lake.bucket.filesystem import errors_of_objects, register
from spine_assets.lake.bucket.lease import LEASE_SECONDS, Lease, recorded
from spine_assets.lake.bucket.objects import ObjectFile, Version
from spine_assets.lake.bucket.store_errors import Replaced
from spine_assets.lake.bucket.write_conditions import require_conditions_once
from spine_assets.lake.checksum import footer_bytes, read_metadata, verify
from spine_assets.lake.file_errors import reading
from spine_assets.lake.names import (
    EMPTY_PART,
    EMPTY_WEEK,
    FORMAT_FILE,
    LOCKS,
    PART,
    UNFINISHED_COPY,
    UNPARTITIONED,
    LockName,
    is_published,
    week_of,
)

if TYPE_CHECKING:
    import duckdb

_END_BYTES = 65_536  # holds the footer of a full-size week some times over
# Files of tables, of this lake or of a tenant's in it; reports have a page beside their weeks.
# The format has no folder.
_OF_TABLES = re.compile(
    rf"(?:_[^/]+/[^/]+/)?"
    rf"(?:[^_/][^/]*/(?:week_ending=[^/]+|{UNPARTITIONED})/[^/]+|[^_/][^/]*/[^/]+\.html)"
    rf"|{re.escape(FORMAT_FILE)}|{re.escape(UNFINISHED_COPY)}"
)


class ObjectLake(Lake[ObjectFile]):
    """A lake in a bucket of S3, Google Cloud Storage or Azure."""

    def __init__(self, url: str, lease_seconds: float = LEASE_SECONDS) -> None:
        """A lake at a URL.

        Args:
            url: Bucket and prefix, such as `s3://bucket/lake`.
            lease_seconds: How long a killed run's lock stays; the same for all who use the lake.
        """
        self._root = ObjectFile(url.rstrip("/"))
        self._lease_seconds = lease_seconds
        self._leases: dict[LockName, Lease] = {}

    @property
    def root(self) -> ObjectFile:
        """Bucket and prefix."""
        return self._root

    @property
    def place(self) -> str:
        """The URL."""
        return str(self._root)

    def within(self, *folders: str) -> Self:
        """A lake of its own in a folder of this one."""
        return type(self)("/".join((self.place, *folders)), self._lease_seconds)

    def entries(self, *folders: str) -> list[str]:
        """Names in a folder, sorted; empty where it is missing."""
        return ObjectFile(self.place, "/".join(folders)).names()

    def files(self, table: str, week: date, suffix: str = ".parquet") -> list[ObjectFile]:
        """All published files of one table's week, by name.

        Those that are recorded in the week's lock are among them even where the store's list
        does not show them yet.
        """
        folder, lock = self.folder(table, week), LockName.week(week)
        listed = {name for name in folder.sizes_within() if is_published(table, name, suffix)}
        lease = self._leases.get(lock)
        if lease is not None:
            lease.require()  # the list may be used to delete, so it must date from under the lock
        names = lease.names(table) if lease else recorded(self._lock_file(lock), table)
        unlisted = {
            name
            for name in names
            if name not in listed and is_published(table, name, suffix) and (folder / name).exists()
        }
        return [folder / name for name in sorted(listed | unlisted)]

    def stored_bytes(self, table: str, week: date) -> int:
        """Size of the listed objects of a table's week together."""
        sizes = self.folder(table, week).sizes_within()
        return sum(size for name, size in sizes.items() if is_published(table, name))

    def names(self, table: str, suffix: str = ".parquet") -> dict[date, list[str]]:
        """Names of all published files of a table by week, oldest first, by one list."""
        found: dict[date, list[str]] = defaultdict(list)
        for key in (self._root / table).below():
            folder, _, name = key.removeprefix(f"{table}/").partition("/")
            week = week_of(folder)
            if week is not None and "/" not in name and is_published(table, name, suffix):
                found[week].append(name)
        return dict(sorted(found.items()))

    def stamps(self, table: str) -> dict[date | None, dict[str, str]]:
        """The version of each published file by week and name, by one list."""
        found: dict[date | None, dict[str, str]] = defaultdict(dict)
        for key, version in (self._root / table).versions_below().items():
            folder, _, name = key.removeprefix(f"{table}/").partition("/")
            week = week_of(folder)
            is_file = "/" not in name and is_published(table, name)
            if is_file and (week is not None or folder == UNPARTITIONED):
                found[week][name] = version
        return dict(found)

    def stamps_of(self, table: str, week: date | None) -> dict[str, str]:
        """The same of one week; of its lock's holder also of files that no list shows yet."""
        folder = self.part(table, week).parent
        listed = {
            key.rpartition("/")[2]: version for key, version in folder.versions_below().items()
        }
        if week is not None:
            listed |= {
                file.name: str(file.version())
                for file in self.files(table, week)
                if file.name not in listed
            }
        return {name: stamp for name, stamp in listed.items() if is_published(table, name)}

    # --- writing

    def stage_bytes(self, content: bytes | bytearray, target: LakeFile) -> Path:
        """Write a local temporary file; nothing is in the bucket before it is published."""
        try:
            path = scratch.new_path(target.name)
        except OSError as error:
            raise LakeUnavailable(f"no temporary file can be written: {error}") from error
        return atomic_write.stage(path, content)

    def publish(self, staged: Path, target: LakeFile) -> None:
        """Put a staged file in its target's place by one PUT."""
        file = _object(target)
        try:
            lease = self._lease_to_write(file)
            if lease is None:
                file.put(staged, "any")
                return
            before = file.version()
            lease.require()  # so no other process had the lock when `before` was found
            self._put(staged, file, before or "none")
        finally:
            staged.unlink(missing_ok=True)

    def append(self, staged: Path, target: LakeFile) -> None:
        """Put a file that is never replaced; its name is recorded in the week's lock first."""
        file = _object(target)
        try:
            self._lease_to_write(file)
            self._put(staged, file, "none")
        finally:
            staged.unlink(missing_ok=True)

    def _lease_to_write(self, file: ObjectFile) -> Lease | None:
        """The held lock of a file, if any; a file of a week is recorded in it."""
        table, _, rest = file.key.partition("/")
        week = week_of(file.parent.name)
        lock = LockName.week(week) if week else None
        if rest == f"{UNPARTITIONED}/{PART}":
            lock = LockName.table(table)
        elif rest == f"{EMPTY_WEEK}/{EMPTY_PART}":
            lock = LockName.TABLES
        lease = self._leases.get(lock) if lock else None
        if week and lease:
            lease.record(table, file.name)
        return lease

    def _put(self, staged: Path, file: ObjectFile, expected: Version | Literal["none"]) -> None:
        """Put a file where the expected version is still there."""
        try:
            file.put_surely(staged, expected)
        except Replaced:
            raise Replaced(
                f"{file} was published by another run meanwhile and stays; run the week again"
            ) from None

    # --- reading

    def read(
        self, path: LakeFile, columns: list[str] | None = None, where: pl.Expr | None = None
    ) -> pl.DataFrame:
        """The rows of a file, which is fetched by one request: so it is one version."""
        with reading(path):
            content = io.BytesIO(path.read_bytes())
            if where is not None:
                rows = pl.scan_parquet(content).filter(where)
                return rows.select(columns or pl.all()).collect()
            return pl.read_parquet(content, columns=columns)

    def beginning(self, path: LakeFile, size: int) -> bytes:
        """The first bytes of a file."""
        with reading(path):
            return path.read_bytes()[:size]

    def verify(self, path: LakeFile) -> None:
        """Compare a file with its checksum."""
        with reading(path):
            verify(path.read_bytes())

    def metadata(self, path: LakeFile) -> dict[str, Any]:
        """The metadata that was written with the rows of a file; only its end is fetched."""
        with reading(path):
            return read_metadata(pl.read_parquet_metadata(io.BytesIO(_end(_object(path)))))

    def stamp(self, path: LakeFile) -> object | None:
        """The version of an object."""
        return _object(path).version()

    def schema(self, path: LakeFile) -> dict[str, pl.DataType] | None:
        """Columns of a file, or None where it is missing or damaged."""
        try:
            return dict(pl.read_parquet_schema(io.BytesIO(_end(_object(path)))))
        except (FileNotFoundError, ValueError, pl.exceptions.PolarsError):
            return None

    @contextmanager
    def readable_by(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Let a DuckDB connection open the bucket's objects, and raise their errors as ours."""
        register(connection, self._root.url)
        with errors_of_objects():
            yield

    # --- locks and leftovers

    @contextmanager
    def lock_of(self, name: LockName, given_up: Callable[[], bool] | None = None) -> Iterator[None]:
        """Hold a lock that becomes free when it is not renewed for a lease."""
        require_conditions_once(self._root / LOCKS)
        lease = Lease(self._lock_file(name), self._lease_seconds)
        lease.acquire(given_up)
        self._leases[name] = lease
        try:
            yield
        finally:
            self._leases.pop(name, None)
            lease.release()

    def remove(self) -> None:
        """Delete all tables, each week when its lock is free; the locks stay.

        So does whatever else is in the bucket: a lake may share it.
        """
        by_lock: dict[LockName, list[str]] = defaultdict(list)
        for key in self._root.below():
            if _OF_TABLES.fullmatch(key):
                week = week_of(ObjectFile(self.place, key).parent.name)
                by_lock[LockName.week(week) if week else LockName.TABLES].append(key)
        for lock, keys in sorted(by_lock.items(), key=lambda item: item[0].text):
            with self.lock_of(lock):
                self._root.delete_all(keys)

    def _lock_file(self, name: LockName) -> ObjectFile:
        return self._root / LOCKS / f"{name}.lock"


def _end(file: ObjectFile) -> bytes:
    """The end of a Parquet file with its complete footer."""
    end = file.end(_END_BYTES)
    wanted = footer_bytes(end.content)
    if wanted <= len(end.content) or wanted > end.size:
        return end.content
    return file.between(end.size - wanted, end.size, end.version)


def _object(path: LakeFile) -> ObjectFile:
    """The object of a file of a lake in a bucket."""
    if not isinstance(path, ObjectFile):
        raise TypeError(f"{path} is not a file of a lake in a bucket")
    return path
