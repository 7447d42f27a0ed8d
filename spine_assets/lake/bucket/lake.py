"""A lake in a bucket: an object is replaced by one PUT, locks are objects (`object_lock`).

The same names as in a folder. While a week's lock is held, a file of it is put only where the
object stands that stood there before, so that of two writers one is refused, whatever became of
the lock. Belongs here: what `Lake` asks for. Does not belong here: requests (`object_file`), and
how DuckDB reads objects (`object_reading`).
"""

from __future__ import annotations

import io
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import polars as pl

from spine_assets.lake import atomic_write, scratch
from spine_assets.lake.base import (
    EMPTY_PART,
    EMPTY_WEEK,
    LOCKS,
    PART,
    WHOLE,
    Lake,
    LakeError,
    LakeFile,
    LakeUnavailable,
    is_whole_name,
    told_if_damaged,
    week_of,
)
from spine_assets.lake.bucket import lease as object_lock
from spine_assets.lake.bucket.lease import Lease
from spine_assets.lake.bucket.objects import ObjectFile, Replaced, Version
from spine_assets.lake.checksum import footer_bytes, require_whole, said

if TYPE_CHECKING:
    import duckdb

_END_BYTES = 65_536  # holds the footer of a full-size week some times over
# Of a lake, or of one that stands in it; reports have a page beside their weeks.
_OF_TABLES = re.compile(
    rf"(?:_[^/]+/[^/]+/)?(?:[^_/][^/]*/(?:week_ending=[^/]+|{WHOLE})/[^/]+|[^_/][^/]*/[^/]+\.html)"
)
_TRIED: set[str] = set()  # lakes of this process whose store is known to keep conditions


class ObjectLake(Lake[ObjectFile]):
    """A lake in a bucket of S3, Google Cloud Storage or Azure."""

    def __init__(self, url: str, lease_seconds: float = object_lock.LEASE_SECONDS) -> None:
        """A lake at a URL.

        Args:
            url: Bucket and prefix, such as `s3://bucket/lake`.
            lease_seconds: How long a killed run's lock stands; the same for all who use the lake.
        """
        self._root = ObjectFile(url.rstrip("/"))
        self._lease_seconds = lease_seconds
        self._held: dict[str, Lease] = {}

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
        """Names in a folder, sorted; none where it is missing."""
        return ObjectFile(self.place, "/".join(folders)).names()

    def files(self, table: str, week: date) -> list[ObjectFile]:
        """All whole files of one table's week, by name.

        Those that were noted under the week's lock are among them even where the store's list
        does not show them yet.
        """
        folder = self.folder(table, week)
        listed = {name for name in folder.sizes_within() if is_whole_name(name, ".parquet")}
        lease = self._held.get(str(week))
        if lease is not None:
            lease.require()  # what is deleted or counted by this list was listed while it was ours
        noted = (
            lease.names(table) if lease else object_lock.noted(self._lock_file(str(week)), table)
        )
        late = {
            name
            for name in noted
            if name not in listed and is_whole_name(name, ".parquet") and (folder / name).exists()
        }
        return [folder / name for name in sorted(listed | late)]

    def stored_bytes(self, table: str, week: date) -> int:
        """How large the listed objects of a table's week are together."""
        sizes = self.folder(table, week).sizes_within()
        return sum(size for name, size in sizes.items() if is_whole_name(name, ".parquet"))

    def names(self, table: str, suffix: str = ".parquet") -> dict[date, list[str]]:
        """Names of all whole files of a table by week, oldest first, by one list."""
        found: dict[date, list[str]] = defaultdict(list)
        for key in (self._root / table).below():
            folder, _, name = key.removeprefix(f"{table}/").partition("/")
            week = week_of(folder)
            if week is not None and "/" not in name and is_whole_name(name, suffix):
                found[week].append(name)
        return dict(sorted(found.items()))

    # --- writing

    def stage_bytes(self, content: bytes | bytearray, target: LakeFile) -> Path:
        """Write a local temporary file; nothing is in the bucket before it is published."""
        try:
            path = scratch.new_path(target.name)
        except OSError as error:
            raise LakeUnavailable(f"no temporary file can be written: {error}") from error
        return atomic_write.stage(path, lambda: content)

    def publish(self, staged: Path, target: LakeFile) -> None:
        """Put a staged file in its target's place by one PUT.

        Raises:
            LakeUnavailable: another writer was there meanwhile, whose file stands.
        """
        file = _object(target)
        lease = self._held.get(_lock_of(file))
        try:
            if lease is None:
                file.put(staged, "any")
                return
            if _week_in(file):
                lease.note(_table_in(file), file.name)
            before = file.version()
            lease.require()  # so nobody had the lock when `before` was looked up
            self._put(staged, file, before or "none")
        finally:
            staged.unlink(missing_ok=True)

    def append(self, staged: Path, target: LakeFile) -> None:
        """Put a file that is never replaced; its name is noted under the week's lock first."""
        file = _object(target)
        try:
            if (lease := self._held.get(_week_in(file))) is not None:
                lease.note(_table_in(file), file.name)
            self._put(staged, file, "none")
        finally:
            staged.unlink(missing_ok=True)

    def _put(self, staged: Path, file: ObjectFile, expected: Version | Literal["none"]) -> None:
        """Put a file where another stood, and no third one."""
        try:
            file.put_surely(staged, expected)
        except Replaced:
            raise Replaced(
                f"{file} was published by another run meanwhile, which stands; run the week again"
            ) from None

    # --- reading

    def read(
        self, path: LakeFile, columns: list[str] | None = None, where: pl.Expr | None = None
    ) -> pl.DataFrame:
        """The rows of a file, which is fetched whole: so it is one file, old or new."""
        with told_if_damaged(path):
            content = io.BytesIO(path.read_bytes())
            if where is not None:
                rows = pl.scan_parquet(content).filter(where)
                return rows.select(columns or pl.all()).collect()
            return pl.read_parquet(content, columns=columns)

    def beginning(self, path: LakeFile, size: int) -> bytes:
        """The first bytes of a file."""
        with told_if_damaged(path):
            return path.read_bytes()[:size]

    def verify(self, path: LakeFile) -> None:
        """Make sure that a file holds the bytes that were written."""
        with told_if_damaged(path):
            require_whole(path.read_bytes())

    def metadata(self, path: LakeFile) -> dict[str, Any]:
        """What was written beside the rows of a file; only its end is fetched."""
        with told_if_damaged(path):
            return said(pl.read_parquet_metadata(io.BytesIO(_end(_object(path)))))

    def stamp(self, path: LakeFile) -> object | None:
        """Which object stands under a name."""
        return _object(path).version()

    def schema(self, path: LakeFile) -> dict[str, pl.DataType] | None:
        """Columns of a file, or None where it is missing or damaged."""
        try:
            return dict(pl.read_parquet_schema(io.BytesIO(_end(_object(path)))))
        except (FileNotFoundError, ValueError, pl.exceptions.PolarsError):
            return None

    def reach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB connection open the bucket's objects."""
        from spine_assets.lake.bucket.filesystem import register

        register(connection, self._root.url)

    # --- locks and leftovers

    def require_conditions(self) -> None:
        """Make sure that the store refuses a PUT whose condition does not hold.

        Raises:
            LakeError: it overwrites all the same, so that no lock would keep two writers apart.
        """
        probe = self._root / LOCKS / f"{uuid.uuid4().hex}.probe"
        try:
            first = probe.put(b"first", "none")
            second = probe.put(b"second", first)
            expectations: tuple[Version | Literal["none"], ...] = ("none", first)
            for expected in expectations:
                with suppress(Replaced):
                    probe.put(b"third", expected)
                    raise LakeError(
                        f"{self.place}: the store overwrites what it was told to leave, so two "
                        "writers could not be kept apart; it must know If-Match and If-None-Match "
                        "of PUT (docs/cluster.md)"
                    )
            if second == first:
                raise LakeError(f"{self.place}: the store tells two objects apart by no version")
        finally:
            probe.unlink(missing_ok=True)

    def _keeps_conditions(self) -> None:
        """`require_conditions`, once a lake: a marker tells that it was done."""
        if self.place in _TRIED:
            return
        marker = self._root / LOCKS / "conditions.ok"
        if not marker.exists():
            self.require_conditions()
            marker.write_bytes(b"this store was tried: it refuses PUTs whose condition fails\n")
        _TRIED.add(self.place)

    @contextmanager
    def lock_of(self, name: str, given_up: Callable[[], bool] | None = None) -> Iterator[None]:
        """Hold a lock that falls free when it is not renewed for a lease."""
        self._keeps_conditions()
        lease = Lease(self._lock_file(name), self._lease_seconds)
        lease.acquire(given_up)
        self._held[name] = lease
        try:
            yield
        finally:
            self._held.pop(name, None)
            lease.release()

    def remove_leftovers(self, week: date) -> int:
        """Nothing: a PUT that was broken off leaves no object."""
        return 0

    def remove_leftovers_beside(self, target: LakeFile) -> int:
        """Nothing, as in `remove_leftovers`."""
        return 0

    def remove(self) -> None:
        """Delete all tables, week by week as each falls free; the locks stay.

        So does whatever else is in the bucket: a lake may share it.
        """
        by_week: dict[str, list[str]] = defaultdict(list)
        for key in self._root.below():
            if _OF_TABLES.fullmatch(key):
                by_week[_week_in(ObjectFile(self.place, key))].append(key)
        for week, keys in sorted(by_week.items()):
            with self.lock_of(week or "tables"):
                self._root.delete_all(keys)

    def _lock_file(self, name: str) -> ObjectFile:
        return self._root / LOCKS / f"{name}.lock"


def _end(file: ObjectFile) -> bytes:
    """The end of a Parquet file with all of its footer."""
    held = file.end(_END_BYTES)
    wanted = footer_bytes(held.content)
    if wanted <= len(held.content) or wanted > held.size:
        return held.content
    return file.between(held.size - wanted, held.size, held.version)


def _object(path: LakeFile) -> ObjectFile:
    """A file of a lake in a bucket as what it is."""
    if not isinstance(path, ObjectFile):
        raise TypeError(f"{path} is no file of a lake in a bucket")
    return path


def _table_in(file: ObjectFile) -> str:
    return file.key.partition("/")[0]


def _week_in(file: ObjectFile) -> str:
    """The week of a file as its lock is called; empty for what is of no week."""
    folder = file.parent.name
    return str(week_of(folder) or "")


def _lock_of(file: ObjectFile) -> str:
    """The lock under which a file is replaced: that of its week, or of its table."""
    table, _, rest = file.key.partition("/")
    whole = {f"{WHOLE}/{PART}": f"{table}-{WHOLE}", f"{EMPTY_WEEK}/{EMPTY_PART}": "tables"}
    return _week_in(file) or whole.get(rest, "")
