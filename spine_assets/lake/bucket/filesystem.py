"""DuckDB reads objects of a bucket through obstore, without an extension of its own.

So DuckDB has the credentials that the rest of the program has, for each kind of bucket. Where a
file is replaced while it is read, the query fails and never mixes two versions: each request names
the version that the first one found. DuckDB asks through fsspec; obstore's own class for that
(0.12) sends a list request for each folder of a pattern and does not find folders whose name holds
a blank. Belongs here: what DuckDB asks of a file system.

An error of ours that passes through DuckDB comes back as a `duckdb.Error` with a traceback as its
text, from whichever of DuckDB's threads met it. So the errors are kept where they are raised, and
`errors_of_objects` looks there which of them a `duckdb.Error` repeats.
"""

from __future__ import annotations

import fnmatch
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakSet

import duckdb
from fsspec import AbstractFileSystem

from spine_assets.lake.base import REPLACED, LakeError, LakeUnavailable
from spine_assets.lake.bucket.objects import ObjectContent, ObjectFile
from spine_assets.lake.bucket.store_errors import Replaced

# The footer, and all of a smaller file: most queries need no more of a week.
_END_BYTES = 262_144
_AHEAD_BYTES = 131_072  # a request takes as long as some hundred kilobytes
_WILD = "*?["
# Of all connections: a message names its object, so it cannot be taken for another's. More errors
# than DuckDB has threads, because one query may meet one in each of them.
_MET: deque[LakeError | FileNotFoundError] = deque(maxlen=256)


def register(connection: duckdb.DuckDBPyConnection, url: str) -> None:
    """Let a connection, and all of its database, open objects at such URLs."""
    scheme = url.partition("://")[0]
    if scheme in connection.list_filesystems():
        return
    connection.register_filesystem(BucketFiles(scheme))
    # It tells files apart by their time in seconds, and two builds may be of one second.
    connection.execute("SET enable_external_file_cache = false")


@contextmanager
def errors_of_objects() -> Iterator[None]:
    """Raise an error of a bucket that DuckDB met as what it was.

    Raises:
        LakeUnavailable: the store does not answer, or an object was deleted; a transient error.
        LakeError: the store refuses the request.
    """
    try:
        yield
    except duckdb.Error as error:
        for met in [*_MET]:
            if str(met) and str(met) in str(error):
                kind = type(met) if isinstance(met, LakeError) else LakeUnavailable
                raise kind(str(met)) from error
        raise


@contextmanager
def _keeping_errors() -> Iterator[None]:
    """Keep an error that is about to be raised into DuckDB, for `errors_of_objects`."""
    try:
        yield
    except (LakeError, FileNotFoundError) as error:
        _MET.append(error)
        raise


class BucketFiles(AbstractFileSystem):  # type: ignore[misc]
    """The part of a file system that DuckDB needs: to list by a pattern, and to read."""

    cachable = False  # an instance is one connection's

    def __init__(self, scheme: str) -> None:
        super().__init__()
        self.protocol = scheme
        self._ends: dict[str, ObjectContent] = {}
        self._open: dict[str, WeakSet[ObjectReader]] = {}
        self._guard = threading.Lock()

    @_keeping_errors()
    def glob(self, path: str, maxdepth: int | None = None, **_: Any) -> list[str]:
        """Addresses of the objects that match a pattern, by one list of the folder before it."""
        file = _file(str(path))
        if not any(char in file.key for char in _WILD):
            return [str(file)] if file.exists() else []
        folders = file.key.split("/")
        fixed = next(n for n, part in enumerate(folders) if any(char in part for char in _WILD))
        begun = ObjectFile(file.url, "/".join(folders[:fixed]))
        return [
            f"{file.url}/{key}"
            for key in begun.below()
            if len(parts := key.split("/")) == len(folders)
            and all(map(fnmatch.fnmatchcase, parts, folders))
        ]

    @_keeping_errors()
    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such an object."""
        return _file(str(path)).exists()

    def isfile(self, path: str) -> bool:
        """Whether there is such an object."""
        return self.exists(path)

    def isdir(self, path: str) -> bool:
        """A bucket has no folders."""
        return False

    def size(self, path: str) -> int:
        """Size of the version that was opened last: DuckDB asks about what it has opened."""
        return self._opened(path).size

    def modified(self, path: str) -> Any:
        """When that version was written."""
        return self._opened(path).modified

    @_keeping_errors()
    def _opened(self, path: str) -> ObjectContent:
        found = self._ends.get(str(path))
        return found or _file(str(path)).end(_END_BYTES)

    @_keeping_errors()
    def open(self, path: str, mode: str = "rb", **_: Any) -> ObjectReader:
        """Open an object to read.

        Raises:
            PermissionError: it is opened to be written.
            FileNotFoundError: there is none.
            OSError: it was replaced since a query opened it that still runs.
            LakeError: the store refuses, or does not answer.
        """
        if mode not in {"r", "rb"}:
            raise PermissionError(f"{path}: objects of a lake are only read here")
        reader = ObjectReader(_file(str(path)))
        with self._guard:
            others = self._open.setdefault(str(path), WeakSet())
            # DuckDB opens a file for its footer, and again for its rows: both must be one file.
            if any(not o.closed and o.end.version != reader.end.version for o in others):
                raise OSError(f"{path} {REPLACED}")
            others.add(reader)
            self._ends[str(path)] = replace(reader.end, content=b"")
        return reader


class ObjectReader:
    """An open object; its end, where the footer of a Parquet file is, is fetched at once."""

    def __init__(self, file: ObjectFile) -> None:
        self._file = file
        self.end: ObjectContent = file.end(_END_BYTES)
        self.size = self.end.size
        self.path = str(file)
        self.closed = False
        # DuckDB 2.0 seeks and reads one open file from several threads at once.
        self._of_thread = threading.local()
        self._blocks = [(self.size - len(self.end.content), self.end.content)]

    @property
    def _place(self) -> int:
        """The present position of this thread."""
        place: int = getattr(self._of_thread, "place", 0)
        return place

    @_place.setter
    def _place(self, place: int) -> None:
        self._of_thread.place = place

    def read(self, size: int = -1) -> bytes:
        """Bytes from this thread's present position.

        Raises:
            OSError: the object was replaced since it was opened.
        """
        start = self._place
        end = self.size if size < 0 else min(start + size, self.size)
        self._place = max(start, end)
        return self._bytes(start, end) if end > start else b""

    @_keeping_errors()
    def _bytes(self, start: int, end: int) -> bytes:
        for begun, block in [*self._blocks]:
            if begun <= start and end <= begun + len(block):
                return block[start - begun : end - begun]
        until = min(max(end, start + _AHEAD_BYTES), self.size)
        try:
            block = self._file.between(start, until, self.end.version)
        except (Replaced, FileNotFoundError):
            raise OSError(f"{self._file} {REPLACED}") from None
        self._blocks = [self._blocks[0], (start, block)]
        return block[: end - start]

    def seek(self, place: int, whence: int = 0) -> int:
        """Change the position of this thread."""
        self._place = (0, self._place, self.size)[whence] + place
        return self._place

    def tell(self) -> int:
        """The present position."""
        return self._place

    def close(self) -> None:
        """Nothing is kept open."""
        self.closed = True

    def seekable(self) -> bool:
        """Any position can be set."""
        return True

    def readable(self) -> bool:
        """It can be read."""
        return True


def _file(address: str) -> ObjectFile:
    """An object by its address, with the bucket as its URL."""
    scheme, _, rest = address.partition("://")
    bucket, _, key = rest.partition("/")
    return ObjectFile(f"{scheme}://{bucket}", key)
