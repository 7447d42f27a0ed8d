"""A declared table as a Pandera schema, which judges the rows of one week.

Apart from `table_schema` because Pandera takes half a second to import and few commands need it.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from spine_assets.core.table_schema import follows, polars_schema, polars_type
from spine_assets.core.tables import Column, Rule, Table


def pandera_schema(table: Table, *, at_once: bool = False) -> pa.DataFrameSchema:
    """The Pandera schema of a table: exact columns, ranges, nulls and the unique key.

    Args:
        table: The declaration.
        at_once: Ask one question about all columns and values instead of several per column. It
            takes a third of the time, but does not report which column is bad.
    """
    rules = list(table.rules)
    if table.is_ordered_by_key:
        named = f"rows are in the order of {', '.join(table.sort)}, no two alike"
        rules.append(Rule(named, lambda: follows(table.sort, strictly=True)))
    unique = None if table.is_ordered_by_key else list(table.key) or None
    if at_once:
        schema = [*polars_schema(table).items()]

        def is_as_declared(data: PolarsData) -> pl.LazyFrame | bool:
            if [*data.lazyframe.collect_schema().items()] != schema:
                return False
            return data.lazyframe.select(_holds(table.columns, rules))

        check = pa.Check(is_as_declared, name="columns and values are as declared")
        return pa.DataFrameSchema(checks=[check], name=table.name, unique=unique)
    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                polars_type(column.type),
                checks=_column_checks(column),
                nullable=column.nullable,
                description=column.description,
            )
            for column in table.columns
        },
        checks=[
            pa.Check(
                lambda data, rule=rule: data.lazyframe.select(rule.holds()),
                name=rule.name,
                error=rule.name,
            )
            for rule in rules
        ],
        name=table.name,
        strict=True,
        ordered=True,
        unique=unique,
    )


def _column_checks(column: Column) -> list[pa.Check]:
    bounds = ((pa.Check.ge, column.ge), (pa.Check.le, column.le), (pa.Check.isin, column.isin))
    return [check(bound) for check, bound in bounds if bound is not None]


def _holds(columns: Iterable[Column], rules: Iterable[Rule]) -> pl.Expr:
    """By row: everything that `_column_checks`, nullability and the rules require."""
    conditions = [rule.holds() for rule in rules]
    for column in columns:
        value = pl.col(column.name)
        bounds = []
        if column.ge is not None:
            bounds.append(value >= column.ge)
        if column.le is not None:
            bounds.append(value <= column.le)
        if column.isin is not None:
            bounds.append(value.is_in(column.isin))
        # A null breaks no bound; where none may be, the first condition does not hold.
        if column.nullable:
            conditions += [bound.fill_null(True) for bound in bounds]
        else:
            conditions += [value.is_not_null(), *bounds]
    return pl.all_horizontal(conditions)
