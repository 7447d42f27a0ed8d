"""How a table is declared: once, in one value that everything else reads.

Dagster specs, Pandera schemas, DuckDB views, the data dictionary and the CLI are all
derived from a `Table`. This module holds the declaration's shape and its translation
to column types; the declarations themselves stand beside their builders in `otc/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
_SUM_PRECISION = 38  # the widest decimal of DuckDB and Polars


class Type(StrEnum):
    """Column types, spelled as DuckDB spells them. Times are UTC."""

    TEXT = "VARCHAR"
    TEXT_LIST = "VARCHAR[]"
    DATE = "DATE"
    DATE_LIST = "DATE[]"
    TIMESTAMP = "TIMESTAMP"
    COUNT = "BIGINT"
    SHARES = f"DECIMAL({SHARE_PRECISION},{SHARE_SCALE})"
    SHARES_SUM = f"DECIMAL({_SUM_PRECISION},{SHARE_SCALE})"
    RATIO = "DOUBLE"
    FLAG = "BOOLEAN"
    JSON = "JSON"


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
    """One check of a table's week, without the function that runs it (`otc.checks_registry`).

    A blocking check that fails keeps the week from being published. A check that compares the
    week with earlier ones runs after those are built; it is never blocking.

    Attributes:
        description: What holds when it passes.
        remedy: What to do when it fails: one to three sentences with the commands to run, in
            which WEEK stands for the week, and CAPTURE_ID and MPID likewise.
    """

    name: str
    description: str
    remedy: str
    blocking: bool = False
    compares_weeks: bool = False


@dataclass(frozen=True)
class Rule:
    """What must hold between columns: a boolean expression, by row or over the table."""

    name: str
    holds: Callable[[], pl.Expr]


class BuildStage(StrEnum):
    """What is done to make a table; each stage has a job that builds its tables."""

    INGEST = "ingest"
    NORMALIZE = "normalize"
    SUMMARIZE = "summarize"


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
        stage: Whose job builds it; None of a table that no job of the domain builds.
        lineage: For each derived column, the upstream columns it comes from.
        depends_on_history: It is made from all captures and pins of a week, not only from the
            captures that count, so that any of them is an input of its build.
        figures: What is told of a built week beside its rows: numbers, which Dagster plots
            over weeks, and short lists of rows, by name with units.
    """

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    code_version: str
    stage: BuildStage | None = None
    sort: tuple[str, ...] = ()
    deps: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    rules: tuple[Rule, ...] = ()
    lineage: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    depends_on_history: bool = False
    figures: Callable[[pl.DataFrame], dict[str, Any]] | None = None

    @property
    def is_ordered_by_key(self) -> bool:
        """Whether two rows of one key would stand next to each other in a week's file."""
        return bool(self.sort) and {*self.key} - {"week_ending"} == {*self.sort}

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
        Type.DATE_LIST: pl.List(pl.Date()),
        Type.TIMESTAMP: pl.Datetime("us"),
        Type.COUNT: pl.Int64(),
        Type.SHARES: pl.Decimal(SHARE_PRECISION, SHARE_SCALE),
        Type.SHARES_SUM: pl.Decimal(_SUM_PRECISION, SHARE_SCALE),
        Type.RATIO: pl.Float64(),
        Type.FLAG: pl.Boolean(),
        Type.JSON: pl.String(),
    }[type_]


def polars_schema(table: Table) -> dict[str, pl.DataType]:
    """Column names and Polars types in stored order."""
    return {column.name: polars_type(column.type) for column in table.columns}


def conform(frame: pl.DataFrame, table: Table, *, ordered: bool = False) -> pl.DataFrame:
    """Select, order and cast `frame` to the declared columns, rows in file order.

    Casts are strict: a value that does not fit raises instead of becoming null.

    Args:
        frame: Has all the columns.
        table: The declaration.
        ordered: The rows stand in file order already.
    """
    import polars as pl

    frame = frame.select(pl.col(name).cast(type_) for name, type_ in polars_schema(table).items())
    return frame if ordered else in_order(frame, table.sort)


def in_order(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows in the order of some columns; to see that they are costs a tenth of sorting."""
    if not names or is_in_order(frame, names):
        return frame
    return frame.sort(names, nulls_last=True, maintain_order=True)


def is_in_order(frame: pl.DataFrame, names: Sequence[str], *, strictly: bool = False) -> bool:
    """Whether rows stand in the order of some columns (`follows`)."""
    return bool(frame.select(held=follows(names, strictly=strictly).all())["held"].item())


def follows(names: Sequence[str], *, strictly: bool = False) -> pl.Expr:
    """By row: whether it comes after the row before it, the first column counting most.

    Strictly means that it is not equal to it in all of them: then rows are unique as well, at
    a fraction of what it costs to look for twins. A null follows nothing.
    """
    import polars as pl

    held = pl.lit(not strictly)
    for name in reversed(names):
        value, last = pl.col(name), pl.col(name).shift(1)
        held = (last < value) | ((last == value) & held)
    return held.fill_null(False) | (pl.int_range(pl.len()) == 0)


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


def pandera_schema(table: Table, *, at_once: bool = False) -> pa.DataFrameSchema:
    """The Pandera schema of a table: exact columns, ranges, nulls and the unique key.

    Args:
        table: The declaration.
        at_once: Judge all columns in one question instead of several a column. Good data is
            found good in a quarter of the time; of bad data it does not tell which column.
    """
    import pandera.polars as pa

    def pandera_rule(rule: Rule) -> pa.Check:
        return pa.Check(
            lambda data: data.lazyframe.select(rule.holds()), name=rule.name, error=rule.name
        )

    each = list(table.rules)
    if table.is_ordered_by_key:
        named = f"rows stand in the order of {', '.join(table.sort)}, no two alike"
        each.append(Rule(named, lambda: follows(table.sort, strictly=True)))
    all_of_them = Rule("all values are as declared", lambda: _holds(table.columns, each))
    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                polars_type(column.type),
                checks=[] if at_once else _column_checks(column),
                nullable=at_once or column.nullable,
                description=column.description,
            )
            for column in table.columns
        },
        checks=[pandera_rule(rule) for rule in ([all_of_them] if at_once else each)],
        name=table.name,
        strict=True,
        ordered=True,
        unique=None if table.is_ordered_by_key else list(table.key) or None,
    )


def _column_checks(column: Column) -> list[pa.Check]:
    import pandera.polars as pa

    found = []
    if column.ge is not None:
        found.append(pa.Check.ge(column.ge))
    if column.le is not None:
        found.append(pa.Check.le(column.le))
    if column.isin is not None:
        found.append(pa.Check.isin(column.isin))
    return found


def _holds(columns: Iterable[Column], rules: Iterable[Rule]) -> pl.Expr:
    """By row: all that `_column_checks`, nullability and the rules ask."""
    import polars as pl

    held = [rule.holds() for rule in rules]
    for column in columns:
        value = pl.col(column.name)
        if not column.nullable:
            held.append(value.is_not_null())
        if column.ge is not None:
            held.append((value >= column.ge).fill_null(True))
        if column.le is not None:
            held.append((value <= column.le).fill_null(True))
        if column.isin is not None:
            held.append(value.is_in(column.isin).fill_null(True))
    return pl.all_horizontal(held)
