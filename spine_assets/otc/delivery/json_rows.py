"""Rows of a JSON content: a list of objects, as FINRA's API answers, or one object per line.

The number of a row is its place in the list, counted from 1; of one object per line it is that of
the line. Numbers keep every digit; one with an exponent is written out. Null is blank. Belongs
here: objects to fields of text. Does not belong here: what the fields mean (`field_types`).
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from spine_assets.core.text import Shown
from spine_assets.otc.delivery import field_types
from spine_assets.otc.delivery.line_schema import (
    API_COLUMNS,
    DELIVERED,
    SHARES,
    canonical_name,
)
from spine_assets.otc.delivery.line_split import Split, count_lines, record_hash
from spine_assets.otc.delivery.reasons import FileRefused, RejectReason, listed

MAX_ROWS = 1_000_000
_MAX_ROW_BYTES = 1_000_000
_MAX_COLUMNS = 200
_AT_ONCE = 50_000  # rows that are held as Python objects
_SHOWN = 60  # characters of an example
_HEAD_BYTES = 4_096
_NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.ASCII)
_NEXT = re.compile(r"[ \t\r\n]*(.?)[ \t\r\n]*", re.DOTALL)

Object = tuple[tuple[str, Any], ...]
"""A JSON object as it stands: a name may be repeated."""


def is_json(text: bytes) -> bool:
    """Whether a text begins as JSON does."""
    return text[:_HEAD_BYTES].lstrip()[:1] in {b"[", b"{"}


class JsonRows:
    """The rows of a JSON content.

    Attributes:
        header: The names of all of them, in the order of their first appearance.
        is_lines: It has one object per line.
        counted: How many rows it has by its bytes, apart from the parser; or, of one object per
            line, how many lines.

    Raises:
        FileRefused: it is cut or damaged, or is no list of rows.
    """

    def __init__(self, content: bytes) -> None:
        self.is_lines = content.lstrip()[:1] == b"{"
        self.counted = count_lines(content) if self.is_lines else _count_rows(content)
        if self.counted > MAX_ROWS:
            raise FileRefused(
                f"it has {self.counted:,} rows, more than {MAX_ROWS:,}; no week has so many: "
                "deliver the files of FINRA as they are, one per week, tier and class"
            )
        self.header: tuple[str, ...] = ()
        self._text = content.decode("utf-8", "surrogateescape")
        self._numbers, self._starts, self._ends, self._good = (array("q") for _ in range(4))
        self._rejects: list[tuple[RejectReason, str, str | None, bytes, int]] = []
        self._frames: list[pl.DataFrame] = []
        self._values: list[list[str]] = []
        self._names: tuple[str, ...] = ()
        self._places: list[int] = []
        found = _objects_by_line(self._text) if self.is_lines else _elements(self._text)
        for number, start, end, value in found:
            self._numbers.append(number)
            self._starts.append(start)
            self._ends.append(end)
            self._add(number, self._text[start:end], value)
        self._flush()

    def __len__(self) -> int:
        return len(self._numbers)

    def split(self) -> Split:
        """All rows cut into fields; the header has all of FINRA's columns."""
        fields = pl.concat(self._frames, how="diagonal").fill_null("")
        numbered = fields.with_columns(
            record_hash(fields), source_line=pl.Series(self._good, dtype=pl.Int64)
        )
        blank = self.counted - len(self) if self.is_lines else 0
        return Split(numbered, field_types.line_rejects(self._rejects), blank, texts=self.texts)

    def texts(self, numbers: Sequence[int]) -> list[str]:
        """The text of some rows, as delivered."""
        places = [bisect_left(self._numbers, number) for number in numbers]
        return [self._text[self._starts[place] : self._ends[place]] for place in places]

    def _add(self, number: int, raw: str, value: Object | None) -> None:
        if value is None:
            self._reject(number, RejectReason.FIELD_COUNT, "not one whole JSON object", raw)
            return
        names = tuple(name for name, _ in value)
        if names != self._names:
            self._names, self._places = names, self._places_of(names)
        if len(set(self._places)) < len(names):
            detail = f"a name stands twice: {listed(names)}"
            self._reject(number, RejectReason.FIELD_COUNT, detail, raw)
            return
        fields = [""] * len(self.header)
        for place, (_, item) in zip(self._places, value, strict=True):
            fields[place] = _text_of(item)
        # A lone surrogate is a byte that is not UTF-8, or half a character.
        if (not raw.isascii() or "\\u" in raw) and any(map(_is_no_text, fields)):
            shares = fields[self.header.index(SHARES)] if SHARES in self.header else ""
            shares = "" if _is_no_text(shares) else shares
            self._reject(number, RejectReason.BAD_ENCODING, "it is not UTF-8", raw, shares)
            return
        self._values.append(fields)
        self._good.append(number)
        if len(self._values) >= _AT_ONCE:
            self._flush()

    def _places_of(self, names: tuple[str, ...]) -> list[int]:
        known = {name: place for place, name in enumerate(self.header)}
        places = [known.setdefault(canonical_name(name), len(known)) for name in names]
        if len(known) > _MAX_COLUMNS:
            raise FileRefused(
                f"its rows have more than {_MAX_COLUMNS} different names, FINRA's about 20: "
                "download it again"
            )
        self.header = tuple(known)
        return places

    def _reject(
        self, number: int, reason: RejectReason, detail: str, raw: str, shares: str | None = None
    ) -> None:
        line = raw.encode("utf-8", "surrogateescape")
        self._rejects.append((reason, detail, shares, line, number))

    def _flush(self) -> None:
        width = len(self.header)
        rows = [row + [""] * (width - len(row)) for row in self._values]
        schema = dict.fromkeys(self.header, pl.String)
        self._frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
        self._values = []


def fields_of(text: str, header: Sequence[str]) -> list[str] | None:
    """The fields of one row's text in the order of a header; None if it is no row."""
    found = first_object(text)
    return [found.get(name, "") for name in header] if found else None


def first_object(text: str) -> dict[str, str]:
    """The first object of a text that may be cut after it; empty if there is none."""
    try:
        value, _ = _DECODER.raw_decode(text, max(text.find("{"), 0))
    except (ValueError, RecursionError):
        return {}
    pairs = value if isinstance(value, tuple) else ()
    return {canonical_name(name): _text_of(item) for name, item in pairs}


def _plain(number: str) -> str:
    """A JSON number as a plain decimal without needless zeros; its value is exact."""
    if not _NUMBER.fullmatch(number):
        return number
    value = Decimal(number)
    return f"{value:.0f}" if value == value.to_integral_value() else f"{value:f}"


_DECODER = json.JSONDecoder(
    object_pairs_hook=tuple, parse_float=_plain, parse_int=str, parse_constant=str, strict=False
)


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(_nested(value), ensure_ascii=False)


def _nested(value: Any) -> Any:
    if isinstance(value, tuple):
        return {name: _nested(item) for name, item in value}
    return [_nested(item) for item in value] if isinstance(value, list) else value


def _is_no_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _elements(text: str) -> Iterator[tuple[int, int, int, Object]]:
    """The objects of a list: number, start, end and value.

    Raises:
        FileRefused: it is cut or damaged, or does not end with the list.
    """
    at = _skip(text, text.index("[") + 1)
    number = 0
    more = not text.startswith("]", at)
    while more:
        number += 1
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _damaged(text, at, number) from error
        if not isinstance(value, tuple):
            raise FileRefused(
                f"row {number:,} of the JSON list is {_example(text[at:end])}, which is no object; "
                "deliver FINRA's answer as it came"
            )
        yield number, at, end, value
        found = _NEXT.match(text, end)
        mark = found[1] if found else ""
        if mark not in {",", "]"} or found is None:
            raise _damaged(text, at, number)
        more, at = mark == ",", found.end()
    _require_end(text, at if number else at + 1, number)


def _require_end(text: str, at: int, number: int) -> None:
    rest = text[at : at + _SHOWN].strip()
    if rest.startswith("["):
        raise FileRefused(
            f"a second list begins after row {number:,}: two downloads are joined; deliver each as "
            "a file of its own"
        )
    if rest:
        raise FileRefused(
            f"the JSON list ends with row {number:,}, but {_example(rest)} follows; download it "
            "again"
        )


def _objects_by_line(text: str) -> Iterator[tuple[int, int, int, Object | None]]:
    """The object of each line that is not blank; None for one that is damaged.

    Raises:
        FileRefused: the first object is no row, or has several lines.
    """
    _require_row(text)
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t\r")
        if stripped:
            begin = start + line.index(stripped[0])
            try:
                value, end = _DECODER.raw_decode(stripped)
                whole = isinstance(value, tuple) and end == len(stripped)
            except (ValueError, RecursionError):
                whole = False
            yield number, begin, begin + len(stripped), value if whole else None
        start += len(line) + 1


def _require_row(text: str) -> None:
    try:
        value, end = _DECODER.raw_decode(text, text.index("{"))
    except (ValueError, RecursionError) as error:
        raise _damaged(text, text.index("{"), 1) from error
    names = [name for name, _ in value]
    if not {*map(canonical_name, names)} & {*DELIVERED, *API_COLUMNS}:
        raise FileRefused(
            f"this is a JSON object with {listed(names)}, not a list of rows: "
            f"{_example(text[text.index('{') : end])}; deliver the list of rows alone"
        )
    if "\n" in text[text.index("{") : end].strip():
        raise FileRefused(
            "this is one JSON object on several lines, not a list of rows; deliver FINRA's answer "
            "as it came"
        )


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _damaged(text: str, at: int, number: int) -> FileRefused:
    return FileRefused(
        f"the JSON is cut or damaged in row {number:,} ({_example(text[at:])}); download it again"
    )


def _example(text: str) -> str:
    """The begin of a text for a message, on one line."""
    return f"'{Shown(text, _SHOWN)}'"


def _count_rows(content: bytes) -> int:
    """Elements of a list, counted on the bytes and not by the parser.

    Raises:
        FileRefused: one of them is longer than any row.
    """
    if b"\\" in content:
        content = content.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    data = np.frombuffer(content, np.uint8)
    within = np.bitwise_xor.accumulate((data == ord('"')).view(np.uint8))
    opens, closes = (data == ord("{")) | (data == ord("[")), (data == ord("}")) | (data == ord("]"))
    step = opens.view(np.int8) - closes.view(np.int8)
    step[within != 0] = 0
    depth = np.cumsum(step, dtype=np.int32)
    commas = np.flatnonzero((depth == 1) & (data == ord(",")) & (within == 0))
    longest = int(np.diff(commas, prepend=0, append=len(content)).max())
    if longest > _MAX_ROW_BYTES:
        raise FileRefused(
            f"one of its rows has {longest:,} bytes, more than {_MAX_ROW_BYTES:,}; no real row "
            "passes 1,000: download it again"
        )
    is_empty = not content.strip(b" \t\r\n[]")
    return 0 if is_empty else int(commas.size) + 1
