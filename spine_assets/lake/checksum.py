"""Parquet files with a seal: a hash of the whole file, which stands in the file itself.

Parquet files that Polars writes hold no checksum, so a changed byte could pass for another figure.
Belongs here: bytes of whole files. Does not belong here: where they stand (`lake`).
"""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import polars as pl

_METADATA_KEY = "spine"
_SEAL_KEY = "spine_seal"
# The seal is the hash of the file with zeros in the seal's own place.
_OPEN_SEAL = "sha256:" + "0" * 64
_SEAL_PREFIX = b"sha256:"
# Small enough that one symbol's rows of a sorted week touch few groups, large enough
# that a full-size week (190,000 rows) has only a handful of footers entries to read.
_ROW_GROUP_ROWS = 32_768
# Measured on full-size weeks: level 1 takes two thirds of the time of level 3, Polars' own
# default, and its files are as small.
_ZSTD_LEVEL = 1
_MAGIC = b"PAR1"
_TAIL = 8  # length of the footer (4 bytes) and the magic, at the end of each file


def sealed(frame: pl.DataFrame, metadata: dict[str, Any]) -> bytearray:
    """A whole Parquet file with its seal, made in memory so that it is read and hashed once."""
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        row_group_size=_ROW_GROUP_ROWS,
        metadata={_METADATA_KEY: json.dumps(metadata, default=str), _SEAL_KEY: _OPEN_SEAL},
    )
    content = bytearray(buffer.getbuffer())
    place = content.rindex(_OPEN_SEAL.encode())
    seal = f"sha256:{hashlib.sha256(content).hexdigest()}"
    content[place : place + len(seal)] = seal.encode()
    return content


def require_whole(content: bytes) -> None:
    """Make sure that a file holds the bytes that were written.

    Raises:
        ValueError: a byte of it was changed, or it does not end as a Parquet file does.
    """
    footer_bytes(content)
    # Looked for from the end, where the footer is: that reads a thousandth of the file.
    if content.rfind(_SEAL_KEY.encode()) < 0:
        return  # written before files had seals
    place = content.rfind(_SEAL_PREFIX)
    seal = content[place : place + len(_OPEN_SEAL)]
    if place < 0 or _seal_of(content, place).encode() != seal:
        raise ValueError("its bytes are not those that were written")


def said(metadata: dict[str, str]) -> dict[str, Any]:
    """What was written beside the rows, of a file's own metadata; empty where nothing was."""
    found: dict[str, Any] = json.loads(metadata.get(_METADATA_KEY, "{}"))
    return found


def footer_bytes(tail: bytes) -> int:
    """How many bytes at its end hold all that a file says of itself, told by the last eight.

    Raises:
        ValueError: it does not end as a Parquet file does.
    """
    if not tail.endswith(_MAGIC):
        raise ValueError("it does not end as a Parquet file does")
    return int.from_bytes(tail[-_TAIL:-4], "little") + _TAIL


def _seal_of(content: bytes, place: int) -> str:
    """The seal of a file whose seal stands at a place."""
    size = len(_OPEN_SEAL)
    open_seal = _OPEN_SEAL.encode()
    view = memoryview(content)
    whole = hashlib.sha256(view[:place])
    whole.update(open_seal)
    whole.update(view[place + size :])
    return f"sha256:{whole.hexdigest()}"
