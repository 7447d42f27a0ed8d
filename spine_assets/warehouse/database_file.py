"""A DuckDB file with tables, for queries of few symbols over all history.

The lake has one file per week, and a query over all weeks opens them all. Here each table is in
one place, year after year, and a year is sorted by what queries filter on (symbol, venue), so that
DuckDB reads few blocks of it. The file is a copy: it does not follow the lake, and `spine_build`
in it lists what it holds. It has no index: one on `symbol` made the query for one symbol ten times
slower, because its rows are stored together and are then fetched one by one.

Belongs here: making that file. Does not belong here: views over the lake (`views`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from spine_assets.core.sql import identifier, literal, table_ddl
from spine_assets.core.tables import Column, Table, Type
from spine_assets.core.text import first_line
from spine_assets.lake.base import Lake, LakeError
from spine_assets.otc.captures import pins
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse import run_tables
from spine_assets.warehouse.atomic_database import BUILD, replaced
from spine_assets.warehouse.connection import connect, retry_replaced
from spine_assets.warehouse.core_tables import DAGSTER_TABLES
from spine_assets.warehouse.run_tables import RunLog
from spine_assets.warehouse.views import derived_views

MEMORY_GB = 1
"""A year of `otc_venue_volume` (10 M rows) is sorted in that much; the rest goes to disk."""

_THREADS = 8  # tried with that memory; each further one needs a part of it
_ACROSS_WEEKS = {"symbol", "mpid"}
_BUILD_GRAIN = "one week of one table, as it was copied here"
_BUILD_COLUMNS = (
    Column("table_name", Type.TEXT, "Table of this file"),
    Column("week_ending", Type.DATE, "Week of that table"),
    Column("row_count", Type.COUNT, "Rows of that week"),
    Column(
        "capture_id",
        Type.TEXT,
        "Build of that week in the lake when it was copied; of otc_raw and otc_rejects the newest "
        "capture",
    ),
    Column("copied_at", Type.TIMESTAMP, "When the copying of the file began, UTC"),
)


@dataclass(frozen=True)
class TableYear:
    """A year of a table, which is copied in one transaction."""

    table: Table
    first: date
    last: date


@dataclass(frozen=True)
class BuiltDatabase:
    """A database file that was made: rows and weeks by table, its size in bytes, and seconds.

    Attributes:
        logged: Rows of the tables that are read from Dagster; empty where they are left out.
    """

    file: Path
    rows: dict[str, int]
    weeks: dict[str, int]
    logged: dict[str, int]
    size: int
    seconds: float


def copy_steps(lake: Lake, tables: tuple[Table, ...], since: date | None = None) -> list[TableYear]:
    """The steps of a build, in their order; no file is opened."""
    found = []
    for table in (*tables, pins.TABLE):
        weeks = [week for week in lake.weeks(table.name) if since is None or week >= since]
        for year in sorted({week.year for week in weeks}):
            first = max(since or date.min, date(year, 1, 1))
            found.append(TableYear(table, first, date(year, 12, 31)))
    return found


def build_database(
    path: Path,
    lake: Lake,
    tables: tuple[Table, ...],
    *,
    since: date | None = None,
    memory_gb: int = MEMORY_GB,
    runs: Iterable[RunLog] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> BuiltDatabase:
    """Write a DuckDB file of tables beside `path`, and rename it to `path` when it is complete.

    Who has the earlier file open still reads that. Of a week that is published meanwhile the file
    has the earlier or the new state. Views and macros are made where all their tables are in the
    file.

    Args:
        path: The file; an existing one must be such a file.
        lake: What is copied.
        tables: Which tables, besides `otc_pins`.
        since: First week, by its Friday; default all.
        memory_gb: What DuckDB may use; sorting goes to disk beyond it.
        runs: The tables that are read from Dagster, in pages; None leaves them out.
        advance: Called after each of `copy_steps`.

    Raises:
        CannotBuild: no space, no memory, `path` is another kind of file, or it is being written.
        LakeError: the lake cannot be read.
    """
    started = time.monotonic()
    with replaced(path) as staged:
        try:
            counted, logged = _write(staged, lake, tables, since, memory_gb, runs, advance)
        except duckdb.ConstraintException as error:
            raise LakeError(
                f"{lake.place} has weeks of an earlier version, which lack a column "
                f"({first_line(error)}); run spine backfill --missing"
            ) from error
    found = {table.name: counted.get(table.name, (0, 0)) for table in tables}
    return BuiltDatabase(
        path,
        rows={name: rows for name, (rows, _) in found.items()},
        weeks={name: weeks for name, (_, weeks) in found.items()},
        logged=logged,
        size=path.stat().st_size,
        seconds=time.monotonic() - started,
    )


def _write(
    staged: Path,
    lake: Lake,
    tables: tuple[Table, ...],
    since: date | None,
    memory_gb: int,
    runs: Iterable[RunLog] | None,
    advance: Callable[[], None],
) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
    """Make the file; return rows and weeks of each table that has any, and rows of the log."""
    copied_at = datetime.now(UTC).replace(tzinfo=None)
    with connect(lake, TABLES, analysis=False) as connection:
        _limit(connection, memory_gb, f"{staged}.spill")
        connection.execute(f"ATTACH {literal(str(staged))} AS built (TYPE duckdb)")
        for table in (*tables, pins.TABLE):
            _execute(connection, table_ddl("built", table.name, table.columns, table.grain))
        for step in copy_steps(lake, tables, since):
            _copy(connection, step)
            advance()
        logged = {} if runs is None else _log(connection, runs)
        _execute(connection, table_ddl("built", BUILD, _BUILD_COLUMNS, _BUILD_GRAIN))
        for table in tables:
            _record(connection, table, copied_at)
        connection.execute("USE built")
        _execute(connection, derived_views({table.name for table in (*tables, pins.TABLE)}))
        counted = connection.execute(
            f"SELECT table_name, sum(row_count)::BIGINT, count(*) FROM {BUILD} GROUP BY 1"
        ).fetchall()
        connection.execute("USE memory")
        connection.execute("DETACH built")  # writes all that is still in memory
    return {name: (rows, weeks) for name, rows, weeks in counted}, logged


def _execute(connection: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def _log(connection: duckdb.DuckDBPyConnection, runs: Iterable[RunLog]) -> dict[str, int]:
    """Write the tables that are read from Dagster; rows by table."""
    rows = {table.name: 0 for table in DAGSTER_TABLES}
    run_tables.create(connection, DAGSTER_TABLES, schema="built")
    for page in runs:
        run_tables.append(connection, page, schema="built")
        for name, frame in page.frames.items():
            rows[name] += frame.height
    return rows


def _limit(connection: duckdb.DuckDBPyConnection, memory_gb: int, spill: str) -> None:
    """Bound the memory of sorting; what exceeds it goes to the folder `spill`."""
    threads = connection.sql("SELECT current_setting('threads')::INTEGER").fetchall()[0][0]
    connection.execute(f"SET threads = {min(threads, _THREADS)}")
    connection.execute(f"SET memory_limit = '{memory_gb}GB'")
    connection.execute(f"SET temp_directory = {literal(spill)}")


def _copy(connection: duckdb.DuckDBPyConnection, step: TableYear) -> None:
    """Copy a year in one statement, so that each of its weeks comes from one build.

    Where a week is published while it is read, DuckDB fails and the statement is rolled back.
    """
    name = identifier(step.table.name)
    order = ", ".join(map(identifier, _order(step.table)))
    retry_replaced(
        lambda: connection.execute(
            f"INSERT INTO built.{name} SELECT * FROM memory.{name} "
            f"WHERE week_ending BETWEEN $1 AND $2 ORDER BY {order}",
            [step.first, step.last],
        )
    )


def _order(table: Table) -> tuple[str, ...]:
    """What queries of many weeks filter on comes first where files are sorted by it, then the week.

    Any other table keeps its weeks together.
    """
    first = (column for column in table.sort[:1] if column in _ACROSS_WEEKS)
    return tuple(dict.fromkeys((*first, "week_ending", *(table.sort or table.key))))


def _record(connection: duckdb.DuckDBPyConnection, table: Table, copied_at: datetime) -> None:
    """Record what was copied, counted from the rows themselves."""
    connection.execute(
        f"INSERT INTO built.{BUILD} SELECT $1, week_ending, count(*), max(capture_id), $2 "
        f"FROM built.{identifier(table.name)} GROUP BY week_ending ORDER BY week_ending",
        [table.name, copied_at],
    )
