"""The `destination` of a step that makes a table: its columns, key and checks, as YAML says them.

It becomes a `Table` as every other: the same types, the same Pandera schema, the same view.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from spine_assets.core.tables import Column, Table, Type
from spine_assets.otc.state.results import Severity
from spine_assets.pipelines.steps.engine import Part, Sql
from spine_assets.pipelines.yaml.sql_inspection import sql_faults

WEEK = "week_ending"
ROWS = "new_rows"
"""By this name the SQL of a check reads the rows that are about to be published."""

_OURS = re.compile(r"otc_|finra_|x_meta_")
_TableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]


class ColumnType(StrEnum):
    """Column types, as DuckDB spells them. Times are UTC."""

    VARCHAR = "VARCHAR"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    BIGINT = "BIGINT"
    DOUBLE = "DOUBLE"
    BOOLEAN = "BOOLEAN"
    VARCHAR_LIST = "VARCHAR[]"
    DATE_LIST = "DATE[]"
    SHARES = Type.SHARES.value
    SHARES_SUM = Type.SHARES_SUM.value


class ColumnPart(Part):
    """A column; Pandera holds its values to this."""

    name: _TableName = Field(description="Name; with its unit as an ending where it has one.")
    type: ColumnType = Field(description="Type, as DuckDB spells it; values are cast strictly.")
    description: str = Field(description="What it means.")
    unit: str | None = Field(default=None, description="Unit, such as shares or percent.")
    nullable: bool = Field(default=False, description="Whether it may be empty.")
    ge: float | None = Field(default=None, description="The least value.")
    le: float | None = Field(default=None, description="The greatest value.")
    isin: list[str] | None = Field(default=None, description="The values there may be.")


class CheckPart(Part):
    """A check of the rows before they are published. Give `rows` or `sql`."""

    name: _TableName = Field(description="Its name in Dagster.")
    description: str = Field(description="What holds when it passes.")
    todo: str = Field(default="", description="What to do when it fails.")
    rows: Annotated[str, StringConstraints(pattern=r"^(>|>=|<|<=|==|!=) ?[0-9]+$")] | None = Field(
        default=None, description="How many rows there must be: `>= 1`."
    )
    sql: Sql | None = Field(
        default=None,
        description=f"A SELECT of the rows that are wrong; none means passed. `{ROWS}` are the "
        "rows about to be published; other tables are read as in a step.",
    )
    severity: Severity = Field(
        default=Severity.ERROR,
        description="`ERROR`: rows that fail it are not published. `WARN`: they are, and it is "
        "told.",
    )


class TableDestination(Part):
    """The table that a step makes."""

    table: _TableName = Field(
        description="Its name: in the lake, in SQL and, below the tenant's, in Dagster."
    )
    description: str = Field(description="What it holds.")
    grain: str = Field(description="What one row is, in words.")
    key: list[_TableName] = Field(
        min_length=1, description="Columns that identify a row; no two rows are alike in them."
    )
    columns: list[ColumnPart] = Field(
        min_length=1,
        description="All its columns, in order. A weekly table has `week_ending` before them "
        "without saying so.",
    )
    checks: list[CheckPart] = Field(default_factory=list, description="Beside the schema's own.")


_WEEK_COLUMN = Column(WEEK, Type.DATE, "Friday on which the week ends; the partition.")


def table_of(part: TableDestination, *, weekly: bool, deps: Collection[str], code: str) -> Table:
    """The table that a destination declares.

    Args:
        part: The destination.
        weekly: It has a week a partition.
        deps: What it is made from.
        code: Changes with all that decides its rows.
    """
    week = (_WEEK_COLUMN,) if weekly else ()
    key = tuple(dict.fromkeys((*([WEEK] if weekly else []), *part.key)))
    return Table(
        name=part.table,
        description=part.description,
        grain=part.grain,
        key=key,
        columns=(
            *week,
            *(_column(item) for item in part.columns if not weekly or item.name != WEEK),
        ),
        code_version=code,
        sort=tuple(name for name in key if name != WEEK),
        deps=tuple(sorted(deps)),
    )


def faults_of(part: TableDestination, known: Collection[str]) -> list[str]:
    """What is wrong with a destination that its schema does not say."""
    found = []
    names = [column.name for column in part.columns]
    if _OURS.match(part.table) or part.table == ROWS:
        found.append(f"table {part.table}: names that begin with otc_, finra_ or x_meta_ are taken")
    found += [f"two columns are named {name}" for name in _twice(names)]
    found += [
        f"key names {name}, which is none of the columns: {', '.join(names)}"
        for name in part.key
        if name not in names and not (name == WEEK and WEEK in known)  # known where it is weekly
    ]
    found += [
        f"column {column.name} is part of the key: it can be neither nullable nor a list"
        for column in part.columns
        if column.name in part.key and (column.nullable or column.type.endswith("[]"))
    ]
    found += [f"two checks are named {name}" for name in _twice([c.name for c in part.checks])]
    for check in part.checks:
        if check.name == "schema":
            found.append("every table has a check named schema; give yours another name")
        if (check.rows is None) == (check.sql is None):
            found.append(f"check {check.name}: give rows or sql, one of the two")
        if check.sql is not None:
            found += [f"check {check.name}: {fault}" for fault in sql_faults(check.sql, known)]
    return found


def _column(part: ColumnPart) -> Column:
    return Column(
        part.name,
        Type(part.type.value),
        part.description,
        part.unit,
        part.nullable,
        part.ge,
        part.le,
        tuple(part.isin) if part.isin is not None else None,
    )


def _twice(names: Collection[str]) -> list[str]:
    seen = list(names)
    return sorted({name for name in seen if seen.count(name) > 1})
