"""Rows of an answer -> the content and name of a file in the landing folder.

The file has the format of FINRA's download files plus the columns of its API: pipe-delimited, one
week, tier and class. Only a line with a value that could not be read back is quoted, as CSV has it.
Rows by venue and FINRA's control totals are two files.
Quantities are exact plain decimals and rows are in the order of their key, so that an unchanged
answer gives the same bytes.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from spine_assets.core.weeks import Tier, VenueClass, monday_of
from spine_assets.finra.answers import Row
from spine_assets.finra.api import FIELDS, ROW_ORDER, SUMMARY_TYPES, TOTAL_TYPES, Question
from spine_assets.finra.errors import FinraContradicts
from spine_assets.lake.atomic_write import TEMPORARY
from spine_assets.otc.delivery.placement import Grain, Key

_NUMBERS = ("totalWeeklyShareQuantity", "totalWeeklyTradeCount", "totalNotionalSum")
# Numbers of the JSON, also as strings. Anything else is written unchanged and becomes a reject
# when the file is read. The exponent is bounded, because 1e999999999 has that many digits.
_NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?", re.ASCII)
_LINE_END = re.compile(r"[\r\n]")
_NEEDS_QUOTES = re.compile(r'[|]|^ *"')
_SAMPLE = 3  # offending rows that a message names
_NAME = re.compile(
    r"week_(\d{4}-\d\d-\d\d)\.(T1|T2|OTCE)\.class=(ats|non_ats)(\.totals)?\."
    r"(\d{8}T\d{6}Z)\.csv\.gz"
)
_TOTALS = ".totals"
_TIMES = "%Y%m%dT%H%M%SZ"
_LEVEL = 6  # of gzip: a full-size file shrinks to a sixth in 1 to 2 s


@dataclass(frozen=True)
class FetchedName:
    """The information in the name of a fetched file."""

    key: Key
    fetched_at: datetime
    grain: Grain = Grain.VENUES

    @property
    def path(self) -> str:
        """Path below the landing folder, from which the landing scan reads week and class."""
        at = f"{self.fetched_at.astimezone(UTC):{_TIMES}}"
        return f"finra/{self.key[0].year}/{self._answer}.{at}.csv.gz"

    @property
    def temporaries(self) -> str:
        """A pattern of the temporary files beside it: of this answer, fetched at any time."""
        return f".{self._answer}.*{TEMPORARY}"

    @property
    def _answer(self) -> str:
        week, tier, venue_class = self.key
        totals = _TOTALS if self.grain is Grain.TOTALS else ""
        return f"week_{week}.{tier.api_id}.class={venue_class.lower()}{totals}"


def read_name(name: str) -> FetchedName | None:
    """The information in a file's name; None if it is not the name of a fetched file."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    week, tier, venue_class, totals, at = found.groups()
    tiers = {item.api_id: item for item in Tier}
    key = (date.fromisoformat(week), tiers[tier], VenueClass(venue_class.upper()))
    grain = Grain.TOTALS if totals else Grain.VENUES
    return FetchedName(key, datetime.strptime(at, _TIMES).replace(tzinfo=UTC), grain)


def of_part(rows: Iterable[Row], venue_class: VenueClass, grain: Grain) -> list[Row]:
    """The rows of a class by venue and symbol, or FINRA's sums of them."""
    totals = grain is Grain.TOTALS
    wanted = TOTAL_TYPES[venue_class] if totals else (SUMMARY_TYPES[venue_class],)
    return [row for row in rows if row.get("summaryTypeCode") in wanted]


def content(rows: Iterable[Row], question: Question) -> bytes:
    """The text of a file, uncompressed.

    Raises:
        FinraContradicts: a row is not of the requested week and tier, or a value has a line end.
    """
    rows = list(rows)
    require_requested(rows, question)
    lines = [[_text(name, row.get(name)) for name in FIELDS] for row in rows]
    _require_writable(lines)
    place = {name: number for number, name in enumerate(FIELDS)}
    described = place["tierDescription"]
    for line in lines:
        line[described] = line[described] or question.tier.description
    lines.sort(key=lambda line: [line[place[name]] for name in ROW_ORDER] + line)
    return "".join(f"{_line(line)}\n" for line in [list(FIELDS), *lines]).encode()


def _line(values: list[str]) -> str:
    """The text of a line; with quotes if a value has a pipe, or begins as a quoted one does."""
    if not any(map(_NEEDS_QUOTES.search, values)):
        return "|".join(values)
    return "|".join(
        '"{}"'.format(value.replace('"', '""')) if '"' in value or "|" in value else value
        for value in values
    )


def packed(text: bytes) -> bytes:
    """The compressed text: the same bytes for the same text."""
    return gzip.compress(text, _LEVEL, mtime=0)


def _text(name: str, value: Any) -> str:
    """A value as text; numbers exact and without an exponent."""
    text = "" if value is None else str(value)
    is_number = name in _NUMBERS or (name == "firmCRDNumber" and "E" in text.upper())
    if is_number and _NUMBER.fullmatch(text):
        number = Decimal(text)
        return f"{number:.0f}" if number == number.to_integral_value() else f"{number:f}"
    return text


def require_requested(rows: Collection[Row], question: Question) -> None:
    """Refuse rows of another week, tier or summary type.

    Raises:
        FinraContradicts: there is such a row.
    """
    expected = {
        "weekStartDate": (str(monday_of(question.week_ending)),),
        "tierIdentifier": (question.tier.api_id,),
        "summaryTypeCode": question.summary_types,
    }
    for name, wanted in expected.items():
        others = sorted({_text(name, row.get(name)) for row in rows} - {*wanted})
        if others:
            raise FinraContradicts(
                f"{question.description}: rows of {name} {', '.join(map(repr, others[:_SAMPLE]))} "
                f"came, but {' or '.join(map(repr, wanted))} was requested; does FINRA ignore the "
                "filters?"
            )


def _require_writable(lines: list[list[str]]) -> None:
    found = [
        f"{name} of {line[FIELDS.index('issueSymbolIdentifier')]!r} is {value!r}"
        for line in lines
        for name, value in zip(FIELDS, line, strict=True)
        if _LINE_END.search(value)
    ]
    if found:
        raise FinraContradicts(
            f"{len(found)} values contain a line end, which a line of a file cannot: "
            f"{'; '.join(found[:_SAMPLE])}; please report this"
        )
