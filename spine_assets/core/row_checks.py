"""Rows judged by Pandera, check by check: which break one, and which check each breaks.

Belongs here: asking. Does not belong here: what holds of a delivered line or a row (`line_schema`,
`row_rules`), and schemas of tables (`pandera_schema`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl


def breaks_any(frame: pl.DataFrame, holds: pl.Expr) -> pl.Series:
    """Which rows break a condition, which is one question for all that `failure_cases` judges.

    Args:
        frame: The rows.
        holds: By row, true where all is well.
    """
    errors, schemas = _pandera()
    check = schemas.Check(lambda data: data.lazyframe.select(holds), name="all checks hold")
    # Pandera sends small queries; Polars' other engine takes five times as long to begin each.
    pl.Config.set_engine_affinity("in-memory")
    try:
        schemas.DataFrameSchema(checks=[check]).validate(frame)
    except errors.SchemaError:
        return frame.select(breaks=holds.fill_null(False).not_())["breaks"]
    return pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)


def failure_cases(frame: pl.DataFrame, checks: Mapping[str, Mapping[str, pl.Expr]]) -> pl.DataFrame:
    """All that rows break, as Pandera finds it.

    Args:
        frame: The rows.
        checks: By column, what holds of it under the name of each check.

    Returns:
        A row for each check that a row breaks: `index` (its place in the frame), `column`,
        `check` and `value` (text), in the order of rows and then of the columns as given.
    """
    errors, schemas = _pandera()

    def declared(name: str, holds: pl.Expr) -> Any:
        return schemas.Check(lambda data: data.lazyframe.select(holds), name=name, error=name)

    schema = schemas.DataFrameSchema(
        {
            column: schemas.Column(
                checks=[declared(*item) for item in of_it.items()], nullable=True
            )
            for column, of_it in checks.items()
        }
    )
    types = {
        "index": pl.Int64(),
        "column": pl.Enum([*checks]),
        "check": pl.String(),
        "value": pl.String(),
    }
    try:
        schema.validate(frame, lazy=True)
    except errors.SchemaErrors as error:
        cases: pl.DataFrame = error.failure_cases
        found = cases.select("index", "column", "check", value="failure_case")
        return found.cast(pl.Schema(types)).sort("index", "column").rechunk()
    return pl.DataFrame(schema=types)


def _pandera() -> tuple[Any, Any]:
    """Pandera's errors, and its schemas of Polars frames."""
    from pandera import errors, polars  # half a second, and few commands judge rows

    return errors, polars
