"""Checks that a step's rows, and the table in the lake, fit the declaration.

Columns, types, weeks and the kind of table belong here; values belong to Pandera and the checks.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from spine_assets.core.table_schema import conform, polars_schema
from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake
from spine_assets.pipelines.steps.engine import EngineExecutionError
from spine_assets.pipelines.yaml.table_model import WEEK

# Polars' strict casts turn 2.7 into 2, 23:59 into a day and 5 into true. Decimals may be rounded.
_EXACT = (pl.Int64, pl.Date, pl.Boolean)


def require_one_kind(lake: Lake, table: str, *, weekly: bool) -> None:
    """Require that the lake has no rows from when the pipeline was, or was not, weekly.

    Raises:
        EngineExecutionError: it has some, and a view would show both.
    """
    other = [lake.folder(table, found) for found in lake.weeks(table)]
    if weekly:
        other = [lake.part(table, None).parent] if lake.part(table, None).exists() else []
    if other:
        was, now = ("no weeks", "weekly") if weekly else ("weeks", "without weeks")
        found = other[0] if weekly else other[0].parent
        raise EngineExecutionError(
            f"{table} was built with {was} before and is {now} now: {found} would be read with "
            f"the new rows. Give the table another name, or delete {lake.root / table} and "
            "run again"
        )


def fitted(frame: pl.DataFrame, table: Table, week: date | None) -> pl.DataFrame:
    """The rows with the declared columns and types, of the run's week.

    Raises:
        EngineExecutionError: they have other columns, types or weeks.
    """
    if week is not None:
        frame = _of_week(frame, table, week)
    declared = [column.name for column in table.columns]
    missing = [name for name in declared if name not in frame.columns]
    others = [name for name in frame.columns if name not in declared]
    if missing or others:
        differences = [f"lack {', '.join(missing)}"] if missing else []
        differences += [f"also have {', '.join(others)}"] if others else []
        raise EngineExecutionError(
            f"{table.name} declares {', '.join(declared)}; the step's rows "
            f"{' and '.join(differences)}. Correct the declared columns or the step"
        )
    try:
        _require_exact(frame, table)
        return conform(frame, table)
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name} {type_}" for name, type_ in frame.schema.items())
        raise EngineExecutionError(
            f"{table.name}: a value does not fit its declared type: {error}. The step's rows "
            f"have {types}"
        ) from error


def _require_exact(frame: pl.DataFrame, table: Table) -> None:
    """Require that no cast to an integer, a date or a boolean loses a part of a value."""
    for name, wanted in polars_schema(table).items():
        given = frame.schema[name]
        if given == wanted or not isinstance(wanted, _EXACT) or isinstance(given, pl.String):
            continue
        values = frame[name]
        lost = values.filter(values.cast(wanted).cast(given).ne_missing(values))
        if lost.len():
            raise EngineExecutionError(
                f"{table.name}: {lost.len():,} values of {name} are not {wanted}, such as "
                f"{lost[0]}; round or cast them in the step"
            )


def _of_week(frame: pl.DataFrame, table: Table, week: date) -> pl.DataFrame:
    if WEEK not in frame.columns:
        return frame.with_columns(pl.lit(week, pl.Date).alias(WEEK))
    if frame.schema[WEEK] != pl.Date and frame.height:
        raise EngineExecutionError(
            f"{table.name}: {WEEK} in the step's rows is {frame.schema[WEEK]}; cast it to DATE"
        )
    found = frame[WEEK].unique().to_list()
    foreign = sorted(str(item) for item in found if item != week)
    if foreign:
        raise EngineExecutionError(
            f"{table.name}: the step of week {week} returned rows of {len(foreign)} other "
            f"weeks ({', '.join(foreign[:3])}); add WHERE week_ending = {{week_ending}}"
        )
    return frame
