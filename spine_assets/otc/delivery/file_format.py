"""Bytes of a delivered file -> typed rows, rejects and facts of the file.

Belongs here: lines, fields, number and date text. Does not belong here: which week,
tier and class a file is (`placement`), archives and folders (`landing`), and rules
about the meaning of a typed row (`rules`).

Source: FINRA's download file is pipe-delimited UTF-8 without quoting, one header line.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl

from spine_assets.core.tables import exact_sum, exact_total
from spine_assets.otc.delivery import field_types
from spine_assets.otc.delivery.field_types import DELIVERED
from spine_assets.otc.delivery.reasons import RejectReason

SEPARATOR = "|"
_NO_SEPARATOR = "\x1f"  # cuts no line: with one column, more fields would be an error
_LINE_FEED = 10
API_COLUMNS = (
    "tierIdentifier",
    "firmCRDNumber",
    "productTypeCode",
    "summaryTypeCode",
    "totalNotionalSum",
    "weekStartDate",
    "summaryStartDate",
    "initialPublishedDate",
    "lastReportedDate",
)
_BOM = b"\xef\xbb\xbf"
MAX_HEADER_BYTES = 10_000  # the longest legal header has about 300
MAX_LINE_BYTES = 1_000_000  # no real line passes 1,000
# Five times the largest week of all tiers together. A line that becomes a reject costs up to
# 800 bytes of memory however short it is, so bytes alone bound nothing.
MAX_LINES = 1_000_000


class FileRefused(Exception):
    """A whole file cannot be used; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class ParsedFile:
    """What one delivered content holds.

    Attributes:
        rows: Typed rows under the delivered names, `source_line` and `record_hash` added.
        rejects: `reason, field, detail, share_volume, raw_line, source_line`, a line each.
        header: Column names in delivered order.
        lines: Physical lines, header and blank ones included.
        lines_counted: The same, counted on the bytes and not by the parser.
        blank_lines: Lines of nothing but white space.
        shares: Sum of all quantities that can be read, before rows and rejects part.
        sha256: Hash of the content as delivered, decompressed.
        ends_mid_line: The last line has no line end.
        captured_on: Later dates in the file are rejects.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    header: tuple[str, ...]
    lines: int
    blank_lines: int
    shares: Decimal
    sha256: str
    ends_mid_line: bool
    lines_counted: int
    captured_on: date


@dataclass(frozen=True)
class _Split:
    """Lines cut into fields of text, before any typing; each with its record hash.

    `spaces` holds the characters of white space that stand in the fields.
    """

    fields: pl.DataFrame
    rejects: pl.DataFrame
    blank_lines: int
    spaces: str = field_types.SPACES


def parse(content: bytes, captured_on: date) -> ParsedFile:
    """Parse one delivered content.

    Args:
        content: The file's bytes, decompressed.
        captured_on: Day of capture (UTC); later dates in the file are rejects.

    Raises:
        FileRefused: nothing of the file can be used.
    """
    lines_counted = count_lines(content)
    _require_bounded(content, lines_counted)
    text, lead, header, body = opened(content)
    split = split_fast(body, header, lead + 2) or split_by_line(body, header, lead + 2)
    if split.fields.is_empty() and split.rejects.is_empty():
        raise FileRefused("the file has a header but no rows; ask for it again")
    typed = field_types.apply(split.fields, header, captured_on, split.spaces)
    rejects = pl.concat([split.rejects, typed.rejects]).sort("source_line")
    return ParsedFile(
        rows=typed.rows,
        rejects=rejects,
        header=header,
        lines=1 + lead + split.blank_lines + split.fields.height + split.rejects.height,
        blank_lines=lead + split.blank_lines,
        shares=exact_total([typed.shares, exact_sum(split.rejects["share_volume"])]),
        sha256=hashlib.sha256(content).hexdigest(),
        ends_mid_line=not text.endswith(b"\n"),
        lines_counted=lines_counted,
        captured_on=captured_on,
    )


def opened(content: bytes) -> tuple[bytes, int, tuple[str, ...], bytes]:
    """Text with plain line ends, blank lines before the header, its columns, what follows it.

    Raises:
        FileRefused: it has no header of this feed.
    """
    text = _with_plain_line_ends(content.removeprefix(_BOM))
    return text, *_read_header(text)


def count_lines(content: bytes) -> int:
    """Physical lines of a content, counted on the bytes and not by the parser."""
    return _line_ends(content) + (not content.endswith(b"\n") if content else 0)


def _line_ends(content: bytes) -> int:
    """Line feeds; with NumPy, which takes a third of the time of `bytes.count` for many."""
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == _LINE_FEED))


def _require_bounded(content: bytes, lines: int) -> None:
    """Refuse a content with too many lines, or a line too long to be one."""
    if lines > MAX_LINES:
        raise FileRefused(f"it has {lines:,} lines, more than {MAX_LINES:,}; no week has so many")
    start = 0
    while len(content) - start > MAX_LINE_BYTES:
        # The last line end within reach: one search a million bytes and not one a line.
        end = content.rfind(b"\n", start, start + MAX_LINE_BYTES + 1)
        if end < 0:
            number = content.count(b"\n", 0, start) + 1
            length = (content.find(b"\n", start) + 1 or len(content) + 1) - start - 1
            raise FileRefused(
                f"line {number:,} has {length:,} bytes, more than {MAX_LINE_BYTES:,}; "
                "no real line passes 1,000"
            )
        start = end + 1


def _with_plain_line_ends(content: bytes) -> bytes:
    """CR LF becomes LF; a CR that ends the file is dropped where its line holds more."""
    if b"\r" not in content:
        return content
    text = content.replace(b"\r\n", b"\n")
    if text.endswith(b"\r") and text != b"\r" and not text.endswith(b"\n\r"):
        return text[:-1]
    return text


def _read_header(text: bytes) -> tuple[int, tuple[str, ...], bytes]:
    """Blank lines before the header, its column names, and what follows it."""
    stripped = text.lstrip(b" \t\r\n")
    if not stripped:
        raise FileRefused("the file is empty; ask for it again")
    if stripped[:1] == b"<":
        raise FileRefused("this is an HTML or XML page, not a data file; download it again")
    lead = text[: len(text) - len(stripped)].count(b"\n")
    line, _, body = stripped.partition(b"\n")
    if len(line) > MAX_HEADER_BYTES:
        raise FileRefused(f"the first line has {len(line)} bytes; that is no header")
    names = tuple(name.strip() for name in line.decode("utf-8", "replace").split(SEPARATOR))
    _check_header(names)
    return lead, names, body


def _check_header(names: tuple[str, ...]) -> None:
    """Refuse a header that is not the feed's, saying how it differs."""
    if len(names) == 1:
        for other, label in ((",", "comma"), ("\t", "tab"), (";", "semicolon")):
            if other in names[0]:
                raise FileRefused(f"the file is {label}-delimited; FINRA's is pipe-delimited (|)")
    missing = [name for name in DELIVERED if name not in names]
    unknown = [name for name in names if name not in DELIVERED + API_COLUMNS]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = [
        f"{label}: {', '.join(repr(name) for name in found[:20])}"
        for label, found in (("missing", missing), ("unknown", unknown), ("repeated", twice))
        if found
    ]
    if faults:
        stands = ", ".join(repr(name) for name in names[:20])
        raise FileRefused(f"wrong header: {'; '.join(faults)}; the header has {stands}")


def split_fast(body: bytes, header: tuple[str, ...], first_line: int) -> _Split | None:
    """Cut all lines at once with Polars' CSV reader, or None where that is not certain.

    It is certain when each line holds exactly the separators of the header. Blank lines at
    the end are allowed, everything else irregular goes to `split_by_line`.
    """
    trimmed = body.rstrip(b"\n")
    blank = max(len(body) - len(trimmed) - 1, 0)
    # The reader would drop a byte order mark and single carriage returns, which are text.
    if trimmed.startswith(_BOM) or b"\r" in trimmed:
        return None
    lines = _line_ends(trimmed) + 1
    fields = _read_csv(trimmed, SEPARATOR, header)
    # A line with too many fields is an error there, one with too few has a blank last one.
    if fields is None or fields.height != lines:
        return None
    if (fields[header[-1]] == "").any() and not _is_regular(trimmed, len(header) - 1):
        return None
    whole = _read_csv(trimmed, _NO_SEPARATOR, ("line",)) if header == DELIVERED else None
    hashed = field_types.record_hash(fields if whole is None else whole)
    numbered = fields.with_columns(
        hashed, source_line=pl.int_range(first_line, first_line + lines, dtype=pl.Int64)
    )
    spaces = "".join(char for char in field_types.SPACES if char.encode() in trimmed)
    return _Split(numbered, field_types.no_rejects(), blank, spaces)


def _read_csv(body: bytes, separator: str, names: tuple[str, ...]) -> pl.DataFrame | None:
    """Fields of text without any quoting, or None where a line has too many or is no UTF-8."""
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


def split_by_line(body: bytes, header: tuple[str, ...], first_line: int) -> _Split:
    """Cut a body line by line; lines that cannot be cut become rejects."""
    lines = body.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    blank = 0
    good: list[list[str]] = []
    good_lines: list[int] = []
    rejects: list[tuple[RejectReason, str, str | None, bytes, int]] = []
    quantity = header.index(field_types.SHARES)
    for number, line in enumerate(lines, first_line):
        if not line.strip(b" \t\r"):
            blank += 1
            continue
        try:
            fields = line.decode("utf-8").split(SEPARATOR)
        except UnicodeDecodeError as error:
            detail = f"byte {error.object[error.start]:#04x} at position {error.start + 1}"
            # Where the fields are all there, a bad byte in a name leaves the quantity readable.
            parts = line.split(SEPARATOR.encode())
            whole = len(parts) == len(header)
            shares = parts[quantity].decode("utf-8", "replace") if whole else None
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
        field_types.record_hash(frame), source_line=pl.Series(good_lines, dtype=pl.Int64)
    )
    return _Split(numbered, field_types.line_rejects(rejects), blank)
