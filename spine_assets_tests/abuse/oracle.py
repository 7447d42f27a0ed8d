"""What must become of a delivered file, told without the product's parser.

Plain Python over single lines: `io.BytesIO` finds them, `Decimal` reads quantities. Every
rule here is written from the contract of the feed, none is imported, so that a fault of
the product cannot vouch for itself.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal

SHARES, TRADES, UPDATED = (
    "totalWeeklyShareQuantity",
    "totalWeeklyTradeCount",
    "lastUpdateDate",
)
NOTIONAL = "totalNotionalSum"
WEEK_COLUMNS = ("weekStartDate", "summaryStartDate")
OPTIONAL_DATES = (*WEEK_COLUMNS, "initialPublishedDate", "lastReportedDate")
COLUMNS = (
    "tierDescription",
    "issueSymbolIdentifier",
    "issueName",
    "marketParticipantName",
    "MPID",
    SHARES,
    TRADES,
    UPDATED,
)
API_COLUMNS = (
    "tierIdentifier",
    "firmCRDNumber",
    "productTypeCode",
    "summaryTypeCode",
    NOTIONAL,
    *OPTIONAL_DATES,
)
_BLANK = " \t\r\n"  # a line of nothing else is blank, and fields are trimmed of it
_WHOLE_DIGITS, _PLACES = 22, 6  # DECIMAL(28,6)
_COUNT_DIGITS = 12  # so that the sum of any week's counts fits a BIGINT
_UNROUNDED = Context(prec=100)  # Python's own sums round to 28 digits
Value = str | int | Decimal | date | None


@dataclass(frozen=True)
class Line:
    """One physical line that is neither header nor blank.

    Attributes:
        raw: Its text as a reject must keep it.
        faults: Reasons why it cannot be typed, by field ("" for the line as a whole).
        shares: Its quantity, where that can be read.
        values: Its trimmed and typed fields; empty where it has faults.
    """

    number: int
    raw: str
    faults: dict[str, set[str]]
    shares: Decimal | None
    values: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Account:
    """A whole file: all of its lines, each in one place."""

    physical: int
    blank: int
    header: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def usable(self) -> bool:
        """It has FINRA's header and at least one line below it."""
        return bool(self.header and self.lines)

    @property
    def accepted(self) -> list[Line]:
        return [line for line in self.lines if not line.faults]

    @property
    def rejected(self) -> list[Line]:
        return [line for line in self.lines if line.faults]

    @property
    def shares(self) -> Decimal:
        """All quantities that can be read in the text."""
        return total(self.lines)


def add(*parts: Decimal) -> Decimal:
    """The exact sum of some quantities."""
    found = Decimal(0)
    for part in parts:
        found = _UNROUNDED.add(found, part)
    return found


def total(lines: tuple[Line, ...] | list[Line]) -> Decimal:
    """The sum of the readable quantities of some lines."""
    return add(*(line.shares for line in lines if line.shares is not None))


def account(content: bytes, captured_on: date) -> Account:
    """Look at each line of a content as a person would."""
    physical = list(io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")))
    if content and not physical:
        physical = [b""]  # a byte order mark alone is a line of nothing
    texts = [_without_end(line) for line in physical]
    filled = [n for n, text in enumerate(texts) if text.strip(_BLANK.encode())]
    if not filled:
        return Account(len(physical), len(physical), (), ())
    header = _header(texts[filled[0]])
    lines = tuple(_line(n + 1, texts[n], header, captured_on) for n in filled[1:]) if header else ()
    return Account(len(physical), len(physical) - len(filled), header, lines)


def _without_end(line: bytes) -> bytes:
    """A line without its LF, CR LF or, at the end of a file, CR."""
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _header(text: bytes) -> tuple[str, ...]:
    """The column names, or nothing where they are not exactly FINRA's."""
    names = tuple(name.strip() for name in text.decode("utf-8", "replace").split("|"))
    sound = set(COLUMNS) <= set(names) <= {*COLUMNS, *API_COLUMNS}
    return names if sound and len(set(names)) == len(names) else ()


def _line(number: int, text: bytes, header: tuple[str, ...], captured_on: date) -> Line:
    raw = text.decode("utf-8", "backslashreplace")
    fields = [part.decode("utf-8", "backslashreplace") for part in text.split(b"|")]
    whole = len(fields) == len(header)
    values = dict(zip(header, (part.strip(" \t\r") for part in fields), strict=False))
    shares = _readable(values[SHARES]) if whole else None
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return Line(number, raw, {"": {"BAD_ENCODING"}}, shares)
    if not whole:
        return Line(number, raw, {"": {"FIELD_COUNT"}}, None)
    faults = _faults(values, captured_on)
    typed = {} if faults else {name: _typed(name, value) for name, value in values.items()}
    return Line(number, raw, faults, shares, typed)


def _faults(values: dict[str, str], captured_on: date) -> dict[str, set[str]]:
    """Reasons by field."""
    found = {
        SHARES: _number_faults(values[SHARES], whole=False),
        TRADES: _number_faults(values[TRADES], whole=True),
        UPDATED: _date_faults(values[UPDATED], captured_on),
    }
    if values.get(NOTIONAL):
        found[NOTIONAL] = _number_faults(values[NOTIONAL], whole=False)
    for name in OPTIONAL_DATES:
        if values.get(name):
            found[name] = _date_faults(values[name], captured_on)
    return {name: reasons for name, reasons in found.items() if reasons}


def _number_faults(text: str, *, whole: bool) -> set[str]:
    """A quantity is plain ASCII digits, at most one sign in front and one point within."""
    if not text:
        return {"BLANK_NUMBER"}
    before, point, after = text.removeprefix("-").partition(".")
    parts = [before, after] if point else [before]
    if (whole and point) or not all(part and set(part) <= set("0123456789") for part in parts):
        return {"NOT_A_NUMBER"}
    found = set()
    if len(after) > _PLACES:
        found.add("TOO_PRECISE")
    if len(before.lstrip("0")) > (_COUNT_DIGITS if whole else _WHOLE_DIGITS):
        found.add("OUT_OF_RANGE")
    return found


def _readable(text: str) -> Decimal | None:
    return None if _number_faults(text, whole=False) else Decimal(text)


def _date_faults(text: str, captured_on: date) -> set[str]:
    day = _day(text)
    if day is None:
        return {"BAD_DATE"}
    return {"FUTURE_DATE"} if day > captured_on else set()


def _day(text: str) -> date | None:
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    year, month, day = (int(part) for part in text.split("-"))
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _typed(name: str, text: str) -> Value:
    if name in {SHARES, NOTIONAL}:
        return Decimal(text) if text else None
    if name == TRADES:
        return int(text)
    if name == UPDATED or name in OPTIONAL_DATES:
        return _day(text)
    return text
