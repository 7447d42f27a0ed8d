"""Queries of steps: one SELECT with bound names, over the tables of the step's workspace.

Running a query, and what DuckDB's errors mean to a step, belong here. What is done with the rows
does not.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from spine_assets.core.sql import identifier, literal
from spine_assets.core.text import cut, one_line
from spine_assets.lake.base import LakeError, LakeFile, LakeUnavailable
from spine_assets.pipelines.steps.engine import EngineExecutionError, StepContext, TransientError
from spine_assets.pipelines.yaml.sql_inspection import sql_problems, tables_read
from spine_assets.pipelines.yaml.templates import TemplateError, Value, names_in_sql
from spine_assets.warehouse.connection import retry_replaced
from spine_assets.warehouse.query_result_file import without_wide

_WEEK = "week_ending"
_OTHER_COLUMNS = (
    ". The columns of a table have changed since some of its weeks were built: build all its weeks "
    "again (docs/pipelines.md, Change a table)"
)
_MOST_CHARS = 600  # of a message of DuckDB, with the candidates that it lists
_BATCH = 10_000  # rows at once: those after the first are only counted
# Types of Parquet, CSV and Polars alike, and lists of them except of 128-bit integers.
_KINDS = re.compile(
    r"(?:BOOLEAN|U?(?:TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|VARCHAR|DATE|"
    r"TIME|TIMESTAMP(?:_S|_MS|_NS| WITH TIME ZONE)?)(?:\[\])*|U?HUGEINT"
)

_READABLE = """
    SELECT table_name, column_name FROM duckdb_columns()
    WHERE NOT internal AND schema_name = 'main' ORDER BY table_name, column_index
"""


@dataclass(frozen=True)
class Answer:
    """The result of a query.

    Attributes:
        names: Columns.
        rows: The first rows.
        total: Number of all rows.
    """

    names: list[str]
    rows: list[tuple[Any, ...]]
    total: int


def query_problems(sql: str, known: Collection[str]) -> list[str]:
    """Problems of a declared query."""
    found = [f"source.query: {problem}" for problem in sql_problems(sql, known)]
    if not found and _WEEK in known and _WEEK not in names_in_sql(sql) and tables_read(sql):
        found.append(
            f"source.query: does not use {{{_WEEK}}}, so that the rows of all weeks would be taken "
            f"for those of one; add WHERE week_ending = {{{_WEEK}}}"
        )
    return found


class StepDatabase:
    """A connection to the database of a step's workspace."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def readable(self) -> dict[str, list[str]]:
        """Columns of each table and view that may be read."""
        found: dict[str, list[str]] = {}
        for table, column in self._connection.execute(_READABLE).fetchall():
            found.setdefault(table, []).append(column)
        return found

    def frame(self, sql: str, values: Mapping[str, Value]) -> pl.DataFrame:
        """All rows of a query, in memory; 128-bit integers as DECIMAL(38,0).

        Args:
            sql: One SELECT, with `$name` for each value.
            values: The values, by name.

        Raises:
            EngineExecutionError: Parquet has no type for a column.
        """

        def ask() -> pl.DataFrame:
            relation = self._connection.sql(sql, params=dict(values) or None)
            if relation is None:
                raise EngineExecutionError("source.query: returns no rows; give one SELECT")
            _require_kinds(dict(zip(relation.columns, map(str, relation.types), strict=True)))
            try:
                return pl.DataFrame(relation.project(without_wide(relation)))
            except pl.exceptions.PolarsError as error:  # Polars reads DuckDB's rows as a stream
                raise duckdb.Error(str(error)) from error

        return retry_replaced(ask)

    def view_of(self, path: LakeFile, name: str) -> None:
        """Let queries read a Parquet file by a name; its folders are not columns."""
        file = f"read_parquet({literal(glob.escape(str(path)))}, hive_partitioning = false)"
        self._connection.execute(f"CREATE VIEW {identifier(name)} AS FROM {file}")

    def answer(self, sql: str, values: Mapping[str, Value], most: int) -> Answer:
        """The first rows of a query, and the number of all rows."""

        def ask() -> Answer:
            cursor = self._connection.execute(sql, dict(values) or None)
            names = [column[0] for column in cursor.description or ()]
            rows: list[tuple[Any, ...]] = []
            total = 0
            while batch := cursor.fetchmany(_BATCH):  # to the end
                rows += batch[: most - total] if total < most else []
                total += len(batch)
            return Answer(names, rows, total)

        return retry_replaced(ask)


@contextmanager
def open_database(context: StepContext, staged: Path | None = None) -> Iterator[StepDatabase]:
    """The database of a step's workspace, for the queries of a block.

    Args:
        context: The step.
        staged: A file that may be read too, with rows that are not published yet.

    Raises:
        EngineExecutionError: a query is wrong.
        TransientError: the lake cannot be read now.
    """
    try:
        with context.workspace.connect(staged) as connection:
            yield StepDatabase(connection)
    except (duckdb.IOException, LakeUnavailable) as error:
        raise TransientError(f"the lake cannot be read now: {_message(error)}") from error
    except TemplateError as error:
        raise EngineExecutionError(f"source.query: {error}") from error
    except (duckdb.Error, LakeError) as error:
        advice = _OTHER_COLUMNS if "schema mismatch in glob" in str(error) else ""
        raise EngineExecutionError(f"source: {_message(error)}{advice}") from error


def _require_kinds(kinds: Mapping[str, str]) -> None:
    wrong = [f"{name} is {kind}" for name, kind in kinds.items() if not _KINDS.fullmatch(kind)]
    if wrong:
        raise EngineExecutionError(
            f"source: {', '.join(wrong)}, which files cannot store; cast it in the query, "
            "such as ::VARCHAR or ::DECIMAL(38,0)"
        )


def _message(error: Exception) -> str:
    """The message of an error, without the copy of the query that DuckDB appends."""
    return cut(one_line(str(error).partition("\n\nLINE ")[0]), _MOST_CHARS)
