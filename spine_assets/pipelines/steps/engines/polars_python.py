"""`polars.python`: a named Python function that makes a table."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import Annotated, Any

import polars as pl
from pydantic import Field, StringConstraints

from spine_assets.core.sql import identifier
from spine_assets.pipelines import EngineExecutionError, Parts, StepPart, TableEngine, Work
from spine_assets.pipelines.steps.queries import open_database
from spine_assets.pipelines.yaml.table_model import TableDestination, destination_problems

_MOST_WEEKS_BACK = 104  # two years; more should be a table of its own


class FunctionSource(StepPart):
    """The tables that the function gets."""

    tables: list[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]] = Field(
        min_length=1, description="Tables and views; the function gets a LazyFrame of each."
    )
    weeks_back: int = Field(
        default=0,
        ge=0,
        le=_MOST_WEEKS_BACK,
        description="Weeks before the run's own that it gets too; 0: only the run's week.",
    )


class FunctionConfig(StepPart):
    """The function."""

    function: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] = Field(
        description="`module:function`. It takes a dictionary of LazyFrames by table and the "
        "StepContext, and returns a DataFrame with the declared columns."
    )


class PolarsPython(TableEngine[FunctionSource, TableDestination, FunctionConfig]):
    """A Python function over Polars frames; the frame that it returns becomes a table's week.

    ```yaml
    step_id: swings
    ps_type: polars.python
    source: {tables: [otc_symbol_summary], weeks_back: 4}
    config: {function: "spine_assets.defs.pipelines.symbol_swings.functions:swings"}
    destination:
      table: swings
      description: The week's volume of a symbol against its largest of five weeks.
      grain: a symbol a week
      key: [symbol]
      columns:
        - {name: symbol, type: VARCHAR, description: Ticker.}
        - name: of_greatest_pct
          type: DOUBLE
          unit: percent
          nullable: true
          description: Null where the largest is 0.
    ```
    """

    ps_type = "polars.python"
    source = FunctionSource
    destination = TableDestination
    config = FunctionConfig

    def problems(
        self, parts: Parts[FunctionSource, TableDestination, FunctionConfig], known: Collection[str]
    ) -> list[str]:
        """Columns, key and checks that do not fit; a function that cannot be imported."""
        found = destination_problems(parts.destination, known)
        try:
            _function(parts.config.function)
        except EngineExecutionError as error:
            found.append(str(error))
        return found

    def reads(self, source: FunctionSource) -> set[str]:
        """The tables that it names."""
        return {*source.tables}

    def frame(self, work: Work[FunctionSource, TableDestination, FunctionConfig]) -> pl.DataFrame:
        """The frame that the function returns."""
        frames = _frames(work)
        found = _function(work.config.function)(frames, work.context)
        if isinstance(found, pl.LazyFrame):
            found = found.collect()
        if not isinstance(found, pl.DataFrame):
            raise EngineExecutionError(
                f"{work.config.function} returned {type(found).__name__}; it must return a "
                "Polars DataFrame"
            )
        return found


def _frames(
    work: Work[FunctionSource, TableDestination, FunctionConfig],
) -> dict[str, pl.LazyFrame]:
    """The rows of each table, of the run's week and the weeks before it, or all."""
    week, found = work.context.week_ending, {}
    with open_database(work.context) as database:
        for table in work.source.tables:
            sql: str = f"FROM {identifier(table)}"
            bound: dict[str, date] = {}
            if week is not None:
                first = week - timedelta(weeks=work.source.weeks_back)
                sql = f"{sql} WHERE week_ending BETWEEN $first AND $last"
                bound = {"first": first, "last": week}
            found[table] = database.frame(sql, bound).lazy()
    return found


def _function(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EngineExecutionError(
            f"there is no function {path}: {error}; write package.module:function"
        ) from error
    return found


ENGINE = PolarsPython()
