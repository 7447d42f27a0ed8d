"""Lines of a delivered text cut into fields, each with its record hash.

Polars' CSV reader cuts regular lines all at once; lines that it could read wrongly are cut one by
one, and those that cannot be cut become rejects. Does not belong here: the header and limits of a
file (`file_format`), and what the fields' text means (`field_types`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import polars_hash as plh

from spine_assets.otc.delivery import field_types
from spine_assets.otc.delivery.line_schema import DELIVERED, SHARES, SPACES
from spine_assets.otc.delivery.reasons import RejectReason

SEPARATOR = "|"
BOM = b"\xef\xbb\xbf"
_NO_SEPARATOR = "\x1f"  # cuts no line: with one column, more fields would be an error
_LINE_FEED = 10


@dataclass(frozen=True)
class Split:
    """Lines cut into fields of text, each with its record hash, and rejects of the others.

    `spaces` has the characters of white space that occur in the fields; `odd` is whether others
    or invisible ones may.
    """

    fields: pl.DataFrame
    rejects: pl.DataFrame
    blank_lines: int
    spaces: str = SPACES
    odd: bool = True


def record_hash(texts: pl.DataFrame) -> pl.Series:
    """The hash of each line: xxh3-128, as 32 hex digits, of the delivered fields joined by `|`.

    Args:
        texts: One text column per delivered name, untrimmed; or one column of lines that have
            exactly those fields in that order.
    """
    text = pl.concat_str(DELIVERED, separator="|") if texts.width > 1 else pl.first()
    return texts.select(record_hash=_hex_hash(text))["record_hash"]


def count_lines(content: bytes) -> int:
    """Physical lines of a content, counted on the bytes and not by the parser."""
    return _line_ends(content) + (not content.endswith(b"\n") if content else 0)


def _line_ends(content: bytes) -> int:
    """Line feeds, counted with NumPy, which needs a third of the time of `bytes.count`."""
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == _LINE_FEED))


def split_fast(body: bytes, header: tuple[str, ...], first_line: int) -> Split | None:
    """Cut all lines at once with Polars' CSV reader, or None if it may read some wrongly.

    Each line must have exactly as many separators as the header. Blank lines are allowed at the
    end only. `split_by_line` cuts everything else.
    """
    trimmed = body.rstrip(b"\n")
    blank = max(len(body) - len(trimmed) - 1, 0)
    # The reader would drop a byte order mark and single carriage returns, which are text.
    if trimmed.startswith(BOM) or b"\r" in trimmed:
        return None
    lines = _line_ends(trimmed) + 1
    fields = _read_csv(trimmed, SEPARATOR, header)
    # The reader refuses a line with too many fields, but for a separator at the end of the last
    # one; of a line with too few, the last field is blank.
    if fields is None or fields.height != lines:
        return None
    in_doubt = (fields[header[-1]] == "").any() or trimmed.endswith(SEPARATOR.encode())
    if in_doubt and not _is_regular(trimmed, len(header) - 1):
        return None
    uncut = _read_csv(trimmed, _NO_SEPARATOR, ("line",)) if header == DELIVERED else None
    hashed = record_hash(fields if uncut is None else uncut)
    numbered = fields.with_columns(
        hashed, source_line=pl.int_range(first_line, first_line + lines, dtype=pl.Int64)
    )
    spaces = "".join(char for char in SPACES if char.encode() in trimmed)
    return Split(numbered, field_types.no_rejects(), blank, spaces, odd=not _is_printable(trimmed))


def _is_printable(body: bytes) -> bool:
    """Whether a body has ASCII characters and line feeds alone, none of which is invisible."""
    controls = np.count_nonzero(np.frombuffer(body, np.uint8) < ord(" "))
    return body.isascii() and controls == _line_ends(body) and b"\x7f" not in body


def _read_csv(body: bytes, separator: str, names: tuple[str, ...]) -> pl.DataFrame | None:
    """Fields of text without quoting, or None if a line has too many or is not UTF-8."""
    try:
        return pl.read_csv(
            body,
            has_header=False,
            separator=separator,
            quote_char=None,
            schema=dict.fromkeys(names, pl.String),
            empty_string_is_null=False,
        )
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None


def _is_regular(body: bytes, separators: int) -> bool:
    """Whether each line of a body has that number of separators."""
    data = np.frombuffer(body, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    bars = np.flatnonzero(data == ord(SEPARATOR))
    if bars.size != separators * (ends.size + 1):
        return False
    by_line = bars.reshape(-1, separators)
    return bool((by_line[:-1, -1] < ends).all() and (by_line[1:, 0] > ends).all())


def split_by_line(body: bytes, header: tuple[str, ...], first_line: int) -> Split:
    """Cut a body line by line; lines that cannot be cut become rejects."""
    lines = body.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    blank = 0
    good: list[list[str]] = []
    good_lines: list[int] = []
    rejects: list[tuple[RejectReason, str, str | None, bytes, int]] = []
    quantity = header.index(SHARES)
    for number, line in enumerate(lines, first_line):
        if not line.strip(b" \t\r"):
            blank += 1
            continue
        try:
            fields = line.decode("utf-8").split(SEPARATOR)
        except UnicodeDecodeError as error:
            detail = f"byte {error.object[error.start]:#04x} at position {error.start + 1}"
            # If all fields are there, the quantity is readable in spite of a bad byte elsewhere.
            parts = line.split(SEPARATOR.encode())
            complete = len(parts) == len(header)
            shares = parts[quantity].decode("utf-8", "replace") if complete else None
            rejects.append((RejectReason.BAD_ENCODING, detail, shares, line, number))
            continue
        if len(fields) == len(header):
            good.append(fields)
            good_lines.append(number)
        else:
            detail = f"{len(fields)} fields where the header has {len(header)}"
            rejects.append((RejectReason.FIELD_COUNT, detail, None, line, number))
    frame = pl.DataFrame(good, schema=dict.fromkeys(header, pl.String), orient="row")
    numbered = frame.with_columns(
        record_hash(frame), source_line=pl.Series(good_lines, dtype=pl.Int64)
    )
    return Split(numbered, field_types.line_rejects(rejects), blank)


def _hex_hash(text: pl.Expr) -> pl.Expr:
    """xxh3-128 of a text column as 32 hex digits."""
    namespace = plh.NonCryptographicHashingNameSpace(text)
    return namespace.xxh3_128(return_binary=True, byte_order="big").bin.encode("hex")
