"""What must become of a delivered file, told without the product's parser.

Plain Python over single lines: `io.BytesIO` finds them, `Decimal` reads quantities. Every
rule here is written from the contract of the feed, none is imported, so that a fault of
the product cannot vouch for itself.
"""

from __future__ import annotations

import io
import itertools
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal

SHARES, TRADES, UPDATED = (
    "totalWeeklyShareQuantity",
    "totalWeeklyTradeCount",
    "lastUpdateDate",
)
NOTIONAL, CRD = "totalNotionalSum", "firmCRDNumber"
SYMBOL, MPID, FIRM = "issueSymbolIdentifier", "MPID", "marketParticipantName"
WEEK_COLUMNS = ("weekStartDate", "summaryStartDate")
NOTED_DATES = ("initialPublishedDate", "lastReportedDate")
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
    CRD,
    "productTypeCode",
    "summaryTypeCode",
    NOTIONAL,
    *WEEK_COLUMNS,
    *NOTED_DATES,
)
_BLANK = " \t\r\n"  # a line of nothing else is blank, and fields are trimmed of it
_WHOLE_DIGITS, _PLACES = 22, 6  # DECIMAL(28,6)
_COUNT_DIGITS = 12
_MOST_SHARES, _MOST_TRADES = 10**12, 10**10
_NULL_WORDS = {"null", "None", "nan", "NaN", "N/A", "NULL"}
_UNROUNDED = Context(prec=100)  # Python's own sums round to 28 digits
_TIERS = {"NMS TIER 1", "NMS TIER 2", "OTC", "T1", "T2", "OTCE", "NMS_TIER_1", "NMS_TIER_2"}
_DAY_FORM = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_FORMS = {
    SYMBOL: "[^ \\t\\n\\r\\f\\v]{0,20}",
    MPID: "[A-Za-z0-9_]{0,6}",
    SHARES: "-?[0-9]+([.][0-9]+)?",
    TRADES: "-?[0-9]+",
    NOTIONAL: "[-+.0-9eE]*",
    CRD: "[.0-9]*",
    "summaryTypeCode": "|(ATS|OTC)_[A-Za-z0-9_]+",
    "productTypeCode": "[^ \\t\\n\\r\\f\\v]*",
    **dict.fromkeys((UPDATED, *WEEK_COLUMNS, *NOTED_DATES), _DAY_FORM),
}
"""What a field must be like for a line with too many to be put together."""
Value = str | int | Decimal | date | None


@dataclass(frozen=True)
class Line:
    """One physical line that is neither header nor blank.

    Attributes:
        raw: Its text as a reject must keep it.
        faults: Reasons why it cannot be typed, by field ("" for the line as a whole).
        shares: Its quantity, where that can be read.
        values: Its trimmed and typed fields; empty where it has faults.
        notes: What is not as delivered, as "reason field".
        quantity: The text of its quantity, where it has faults in fields.
        code: Its summary type, where it can be cut into fields.
    """

    number: int
    raw: str
    faults: dict[str, set[str]]
    shares: Decimal | None
    values: dict[str, Value] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()
    quantity: str = ""
    code: str | None = None


@dataclass(frozen=True)
class Account:
    """A whole file: all of its lines, each in one place."""

    physical: int
    blank: int
    header: tuple[str, ...]
    lines: tuple[Line, ...]
    separator: str = "|"

    @property
    def usable(self) -> bool:
        """It has FINRA's header once, and at least one line below it."""
        return bool(self.header and self.lines) and not any(
            _is_header_again(line) for line in self.lines
        )

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
    text = content.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    physical = list(io.BytesIO(text))
    if content and not physical:
        physical = [b""]  # a byte order mark alone is a line of nothing
    texts = [_without_end(line) for line in physical]
    filled = [n for n, text in enumerate(texts) if text.strip(_BLANK.encode())]
    if not filled:
        return Account(len(physical), len(physical), (), ())
    header, separator = _header(texts[filled[0]])
    lines = tuple(
        _line(n + 1, texts[n], header, separator, captured_on) for n in filled[1:] if header
    )
    return Account(len(physical), len(physical) - len(filled), header, lines, separator)


def _without_end(line: bytes) -> bytes:
    """A line without its LF, CR LF or, at the end of a file, CR."""
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _header(text: bytes) -> tuple[tuple[str, ...], str]:
    """The column names, or nothing where FINRA's are not among them or one stands twice."""
    line = text.decode("utf-8", "replace")
    for separator in "|,":
        parts = _quoted(line, separator) or line.split(separator)
        if len(parts) == 1:
            parts = parts[0].split(separator)
        names = tuple(_named(part) for part in parts)
        if set(COLUMNS) <= set(names) and len(set(names)) == len(names):
            return names, separator
    return (), "|"


def _named(text: str) -> str:
    """FINRA's name of a column in whatever case, or what stands there."""
    known = (name for name in (*COLUMNS, *API_COLUMNS) if name.lower() == text.strip().lower())
    return next(known, text.strip())


def _is_header_again(line: Line) -> bool:
    """Whether a line names the columns of quantities or symbols again."""
    if "FIELD_COUNT" in line.faults.get("", ()) or "BAD_ENCODING" in line.faults.get("", ()):
        return SYMBOL.lower() in line.raw.lower()
    return SHARES in line.faults and SHARES.lower() in line.quantity.lower()


def _cut(text: str, separator: str, wanted: int) -> list[str]:
    """The fields of a line: by the rules of CSV if they give so many, else as they stand."""
    plain = text.split(separator)
    quoted = _quoted(text, separator)
    if quoted is not None and len(quoted) == wanted:
        return quoted
    if quoted is not None and len(quoted) == 1 < len(plain) and quoted[0] != text:
        within = _cut(quoted[0], separator, wanted)
        if len(within) == wanted:
            return within
    return [part[1:-1] if re.fullmatch('"[^"]*"', part, re.DOTALL) else part for part in plain]


def _quoted(text: str, separator: str) -> list[str] | None:
    """The fields of a line by the rules of CSV; None if it breaks them."""
    fields, at = [], 0
    while True:
        begin = at
        while text[begin : begin + 1] == " ":
            begin += 1
        if text[begin : begin + 1] == '"':
            field, at = "", begin + 1
            while True:
                end = text.find('"', at)
                if end < 0:
                    return None
                field, at = field + text[at:end], end + 1
                if text[at : at + 1] != '"':
                    break
                field, at = field + '"', at + 1
        else:
            end = text.find(separator, at)
            end = len(text) if end < 0 else end
            field, at = text[at:end], end
            field = field.removesuffix("\r") if end == len(text) else field
            if "\r" in field:
                return None
        fields.append(field)
        if at == len(text) or text[at:] == "\r":
            return fields
        if text[at] != separator:
            return None
        at += 1


def _mended(
    parts: list[str], header: tuple[str, ...], separator: str
) -> tuple[list[str] | None, str, str | None]:
    """A line with too many fields: its fields, the names that held a separator, and its quantity.

    Names are free texts, and so are columns that are not known; all other fields must fit.
    """
    names = ("issueName", FIRM)
    free = [
        n for n, name in enumerate(header) if name in names or name not in (*COLUMNS, *API_COLUMNS)
    ]
    more = len(parts) - len(header)
    fitting = []
    if 0 < more <= 4:
        for places in itertools.combinations_with_replacement(free, more):
            rest, fields = list(parts), []
            for n in range(len(header)):
                many = 1 + places.count(n)
                fields.append(separator.join(rest[:many]))
                del rest[:many]
            if all(_fits(name, text) for name, text in zip(header, fields, strict=True)):
                fitting.append((fields, sorted({*places})))
    quantities = {fields[header.index(SHARES)] for fields, _ in fitting}
    shares = quantities.pop() if len(quantities) == 1 else None
    if len(fitting) > 1:
        mpid, firm = header.index(MPID), header.index(FIRM)
        fitting = [
            (fields, places)
            for fields, places in fitting
            if fields[mpid].strip(" \t\r")
            and fields[firm].strip(" \t\r").startswith(fields[mpid].strip(" \t\r"))
        ]
    if len(fitting) != 1 or any(header[n] not in names for n in fitting[0][1]):
        return None, "", shares
    return fitting[0][0], "+".join(header[n] for n in fitting[0][1]), shares


def _fits(name: str, text: str) -> bool:
    """Whether a text can be that of a column."""
    text = text.strip(" \t\r")
    if name in {"tierDescription", "tierIdentifier"}:
        return not text or " ".join(text.split()).upper() in _TIERS
    if name in {*WEEK_COLUMNS, *NOTED_DATES} and not text:
        return True
    return re.fullmatch(_FORMS.get(name, ".*"), text, re.ASCII | re.DOTALL) is not None


def _line(
    number: int, text: bytes, header: tuple[str, ...], separator: str, captured_on: date
) -> Line:
    raw = text.decode("utf-8", "backslashreplace")
    fields = _cut(text.decode("utf-8", "replace"), separator, len(header))
    whole = len(fields) == len(header)
    values = dict(zip(header, (part.strip(" \t\r") for part in fields), strict=False))
    shares = _readable(values[SHARES]) if whole else None
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return Line(number, raw, {"": {"BAD_ENCODING"}}, shares)
    mended = ""
    if not whole:
        put_together, mended, quantity = _mended(fields, header, separator)
        shares = _readable(quantity.strip(" \t\r")) if quantity is not None else None
        if put_together is None:
            return Line(number, raw, {"": {"FIELD_COUNT"}}, shares)
        stripped = (part.strip(" \t\r") for part in put_together)
        values = dict(zip(header, stripped, strict=True))
    trimmed = {name: _without_odd_edges(values[name]) for name in (SYMBOL, MPID)}
    notes = {f"ODD_CHARACTER {name}" for name, text in trimmed.items() if text != values[name]}
    notes |= {f"FIELD_COUNT {mended}"} if mended else set()
    values |= trimmed
    for name in (MPID, FIRM, CRD):
        if values.get(name) in _NULL_WORDS:
            values[name] = ""
    faults = _faults(values, captured_on)
    if faults:
        code = values.get("summaryTypeCode")
        return Line(number, raw, faults, shares, quantity=values[SHARES], code=code)
    typed = {name: _typed(name, value) for name, value in values.items()}
    for name, reason in _optional_faults(values, captured_on).items():
        notes.add(f"{reason} {name}")
        if reason != "TOO_PRECISE":
            typed[name] = None
    code = values.get("summaryTypeCode")
    return Line(number, raw, {}, shares, typed, frozenset(notes), code=code)


def _faults(values: dict[str, str], captured_on: date) -> dict[str, set[str]]:
    """Reasons by field, of the fields that a row needs."""
    found = {
        SHARES: _number_faults(values[SHARES], whole=False),
        TRADES: _number_faults(values[TRADES], whole=True),
        UPDATED: _date_faults(values[UPDATED], captured_on),
        **{name: _odd_inside(values[name]) for name in (SYMBOL, MPID)},
    }
    for name in WEEK_COLUMNS:
        if values.get(name):
            found[name] = _date_faults(values[name], captured_on)
    return {name: reasons for name, reasons in found.items() if reasons}


def _optional_faults(values: dict[str, str], captured_on: date) -> dict[str, str]:
    """The reason of each field that a row can do without."""
    found = {
        name: reason
        for name in NOTED_DATES
        if values.get(name)
        for reason in _date_faults(values[name], captured_on)
    }
    if values.get(CRD) and _crd(values[CRD]) is None:
        found[CRD] = "NOT_A_NUMBER"
    if reason := _amount_fault(values.get(NOTIONAL, "")):
        found[NOTIONAL] = reason
    return found


def _amount_fault(text: str) -> str:
    """An amount is a number of floating point; what its type cannot hold exactly is rounded."""
    if not text:
        return ""
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?", text):
        return "NOT_A_NUMBER"
    faults = _number_faults(text, whole=False)
    if faults <= {"IMPLAUSIBLE"}:
        return ""
    if abs(float(text)) >= 1e22:
        return "OUT_OF_RANGE"
    return "TOO_PRECISE" if "TOO_PRECISE" in faults else ""


def _crd(text: str) -> str | None:
    """The digits of a firm's number, however a tool wrote it."""
    digits, _, zeros = text.partition(".")
    is_number = digits and set(digits) <= set("0123456789") and set(zeros) <= {"0"}
    return (digits.lstrip("0") or "0") if is_number else None


def _is_odd(char: str) -> bool:
    """White space, control and format characters."""
    return unicodedata.category(char) in {"Zs", "Zl", "Zp", "Cc", "Cf"}


def _without_odd_edges(text: str) -> str:
    while text and _is_odd(text[0]):
        text = text[1:]
    while text and _is_odd(text[-1]):
        text = text[:-1]
    return text


def _odd_inside(text: str) -> set[str]:
    return {"ODD_CHARACTER"} if any(_is_odd(char) for char in text if char not in " \t") else set()


def _number_faults(text: str, *, whole: bool) -> set[str]:
    """A quantity is plain ASCII digits, at most one sign in front and one point within."""
    if not text:
        return {"BLANK_NUMBER"}
    before, point, after = text.removeprefix("-").partition(".")
    parts = [before, after] if point else [before]
    if (whole and point) or not all(part and set(part) <= set("0123456789") for part in parts):
        return {"NOT_A_NUMBER"}
    if len(after.rstrip("0")) > _PLACES:
        return {"TOO_PRECISE"}
    if len(before.lstrip("0")) > (_COUNT_DIGITS if whole else _WHOLE_DIGITS):
        return {"OUT_OF_RANGE"}
    most = _MOST_TRADES if whole else _MOST_SHARES
    return {"IMPLAUSIBLE"} if abs(Decimal(text)) > most else set()


def _readable(text: str) -> Decimal | None:
    return Decimal(text) if _number_faults(text, whole=False) <= {"IMPLAUSIBLE"} else None


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
    if name == SHARES:
        return Decimal(text)
    if name == NOTIONAL:
        return Decimal(text) if text and _amount_fault(text) in {"", "TOO_PRECISE"} else None
    if name == TRADES:
        return int(text)
    if name == UPDATED or name in (*WEEK_COLUMNS, *NOTED_DATES):
        return _day(text)
    return _crd(text) if name == CRD else text
