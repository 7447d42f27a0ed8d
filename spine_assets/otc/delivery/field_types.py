"""Fields of text -> typed values, and rejects of the lines that cannot be typed.

Text of numbers and dates is checked by a pattern before it is cast, so that nothing is guessed:
`1e6`, `NaN`, `1,000` and `+5` are rejects, `12.5` is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from spine_assets.core.table_schema import polars_type
from spine_assets.core.tables import SHARE_PRECISION, SHARE_SCALE, Type, exact_sum, exact_total
from spine_assets.otc.delivery.reasons import RejectReason

SHARES = "totalWeeklyShareQuantity"
TRADES = "totalWeeklyTradeCount"
NOTIONAL = "totalNotionalSum"
REQUIRED_DATE = "lastUpdateDate"
OPTIONAL_DATES = ("weekStartDate", "summaryStartDate", "initialPublishedDate", "lastReportedDate")
DATES = (REQUIRED_DATE, *OPTIONAL_DATES)
DELIVERED = (
    "tierDescription",
    "issueSymbolIdentifier",
    "issueName",
    "marketParticipantName",
    "MPID",
    SHARES,
    TRADES,
    REQUIRED_DATE,
)
"""FINRA's header: every file has these columns, and the record hash covers them in this order."""

_VALUES = (SHARES, TRADES, NOTIONAL, *DATES)  # trimmed only where they are not plain
_MAX_INTEGER_DIGITS = SHARE_PRECISION - SHARE_SCALE
# A week's total of a million rows with such counts still fits 64 bits; no venue has more
# trades of one symbol in a week than ten digits.
_MAX_COUNT_DIGITS = 12
_SHOWN_CHARS = 100  # of a value in `detail`; `raw_line` has all of it
SPACES = " \t\r"
# Numbers as most lines have them; longer ones may still be valid (leading or trailing zeros).
_PLAIN_DECIMAL = rf"^-?[0-9]{{1,{_MAX_INTEGER_DIGITS}}}(\.[0-9]{{1,{SHARE_SCALE}}})?$"
_PLAIN_INTEGER = rf"^-?[0-9]{{1,{_MAX_COUNT_DIGITS}}}$"
_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_INTEGER = r"^-?[0-9]+$"
# Four digits but not 0000, a year that no calendar has.
_DATE = r"^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}$"
_REJECT_SCHEMA: dict[str, pl.DataType] = {
    "reason": pl.String(),
    "field": pl.String(),
    "detail": pl.String(),
    "share_volume": polars_type(Type.SHARES),
    "raw_line": pl.String(),
    "source_line": pl.Int64(),
}


@dataclass(frozen=True)
class TypedRows:
    """Rows that could be typed, rejects of the others, and the sum of all readable shares."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    shares: Decimal


def no_rejects() -> pl.DataFrame:
    """An empty frame of rejects."""
    return pl.DataFrame(schema=_REJECT_SCHEMA)


def line_rejects(
    found: Sequence[tuple[RejectReason, str, str | None, bytes, int]],
) -> pl.DataFrame:
    """Rejects of lines that could not be cut.

    Args:
        found: (reason, detail, text of the share quantity if known, line, line number).
    """
    frame = pl.DataFrame(
        [
            (reason.value, None, detail, shares, line.decode("utf-8", "backslashreplace"), number)
            for reason, detail, shares, line, number in found
        ],
        schema={**_REJECT_SCHEMA, "share_volume": pl.String()},
        orient="row",
    )
    text = frame.select(pl.col("share_volume").str.strip_chars(SPACES).alias(SHARES))
    readable = pl.when(_number_reason(SHARES, required=True, integer=False).is_null()).then(
        pl.col(SHARES)
    )
    return frame.with_columns(
        share_volume=text.select(readable.cast(polars_type(Type.SHARES)))[SHARES]
    )


def apply(
    fields: pl.DataFrame, header: tuple[str, ...], captured_on: date, spaces: str = SPACES
) -> TypedRows:
    """Type the fields of a file.

    Args:
        fields: One text column per header name, `source_line` and `record_hash`.
        header: Delivered column names.
        captured_on: Later dates are rejects (`FUTURE_DATE`).
        spaces: The characters of white space that occur in the fields.

    Returns:
        Rows with trimmed text, DECIMAL(28,6) shares, 64-bit trades and dates under the
        delivered names, plus `record_hash`; and the rejects.
    """
    texts = _trimmed(fields, [name for name in header if name not in _VALUES], spaces)
    plain = texts.select(plain=_is_plain(texts, header, captured_on))["plain"]
    if plain.all():
        rows = _cast(texts, header)
        return TypedRows(rows, no_rejects(), exact_sum(rows[SHARES]))
    # Only the few other lines are judged one by one, which costs many times more per line.
    good = _cast(texts.filter(plain), header)
    doubtful = fields.filter(~plain)
    judged = _judged(doubtful, _trimmed(doubtful, header, spaces), header, captured_on)
    rows = pl.concat([good, judged.rows]).sort("source_line")
    return TypedRows(rows, judged.rejects, exact_total([exact_sum(good[SHARES]), judged.shares]))


def _trimmed(fields: pl.DataFrame, names: Sequence[str], spaces: str) -> pl.DataFrame:
    """Columns without white space around their text."""
    if not spaces:
        return fields
    spaced = fields.select(_has_space_around(name, spaces).any() for name in names).row(0)
    return fields.with_columns(
        pl.col(name).str.strip_chars(SPACES)
        for name, found in zip(names, spaced, strict=True)
        if found
    )


def _has_space_around(name: str, spaces: str) -> pl.Expr:
    text = pl.col(name).str
    return pl.any_horizontal(
        found for char in spaces for found in (text.starts_with(char), text.ends_with(char))
    ).alias(name)


def _is_plain(texts: pl.DataFrame, header: tuple[str, ...], captured_on: date) -> pl.Expr:
    """Whether a line can certainly be typed; the others need a closer look (`_judged`)."""
    numbers = [
        pl.col(SHARES).str.contains(_PLAIN_DECIMAL),
        pl.col(TRADES).str.contains(_PLAIN_INTEGER),
    ]
    if NOTIONAL in header:
        numbers.append((pl.col(NOTIONAL) == "") | pl.col(NOTIONAL).str.contains(_PLAIN_DECIMAL))
    dates = [_is_plain_date(texts[name], captured_on) for name in DATES if name in header]
    return pl.all_horizontal(*numbers, *dates)


def _is_plain_date(texts: pl.Series, captured_on: date) -> pl.Expr:
    """Whether a date is valid; each of the few different dates of a column is judged once."""
    name = texts.name
    required = name == REQUIRED_DATE
    days = texts.unique().to_frame()
    good = days.filter(_date_reason(name, captured_on, required=required).is_null())[name]
    return pl.lit(True) if good.len() == days.height else pl.col(name).is_in(good.implode())


def _judged(
    fields: pl.DataFrame, texts: pl.DataFrame, header: tuple[str, ...], captured_on: date
) -> TypedRows:
    """Type lines one by one, with the reasons of those that fail."""
    reasons = {
        SHARES: _number_reason(SHARES, required=True, integer=False),
        TRADES: _number_reason(TRADES, required=True, integer=True),
        REQUIRED_DATE: _date_reason(REQUIRED_DATE, captured_on, required=True),
    }
    if NOTIONAL in header:
        reasons[NOTIONAL] = _number_reason(NOTIONAL, required=False, integer=False)
    for name in OPTIONAL_DATES:
        if name in header:
            reasons[name] = _date_reason(name, captured_on, required=False)
    judged = texts.with_columns(
        **{f"_{name}": reason for name, reason in reasons.items()}
    ).with_columns(
        _shares=pl.when(pl.col(f"_{SHARES}").is_null())
        .then(pl.col(SHARES))
        .cast(polars_type(Type.SHARES))
    )
    bad = pl.any_horizontal(pl.col(f"_{name}").is_not_null() for name in reasons)
    failed = judged.select(bad=bad)["bad"]
    rows = _cast(texts.filter(~failed), header)
    # There is no quoting, so the untouched text of a rejected line is its fields joined again.
    raw = fields.filter(failed).select(raw_line=pl.concat_str(header, separator="|"))["raw_line"]
    rejects = _rejects(judged.filter(failed), raw, list(reasons))
    return TypedRows(rows, rejects, exact_sum(judged["_shares"]))


def _number_reason(name: str, *, required: bool, integer: bool) -> pl.Expr:
    """Why the text of a number cannot be typed; null if it can."""
    text = pl.col(name)
    digits = text.str.extract(r"^-?0*([0-9]*)", 1).str.len_bytes()
    places = text.str.extract(r"\.([0-9]*)$", 1).str.len_bytes()
    limit = _MAX_COUNT_DIGITS if integer else _MAX_INTEGER_DIGITS
    blank = pl.when(text == "").then(pl.lit(RejectReason.BLANK_NUMBER.value) if required else None)
    return (
        blank.when(~text.str.contains(_INTEGER if integer else _DECIMAL))
        .then(pl.lit(RejectReason.NOT_A_NUMBER.value))
        .when(places.fill_null(0) > SHARE_SCALE)
        .then(pl.lit(RejectReason.TOO_PRECISE.value))
        .when(digits > limit)
        .then(pl.lit(RejectReason.OUT_OF_RANGE.value))
    )


def _as_date(name: str) -> pl.Expr:
    return pl.col(name).str.to_date("%Y-%m-%d", strict=False, cache=True)


def _date_reason(name: str, captured_on: date, *, required: bool) -> pl.Expr:
    """Why the text of a date cannot be used; null if it can."""
    text = pl.col(name)
    good = text.str.contains(_DATE) & _as_date(name).is_not_null()
    bad = good.not_() if required else good.not_() & (text != "")
    return (
        pl.when(bad)
        .then(pl.lit(RejectReason.BAD_DATE.value))
        .when(_as_date(name) > captured_on)
        .then(pl.lit(RejectReason.FUTURE_DATE.value))
    )


def _cast(good: pl.DataFrame, header: tuple[str, ...]) -> pl.DataFrame:
    """Cast the text columns of rows that were found valid; strict, so an error here raises."""
    casts = [
        pl.col(SHARES).cast(polars_type(Type.SHARES)),
        pl.col(TRADES).cast(pl.Int64),
        _as_date(REQUIRED_DATE),
    ]
    if NOTIONAL in header:
        text = pl.col(NOTIONAL)
        casts.append(pl.when(text != "").then(text).cast(polars_type(Type.SHARES)).alias(NOTIONAL))
    casts += [_as_date(name) for name in OPTIONAL_DATES if name in header]
    return good.with_columns(casts)


def _rejects(bad: pl.DataFrame, raw: pl.Series, names: list[str]) -> pl.DataFrame:
    """One reject per failed row: the first reason is primary, `detail` has all of them."""
    details = [
        pl.when(pl.col(f"_{name}").is_not_null()).then(
            pl.format(
                "{}: {} ('{}')",
                pl.lit(name),
                pl.col(f"_{name}"),
                pl.col(name).str.slice(0, _SHOWN_CHARS),
            )
        )
        for name in names
    ]
    fields = [pl.when(pl.col(f"_{name}").is_not_null()).then(pl.lit(name)) for name in names]
    return bad.select(
        reason=pl.coalesce(f"_{name}" for name in names),
        field=pl.coalesce(fields),
        detail=pl.concat_str(details, separator="; ", ignore_nulls=True),
        share_volume=pl.col("_shares"),
        raw_line=raw,
        source_line=pl.col("source_line"),
    ).select(pl.col(name).cast(type_) for name, type_ in _REJECT_SCHEMA.items())
