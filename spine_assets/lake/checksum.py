"""Parquet files with a checksum: a SHA-256 of the file, which is stored in the file itself.

Parquet files that Polars writes hold no checksum, so a changed byte could pass for another figure.
Belongs here: the bytes of one file. Does not belong here: where it is stored.
"""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import polars as pl

_METADATA_KEY = "spine"
_CHECKSUM_KEY = "spine_seal"
_PREFIX = b"sha256:"
# The checksum is computed over the file with these zeros in its own place.
_ZEROS = _PREFIX + b"0" * 64
# Small enough that one symbol's rows of a sorted week touch few groups, large enough
# that a full-size week (190,000 rows) has only a handful of footer entries to read.
_ROW_GROUP_ROWS = 32_768
# Measured on full-size weeks: level 1 takes two thirds of the time of level 3, Polars' own
# default, and its files are as small.
_ZSTD_LEVEL = 1
_MAGIC = b"PAR1"
_TAIL = 8  # length of the footer (4 bytes) and the magic, at the end of each file


def parquet_bytes(frame: pl.DataFrame, metadata: dict[str, Any]) -> bytearray:
    """A Parquet file with its checksum, made in memory so that it is read and hashed once."""
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        row_group_size=_ROW_GROUP_ROWS,
        metadata={_METADATA_KEY: json.dumps(metadata, default=str), _CHECKSUM_KEY: _ZEROS.decode()},
    )
    content = bytearray(buffer.getbuffer())
    place = content.rindex(_ZEROS)
    content[place : place + len(_ZEROS)] = _checksum(content, place)
    return content


def verify(content: bytes) -> None:
    """Compare a file with its checksum.

    Raises:
        ValueError: a byte of it has changed, or it does not end as a Parquet file does.
    """
    footer_bytes(content)
    # Looked for from the end, where the footer is: that reads a thousandth of the file.
    if content.rfind(_CHECKSUM_KEY.encode()) < 0:
        return  # written before files had checksums
    place = content.rfind(_PREFIX)
    if place < 0 or _checksum(content, place) != content[place : place + len(_ZEROS)]:
        raise ValueError("its bytes are not those that were written")


def read_metadata(stored: dict[str, str]) -> dict[str, Any]:
    """Our metadata among a file's key-value metadata; empty where there is none."""
    found: dict[str, Any] = json.loads(stored.get(_METADATA_KEY, "{}"))
    return found


def footer_bytes(tail: bytes) -> int:
    """Length of a file's footer with what follows it, read from the file's last eight bytes.

    Raises:
        ValueError: it does not end as a Parquet file does.
    """
    if not tail.endswith(_MAGIC):
        raise ValueError("it does not end as a Parquet file does")
    return int.from_bytes(tail[-_TAIL:-4], "little") + _TAIL


def _checksum(content: bytes | bytearray, place: int) -> bytes:
    """The checksum of a file that stores it at a place."""
    view = memoryview(content)
    digest = hashlib.sha256(view[:place])
    digest.update(_ZEROS)
    digest.update(view[place + len(_ZEROS) :])
    return _PREFIX + digest.hexdigest().encode()
