"""What a delivered line must be, declared once as a Pandera schema over its fields of text.

Each check is named after the reason of a reject (`reasons` has its severity and advice). A field
that a table needs makes its line a reject; an optional one never does: its value is left out and
the reason is noted. Good lines are found by one question for all checks; only the others are
validated check by check, and their failure cases are the rejects and notes.

Not here, since Pandera sees columns: whether a line can be cut into fields at all (`line_split`),
and what depends on other lines (`row_rules`). Types are given in `field_types`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

import polars as pl

from spine_assets.core.row_checks import breaks_any, failure_cases
from spine_assets.core.table_schema import polars_type
from spine_assets.core.tables import SHARE_PRECISION, SHARE_SCALE, Type
from spine_assets.otc.delivery.reasons import RejectReason
from spine_assets.otc.delivery.venue_id import crd_number

TIERS = ("tierDescription", "tierIdentifier")
SYMBOL = "issueSymbolIdentifier"
ISSUE = "issueName"
MPID = "MPID"
FIRM = "marketParticipantName"
CRD = "firmCRDNumber"
SHARES = "totalWeeklyShareQuantity"
TRADES = "totalWeeklyTradeCount"
NOTIONAL = "totalNotionalSum"
SUMMARY_TYPE = "summaryTypeCode"
REQUIRED_DATE = "lastUpdateDate"
WEEK_DATES = ("weekStartDate", "summaryStartDate")
OPTIONAL_DATES = ("initialPublishedDate", "lastReportedDate")
DATES = (REQUIRED_DATE, *WEEK_DATES, *OPTIONAL_DATES)
DELIVERED = (
    TIERS[0],
    SYMBOL,
    ISSUE,
    FIRM,
    MPID,
    SHARES,
    TRADES,
    REQUIRED_DATE,
)
"""FINRA's header: every file has these columns, and the record hash covers them in this order."""
API_COLUMNS = (
    TIERS[1],
    CRD,
    "productTypeCode",
    SUMMARY_TYPE,
    NOTIONAL,
    *WEEK_DATES,
    *OPTIONAL_DATES,
)
"""Columns that answers of FINRA's API have besides."""
KNOWN_COLUMNS = (*DELIVERED, *API_COLUMNS)
_BY_LOWER_CASE = {name.casefold(): name for name in KNOWN_COLUMNS}
OPTIONAL = (NOTIONAL, *OPTIONAL_DATES, CRD)
"""A value of these that cannot be read is noted and costs the line nothing."""
SPACES = " \t\r"

MAX_SHARES = 10**12
MAX_TRADES = 10**10
"""More of one symbol at one venue in a week is implausible; the largest real row is far below."""

_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_INTEGER = r"^-?[0-9]+$"
_MAX_DIGITS = {_DECIMAL: SHARE_PRECISION - SHARE_SCALE, _INTEGER: 12}
# Numbers as most lines have them; others may still be valid (leading or trailing zeros).
_PLAIN_SHARES = rf"^-?[0-9]{{1,12}}(\.[0-9]{{1,{SHARE_SCALE}}})?$"
_PLAIN_TRADES = r"^-?[0-9]{1,10}$"
_PLAIN_NOTIONAL = rf"^(-?[0-9]{{1,{SHARE_PRECISION - SHARE_SCALE}}}(\.[0-9]{{1,{SHARE_SCALE}}})?)?$"
# FINRA computes it in floating point, and writes large ones with an exponent.
_FLOAT = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"
# Four digits but not 0000, a year that no calendar has.
_DATE = r"^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}$"
# Any white space, control or format character (zero-width, direction marks).
_ODD = r"[\p{Z}\p{Cc}\p{Cf}]"
_ODD_INSIDE = r"[\p{Z}\p{Cc}\p{Cf}--[ \t]]"
ODD_AT_THE_EDGE = rf"^{_ODD}+|{_ODD}+$"

_Holds = Callable[[], pl.Expr]


@dataclass(frozen=True)
class Field:
    """What a field of a line must be.

    Attributes:
        plain: Whether its trimmed text is certainly good; of most lines it is.
        checks: What holds of a good text, by the reason that a line gets otherwise. At most one
            of them fails.
    """

    plain: _Holds
    checks: Mapping[RejectReason, _Holds]


def canonical_name(delivered: str) -> str:
    """The name of a column: FINRA's, in whatever case it was delivered; others as delivered."""
    name = delivered.strip().encode("utf-8", "replace").decode()
    return _BY_LOWER_CASE.get(name.casefold(), name)


def fields(texts: pl.DataFrame, header: Collection[str], today: date) -> dict[str, Field]:
    """The declared fields that a file has, the most important first.

    Args:
        texts: The trimmed fields; few different texts of a column are judged once each.
        header: The file's columns.
        today: Later dates are not valid yet.
    """
    declared: dict[str, Callable[[], Field]] = {
        SHARES: lambda: _quantity(SHARES, _PLAIN_SHARES, _DECIMAL, MAX_SHARES),
        TRADES: lambda: _quantity(TRADES, _PLAIN_TRADES, _INTEGER, MAX_TRADES),
        REQUIRED_DATE: lambda: _date(texts[REQUIRED_DATE], today),
        SYMBOL: lambda: _identifier(texts[SYMBOL]),
        MPID: lambda: _identifier(texts[MPID]),
        **{name: partial(_optional_date, texts, name, today) for name in WEEK_DATES},
        NOTIONAL: _notional,
        **{name: partial(_optional_date, texts, name, today) for name in OPTIONAL_DATES},
        CRD: lambda: _crd(texts[CRD]),
    }
    return {name: declare() for name, declare in declared.items() if name in header}


def doubtful(texts: pl.DataFrame, declared: Mapping[str, Field]) -> pl.Series:
    """Which lines may break a check, by one question for all checks."""
    return breaks_any(texts, pl.all_horizontal(field.plain() for field in declared.values()))


def line_failures(texts: pl.DataFrame, declared: Mapping[str, Field]) -> pl.DataFrame:
    """Every check that a line breaks (`row_checks.failure_cases`), by field and reason."""
    plain = texts.select(field.plain().all().alias(name) for name, field in declared.items())
    judged = {
        name: {reason.value: holds() for reason, holds in field.checks.items()}
        for name, field in declared.items()
        if not plain[name][0]
    }
    return failure_cases(texts.select(*judged), judged)


def shares_reason() -> pl.Expr:
    """Why the text of a share quantity cannot be typed; null if it can."""
    checks = _quantity(SHARES, _PLAIN_SHARES, _DECIMAL, None).checks
    return pl.coalesce(
        pl.when(holds().not_()).then(pl.lit(reason.value)) for reason, holds in checks.items()
    )


def without_trailing_zeros(text: pl.Expr) -> pl.Expr:
    """A decimal without zeros at its end: `100.000000000` is 100."""
    return text.str.replace(r"(\.[0-9]*?)0+$", "${1}").str.strip_suffix(".")


def is_exact(text: pl.Expr) -> pl.Expr:
    """Whether a text is a decimal that its type holds with every digit."""
    fits = _has_few_digits(text, _MAX_DIGITS[_DECIMAL])
    return text.str.contains(_DECIMAL) & _has_few_places(text) & fits


def _has_few_places(text: pl.Expr) -> pl.Expr:
    places = without_trailing_zeros(text).str.extract(r"\.([0-9]*)$", 1).str.len_bytes()
    return places.fill_null(0) <= SHARE_SCALE


def _has_few_digits(text: pl.Expr, most: int) -> pl.Expr:
    return text.str.extract(r"^-?0*([0-9]*)", 1).str.len_bytes() <= most


def as_date(name: str) -> pl.Expr:
    """A text as a date; null where it is none."""
    return pl.col(name).str.to_date("%Y-%m-%d", strict=False, cache=True)


def _quantity(name: str, plain: str, pattern: str, most: int | None) -> Field:
    """A required number; `most` is the greatest plausible one, of either sign."""
    text = pl.col(name)
    is_number = text.str.contains(pattern)
    is_kept, fits = _has_few_places(text), _has_few_digits(text, _MAX_DIGITS[pattern])
    checks: dict[RejectReason, _Holds] = {
        RejectReason.BLANK_NUMBER: lambda: text != "",
        RejectReason.NOT_A_NUMBER: lambda: is_number | (text == ""),
        RejectReason.TOO_PRECISE: lambda: is_number.not_() | is_kept,
        RejectReason.OUT_OF_RANGE: lambda: (is_number & is_kept).not_() | fits,
    }
    if most is not None:
        exact = pl.when(is_number & is_kept & fits).then(without_trailing_zeros(text))
        value = exact.cast(polars_type(Type.SHARES))
        checks[RejectReason.IMPLAUSIBLE] = lambda: (value.abs() <= most).fill_null(True)
    return Field(lambda: text.str.contains(plain), checks)


def _notional() -> Field:
    """An amount that FINRA computes in floating point; blank is good."""
    text = pl.col(NOTIONAL)
    is_number = text.str.contains(_FLOAT)
    is_kept = _has_few_places(text) | text.str.contains("[eE]")
    fits = text.cast(pl.Float64, strict=False).abs() < 10.0 ** _MAX_DIGITS[_DECIMAL]
    return Field(
        lambda: text.str.contains(_PLAIN_NOTIONAL),
        {
            RejectReason.NOT_A_NUMBER: lambda: is_number | (text == ""),
            RejectReason.TOO_PRECISE: lambda: (is_number & fits).not_() | is_kept,
            RejectReason.OUT_OF_RANGE: lambda: is_number.not_() | fits,
        },
    )


def _optional_date(texts: pl.DataFrame, name: str, today: date) -> Field:
    return _date(texts[name], today, required=False)


def _date(texts: pl.Series, today: date, *, required: bool = True) -> Field:
    """A day of the calendar up to today."""
    text = pl.col(texts.name)
    blank = (text == "") & pl.lit(not required)
    is_day = text.str.contains(_DATE) & as_date(texts.name).is_not_null()
    passed = (as_date(texts.name) <= today).fill_null(True)
    return Field(
        lambda: _each_once(texts, blank | (is_day & passed)),
        {
            RejectReason.BAD_DATE: lambda: is_day | blank,
            RejectReason.FUTURE_DATE: lambda: is_day.not_() | passed,
        },
    )


def _identifier(texts: pl.Series) -> Field:
    """A symbol or MPID; odd characters at its edges are trimmed before."""
    holds = pl.col(texts.name).str.contains(_ODD_INSIDE).not_()
    return Field(lambda: _each_once(texts, holds), {RejectReason.ODD_CHARACTER: lambda: holds})


def _crd(texts: pl.Series) -> Field:
    """The number of a firm; blank is good."""
    text = pl.col(texts.name)
    holds = (text == "") | crd_number(text).is_not_null()
    return Field(lambda: _each_once(texts, holds), {RejectReason.NOT_A_NUMBER: lambda: holds})


def _each_once(texts: pl.Series, holds: pl.Expr) -> pl.Expr:
    """A question about a column, asked once for each of its different texts."""
    different = texts.unique().to_frame()
    good = different.filter(holds)[texts.name]
    if good.len() == different.height:
        return pl.lit(True)
    return pl.col(texts.name).is_in(good.implode())
