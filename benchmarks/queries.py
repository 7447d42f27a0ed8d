"""How fast four questions over the whole history are, through views over the lake and in DuckDB.

    uv run python benchmarks/queries.py --place PLACE --weeks 653
    uv run python benchmarks/queries.py --data data

Makes a synthetic history in PLACE (`synthetic_lake.py`; minutes and 4 GB, once) or takes the data
folder of a project, and refreshes its database (minutes and 5 GB, once). Then each
query of `queries.sql`, and `count(*)`, which opens every file of a table and reads no row, is asked

- of views over the lake, as they are and with DuckDB's `parquet_metadata_cache`, and of the tables
  of the database;
- first, then `--times` more over one connection that stays open (the median is *warm*), and each
  time over a connection of its own (*fresh*), as `spine query` does without its process's start;
- in a process of its own, where `rchar` of /proc/self/io tells the bytes of each read, also of
  those that the system's cache answers. All rows are fetched as columns (`fetchnumpy`), as
  `.df()` does; as Python rows (`fetchall`) 10,000 rows take some 40 ms more.

Prints a table and JSON; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table as Grid
from synthetic_lake import HISTORY_WEEKS, make

from spine_assets.core.settings import Settings
from spine_assets.lake.opening import open_lake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.database import refresh
from spine_assets.warehouse.database_contents import contents_of
from spine_assets.warehouse.views import needs_analysis

QUERIES = Path(__file__).with_name("queries.sql")
_MB = 1e6
_COUNTED = "count(*): every footer, no row"
_CACHED = "SET parquet_metadata_cache = true;"
_NO_BAR = "SET enable_progress_bar = false"  # DuckDB takes a spawned process for a terminal


@dataclass(frozen=True)
class Source:
    """Where a query is asked: views over a lake or a database, and what is set before."""

    name: str
    lake: Path
    database: Path | None = None
    setting: str = ""


@dataclass(frozen=True)
class Timing:
    """One query asked of one source: milliseconds, and megabytes of the first and a later ask."""

    query: str
    source: str
    rows: int
    first_ms: float
    warm_ms: float
    least_ms: float
    cpu_ms: float
    fresh_ms: float
    first_mb: float
    warm_mb: float


def queries(symbol: str, week: date) -> dict[str, str]:
    """The queries by the comment before each, and the one that only opens files."""
    text = QUERIES.read_text("utf-8").replace("'PMCY'", "'" + symbol.replace("'", "''") + "'")
    text = text.replace("2025-11-21", str(week))
    _, *blocks = text.split("\n-- ")
    found = dict(block.split("\n", 1) for block in blocks)
    return found | {_COUNTED: "SELECT count(*) FROM otc_venue_volume"}


def ask(source: Source, query: str, sql: str, times: int) -> Timing:
    """Ask one query over and over; to be called in a process of its own."""
    with _opened(source, sql) as connection:
        before, started = _bytes_read(), time.perf_counter()
        rows = _fetch(connection, sql)
        first, first_bytes = time.perf_counter() - started, _bytes_read() - before
        before, cpu = _bytes_read(), time.process_time()
        warm = [_seconds(partial(_fetch, connection, sql)) for _ in range(times)]
        cpu, warm_bytes = time.process_time() - cpu, _bytes_read() - before
    fresh = [_seconds(partial(_ask_afresh, source, sql)) for _ in range(times)]
    return Timing(
        query,
        source.name,
        rows,
        first_ms=round(1000 * first, 1),
        warm_ms=round(1000 * statistics.median(warm), 1),
        least_ms=round(1000 * min(warm), 1),
        cpu_ms=round(1000 * cpu / times, 1),
        fresh_ms=round(1000 * statistics.median(fresh), 1),
        first_mb=round(first_bytes / _MB, 2),
        warm_mb=round(warm_bytes / times / _MB, 2),
    )


def _ask_afresh(source: Source, sql: str) -> None:
    """Open, ask, close."""
    with _opened(source, sql) as connection:
        _fetch(connection, sql)


@contextmanager
def _opened(source: Source, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    opened: AbstractContextManager[duckdb.DuckDBPyConnection]
    if source.database is None:
        opened = connect(open_lake(source.lake), TABLES, analysis=needs_analysis(sql))
    else:
        opened = duckdb.connect(str(source.database), read_only=True)
    with opened as connection:
        connection.execute(source.setting + _NO_BAR)
        yield connection


def _fetch(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """All rows as columns; how many."""
    columns = connection.execute(sql).fetchnumpy()
    return len(next(iter(columns.values())))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _bytes_read() -> int:
    """Bytes that this process has read, from disk or the system's cache."""
    return int(Path("/proc/self/io").read_text("ascii").split()[1])


def measure(settings: Settings, symbol: str, week: date, times: int) -> list[Timing]:
    """Each query of each source, one process after another."""
    lake = Path(settings.lake_place)
    sources = (
        Source("views", lake),
        Source("views, metadata cache", lake, setting=_CACHED),
        Source("database", lake, settings.warehouse_path),
    )
    found = []
    for query, sql in queries(symbol, week).items():
        for source in sources:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                found.append(process.submit(ask, source, query, sql, times).result())
    return found


def shown(found: list[Timing]) -> Grid:
    """The figures as a table, one block a query."""
    headers = ("query", "source", "rows", "first ms", "warm ms", "least ms", "CPU ms", "fresh ms")
    grid = Grid(*headers, "first MB", "warm MB", box=None)
    for column in grid.columns[2:]:
        column.justify = "right"
    for row in found:
        values = asdict(row).values()
        grid.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in values))
    return grid


def main() -> None:
    """Make what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--place", type=Path, help="folder of its own for a synthetic history")
    place.add_argument("--data", type=Path, help="data folder of a project")
    parser.add_argument("--weeks", type=int, default=HISTORY_WEEKS, help="of a synthetic history")
    parser.add_argument("--symbol", default="PMCY", help="asked for; a large one by default")
    parser.add_argument("--times", type=int, default=7, help="asks of each query")
    chosen = parser.parse_args()
    if chosen.data:
        settings = Settings(data_dir=chosen.data.absolute())
    else:
        settings = make(chosen.place, chosen.weeks)
    lake = open_lake(settings.lake_place)
    stored = contents_of(lake, settings.database_tables)
    made = refresh(settings.warehouse_path, stored, memory_bytes=settings.memory_limit)
    before = os.getloadavg()[0]
    week = lake.weeks("otc_venue_share")[-1]
    found = measure(settings, chosen.symbol, week, chosen.times)
    Console(width=160).print(shown(found))
    measured = {
        "weeks": len(lake.weeks("otc_venue_volume")),
        "threads": os.cpu_count(),
        "load": [round(before, 2), round(os.getloadavg()[0], 2)],
        "refreshed_seconds": round(made.seconds, 1),
        "database_bytes": made.size,
        "queries": [asdict(row) for row in found],
    }
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()
