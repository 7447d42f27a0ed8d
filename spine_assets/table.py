"""How a table is declared: once, in one value that everything else reads.

Dagster specs, Pandera schemas, DuckDB views, the data dictionary and the CLI are all
derived from a `Table`. This module holds the declaration's shape and its translation
to column types; the declarations themselves stand beside their builders in `otc/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal
from enum import StrEnum
from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandera.polars as pa
    import polars as pl

SHARE_PRECISION = 28
# Python rounds sums of decimals to 28 digits unless told otherwise; a sum of columns has 38.
EXACT = Context(prec=76)
SHARE_SCALE = 6  # FINRA reports fractional shares to at most six places


class Type(StrEnum):
    """Column types, spelled as DuckDB spells them. Times are UTC."""

    TEXT = "VARCHAR"
    TEXT_LIST = "VARCHAR[]"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    COUNT = "BIGINT"
    SHARES = f"DECIMAL({SHARE_PRECISION},{SHARE_SCALE})"
    RATIO = "DOUBLE"
    FLAG = "BOOLEAN"


@dataclass(frozen=True)
class Column:
    """One column: what it means, its unit and the values it may hold."""

    name: str
    type: Type
    description: str
    unit: str | None = None
    nullable: bool = False
    ge: float | None = None
    le: float | None = None
    isin: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Check:
    """One check of a table's week.

    `run` takes a `otc.checking.CheckContext` and returns a `otc.checking.CheckResult`.
    A blocking check that fails keeps the week from being published.
    """

    name: str
    description: str
    run: Callable[[Any], Any]
    blocking: bool = False


@dataclass(frozen=True)
class Rule:
    """What must hold between columns: a boolean expression, by row or over the table."""

    name: str
    holds: Callable[[], pl.Expr]


@dataclass(frozen=True)
class Table:
    """One weekly table of the lake.

    Attributes:
        name: Asset key, lake folder and view name at once.
        grain: What one row is, in words.
        key: Columns that identify a row; empty where rows have no natural key.
        sort: Order of rows in the file; decides what row-group statistics can skip.
        deps: Names of the tables it is made from.
        rules: What holds between columns; part of the Pandera schema.
        code_version: Raise it when the same inputs would give other rows.
        lineage: For each derived column, the upstream columns it comes from.
    """

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    code_version: str
    sort: tuple[str, ...] = ()
    deps: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    rules: tuple[Rule, ...] = ()
    lineage: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError names the table."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")


def polars_type(type_: Type) -> pl.DataType:
    """The Polars type that a column is stored as."""
    import polars as pl

    return {
        Type.TEXT: pl.String(),
        Type.TEXT_LIST: pl.List(pl.String()),
        Type.DATE: pl.Date(),
        Type.TIMESTAMP: pl.Datetime("us"),
        Type.COUNT: pl.Int64(),
        Type.SHARES: pl.Decimal(SHARE_PRECISION, SHARE_SCALE),
        Type.RATIO: pl.Float64(),
        Type.FLAG: pl.Boolean(),
    }[type_]


def polars_schema(table: Table) -> dict[str, pl.DataType]:
    """Column names and Polars types in stored order."""
    return {column.name: polars_type(column.type) for column in table.columns}


def conform(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Select, order and cast `frame` to the declared columns, rows in file order.

    Casts are strict: a value that does not fit raises instead of becoming null.
    """
    import polars as pl

    frame = frame.select(pl.col(name).cast(type_) for name, type_ in polars_schema(table).items())
    return frame.sort(table.sort, nulls_last=True, maintain_order=True) if table.sort else frame


def plain_shares(column: str) -> pl.Expr:
    """A DECIMAL column as text without end zeros: whole shares print whole."""
    import polars as pl

    return pl.col(column).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")


def exact_sum(values: pl.Series) -> Decimal:
    """The sum of a DECIMAL column; 0 of nothing."""
    total = values.sum()
    return total if isinstance(total, Decimal) else Decimal(0)


def exact_total(parts: Iterable[Decimal]) -> Decimal:
    """The sum of quantities that are sums already, without rounding; 0 of nothing."""
    return reduce(EXACT.add, parts, Decimal(0))


def pandera_schema(table: Table) -> pa.DataFrameSchema:
    """The Pandera schema of a table: exact columns, ranges, nulls and the unique key."""
    import pandera.polars as pa

    def checks(column: Column) -> list[pa.Check]:
        found = []
        if column.ge is not None:
            found.append(pa.Check.ge(column.ge))
        if column.le is not None:
            found.append(pa.Check.le(column.le))
        if column.isin is not None:
            found.append(pa.Check.isin(column.isin))
        return found

    def pandera_rule(rule: Rule) -> pa.Check:
        return pa.Check(
            lambda data: data.lazyframe.select(rule.holds()), name=rule.name, error=rule.name
        )

    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                polars_type(column.type),
                checks=checks(column),
                nullable=column.nullable,
                description=column.description,
            )
            for column in table.columns
        },
        checks=[pandera_rule(rule) for rule in table.rules],
        name=table.name,
        strict=True,
        ordered=True,
        unique=list(table.key) or None,
    )
