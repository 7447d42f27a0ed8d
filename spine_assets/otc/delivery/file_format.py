"""Bytes of a delivered file -> typed rows, rejects and facts of the file.

Belongs here: limits, line ends and the header of a file, and the order of the steps. Does not
belong here: cutting lines (`line_split`), types of fields (`field_types`), which week, tier and
class a file holds (`placement`), archives (`archives`), and rules for typed rows (`row_rules`).

Source: FINRA's download file is pipe-delimited UTF-8 without quoting, one header line.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property

import polars as pl

from spine_assets.core.tables import exact_sum, exact_total
from spine_assets.otc.delivery import field_types
from spine_assets.otc.delivery.figures import Sample, sample
from spine_assets.otc.delivery.line_schema import API_COLUMNS, DELIVERED
from spine_assets.otc.delivery.line_split import (
    BOM,
    SEPARATOR,
    count_lines,
    split_by_line,
    split_fast,
)
from spine_assets.otc.delivery.reasons import FileRefused

MAX_HEADER_BYTES = 10_000  # the longest legal header has about 300
MAX_LINE_BYTES = 1_000_000  # no real line passes 1,000
# Five times the largest week of all tiers together. A line that becomes a reject costs up to
# 800 bytes of memory however short it is, so a limit of bytes alone would not bound memory.
MAX_LINES = 1_000_000


@dataclass(frozen=True)
class ParsedFile:
    """What one delivered content holds.

    Attributes:
        rows: Typed rows under the delivered names, `source_line` and `record_hash` added.
        rejects: `reason, field, detail, share_volume, raw_line, source_line`, one per line, and
            its `summaryTypeCode` where that is known.
        header: Column names in delivered order.
        lines: Physical lines, header and blank ones included.
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

    @cached_property
    def sample(self) -> Sample:
        """The sample of its figures."""
        return sample(self.rows)


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
        raise FileRefused("the file has a header but no rows; download it again")
    typed = field_types.apply(split.fields, header, captured_on, split.spaces, odd=split.odd)
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
        judge_again_on=typed.judge_again_on,
        content=content,
    )


def opened(content: bytes) -> tuple[bytes, int, tuple[str, ...], bytes]:
    """Text with plain line ends, blank lines before the header, its columns, what follows it.

    Raises:
        FileRefused: it has no header of this feed.
    """
    text = _with_plain_line_ends(content.removeprefix(BOM))
    stripped = text.lstrip(b" \t\r\n")
    if not stripped:
        raise FileRefused("the file is empty; download it again")
    if stripped[:1] == b"<":
        raise FileRefused("this is an HTML or XML page, not a data file; download it again")
    lead = text[: len(text) - len(stripped)].count(b"\n")
    line, _, body = stripped.partition(b"\n")
    if len(line) > MAX_HEADER_BYTES:
        raise FileRefused(
            f"the first line has {len(line):,} bytes and is no header of FINRA; download it again"
        )
    names = tuple(name.strip() for name in line.decode("utf-8", "replace").split(SEPARATOR))
    _check_header(names)
    return text, lead, names, body


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
    """CR LF becomes LF; a CR at the end of the file is dropped unless it is all of its line."""
    if b"\r" not in content:
        return content
    text = content.replace(b"\r\n", b"\n")
    if text.endswith(b"\r") and text != b"\r" and not text.endswith(b"\n\r"):
        return text[:-1]
    return text


def _check_header(names: tuple[str, ...]) -> None:
    """Refuse a header without FINRA's columns; the message says how it differs."""
    if len(names) == 1:
        for other, label in ((",", "comma"), ("\t", "tab"), (";", "semicolon")):
            if other in names[0]:
                raise FileRefused(
                    f"the file is {label}-delimited; deliver FINRA's, which is pipe-delimited (|)"
                )
    missing = [name for name in DELIVERED if name not in names]
    others = [name for name in names if missing and name not in (*DELIVERED, *API_COLUMNS)]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems = [
        f"{label}: {', '.join(repr(name) for name in found[:20])}"
        for label, found in (("missing", missing), ("unknown", others), ("repeated", twice))
        if found
    ]
    if problems:
        found = ", ".join(repr(name) for name in names[:20])
        raise FileRefused(f"wrong header: {'; '.join(problems)}; the header has {found}")
