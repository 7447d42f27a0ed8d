"""Lines of a delivered text cut into fields, each with its record hash.

Polars' CSV reader cuts regular lines all at once; lines that it could read wrongly are cut one by
one (`line_cut`, the reference), and those that cannot be cut become rejects. Does not belong here:
the header and limits of a file (`file_format`), and what the fields' text means (`field_types`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import polars as pl
import polars_hash as plh

from spine_assets.otc.delivery import field_types
from spine_assets.otc.delivery.content_kind import BOM
from spine_assets.otc.delivery.line_cut import QUOTE, cut_line, has_open_quote, mend
from spine_assets.otc.delivery.line_schema import DELIVERED, SHARES, SPACES
from spine_assets.otc.delivery.reasons import RejectReason

SEPARATOR = "|"
_NO_SEPARATOR = "\x1f"  # cuts no line: with one column, more fields would be an error
_LINE_FEED = 10
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x28\xb5\x2f\xfd")
"""How gzip, zlib and zstd begin."""
_MOST_IN_DOUBT = 1_000  # fields that begin with a quote, of which each is looked at
Texts = Callable[[Sequence[int]], list[str]]
"""From numbers of lines to their text as delivered."""


@dataclass(frozen=True)
class Split:
    """Lines cut into fields of text, each with its record hash, and rejects of the others.

    `spaces` has the characters of white space that occur in the fields; `odd` is whether others
    or invisible ones may. `notes` are of lines that had to be put together. `texts` gives the text
    of lines as delivered; without it, a line's text is its fields joined by `|`.
    """

    fields: pl.DataFrame
    rejects: pl.DataFrame
    blank_lines: int
    spaces: str = SPACES
    odd: bool = True
    notes: Mapping[int, str] = field(default_factory=dict)
    texts: Texts | None = None


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


def split_fast(
    body: bytes, header: tuple[str, ...], first_line: int, separator: str = SEPARATOR
) -> Split | None:
    """Cut all lines at once with Polars' CSV reader, or None if it may read some wrongly.

    Each line must have exactly as many separators as the header. Blank lines are allowed at the
    end only. `split_by_line` cuts everything else.
    """
    trimmed = body.rstrip(b"\n")
    blank = max(len(body) - len(trimmed) - 1, 0)
    # The reader would drop a byte order mark and single carriage returns, which are text, and
    # unpack what begins as something compressed does.
    if trimmed.startswith((BOM, *_PACKED)) or b"\r" in trimmed:
        return None
    separators = len(header) - 1
    opening = _opening_quotes(trimmed, separator)
    quoted = bool(opening.size) and _is_quoted_regularly(trimmed, separator, separators)
    if opening.size and not quoted and not _are_text(trimmed, opening, separator, len(header)):
        return None
    lines = _line_ends(trimmed) + 1
    fields = _read_csv(trimmed, separator, header, quoted=quoted)
    # The reader refuses a line with too many fields, but for a separator at the end of the last
    # one; of a line with too few, the last field is blank.
    if fields is None or fields.height != lines:
        return None
    in_doubt = (fields[header[-1]] == "").any() or trimmed.endswith(separator.encode())
    if in_doubt and not quoted and not _is_regular(trimmed, separator, separators):
        return None
    is_plain = separator == SEPARATOR and not quoted
    as_lines = is_plain and header == DELIVERED
    uncut = _read_csv(trimmed, _NO_SEPARATOR, ("line",)) if as_lines else None
    hashed = record_hash(fields if uncut is None else uncut)
    numbered = fields.with_columns(
        hashed, source_line=pl.int_range(first_line, first_line + lines, dtype=pl.Int64)
    )
    spaces = "".join(char for char in SPACES if char.encode() in trimmed)
    return Split(
        numbered,
        field_types.no_rejects(),
        blank,
        spaces,
        odd=not _is_printable(trimmed),
        texts=None if is_plain else partial(_line_texts, body, first_line),
    )


def _is_printable(body: bytes) -> bool:
    """Whether a body has ASCII characters and line feeds alone, none of which is invisible."""
    controls = np.count_nonzero(np.frombuffer(body, np.uint8) < ord(" "))
    return body.isascii() and controls == _line_ends(body) and b"\x7f" not in body


def _read_csv(
    body: bytes, separator: str, names: tuple[str, ...], *, quoted: bool = False
) -> pl.DataFrame | None:
    """Fields of text, or None if a line has too many or is not UTF-8."""
    try:
        return pl.read_csv(
            body,
            has_header=False,
            separator=separator,
            quote_char=QUOTE if quoted else None,
            schema=dict.fromkeys(names, pl.String),
            empty_string_is_null=False,
        )
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError, OSError):
        return None


def _is_regular(body: bytes, separator: str, separators: int) -> bool:
    """Whether each line of a body without quotes has that number of separators."""
    data = np.frombuffer(body, np.uint8)
    return _are_regular(data == ord(separator), data == _LINE_FEED, separators)


def _are_regular(bars: np.ndarray, ends: np.ndarray, separators: int) -> bool:
    """Whether between any two line ends, and around them, there is that number of separators."""
    at, of_ends = np.flatnonzero(bars), np.flatnonzero(ends)
    if at.size != separators * (of_ends.size + 1):
        return False
    by_line = at.reshape(-1, separators)
    return bool((by_line[:-1, -1] < of_ends).all() and (by_line[1:, 0] > of_ends).all())


def _opening_quotes(body: bytes, separator: str) -> np.ndarray:
    """Where a field begins with a quote, or with spaces and a quote; all other quotes are text."""
    if QUOTE.encode() not in body:
        return np.empty(0, np.int64)
    data = np.frombuffer(body, np.uint8)
    before = np.flatnonzero(data == ord(QUOTE)) - 1
    opening = []
    while before.size:
        found = np.where(before < 0, _LINE_FEED, data[before])
        opening.append(before[(found == _LINE_FEED) | (found == ord(separator))] + 1)
        before = before[found == ord(" ")] - 1
    return np.concatenate(opening)


def _are_text(body: bytes, opening: np.ndarray, separator: str, wanted: int) -> bool:
    """Whether quotes that begin a field are text too: few do, in names of FINRA's own files."""
    if opening.size > _MOST_IN_DOUBT:
        return False
    for place in opening.tolist():
        start, end = body.rfind(b"\n", 0, place) + 1, body.find(b"\n", place)
        text = body[start : len(body) if end < 0 else end].decode("utf-8", "replace")
        if cut_line(text, separator, wanted) != text.split(separator):
            return False
    return True


def _is_quoted_regularly(body: bytes, separator: str, separators: int) -> bool:
    """Whether each line is CSV by the letter (RFC 4180) and has that number of separators.

    Along the text, quotes open and close in turn. One that opens stands at the begin of a field,
    one that closes at its end; two together, within a field, are a quote.
    """
    data = np.frombuffer(body, np.uint8)
    quotes, ends, bars = data == ord(QUOTE), data == _LINE_FEED, data == ord(separator)
    within = np.bitwise_xor.accumulate(quotes)  # from an opening quote up to before the closing
    edges = ends | bars | quotes
    opens, closes = quotes & within, quotes & ~within
    return bool(
        not within[-1]
        and not (ends & within).any()
        and edges[:-1][opens[1:]].all()
        and edges[1:][closes[:-1]].all()
        and _are_regular(bars & ~within, ends, separators)
    )


def split_by_line(
    body: bytes, header: tuple[str, ...], first_line: int, separator: str = SEPARATOR
) -> Split:
    """Cut a body line by line; lines that cannot be cut become rejects."""
    lines = body.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    blank = 0
    good: list[list[str]] = []
    good_lines: list[int] = []
    notes: dict[int, str] = {}
    rejects: list[tuple[RejectReason, str, str | None, bytes, int]] = []
    quantity, wanted = header.index(SHARES), len(header)
    has_quotes = False
    for number, line in enumerate(lines, first_line):
        if not line.strip(b" \t\r"):
            blank += 1
            continue
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            detail = f"byte {error.object[error.start]:#04x} at position {error.start + 1}"
            # If all fields are there, the quantity is readable in spite of a bad byte elsewhere.
            parts = cut_line(line.decode("utf-8", "replace"), separator, wanted)
            shares = parts[quantity] if len(parts) == wanted else None
            rejects.append((RejectReason.BAD_ENCODING, detail, shares, line, number))
            continue
        fields = cut_line(text, separator, wanted)
        if len(fields) != wanted:
            mended = mend(fields, separator, header)
            if mended.fields is None:
                detail = f"{len(fields)} fields where the header has {wanted}"
                if has_open_quote(text, separator):
                    detail += "; a quote that begins a field is not closed on its line"
                rejects.append((RejectReason.FIELD_COUNT, detail, mended.shares, line, number))
                continue
            fields, notes[number] = mended.fields, f"{RejectReason.FIELD_COUNT} {mended.column}"
        has_quotes = has_quotes or (QUOTE in text and separator.join(fields) != text)
        good.append(fields)
        good_lines.append(number)
    frame = pl.DataFrame(good, schema=dict.fromkeys(header, pl.String), orient="row")
    numbered = frame.with_columns(
        record_hash(frame), source_line=pl.Series(good_lines, dtype=pl.Int64)
    )
    is_plain = separator == SEPARATOR and not has_quotes
    texts = None if is_plain else partial(_line_texts, body, first_line)
    return Split(numbered, field_types.line_rejects(rejects), blank, notes=notes, texts=texts)


def _line_texts(body: bytes, first_line: int, numbers: Sequence[int]) -> list[str]:
    """The text of lines that are UTF-8."""
    lines = body.split(b"\n")
    return [lines[number - first_line].decode("utf-8") for number in numbers]


def _hex_hash(text: pl.Expr) -> pl.Expr:
    """xxh3-128 of a text column as 32 hex digits."""
    namespace = plh.NonCryptographicHashingNameSpace(text)
    return namespace.xxh3_128(return_binary=True, byte_order="big").bin.encode("hex")
