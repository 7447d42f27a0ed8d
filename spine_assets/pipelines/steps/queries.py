"""Queries of steps: one SELECT, its names bound, answered within the step's place.

Belongs here: asking, and what DuckDB's errors mean to a step. Does not belong here: what is done
with the rows.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from spine_assets.core.sql import identifier, literal
from spine_assets.core.text import cut, one_line
from spine_assets.lake.base import LakeError, LakeFile, LakeUnavailable
from spine_assets.pipelines.steps.engine import EngineExecutionError, StepContext, TransientError
from spine_assets.pipelines.yaml.sql_inspection import sql_faults, tables_read
from spine_assets.pipelines.yaml.templates import TemplateError, Value, names_in_sql

if TYPE_CHECKING:
    import polars as pl

_WEEK = "week_ending"
_OTHER_COLUMNS = (
    ". The columns of a table were changed since some of its weeks were made: build all its weeks "
    "again (docs/pipelines.md, Change a table)"
)
_MOST_SAID = 600  # DuckDB lists candidates, which help; the place in the text does not
_COUNTED = 10_000  # rows at once, of those that are counted only
# What Parquet, CSV and Polars all hold; a list of them too, but for wide whole numbers.
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
    """The first rows of an answer.

    Attributes:
        names: Columns.
        rows: The first rows.
        total: How many rows the whole answer has.
    """

    names: list[str]
    rows: list[tuple[Any, ...]]
    total: int


def query_faults(sql: str, known: Collection[str]) -> list[str]:
    """What is wrong with a query as declared."""
    found = [f"source.query: {fault}" for fault in sql_faults(sql, known)]
    if not found and _WEEK in known and _WEEK not in names_in_sql(sql) and tables_read(sql):
        found.append(
            f"source.query: does not ask for {{{_WEEK}}}, so its rows would be of all weeks and "
            f"pass for those of one; add WHERE week_ending = {{{_WEEK}}}"
        )
    return found


class Asked:
    """The place's database, open for questions."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def readable(self) -> dict[str, list[str]]:
        """Columns of each table and view that may be read."""
        found: dict[str, list[str]] = {}
        for table, column in self._connection.execute(_READABLE).fetchall():
            found.setdefault(table, []).append(column)
        return found

    def frame(self, sql: str, values: Mapping[str, Value]) -> pl.DataFrame:
        """All rows of a query, in memory; whole numbers beyond 64 bits as DECIMAL(38,0).

        Args:
            sql: One SELECT, with `$name` for each value.
            values: By the names in the query.

        Raises:
            EngineExecutionError: a column has no counterpart in Parquet.
        """
        import polars as pl

        from spine_assets.warehouse.connection import retry_replaced
        from spine_assets.warehouse.query_result_file import without_wide

        def ask() -> pl.DataFrame:
            relation = self._connection.sql(sql, params=dict(values) or None)
            if relation is None:
                raise EngineExecutionError("source.query: gives no rows; give one SELECT")
            _require_kinds(dict(zip(relation.columns, map(str, relation.types), strict=True)))
            try:
                return pl.DataFrame(relation.project(without_wide(relation)))
            except pl.exceptions.PolarsError as error:  # it reads DuckDB's rows as a stream
                raise duckdb.Error(str(error)) from error

        return retry_replaced(ask)

    def view_of(self, path: LakeFile, name: str) -> None:
        """Let queries read a Parquet file by a name."""
        made = f"CREATE VIEW {identifier(name)} AS FROM {_one_file(path)}"
        self._connection.execute(made)

    def answer(self, sql: str, values: Mapping[str, Value], most: int) -> Answer:
        """The first rows of a query, and how many there are."""
        from spine_assets.warehouse.connection import retry_replaced

        def ask() -> Answer:
            cursor = self._connection.execute(sql, dict(values) or None)
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchmany(most)
            total = len(rows)
            while more := cursor.fetchmany(_COUNTED):
                total += len(more)
            return Answer(names, rows, total)

        return retry_replaced(ask)


def _one_file(path: LakeFile) -> str:
    """A file by its name, whose folders tell no columns."""
    return f"read_parquet({literal(glob.escape(str(path)))}, hive_partitioning = false)"


@contextmanager
def asked(context: StepContext, staged: Path | None = None) -> Iterator[Asked]:
    """The place's database for the questions of a block.

    Args:
        context: Whose questions.
        staged: A file that may be read too: rows that are not published yet.

    Raises:
        EngineExecutionError: a question is wrong.
        TransientError: the lake cannot be read now.
    """
    try:
        with context.place.connect(staged) as connection:
            yield Asked(connection)
    except (duckdb.IOException, LakeUnavailable) as error:
        raise TransientError(f"the lake cannot be read now: {_said(error)}") from error
    except TemplateError as error:
        raise EngineExecutionError(f"source.query: {error}") from error
    except (duckdb.Error, LakeError) as error:
        advice = _OTHER_COLUMNS if "schema mismatch in glob" in str(error) else ""
        raise EngineExecutionError(f"source: {_said(error)}{advice}") from error


def _require_kinds(kinds: Mapping[str, str]) -> None:
    wrong = [f"{name} is {kind}" for name, kind in kinds.items() if not _KINDS.fullmatch(kind)]
    if wrong:
        raise EngineExecutionError(
            f"source: {', '.join(wrong)}, which a file cannot hold as it is; cast it in the query, "
            "such as ::VARCHAR or ::DECIMAL(38,0)"
        )


def _said(error: Exception) -> str:
    """An error without the copy of the query that DuckDB appends."""
    return cut(one_line(str(error).partition("\n\nLINE ")[0]), _MOST_SAID)
