"""Do a step's rows, and what the lake holds of the table, fit what is declared?

Belongs here: columns, types, weeks and kind. Does not belong here: values (Pandera, the checks).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from spine_assets.core.table_schema import conform, polars_schema
from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake
from spine_assets.pipelines.steps.engine import EngineExecutionError
from spine_assets.pipelines.yaml.table_model import WEEK

# Polars' strict casts let 2.7 become 2, 23:59 a day and 5 true; decimals may be rounded.
_EXACT = (pl.Int64, pl.Date, pl.Boolean)


def require_one_kind(lake: Lake, table: str, *, weekly: bool) -> None:
    """The lake holds no rows of the table from when its pipeline was of the other kind.

    Raises:
        EngineExecutionError: it does, and a view would show both.
    """
    held = [lake.folder(table, found) for found in lake.weeks(table)]
    if weekly:
        held = [lake.part(table, None).parent] if lake.part(table, None).exists() else []
    if held:
        was, now = ("no weeks", "weekly") if weekly else ("weeks", "without weeks")
        found = held[0] if weekly else held[0].parent
        raise EngineExecutionError(
            f"{table} was made with {was} before, and is {now} now: {found} would be read "
            f"with the new rows. Give the table another name, or delete {lake.root / table} and "
            "run again"
        )


def fitted(frame: pl.DataFrame, table: Table, week: date | None) -> pl.DataFrame:
    """The rows with the declared columns, of the run's week alone.

    Raises:
        EngineExecutionError: they have other columns, types, or weeks.
    """
    if week is not None:
        frame = _of_week(frame, table, week)
    declared = [column.name for column in table.columns]
    missing = [name for name in declared if name not in frame.columns]
    others = [name for name in frame.columns if name not in declared]
    if missing or others:
        said = [f"lacks {', '.join(missing)}"] if missing else []
        said += [f"has also {', '.join(others)}"] if others else []
        raise EngineExecutionError(
            f"{table.name} declares {', '.join(declared)}; the step's answer {' and '.join(said)}. "
            "Make columns and answer alike"
        )
    try:
        _require_exact(frame, table)
        return conform(frame, table)
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name} {type_}" for name, type_ in frame.schema.items())
        raise EngineExecutionError(
            f"{table.name}: a value does not fit its declared type: {error}. The step's answer "
            f"has {types}"
        ) from error


def _require_exact(frame: pl.DataFrame, table: Table) -> None:
    """No cast to a whole number, a day or a truth value loses a part of a value."""
    for name, wanted in polars_schema(table).items():
        given = frame.schema[name]
        if given == wanted or not isinstance(wanted, _EXACT) or isinstance(given, pl.String):
            continue
        values = frame[name]
        lost = values.filter(values.cast(wanted).cast(given).ne_missing(values))
        if lost.len():
            raise EngineExecutionError(
                f"{table.name}: {lost.len():,} values of {name} are no {wanted}, such as "
                f"{lost[0]}; round or cast them in the step"
            )


def _of_week(frame: pl.DataFrame, table: Table, week: date) -> pl.DataFrame:
    if WEEK not in frame.columns:
        return frame.with_columns(pl.lit(week, pl.Date).alias(WEEK))
    if frame.schema[WEEK] != pl.Date and frame.height:
        raise EngineExecutionError(
            f"{table.name}: {WEEK} of the step's answer is {frame.schema[WEEK]}; cast it to DATE"
        )
    found = frame[WEEK].unique().to_list()
    foreign = sorted(str(item) for item in found if item != week)
    if foreign:
        raise EngineExecutionError(
            f"{table.name}: the step of week {week} answered with rows of {len(foreign)} other "
            f"weeks ({', '.join(foreign[:3])}); ask for week_ending = {{week_ending}}"
        )
    return frame
