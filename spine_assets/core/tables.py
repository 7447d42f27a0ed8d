"""How a table is declared: once, as one value from which everything else is derived.

Dagster specs, Pandera schemas, DuckDB views, the data dictionary and the CLI are all derived from
a `Table`. Belongs here: the shape of a declaration, and exact sums of its decimals. Does not
belong here: the declarations themselves (`otc.tables`) and their translation to Polars
(`table_schema`) and Pandera (`pandera_schema`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal
from enum import StrEnum
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

SHARE_PRECISION = 28
# By default Python rounds sums of decimals to 28 digits; a sum of columns has 38.
EXACT = Context(prec=76)
SHARE_SCALE = 6  # FINRA reports fractional shares to at most six places
SUM_PRECISION = 38  # the widest decimal of DuckDB and Polars


class Type(StrEnum):
    """Column types, spelled as DuckDB spells them. Times are UTC."""

    TEXT = "VARCHAR"
    TEXT_LIST = "VARCHAR[]"
    DATE = "DATE"
    DATE_LIST = "DATE[]"
    TIMESTAMP = "TIMESTAMP"
    COUNT = "BIGINT"
    SHARES = f"DECIMAL({SHARE_PRECISION},{SHARE_SCALE})"
    SHARES_SUM = f"DECIMAL({SUM_PRECISION},{SHARE_SCALE})"
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

    @property
    def limits(self) -> tuple[float | tuple[str, ...] | None, ...]:
        """Which values it may hold."""
        return self.ge, self.le, self.isin


@dataclass(frozen=True)
class Check:
    """One check of a table's week, without the function that runs it (`otc.checks.registry`).

    A blocking check that fails keeps the week from being published. A check that compares the
    week with earlier ones runs after those are built; it is never blocking.

    Attributes:
        description: What is true when it passes.
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
        code_version: Raise it when the same inputs would give different rows. A change of the
            declaration or of a check makes weeks stale by itself (`declaration_hash`).
        stage: Whose job builds it; None of a table that no job of the domain builds.
        lineage: For each derived column, the upstream columns it comes from.
        depends_on_history: It is made from all captures and pins of a week, not only from the
            current captures, so that any of them is an input of its build.
        figures: Computes the metadata of a built week: numbers, which Dagster plots over
            weeks, and short lists of rows, by name with units.
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
        """Whether two rows of one key would be adjacent in a week's file."""
        return bool(self.sort) and {*self.key} - {"week_ending"} == {*self.sort}

    @cached_property
    def declaration_hash(self) -> str:
        """12 hex of what its rows are held to: columns, key, order, rules and checks, no texts."""
        declared = [
            [*self.key, *self.sort],
            *(
                [column.name, column.type, column.nullable, *column.limits]
                for column in self.columns
            ),
            *([rule.name, str(rule.holds())] for rule in self.rules),
            *([check.name, check.blocking, check.compares_weeks] for check in self.checks),
        ]
        return hashlib.sha256(json.dumps(declared).encode()).hexdigest()[:12]

    def column(self, name: str) -> Column:
        """The column of this name; KeyError names the table."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")


def exact_sum(values: pl.Series) -> Decimal:
    """The sum of a DECIMAL column; 0 if it is empty."""
    total = values.sum()
    return total if isinstance(total, Decimal) else Decimal(0)


def exact_total(parts: Iterable[Decimal]) -> Decimal:
    """The sum of quantities that are sums already, without rounding; 0 if there is none."""
    return reduce(EXACT.add, parts, Decimal(0))
