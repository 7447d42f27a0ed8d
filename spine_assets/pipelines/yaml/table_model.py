"""The `destination` of a step that makes a table: its columns, key and checks, as YAML has them.

It becomes a `Table` like every other, with the same types, Pandera schema and view.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from spine_assets.core.tables import Column, Table, Type
from spine_assets.otc.state.results import Severity
from spine_assets.pipelines.steps.anomalies import ANOMALIES
from spine_assets.pipelines.steps.engine import Sql, StepPart
from spine_assets.pipelines.yaml.sql_inspection import sql_problems

WEEK = "week_ending"
ROWS = "new_rows"
"""The name by which the SQL of a check reads the rows that are about to be published."""

_RESERVED = re.compile(r"otc_|finra_|x_meta_")
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


class ColumnPart(StepPart):
    """A column; Pandera validates its values."""

    name: _TableName = Field(description="Name; it ends with the unit if there is one.")
    type: ColumnType = Field(description="Type, as DuckDB spells it; values are cast strictly.")
    description: str = Field(description="What it means.")
    unit: str | None = Field(default=None, description="Unit, such as shares or percent.")
    nullable: bool = Field(default=False, description="Whether it may be empty.")
    ge: float | None = Field(default=None, description="The smallest value.")
    le: float | None = Field(default=None, description="The largest value.")
    isin: list[str] | None = Field(default=None, description="The permitted values.")

    def column(self) -> Column:
        """The column of a `Table`."""
        facts = self.model_dump(exclude={"type", "isin"})
        isin = None if self.isin is None else tuple(self.isin)
        return Column(type=Type(self.type.value), isin=isin, **facts)


class CheckPart(StepPart):
    """A check of the rows before they are published. Give `rows` or `sql`."""

    name: _TableName = Field(description="Its name in Dagster.")
    description: str = Field(description="What is true when it passes.")
    todo: str = Field(default="", description="What to do when it fails.")
    rows: Annotated[str, StringConstraints(pattern=r"^(>|>=|<|<=|==|!=) ?[0-9]+$")] | None = Field(
        default=None, description="How many rows there must be: `>= 1`."
    )
    sql: Sql | None = Field(
        default=None,
        description=f"A SELECT of the wrong rows; no rows means passed. `{ROWS}` are the rows "
        "about to be published; other tables are read as in a step.",
    )
    severity: Severity = Field(
        default=Severity.ERROR,
        description="`ERROR`: rows that fail it are not published. `WARN`: they are published, "
        "with a warning.",
    )


class TableDestination(StepPart):
    """The table that a step makes."""

    table: _TableName = Field(
        description="Its name: in the lake, in SQL and, below the tenant's, in Dagster."
    )
    description: str = Field(description="What it contains.")
    grain: str = Field(description="What one row is, in words.")
    key: list[_TableName] = Field(
        min_length=1, description="Columns that identify a row: no two rows have the same values."
    )
    columns: list[ColumnPart] = Field(
        min_length=1,
        description="All its columns, in order. A weekly table has `week_ending` before them, "
        "which need not be listed.",
    )
    checks: list[CheckPart] = Field(default_factory=list, description="Beside the schema's own.")


_WEEK_COLUMN = Column(WEEK, Type.DATE, "Friday on which the week ends; the partition.")


def table_of(part: TableDestination, *, weekly: bool, deps: Collection[str], code: str) -> Table:
    """The table that a destination declares.

    Args:
        part: The destination.
        weekly: It has one partition per week.
        deps: The tables and views that it is made from.
        code: A version that changes with everything that determines its rows.
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
            *(item.column() for item in part.columns if not weekly or item.name != WEEK),
        ),
        code_version=code,
        sort=tuple(name for name in key if name != WEEK),
        deps=tuple(sorted(deps)),
    )


def destination_problems(part: TableDestination, known: Collection[str]) -> list[str]:
    """Problems of a destination that its schema cannot find."""
    found = []
    names = [column.name for column in part.columns]
    if _RESERVED.match(part.table) or part.table == ROWS:
        found.append(f"table {part.table}: otc_, finra_ and x_meta_ are reserved beginnings")
    found += [f"two columns are named {name}" for name in _twice(names)]
    found += [
        f"key names {name}, which is not one of the columns: {', '.join(names)}"
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
        if check.name in ("schema", ANOMALIES):
            found.append(f"a check named {check.name} is built in; give yours another name")
        if (check.rows is None) == (check.sql is None):
            found.append(f"check {check.name}: give either rows or sql")
        if check.sql is not None:
            found += [
                f"check {check.name}: {problem}" for problem in sql_problems(check.sql, known)
            ]
    return found


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
