"""One line of text -> its fields: the reference that the fast reader is compared with.

A field may be quoted as CSV has it (RFC 4180), some fields or all; a quote within a field that does
not begin with one is text, as in FINRA's own files. A quoted field ends on its line: an unbalanced
quote costs one line and never the lines after it. Spreadsheets quote a whole line whose name
holds their own separator; it is taken out of its quotes first.

An unquoted name that holds the separator gives a line with too many fields. It is put together
where all other fields allow one place only. Does not belong here: many lines (`line_split`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spine_assets.core.weeks import tier_of
from spine_assets.otc.delivery.line_schema import (
    CRD,
    DATES,
    FIRM,
    ISSUE,
    KNOWN_COLUMNS,
    MPID,
    NOTIONAL,
    REQUIRED_DATE,
    SHARES,
    SPACES,
    SUMMARY_TYPE,
    SYMBOL,
    TIERS,
    TRADES,
)

QUOTE = '"'
_NAMES = (ISSUE, FIRM)
_MOST_EXCESS = 4  # separators in one name; more are another kind of damage
_MAX_FIELD = 1_000_000  # no line is longer
_SPACE_BEFORE_QUOTE = {sep: re.compile(rf'(?:^|{re.escape(sep)}) +"') for sep in "|,\t;\x01"}
_DAY = r"\d{4}-\d\d-\d\d"
_FORMS = {
    SYMBOL: r"\S{0,20}",
    MPID: r"\w{0,6}",
    SHARES: r"-?\d+(\.\d+)?",
    TRADES: r"-?\d+",
    NOTIONAL: r"[-+.\dEe]*",
    CRD: r"[\d.]*",
    SUMMARY_TYPE: r"(?:(?:ATS|OTC)_\w+)?",
    "productTypeCode": r"\S*",
    **dict.fromkeys(DATES, rf"(?:{_DAY})?"),
    REQUIRED_DATE: _DAY,
}
_FITS = {name: re.compile(form, re.ASCII).fullmatch for name, form in _FORMS.items()}

csv.field_size_limit(_MAX_FIELD)


@dataclass(frozen=True)
class Mended:
    """A line with too many fields, put together as far as that is certain.

    `fields` are those of the line where only one reading is possible, and `column` is the one that
    held the separator; `shares` is the text of its quantity where all possible readings agree.
    """

    fields: list[str] | None = None
    column: str | None = None
    shares: str | None = None


def cut_line(text: str, separator: str, wanted: int) -> list[str]:
    """The fields of a line that should have `wanted` of them."""
    plain = text.split(separator)
    if QUOTE not in text:
        return plain
    quoted = _strict(text, separator)
    if quoted is not None and len(quoted) == wanted:
        return quoted
    if quoted is not None and len(quoted) == 1 < len(plain):
        within = cut_line(quoted[0], separator, wanted)
        if len(within) == wanted:
            return within
    return [_unwrapped(field) for field in plain]


def _unwrapped(field: str) -> str:
    """A field of a line that is not CSV as a whole, without quotes around all of it."""
    is_quoted = len(field) > 1 and field[0] == field[-1] == QUOTE and QUOTE not in field[1:-1]
    return field[1:-1] if is_quoted else field


def cut_header(text: str, separator: str) -> list[str]:
    """The names in a header line."""
    names = _strict(text, separator) or text.split(separator)
    if len(names) == 1 and separator in names[0]:
        names = cut_header(names[0], separator) if names[0] != text else text.split(separator)
    return names


def has_open_quote(text: str, separator: str) -> bool:
    """Whether a field begins with a quote and does not end as CSV has it."""
    opens = text.startswith(QUOTE) or separator + QUOTE in text
    return opens and _strict(text, separator) is None


def _strict(text: str, separator: str) -> list[str] | None:
    """The fields by the rules of CSV, or None where the line breaks them."""
    spaced = _SPACE_BEFORE_QUOTE[separator].search(text) is not None
    try:
        return next(
            csv.reader([text], delimiter=separator, strict=True, skipinitialspace=spaced), None
        )
    except csv.Error:
        return None


def mend(parts: Sequence[str], separator: str, header: Sequence[str]) -> Mended:
    """Put a line with too many fields together, if one of its names held the separator."""
    excess = len(parts) - len(header)
    if not 0 < excess <= _MOST_EXCESS:
        return Mended()
    columns = [place for place, name in enumerate(header) if _is_free(name)]
    fitting = [
        (fields, places)
        for places in _spread(columns, excess)
        if _fit(fields := _joined(parts, separator, places), header)
    ]
    quantity = header.index(SHARES)
    quantities = {fields[quantity] for fields, _ in fitting}
    shares = quantities.pop() if len(quantities) == 1 else None
    if len(fitting) > 1:
        fitting = [found for found in fitting if _begins_with_mpid(found[0], header)]
    if len(fitting) != 1:
        return Mended(shares=shares)
    fields, places = fitting[0]
    columns_mended = [header[place] for place in sorted(places)]
    if not {*columns_mended} <= {*_NAMES}:
        return Mended(shares=shares)
    return Mended(fields, "+".join(columns_mended), shares)


def _is_free(name: str) -> bool:
    """Whether any text may be in a column; of those that FINRA adds it is not known."""
    return name in _NAMES or name not in KNOWN_COLUMNS


def _spread(columns: Sequence[int], excess: int) -> Iterator[dict[int, int]]:
    """Every way in which that many separators can be in some columns."""
    if not columns:
        return
    first, *others = columns
    if not others:
        yield {first: excess}
        return
    for here in range(excess + 1):
        for rest in _spread(others, excess - here) if here < excess else ({},):
            yield ({first: here} if here else {}) | rest


def _joined(parts: Sequence[str], separator: str, places: dict[int, int]) -> list[str]:
    fields: list[str] = []
    at = 0
    while at < len(parts):
        end = at + 1 + places.get(len(fields), 0)
        fields.append(separator.join(parts[at:end]))
        at = end
    return fields


def _fit(fields: Sequence[str], header: Sequence[str]) -> bool:
    """Whether the fields can be those of the columns."""
    for name, field in zip(header, fields, strict=True):
        text = field.strip(SPACES)
        if name in TIERS:
            if text and tier_of(text) is None:
                return False
        elif name in _FITS and not _FITS[name](text):
            return False
    return True


def _begins_with_mpid(fields: Sequence[str], header: Sequence[str]) -> bool:
    mpid = fields[header.index(MPID)].strip(SPACES)
    return bool(mpid) and fields[header.index(FIRM)].strip(SPACES).startswith(mpid)
