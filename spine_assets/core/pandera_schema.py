"""A declared table as a Pandera schema, which judges the rows of one week.

Apart from `table_schema` because Pandera takes half a second to import and few commands need it.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandera.polars as pa
import polars as pl

from spine_assets.core.table_schema import follows, polars_type
from spine_assets.core.tables import Column, Rule, Table


def pandera_schema(table: Table, *, at_once: bool = False) -> pa.DataFrameSchema:
    """The Pandera schema of a table: exact columns, ranges, nulls and the unique key.

    Args:
        table: The declaration.
        at_once: Test all columns in one expression instead of several per column. It takes a
            quarter of the time, but does not report which column is bad.
    """

    def pandera_rule(rule: Rule) -> pa.Check:
        return pa.Check(
            lambda data: data.lazyframe.select(rule.holds()), name=rule.name, error=rule.name
        )

    each = list(table.rules)
    if table.is_ordered_by_key:
        named = f"rows are in the order of {', '.join(table.sort)}, no two alike"
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
    bounds = ((pa.Check.ge, column.ge), (pa.Check.le, column.le), (pa.Check.isin, column.isin))
    return [check(bound) for check, bound in bounds if bound is not None]


def _holds(columns: Iterable[Column], rules: Iterable[Rule]) -> pl.Expr:
    """By row: everything that `_column_checks`, nullability and the rules require."""
    conditions = [rule.holds() for rule in rules]
    for column in columns:
        value = pl.col(column.name)
        if not column.nullable:
            conditions.append(value.is_not_null())
        if column.ge is not None:
            conditions.append((value >= column.ge).fill_null(True))
        if column.le is not None:
            conditions.append((value <= column.le).fill_null(True))
        if column.isin is not None:
            conditions.append(value.is_in(column.isin).fill_null(True))
    return pl.all_horizontal(conditions)
