"""Reading a delivered file: plain, gzip or zip, in bounded memory.

Nothing is ever unpacked to disk, so a member's name cannot become a path. A zip with
several members delivers each of them as `archive.zip!member`.
"""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from spine_assets.otc.file_format import FileRefused

DATA_SUFFIXES = (".csv", ".psv", ".txt")
SUFFIXES = (*(data + pack for data in DATA_SUFFIXES for pack in ("", ".gz")), ".zip")
# The largest real week file has about 25 MB; a file twenty times that is no delivery.
MAX_CONTENT_BYTES = 500_000_000
MAX_MEMBERS = 1_000  # more than a year of files of every tier and class
MEMBER_MARK = "!"
_DAMAGED = (zlib.error, lzma.LZMAError, EOFError, OSError)  # OSError is what bz2 raises


def read_contents(path: Path) -> Iterator[tuple[str | None, bytes | FileRefused]]:
    """Each delivered content of a file as (member name or None, bytes).

    A content that cannot be read comes as the `FileRefused` that says why, so that the
    other members of an archive still load.

    Raises:
        FileRefused: the file as a whole cannot be read.
        OSError: the file system refused.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        yield from _read_zip(path)
    elif suffix == ".gz":
        try:
            with gzip.open(path) as stream:
                yield None, _read_bounded(stream)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileRefused(f"the gzip data is damaged ({error}); deliver it again") from error
    else:
        with path.open("rb") as stream:
            yield None, _read_bounded(stream)


def _read_bounded(stream: IO[bytes] | gzip.GzipFile) -> bytes:
    content = stream.read(MAX_CONTENT_BYTES + 1)
    if len(content) > MAX_CONTENT_BYTES:
        raise FileRefused(f"it holds more than {MAX_CONTENT_BYTES:,} bytes; no week is that large")
    return content


def _read_zip(path: Path) -> Iterator[tuple[str | None, bytes | FileRefused]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if not members:
                raise FileRefused("the zip archive is empty; deliver it again")
            if len(members) > MAX_MEMBERS:
                raise FileRefused(f"the zip archive has {len(members):,} members")
            for info in members:
                name = info.filename if len(members) > 1 else None
                yield name, _read_member(archive, info)
    # The directory of a damaged archive may also name an unknown version or no text.
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise FileRefused(f"the zip archive is damaged ({error}); deliver it again") from error


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | FileRefused:
    parts = PurePosixPath(info.filename.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        return FileRefused(f"the zip member {info.filename!r} points outside the archive")
    if info.flag_bits & 0x1:  # bit 0 of the zip header: encrypted
        return FileRefused(f"the zip member {info.filename!r} is encrypted")
    try:
        with archive.open(info) as stream:
            return _read_bounded(stream)
    except (zipfile.BadZipFile, *_DAMAGED, NotImplementedError) as error:
        return FileRefused(f"the zip member {info.filename!r} is damaged ({error})")
    except FileRefused as refused:
        return refused
