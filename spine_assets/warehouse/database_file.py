"""A real DuckDB file with tables, for questions about few symbols over the whole history.

The lake has a file a week, and a query over all weeks opens them all. Here each table is in one
place, a year after the other, and a year is sorted by what is asked for (symbol, venue), so that
DuckDB reads some blocks of it. The file is a copy: it does not follow the lake, and
`spine_build` in it tells what it holds. It has no index: one on `symbol` made the question for
one symbol ten times slower, because its rows lie together and are then fetched one by one.

Belongs here: making that file. Does not belong here: views over the lake (`warehouse`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from spine_assets.core.sql import identifier, literal
from spine_assets.core.tables import Column, Table
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import pins
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse import run_tables
from spine_assets.warehouse.atomic_database import BUILD, replaced
from spine_assets.warehouse.connection import asked_again, connect
from spine_assets.warehouse.run_tables import LOG_TABLES, RunLog
from spine_assets.warehouse.views import derived_views

MEMORY_GB = 1
"""A year of `otc_venue_volume` (10 M rows) is sorted in that much; what exceeds it goes to disk."""

_THREADS = 8  # tried with that memory; each more would want a part of it
_ACROSS_WEEKS = {"symbol", "mpid"}
_BUILD_COLUMNS = {
    "table_name": ("VARCHAR", "Table of this file"),
    "week_ending": ("DATE", "Week of that table"),
    "row_count": ("BIGINT", "Rows of that week"),
    "capture_id": (
        "VARCHAR",
        "Build of that week in the lake when it was copied; of otc_raw and otc_rejects the newest "
        "capture",
    ),
    "copied_at": ("TIMESTAMP", "When the copying of the file began, UTC"),
}


@dataclass(frozen=True)
class Part:
    """What is copied in one step, old or new but never half: a year of a table."""

    table: Table
    first: date
    last: date


@dataclass(frozen=True)
class Built:
    """A file that was made: rows and weeks by table, bytes of the file, and how long it took.

    Attributes:
        logged: Rows of the tables of runs and steps; empty where they are left out.
    """

    file: Path
    rows: dict[str, int]
    weeks: dict[str, int]
    logged: dict[str, int]
    size: int
    seconds: float


def parts(lake: Lake, tables: tuple[Table, ...], since: date | None = None) -> list[Part]:
    """The steps of a build, in their order; no file is opened."""
    found = []
    for table in (*tables, pins.TABLE):
        weeks = [week for week in lake.weeks(table.name) if since is None or week >= since]
        for year in sorted({week.year for week in weeks}):
            first = max(since or date.min, date(year, 1, 1))
            found.append(Part(table, first, date(year, 12, 31)))
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
) -> Built:
    """Write a DuckDB file of tables beside `path` and rename it over when it is whole.

    Who has the earlier file open goes on reading it. A week that is published meanwhile is in
    the file as it was or as it is. Views and macros are made where all tables that they ask are
    in the file.

    Args:
        path: The file; one that is there must be such a file.
        lake: What is copied.
        tables: Which tables, `otc_pins` besides.
        since: First week, by its Friday; default all.
        memory_gb: What DuckDB may use; sorting goes to disk beyond it.
        runs: The log of runs and steps in pages; None leaves its tables out.
        advance: Called after each of `parts`.

    Raises:
        CannotBuild: no room, no memory, `path` is something else, or it is being written.
        LakeError: the lake cannot be read.
    """
    started = time.monotonic()
    with replaced(path) as staged:
        counted, logged = _write(staged, lake, tables, since, memory_gb, runs, advance)
    found = {table.name: counted.get(table.name, (0, 0)) for table in tables}
    return Built(
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
    """Make the whole file; rows and weeks of each table that has any, rows of the log."""
    copied_at = datetime.now(UTC).replace(tzinfo=None)
    with connect(lake, TABLES, analysis=False) as connection:
        _limit(connection, memory_gb, f"{staged}.spill")
        connection.execute(f"ATTACH {literal(str(staged))} AS built (TYPE duckdb)")
        for table in (*tables, pins.TABLE):
            _create(connection, table)
        for part in parts(lake, tables, since):
            _copy(connection, part)
            advance()
        logged = {} if runs is None else _log(connection, runs)
        _describe_build(connection)
        for table in tables:
            _record(connection, table, copied_at)
        connection.execute("USE built")
        for statement in derived_views({table.name for table in (*tables, pins.TABLE)}):
            connection.execute(statement)
        counted = connection.execute(
            f"SELECT table_name, sum(row_count)::BIGINT, count(*) FROM {BUILD} GROUP BY 1"
        ).fetchall()
        connection.execute("USE memory")
        connection.execute("DETACH built")  # writes all that is still in memory
    return {name: (rows, weeks) for name, rows, weeks in counted}, logged


def _log(connection: duckdb.DuckDBPyConnection, runs: Iterable[RunLog]) -> dict[str, int]:
    """Write the log of runs and steps; rows by table."""
    rows = {table.name: 0 for table in LOG_TABLES}
    run_tables.create(connection, LOG_TABLES, schema="built")
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


def _create(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """An empty table with the declared columns, their meanings as comments."""
    name = f"built.{identifier(table.name)}"
    columns = ", ".join(
        f"{identifier(c.name)} {c.type.value}{'' if c.nullable else ' NOT NULL'}"
        for c in table.columns
    )
    connection.execute(f"CREATE TABLE {name} ({columns})")
    connection.execute(f"COMMENT ON TABLE {name} IS {literal(table.grain)}")
    for column in table.columns:
        connection.execute(
            f"COMMENT ON COLUMN {name}.{identifier(column.name)} IS {literal(_meaning(column))}"
        )


def _meaning(column: Column) -> str:
    return f"{column.description} ({column.unit})" if column.unit else column.description


def _copy(connection: duckdb.DuckDBPyConnection, part: Part) -> None:
    """Copy a year in one statement, so that each of its weeks is one build's.

    Where a week is published while it is read, DuckDB fails and the statement is undone.
    """
    name = identifier(part.table.name)
    order = ", ".join(map(identifier, _order(part.table)))
    asked_again(
        lambda: connection.execute(
            f"INSERT INTO built.{name} SELECT * FROM memory.{name} "
            f"WHERE week_ending BETWEEN $1 AND $2 ORDER BY {order}",
            [part.first, part.last],
        )
    )


def _order(table: Table) -> tuple[str, ...]:
    """What is asked for over many weeks comes first where files are sorted by it, then the week.

    Any other table keeps its weeks together.
    """
    first = (column for column in table.sort[:1] if column in _ACROSS_WEEKS)
    return tuple(dict.fromkeys((*first, "week_ending", *(table.sort or table.key))))


def _describe_build(connection: duckdb.DuckDBPyConnection) -> None:
    columns = ", ".join(f"{name} {kind} NOT NULL" for name, (kind, _) in _BUILD_COLUMNS.items())
    connection.execute(f"CREATE TABLE built.{BUILD} ({columns})")
    connection.execute(
        f"COMMENT ON TABLE built.{BUILD} IS 'one week of one table, as it was copied here'"
    )
    for name, (_, meaning) in _BUILD_COLUMNS.items():
        connection.execute(f"COMMENT ON COLUMN built.{BUILD}.{name} IS {literal(meaning)}")


def _record(connection: duckdb.DuckDBPyConnection, table: Table, copied_at: datetime) -> None:
    """Note what was copied, judged from the rows themselves."""
    connection.execute(
        f"INSERT INTO built.{BUILD} SELECT $1, week_ending, count(*), max(capture_id), $2 "
        f"FROM built.{identifier(table.name)} GROUP BY week_ending ORDER BY week_ending",
        [table.name, copied_at],
    )
