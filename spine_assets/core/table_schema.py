"""A declared table in Polars: the types of its columns and the order of its rows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from spine_assets.core.tables import SHARE_PRECISION, SHARE_SCALE, SUM_PRECISION, Table, Type

_TYPES: dict[Type, pl.DataType] = {
    Type.TEXT: pl.String(),
    Type.TEXT_LIST: pl.List(pl.String()),
    Type.DATE: pl.Date(),
    Type.DATE_LIST: pl.List(pl.Date()),
    Type.TIMESTAMP: pl.Datetime("us"),
    Type.COUNT: pl.Int64(),
    Type.SHARES: pl.Decimal(SHARE_PRECISION, SHARE_SCALE),
    Type.SHARES_SUM: pl.Decimal(SUM_PRECISION, SHARE_SCALE),
    Type.RATIO: pl.Float64(),
    Type.FLAG: pl.Boolean(),
    Type.JSON: pl.String(),
}


def polars_type(type_: Type) -> pl.DataType:
    """The Polars type that a column is stored as."""
    return _TYPES[type_]


def polars_schema(table: Table) -> dict[str, pl.DataType]:
    """Column names and Polars types in stored order."""
    return {column.name: polars_type(column.type) for column in table.columns}


def conform(frame: pl.DataFrame, table: Table, *, ordered: bool = False) -> pl.DataFrame:
    """Select, order and cast `frame` to the declared columns, rows in file order.

    Casts are strict: a value that does not fit raises instead of becoming null.

    Args:
        frame: Has all the columns.
        table: The declaration.
        ordered: The rows are in file order already.
    """
    found = frame.schema
    frame = frame.select(
        pl.col(name) if found.get(name) == type_ else pl.col(name).cast(type_)
        for name, type_ in polars_schema(table).items()
    )
    return frame if ordered else in_order(frame, table.sort)


def completed(frame: pl.DataFrame, table: Table, **known: str) -> pl.DataFrame:
    """Rows that an earlier version of the program stored, with all columns of today.

    Args:
        frame: Stored rows, in file order.
        table: The declaration.
        known: Values of columns that all of its rows have alike; other missing columns are null.
    """
    missing = {
        name: pl.lit(known.get(name), type_)
        for name, type_ in polars_schema(table).items()
        if name not in frame.columns
    }
    return conform(frame.with_columns(**missing), table, ordered=True)


def in_order(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows in the order of some columns; the test for it costs a tenth of sorting."""
    if not names or is_in_order(frame, names):
        return frame
    return frame.sort(names, nulls_last=True, maintain_order=True)


def is_in_order(frame: pl.DataFrame, names: Sequence[str], *, strictly: bool = False) -> bool:
    """Whether rows are in the order of some columns (`follows`)."""
    return bool(
        frame.select(is_ordered=follows(names, strictly=strictly).all())["is_ordered"].item()
    )


def follows(names: Sequence[str], *, strictly: bool = False) -> pl.Expr:
    """By row: whether it comes after the row before it, the first column counting most.

    Strictly means that the two are not equal in all columns: then rows are unique as well, at a
    fraction of the cost of looking for duplicates. A null follows nothing.
    """
    comes_after = pl.lit(not strictly)
    for name in reversed(names):
        value, last = pl.col(name), pl.col(name).shift(1)
        comes_after = (last < value) | ((last == value) & comes_after)
    return comes_after.fill_null(False) | (pl.int_range(pl.len()) == 0)


def stands_again(names: Sequence[str]) -> pl.Expr:
    """By row: whether the row before or after it is equal in some columns, which have no nulls."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in names)
    is_again = same.fill_null(False)
    return is_again | is_again.shift(-1, fill_value=False)


def plain_shares(column: str) -> pl.Expr:
    """A DECIMAL column as text without trailing zeros."""
    return pl.col(column).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
