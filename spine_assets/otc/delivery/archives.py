"""Reading a delivered file: plain, gzip or zip, in bounded memory.

The first bytes decide which it is, and not the name. Nothing is unpacked to disk, so the name of a
member never becomes a path. A zip with several members delivers each of them as
`archive.zip!member`; what a Mac adds (`__MACOSX`, names with a dot first) is passed over. A content
that is too large is refused before it is read where the declared size shows it, and while it is
read where that size is false.
"""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from spine_assets.core.text import Shown
from spine_assets.otc.delivery.content_kind import (
    EMPTY_ZIP,
    GZIP,
    HEAD_BYTES,
    OFFICE_MEMBER,
    WORKBOOK,
    ZIP,
    foreign,
    is_text,
)
from spine_assets.otc.delivery.reasons import FileRefused

DATA_SUFFIXES = (".csv", ".psv", ".txt", ".json", ".jsonl")
SUFFIXES = (*(data + pack for data in DATA_SUFFIXES for pack in ("", ".gz")), ".zip")
OTHER_SUFFIXES = (
    *(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers", ".pdf", ".parquet", ".html", ".htm"),
    *(".xml", ".tsv", ".tab", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz", ".zst"),
)
"""Of files that people drop beside data files: their content tells what they are, and why nothing
is read from most of them."""
# The largest real week, all tiers together, has about 25 MB. Scanning and capturing take up to
# 22 bytes of memory per byte, so the largest allowed file needs less than 2 GB.
MAX_CONTENT_BYTES = 64_000_000
# All members of an archive together: each is read in turn, so this bounds time, not memory.
MAX_ARCHIVE_BYTES = 1_000_000_000
MAX_NAME_CHARS = 500  # of a member; a path of some folders has about 100
_QUOTED_CHARS = 120  # of a name or an error of `zipfile`, which quotes names, in a reason
MAX_MEMBERS = 1_000  # more than a year of files of every tier and class
# The list of members is read in one piece; 1,000 members with long names need a quarter of this.
MAX_DIRECTORY_BYTES = 1_000_000
MEMBER_MARK = "!"
_CHUNK_BYTES = 500_000  # below what an archive may read at once
# zipfile opens bzip2 and LZMA too, but not in bounded memory: 4 kB of bzip2 make 4 GB.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_contents(
    path: Path, only: str | None = None
) -> Iterator[tuple[str | None, bytes | FileRefused]]:
    """Each delivered content of a file as (member name or None, bytes).

    A content that cannot be read is given as a `FileRefused` with the reason, so that the other
    members of an archive still load.

    Args:
        path: The file.
        only: Name of the one member to read.

    Raises:
        FileRefused: the file as a whole cannot be read.
        OSError: the file system cannot read it.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        stream.seek(0)
        if reason := foreign(head):
            raise FileRefused(reason)
        packing = _packing(path, head)
        most = MAX_ARCHIVE_BYTES if packing == ".zip" else MAX_CONTENT_BYTES
        size = os.fstat(stream.fileno()).st_size
        if size > most:
            raise _too_large(most, size)
        if packing == ".zip":
            yield from _read_zip(stream, only)
        elif packing == ".gz":
            yield None, _unpacked(stream)
        else:
            yield None, _read_plain(stream)


def packing_of(path: Path) -> str | None:
    """How a file is packed: `.zip`, `.gz`, or None.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return _packing(path, stream.read(HEAD_BYTES))


def _packing(path: Path, head: bytes) -> str | None:
    if head.startswith((ZIP, EMPTY_ZIP)):
        return ".zip"
    if head.startswith(GZIP):
        return ".gz"
    # What is named like an archive and is no text, or is cut within its first bytes, is damaged.
    damaged = head and (not is_text(head) or any(m.startswith(head) for m in (ZIP, GZIP)))
    suffix = path.suffix.lower()
    return suffix if suffix in {".zip", ".gz"} and damaged else None


def _unpacked(stream: IO[bytes]) -> bytes:
    try:
        with gzip.open(stream) as unpacked:
            return _read_bounded(unpacked)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileRefused(f"the gzip data is damaged ({error}); deliver it again") from error


def _too_large(most: int, size: int | None = None) -> FileRefused:
    exact = "" if size is None else f" ({size:,})"
    return FileRefused(
        f"it holds more than {most:,} bytes{exact}; no week is that large: deliver the files of "
        "FINRA as they are, one per week, tier and class"
    )


def _read_plain(stream: IO[bytes]) -> bytes:
    """All bytes of a file, read in one piece, which needs half the memory of many pieces."""
    content = stream.read(os.fstat(stream.fileno()).st_size)
    grown = _read_bounded(stream)
    if len(content) + len(grown) > MAX_CONTENT_BYTES:
        raise _too_large(MAX_CONTENT_BYTES)
    return content + grown if grown else content


def _read_bounded(stream: IO[bytes] | gzip.GzipFile) -> bytes:
    """All bytes of a stream, read in pieces, so that no more is unpacked than is allowed."""
    content = bytearray()
    while piece := stream.read(_CHUNK_BYTES):
        content += piece
        if len(content) > MAX_CONTENT_BYTES:
            raise _too_large(MAX_CONTENT_BYTES)
    return bytes(content)


class _ArchiveStream(io.BufferedReader):
    """An archive that refuses to read too many bytes at once.

    `zipfile` reads the list of members in one piece and makes an object of each entry, so a list
    of millions would fill the memory before its entries could be counted.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes."""
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise FileRefused(
                f"the zip archive's list of members has {size:,} bytes, "
                f"more than {MAX_DIRECTORY_BYTES:,}; deliver its files in several archives"
            )
        return super().read(size)


def _read_zip(
    stream: io.BufferedReader, only: str | None
) -> Iterator[tuple[str | None, bytes | FileRefused]]:
    try:
        with zipfile.ZipFile(_ArchiveStream(stream.raw)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            _require_bounded(members)
            members = [info for info in members if not _is_litter(info.filename)]
            if not members:
                raise FileRefused("the zip archive has hidden files alone; deliver it again")
            for info in members:
                name = _name(info) if len(members) > 1 else None
                if only is None or name == only:
                    yield name, _read_member(archive, info)
    # A damaged list of members may also name an unknown version, or hold bytes that are no text.
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise FileRefused(
            f"the zip archive is damaged ({Shown(error, _QUOTED_CHARS)}); deliver it again"
        ) from error


def _name(info: zipfile.ZipInfo) -> str:
    """The name of a member; of one that is too long, and is refused for that, the beginning."""
    name = info.filename
    return name if len(name) <= MAX_NAME_CHARS else Shown(name, MAX_NAME_CHARS)


def _is_litter(name: str) -> bool:
    """Whether a member is what a Mac or another system adds, and nothing that was delivered."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    last = parts[-1] if parts else ""
    return "__MACOSX" in parts or (last.startswith(".") and last != "..")


def _require_bounded(members: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive by its list of members."""
    if not members:
        raise FileRefused("the zip archive is empty; deliver it again")
    if any(info.filename == OFFICE_MEMBER for info in members):
        raise FileRefused(WORKBOOK)
    if len(members) > MAX_MEMBERS:
        raise FileRefused(
            f"the zip archive has {len(members):,} members, more than {MAX_MEMBERS:,}; "
            "deliver its files in several archives"
        )
    total = sum(info.file_size for info in members)
    if total > MAX_ARCHIVE_BYTES:
        raise FileRefused(
            f"the zip archive unpacks to {total:,} bytes, more than {MAX_ARCHIVE_BYTES:,}; "
            "deliver its files in several archives"
        )


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | FileRefused:
    if refused := _bad_member(info):
        return refused
    try:
        with archive.open(info) as stream:
            content = _read_bounded(stream)
        return _unpacked(io.BytesIO(content)) if content.startswith(GZIP) else content
    # `zipfile` raises `NotImplementedError` for compression methods that it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        return FileRefused(
            f"{_quoted(info)} is damaged ({Shown(error, _QUOTED_CHARS)}); deliver it again"
        )
    except FileRefused as error:
        return error


def _bad_member(info: zipfile.ZipInfo) -> FileRefused | None:
    """Why a member is not unpacked, judged by its entry in the list of members."""
    if len(info.filename) > MAX_NAME_CHARS:
        return FileRefused(
            f"{_quoted(info)} has a name of {len(info.filename):,} characters, more than "
            f"{MAX_NAME_CHARS}; pack it under a shorter one"
        )
    parts = PurePosixPath(info.filename.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        return FileRefused(f"{_quoted(info)} points outside the archive; pack it again")
    if info.flag_bits & 0x1:  # bit 0 of the zip header: encrypted
        return FileRefused(f"{_quoted(info)} is encrypted; pack it without a password")
    if info.compress_type not in _METHODS:
        return FileRefused(
            f"{_quoted(info)} is packed by method {info.compress_type}; "
            "only stored and deflated members are read: pack it with a common zip program"
        )
    if info.file_size > MAX_CONTENT_BYTES:
        return _too_large(MAX_CONTENT_BYTES, info.file_size)
    return None


def _quoted(info: zipfile.ZipInfo) -> str:
    return f"the zip member '{Shown(info.filename, _QUOTED_CHARS)}'"
