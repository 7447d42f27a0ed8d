"""Bytes of a delivered file -> typed rows, rejects and facts of the file.

Belongs here: limits, line ends and the header of a text, and the order of the steps. Does not
belong here: what a content is by its first bytes (`content_kind`), cutting lines (`line_split`) and
JSON (`json_rows`), types of fields (`field_types`), which week, tier and class a file holds
(`placement`), archives (`archives`), and rules for typed rows (`row_rules`).

What is read: text with one header line, delimited by pipes (FINRA's download file, without quotes)
or commas (the default of FINRA's API), each with quotes or without; and JSON. Names of columns may
be in any case; columns that are not known are kept.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

import polars as pl

from spine_assets.core.tables import exact_sum, exact_total
from spine_assets.core.text import Shown
from spine_assets.core.weeks import tier_of
from spine_assets.otc.delivery import field_types, json_rows
from spine_assets.otc.delivery.content_kind import Encoding, decoded, shown
from spine_assets.otc.delivery.figures import Sample, sample
from spine_assets.otc.delivery.json_rows import JsonRows, is_json
from spine_assets.otc.delivery.line_cut import cut_header, cut_line, mend
from spine_assets.otc.delivery.line_schema import (
    API_COLUMNS,
    DELIVERED,
    ISSUE,
    SHARES,
    SYMBOL,
    canonical_name,
)
from spine_assets.otc.delivery.line_split import (
    SEPARATOR,
    Split,
    count_lines,
    split_by_line,
    split_fast,
)
from spine_assets.otc.delivery.provenance import Provenance, provenance_of
from spine_assets.otc.delivery.reasons import FileRefused

MAX_HEADER_BYTES = 10_000  # the longest legal header has about 300
MAX_LINE_BYTES = 1_000_000  # no real line passes 1,000
# Five times the largest week of all tiers together. A line that becomes a reject costs up to
# 800 bytes of memory however short it is, so a limit of bytes alone would not bound memory.
MAX_LINES = 1_000_000
_OTHERS = {"\t": "tab", ";": "semicolon", "\x01": "ctrl-A"}
_SEPARATORS = (SEPARATOR, ",", *_OTHERS)
_NAMED = 20  # columns in a message
_NAME_CHARS = 40  # of each


class Form(StrEnum):
    """How the rows of a content are written."""

    PIPES = "pipe-delimited"
    QUOTED_PIPES = "pipe-delimited with quotes"
    COMMAS = "comma-delimited"
    JSON = "JSON"
    JSON_LINES = "JSON, one object per line"


@dataclass(frozen=True)
class ParsedFile:
    """What one delivered content holds.

    Attributes:
        rows: Typed rows under the delivered names, `source_line` and `record_hash` added.
            `source_line` is the line of the file, header = 1; in a JSON list, the number of the
            row, the first = 1.
        rejects: `reason, field, detail, share_volume, raw_line, source_line`, one per line, and
            its `summaryTypeCode` where that is known.
        header: Column names in delivered order.
        lines: Physical lines, header and blank ones included; of JSON, which has no header, one
            more than its rows.
        lines_counted: The same, counted on the bytes and not by the parser.
        blank_lines: Lines of white space alone.
        shares: Sum of all readable share quantities, of rows and rejects.
        sha256: Hash of the content as delivered, decompressed.
        ends_mid_line: The last line has no line end.
        captured_on: Later dates in the file are rejects.
        judge_again_on: The first of those dates: from that day on, reading the content again
            gives something else. None if there is none.
        content: The content as delivered, decompressed.
        other_lines: Lines that belong to other parts of the content (`parts.part_of`).
        form: How its rows are written.
        encoding: How its text is encoded.
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
    judge_again_on: date | None = None
    content: bytes = field(default=b"", repr=False, compare=False)
    other_lines: int = 0
    form: Form = Form.PIPES
    encoding: Encoding = Encoding.UTF_8

    @cached_property
    def sample(self) -> Sample:
        """The sample of its figures."""
        return sample(self.rows)

    @cached_property
    def provenance(self) -> tuple[Provenance, ...]:
        """Who made its rows."""
        return provenance_of(self.rows[ISSUE])


@dataclass(frozen=True)
class Cut:
    """A content cut into fields of text.

    Attributes:
        header: FINRA's names, whatever their case; others as delivered.
        split: Its rows, and rejects of lines that cannot be cut.
        lead: Blank lines before the header.
        lines_counted: Lines by its bytes, the header of JSON included, which has none.
        ends_mid_line: The last line has no line end.
    """

    header: tuple[str, ...]
    split: Split
    lead: int
    lines_counted: int
    ends_mid_line: bool
    form: Form
    encoding: Encoding


def parse(content: bytes, captured_on: date) -> ParsedFile:
    """Parse one delivered content.

    Args:
        content: The file's bytes, decompressed.
        captured_on: Day of capture (UTC); later dates in the file are rejects.

    Raises:
        FileRefused: nothing of the file can be used.
    """
    found = cut(content)
    header, split = found.header, found.split
    typed = field_types.apply(
        split.fields, header, captured_on, split.spaces, odd=split.odd, texts_of=split.texts
    )
    rejects = pl.concat([split.rejects, typed.rejects]).sort("source_line")
    return ParsedFile(
        rows=field_types.with_notes(typed.rows, split.notes),
        rejects=rejects,
        header=header,
        lines=1 + found.lead + split.blank_lines + split.fields.height + split.rejects.height,
        blank_lines=found.lead + split.blank_lines,
        shares=exact_total([typed.shares, exact_sum(split.rejects["share_volume"])]),
        sha256=hashlib.sha256(content).hexdigest(),
        ends_mid_line=found.ends_mid_line,
        lines_counted=found.lines_counted,
        captured_on=captured_on,
        judge_again_on=typed.judge_again_on,
        content=content,
        form=found.form,
        encoding=found.encoding,
    )


def cut(content: bytes) -> Cut:
    """Cut a content into fields of text.

    Raises:
        FileRefused: it is nothing that is read, or has no rows.
    """
    text, encoding = decoded(content)
    found = _cut_json(text, encoding) if is_json(text) else _cut_lines(text, encoding)
    if found.split.fields.is_empty() and found.split.rejects.is_empty():
        raise FileRefused("the file has a header but no rows; download it again")
    _require_one_download(found)
    return found


def _cut_json(text: bytes, encoding: Encoding) -> Cut:
    rows = JsonRows(text)
    if not len(rows):
        raise FileRefused("the JSON list has no rows; download it again")
    _check_header(rows.header)
    form = Form.JSON_LINES if rows.is_lines else Form.JSON
    return Cut(rows.header, rows.split(), 0, rows.counted + 1, False, form, encoding)


def _cut_lines(text: bytes, encoding: Encoding) -> Cut:
    plain = _with_plain_line_ends(text)
    lines_counted = count_lines(plain)
    _require_bounded(plain, lines_counted)
    lead, header, separator, body = _with_header(plain)
    split = split_fast(body, header, lead + 2, separator) or split_by_line(
        body, header, lead + 2, separator
    )
    form = Form.COMMAS if separator == "," else Form.PIPES
    if form is Form.PIPES and split.texts is not None:
        form = Form.QUOTED_PIPES
    mid = not plain.endswith(b"\n")
    return Cut(header, split, lead, lines_counted, mid, form, encoding)


@dataclass(frozen=True)
class Opened:
    """A content of which single lines are looked up.

    Attributes:
        header: As in `Cut`.
        first: The number of its first line.
        lines: The text of each; None where it is not UTF-8.
        separator: None if it is JSON.
    """

    header: tuple[str, ...] = DELIVERED
    first: int = 2
    lines: Sequence[bytes | str] = ()
    separator: str | None = SEPARATOR

    def line(self, number: int) -> str | None:
        """The text of a line by its `source_line`; None if there is no such text."""
        place = number - self.first
        if not 0 <= place < len(self.lines):
            return None
        found = self.lines[place]
        try:
            return found if isinstance(found, str) else found.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def fields(self, text: str) -> list[str]:
        """The fields of a line in the order of the header; others than that many if it has."""
        if self.separator is None:
            return json_rows.fields_of(text, self.header) or []
        fields = cut_line(text, self.separator, len(self.header))
        return mend(fields, self.separator, self.header).fields or fields


def opened(content: bytes) -> Opened:
    """A content whose lines are looked up by their numbers.

    Raises:
        FileRefused: it is nothing that is read.
    """
    text, _ = decoded(content)
    if is_json(text):
        rows = JsonRows(text)
        lines = text.split(b"\n") if rows.is_lines else rows.texts(range(1, len(rows) + 1))
        return Opened(rows.header, 1, lines, None)
    lead, header, separator, body = _with_header(_with_plain_line_ends(text))
    return Opened(header, lead + 2, body.split(b"\n"), separator)


def first_row(head: bytes) -> dict[str, str]:
    """The first row of a content that is cut after some kilobytes; empty if it has none.

    Raises:
        FileRefused: it is nothing that is read.
    """
    text, _ = decoded(head)
    if is_json(text):
        return json_rows.first_object(text.decode("utf-8", "replace"))
    _, header, separator, body = _with_header(_with_plain_line_ends(text))
    line = body.partition(b"\n")[0].decode("utf-8", "replace")
    return dict(zip(header, cut_line(line, separator, len(header)), strict=False))


def _with_header(text: bytes) -> tuple[int, tuple[str, ...], str, bytes]:
    """Blank lines before the header of a text, its columns and separator, and what follows it.

    Raises:
        FileRefused: it has no header of this feed.
    """
    stripped = text.lstrip(b" \t\r\n")
    if not stripped:
        raise FileRefused("the file is empty; download it again")
    if stripped[:1] == b"<":
        raise FileRefused("this is an HTML or XML page, not a data file; download it again")
    lead = text[: len(text) - len(stripped)].count(b"\n")
    line, _, body = stripped.partition(b"\n")
    if len(line) > MAX_HEADER_BYTES:
        raise FileRefused(
            f"the first line has {len(line):,} bytes and is not FINRA's header; download it again"
        )
    names, separator = _names_in(line)
    if separator in _OTHERS:
        raise FileRefused(
            f"it is {_OTHERS[separator]}-delimited "
            f"(line {lead + 1}: {_shortened(line.decode('utf-8', 'replace'))}); deliver it "
            "delimited by pipes or commas, as FINRA sends it"
        )
    _check_header(names, line, lead + 1)
    return lead, names, separator, body


def _names_in(line: bytes) -> tuple[tuple[str, ...], str]:
    """The names in a header line, by the separator that gives most of FINRA's."""
    text = line.decode("utf-8", "replace")
    readings = [
        (tuple(map(canonical_name, cut_header(text, separator))), separator)
        for separator in _SEPARATORS
    ]
    return max(readings, key=lambda found: len({*found[0]} & {*DELIVERED, *API_COLUMNS}))


def _require_one_download(found: Cut) -> None:
    """Refuse a content with a second header among its rows."""
    if found.form in {Form.JSON, Form.JSON_LINES}:
        return  # its rows name their columns themselves
    # No quantity is so long: this takes a hundredth of the time of comparing texts.
    long = found.split.fields.filter(pl.col(SHARES).str.len_bytes() >= len(SHARES))
    repeated = (
        (long, SHARES, SHARES.casefold()),
        (found.split.rejects, "raw_line", SYMBOL.casefold()),
    )
    numbers = [
        number
        for frame, column, name in repeated
        for number in frame.filter(
            pl.col(column).str.to_lowercase().str.contains(name, literal=True)
        )["source_line"]
    ]
    if numbers:
        raise FileRefused(
            f"line {min(numbers):,} is a header again: two downloads are joined in this file; "
            "deliver each as a file of its own"
        )


def _require_bounded(content: bytes, lines: int) -> None:
    """Refuse a content with too many lines, or a line too long to be one."""
    if lines > MAX_LINES:
        raise FileRefused(
            f"it has {lines:,} lines, more than {MAX_LINES:,}; no week has so many: deliver the "
            "files of FINRA as they are, one per week, tier and class"
        )
    start = 0
    while len(content) - start > MAX_LINE_BYTES:
        # The last line end within reach: one search per million bytes instead of one per line.
        end = content.rfind(b"\n", start, start + MAX_LINE_BYTES + 1)
        if end < 0:
            number = content.count(b"\n", 0, start) + 1
            length = (content.find(b"\n", start) + 1 or len(content) + 1) - start - 1
            raise FileRefused(
                f"line {number:,} has {length:,} bytes, more than {MAX_LINE_BYTES:,}; "
                "no real line passes 1,000: download the file again"
            )
        start = end + 1


def _with_plain_line_ends(content: bytes) -> bytes:
    """CR LF becomes LF; a CR at the end of the file is dropped unless it is all of its line.

    Where no line ends with LF, as in files of old Mac programs, CR becomes LF.
    """
    if b"\r" not in content:
        return content
    if b"\n" not in content:
        return content.replace(b"\r", b"\n")
    text = content.replace(b"\r\n", b"\n")
    if text.endswith(b"\r") and text != b"\r" and not text.endswith(b"\n\r"):
        return text[:-1]
    return text


def _check_header(names: tuple[str, ...], line: bytes = b"", number: int = 0) -> None:
    """Refuse a header without FINRA's columns; the message says how it differs."""
    missing = [name for name in DELIVERED if name not in names]
    others = [name for name in names if missing and name not in (*DELIVERED, *API_COLUMNS)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if not missing and not twice:
        return
    if any(byte < ord(" ") and byte not in b"\t\x01" for byte in line[:_NAME_CHARS]):
        raise FileRefused(
            f"this is not text (its first bytes are {shown(line)}), so it is not FINRA's data; "
            "download it again"
        )
    if any(map(tier_of, names)):
        raise FileRefused(
            f"wrong header: line {number} is a row "
            f"({_shortened(line.decode('utf-8', 'replace'))}); download the file again"
        )
    problems = [
        f"{label}: {', '.join(_shortened(name) for name in found[:_NAMED])}"
        for label, found in (("missing", missing), ("unknown", others), ("repeated", twice))
        if found
    ]
    found = ", ".join(_shortened(name) for name in names[:_NAMED])
    raise FileRefused(f"wrong header: {'; '.join(problems)}; the header has {found}")


def _shortened(text: str) -> str:
    """A text of the file for a message."""
    return f"'{Shown(text, _NAME_CHARS)}'"
