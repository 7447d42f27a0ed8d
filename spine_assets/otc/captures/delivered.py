"""The delivered content of captures: kept in the lake, so that it can be read by later rules.

A content is `otc_delivered/week_ending=W/<sha256>.zst`: what was delivered, decompressed, packed by
zstd and named by its hash, which is compared whenever it is read. It is written before the rows
that were read from it, and never replaced. Belongs here: these files. Does not belong here: when a
content is read again (`captures.reading`).
"""

from __future__ import annotations

import hashlib
from datetime import date

import zstandard

from spine_assets.lake.base import FileT, Lake
from spine_assets.lake.file_errors import reading
from spine_assets.otc.delivery.archives import MAX_CONTENT_BYTES

FOLDER = "otc_delivered"
"""Beside the tables; it has no rows and no view."""
SUFFIX = ".zst"

# Measured on a full week (31 MB of text): level 3 takes 0.08 s and makes 10% of it, level 6 three
# times as long for 9%, level 19 three hundred times as long for 7%.
_LEVEL = 3


def path(lake: Lake[FileT], week: date, sha256: str) -> FileT:
    """Where a content is kept, or would be."""
    return lake.folder(FOLDER, week) / f"{sha256}{SUFFIX}"


def held(lake: Lake, week: date) -> set[str]:
    """The hashes of the contents that are kept of a week, by file names alone."""
    return {hash_in(file.name) for file in lake.files(FOLDER, week, SUFFIX)}


def hash_in(name: str) -> str:
    """The hash of the content that a file of this name has."""
    return name.removesuffix(SUFFIX)


def store(lake: Lake, week: date, sha256: str, content: bytes) -> None:
    """Keep a content, unless it is kept already; hold the week's lock."""
    target = path(lake, week, sha256)
    if not target.exists():
        lake.append(lake.stage_bytes(pack(content), target), target)


def read(lake: Lake, week: date, sha256: str) -> bytes:
    """A kept content.

    Raises:
        LakeError: it is missing, or is not what was delivered.
    """
    file = path(lake, week, sha256)
    with reading(file):
        return unpack(file.read_bytes(), sha256)


def pack(content: bytes) -> bytes:
    """A content as it is stored: a frame of zstd with its size and a checksum."""
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(content)


def unpack(stored: bytes, sha256: str) -> bytes:
    """A stored content.

    Raises:
        ValueError: it is not the content of that hash.
    """
    try:
        # Its own size is not believed: a damaged one could ask for any amount of memory.
        if zstandard.frame_content_size(stored) > MAX_CONTENT_BYTES:
            raise ValueError("its size cannot be right")
        content = zstandard.ZstdDecompressor().decompress(
            stored, max_output_size=MAX_CONTENT_BYTES, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise ValueError(f"it cannot be unpacked: {error}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("its content is not the one that its name says")
    return content
