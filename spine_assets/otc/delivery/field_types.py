"""Fields of text -> typed values, and rejects of the lines that cannot be typed.

What a good field is stands in `line_schema`. Nothing is guessed: `1e6`, `NaN`, `1,000` and `+5`
are no numbers, `12.5` is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from spine_assets.core.table_schema import polars_type
from spine_assets.core.tables import SHARE_SCALE, Type, exact_sum, exact_total
from spine_assets.otc.delivery import line_schema
from spine_assets.otc.delivery.line_schema import (
    API_COLUMNS,
    CRD,
    DATES,
    DELIVERED,
    FIRM,
    MPID,
    NOTIONAL,
    ODD_AT_THE_EDGE,
    OPTIONAL,
    SHARES,
    SPACES,
    SUMMARY_TYPE,
    SYMBOL,
    TRADES,
    as_date,
    without_trailing_zeros,
)
from spine_assets.otc.delivery.reasons import RejectReason
from spine_assets.otc.delivery.venue_id import crd_number, respelled, without_null_word

NOTES = "notes"
EXTRA = "extra"
_VALUES = (SHARES, TRADES, NOTIONAL, *DATES)  # trimmed only where they are not plain
_WORDS = (MPID, FIRM, CRD)  # in which a word for nothing is blank
_EDGES = (SYMBOL, MPID)  # of which odd characters are trimmed
_SHOWN_CHARS = 100  # of a value in `detail`; `raw_line` has all of it
_BETWEEN = "; "  # between two notes or two reasons
_REJECT_SCHEMA: dict[str, pl.DataType] = {
    "reason": pl.String(),
    "field": pl.String(),
    "detail": pl.String(),
    "share_volume": polars_type(Type.SHARES),
    "raw_line": pl.String(),
    "source_line": pl.Int64(),
    SUMMARY_TYPE: pl.String(),
}


@dataclass(frozen=True)
class TypedRows:
    """Rows that could be typed, rejects of the others, and the sum of all readable shares.

    `judge_again_on` is the earliest date that is in the future; from that day on, the same fields
    are judged otherwise.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    shares: Decimal
    judge_again_on: date | None = None


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
            (
                reason.value,
                None,
                detail,
                shares,
                line.decode("utf-8", "backslashreplace"),
                number,
                None,
            )
            for reason, detail, shares, line, number in found
        ],
        schema={**_REJECT_SCHEMA, "share_volume": pl.String()},
        orient="row",
    )
    text = frame.select(pl.col("share_volume").str.strip_chars(SPACES).alias(SHARES))
    readable = pl.when(line_schema.shares_reason().is_null()).then(_exact(SHARES))
    return frame.with_columns(share_volume=text.select(readable)[SHARES])


def apply(
    fields: pl.DataFrame,
    header: tuple[str, ...],
    captured_on: date,
    spaces: str = SPACES,
    *,
    odd: bool = True,
    texts_of: Callable[[Sequence[int]], list[str]] | None = None,
) -> TypedRows:
    """Type the fields of a file.

    Args:
        fields: One text column per header name, `source_line` and `record_hash`.
        header: Delivered column names.
        captured_on: Later dates are rejects (`FUTURE_DATE`).
        spaces: The characters of white space that occur in the fields.
        odd: Whether other white space or invisible characters may occur.
        texts_of: Gives the delivered text of lines by their numbers; by default a line's text is
            its fields joined by `|`.

    Returns:
        Rows with trimmed text, DECIMAL(28,6) shares, 64-bit trades and dates under the
        delivered names, plus `record_hash`, `extra` (unknown columns as JSON) and `notes`
        (what an optional field or the edges of a name had to be changed for); and the rejects.
    """
    texts = _cleaned(fields, [name for name in header if name not in _VALUES], spaces, odd=odd)
    declared = line_schema.fields(texts, header, captured_on)
    doubtful = line_schema.doubtful(texts, declared)
    if not doubtful.any():
        rows = _cast(texts, header, plain=True)
        return TypedRows(rows, no_rejects(), exact_sum(rows[SHARES]))
    # Only the few other lines are judged check by check, which costs many times more per line.
    good = _cast(texts.filter(~doubtful), header, plain=True)
    judged = _judged(fields.filter(doubtful), header, captured_on, spaces, texts_of, odd=odd)
    rows = pl.concat([good, judged.rows]).sort("source_line")
    shares = exact_total([exact_sum(good[SHARES]), judged.shares])
    return TypedRows(rows, judged.rejects, shares, judged.judge_again_on)


def _cleaned(fields: pl.DataFrame, names: Sequence[str], spaces: str, *, odd: bool) -> pl.DataFrame:
    """Columns without white space around their text, words for nothing blank; adds `notes`."""
    texts = _trimmed(fields, names, spaces)
    notes = pl.lit(None, pl.String)
    if odd:
        trimmed = {name: pl.col(name).str.replace_all(ODD_AT_THE_EDGE, "") for name in _EDGES}
        noted = [
            pl.when(text != pl.col(name)).then(pl.lit(_note(RejectReason.ODD_CHARACTER, name)))
            for name, text in trimmed.items()
        ]
        notes = _joined(noted)
        texts = texts.with_columns(notes=notes, **trimmed)
    else:
        texts = texts.with_columns(notes=notes)
    for name in _WORDS:
        if name in names:
            texts = respelled(texts, name, without_null_word(pl.col(name)))
    return texts


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


def _judged(
    fields: pl.DataFrame,
    header: tuple[str, ...],
    captured_on: date,
    spaces: str,
    texts_of: Callable[[Sequence[int]], list[str]] | None,
    *,
    odd: bool,
) -> TypedRows:
    """Type lines check by check, with the reasons of those that fail."""
    texts = _cleaned(fields, header, spaces, odd=odd)
    declared = line_schema.fields(texts, header, captured_on)
    cases = line_schema.line_failures(texts, declared)
    is_optional = pl.col("column").cast(pl.String).is_in(OPTIONAL)
    is_bad = _rows_of(cases.filter(~is_optional), texts.height)
    is_unread = _rows_of(
        cases.filter(pl.col("column") == SHARES, pl.col("check") != RejectReason.IMPLAUSIBLE.value),
        texts.height,
    )
    shares = texts.select(share_volume=pl.when(~is_unread).then(_exact(SHARES)))["share_volume"]
    rows = _cast(_with_notes(texts, cases).filter(~is_bad), header, plain=False)
    if texts_of is None:
        # Without quotes, the untouched text of a rejected line is its fields joined again.
        raw = fields.select(raw_line=pl.concat_str(header, separator="|"))["raw_line"]
    else:
        raw = pl.Series("raw_line", texts_of(fields["source_line"].to_list()), pl.String)
    code = pl.col(SUMMARY_TYPE) if SUMMARY_TYPE in header else pl.lit(None, pl.String)
    lines = texts.select(
        shares, raw, "source_line", code.alias(SUMMARY_TYPE), index=pl.int_range(pl.len())
    )
    future = cases.filter(pl.col("check") == RejectReason.FUTURE_DATE.value)
    judge_again_on: date | None = future.select(as_date("value").min()).item()
    rejects = _rejects(lines.filter(is_bad), cases)
    return TypedRows(rows, rejects, exact_sum(shares), judge_again_on)


def _rows_of(cases: pl.DataFrame, height: int) -> pl.Series:
    """Whether each of some rows has a failure case."""
    return pl.int_range(height, eager=True).is_in(cases["index"].unique().implode())


def _with_notes(texts: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    """Rows with a note for each optional field that is not as it should be, and without its text.

    Of an amount that is too precise the text stays: it is rounded.
    """
    noted = cases.filter(pl.col("column").cast(pl.String).is_in(OPTIONAL))
    if noted.is_empty():
        return texts
    unread = noted.filter(pl.col("check") != RejectReason.TOO_PRECISE.value)
    blanked = [
        pl.when(~_rows_of(of_field, texts.height))
        .then(pl.col(str(name)))
        .otherwise(pl.lit(""))
        .alias(str(name))
        for (name,), of_field in unread.group_by("column")
    ]
    text = pl.format("{} {}", "check", pl.col("column").cast(pl.String))
    by_row = noted.group_by("index", maintain_order=True).agg(_noted=text.str.join(_BETWEEN))
    return (
        texts.with_columns(*blanked, index=pl.int_range(pl.len()))
        .join(by_row, on="index", how="left", maintain_order="left")
        .with_columns(notes=_joined([pl.col(NOTES), pl.col("_noted")]))
        .drop("index", "_noted")
    )


def with_notes(rows: pl.DataFrame, notes: Mapping[int, str]) -> pl.DataFrame:
    """Typed rows with further notes, by the number of their line."""
    if not notes:
        return rows
    more = pl.col("source_line").replace_strict(notes, default=None, return_dtype=pl.String)
    return rows.with_columns(notes=_joined([more, pl.col(NOTES)]))


def _joined(notes: Sequence[pl.Expr]) -> pl.Expr:
    """Notes as one text; null where there is none."""
    text = pl.concat_str(notes, separator=_BETWEEN, ignore_nulls=True)
    return pl.when(text != "").then(text)


def _note(reason: RejectReason, name: str) -> str:
    return f"{reason.value} {name}"


def _exact(name: str) -> pl.Expr:
    return without_trailing_zeros(pl.col(name)).cast(polars_type(Type.SHARES))


def _cast(good: pl.DataFrame, header: tuple[str, ...], *, plain: bool) -> pl.DataFrame:
    """Cast the text columns of rows that were found valid; strict, so an error here raises.

    `plain` means that no number has more digits than its type.
    """
    casts = [
        (pl.col(SHARES).cast(polars_type(Type.SHARES)) if plain else _exact(SHARES)),
        pl.col(TRADES).cast(pl.Int64),
        *(as_date(name) for name in DATES if name in header),
        _extra(header),
    ]
    if NOTIONAL in header:
        casts.append(_amount(plain=plain))
    rows = good.with_columns(casts)
    return respelled(rows, CRD, crd_number(pl.col(CRD))) if CRD in header else rows


def _amount(*, plain: bool) -> pl.Expr:
    """The notional, exact where its text is a plain decimal, else rounded to the type's places."""
    text, type_ = pl.col(NOTIONAL), polars_type(Type.SHARES)
    if plain:
        return pl.when(text != "").then(text).cast(type_).alias(NOTIONAL)
    exact = pl.when(line_schema.is_exact(text)).then(without_trailing_zeros(text)).cast(type_)
    rounded = text.cast(pl.Float64, strict=False).round(SHARE_SCALE).cast(type_)
    return exact.fill_null(rounded).alias(NOTIONAL)


def _extra(header: tuple[str, ...]) -> pl.Expr:
    """The columns that FINRA's files do not have yet, as one JSON object; null where all blank."""
    unknown = [name for name in header if name not in (*DELIVERED, *API_COLUMNS)]
    if not unknown:
        return pl.lit(None, pl.String).alias(EXTRA)
    values = pl.struct(unknown).struct.json_encode()
    return (
        pl.when(pl.any_horizontal(pl.col(name) != "" for name in unknown)).then(values).alias(EXTRA)
    )


def _rejects(bad: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    """One reject per bad row: the first reason is primary, `detail` has all of them.

    Args:
        bad: `index`, `share_volume`, `raw_line`, `source_line` and summary type of each.
        cases: The failure cases of all rows.
    """
    text = pl.format(
        "{}: {} ('{}')",
        pl.col("column").cast(pl.String),
        "check",
        pl.col("value").str.slice(0, _SHOWN_CHARS),
    )
    by_row = cases.group_by("index", maintain_order=True).agg(
        reason=pl.col("check").first(),
        field=pl.col("column").first(),
        detail=text.str.join(_BETWEEN),
    )
    found = bad.join(by_row, on="index", how="left", maintain_order="left")
    return found.select(pl.col(name).cast(type_) for name, type_ in _REJECT_SCHEMA.items())
