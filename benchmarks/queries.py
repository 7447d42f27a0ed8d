"""How fast four questions over the whole history are, through the views and in one file.

    uv run python benchmarks/queries.py --place PLACE --weeks 653
    uv run python benchmarks/queries.py --data data

Makes a synthetic history in PLACE (`synthetic_lake.py`; minutes and 4 GB, once) or takes the data
folder of a project, and copies it with `spine db build` (minutes and 5 GB, once). Then each
query of `queries.sql`, and `count(*)`, which opens every file of a table and reads no row, is asked

- through the views, as they are and with DuckDB's `parquet_metadata_cache`, and in the built file;
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
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
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
from spine_assets.warehouse.database_file import build_database, copy_steps
from spine_assets.warehouse.view_file import ensure_view_file
from spine_assets.warehouse.views import needs_analysis

QUERIES = Path(__file__).with_name("queries.sql")
_MB = 1e6
_COUNTED = "count(*): every footer, no row"
_COMPUTED = tuple(table for table in TABLES if table.name not in {"otc_raw", "otc_rejects"})
_CACHED = "SET parquet_metadata_cache = true;"
_NO_BAR = "SET enable_progress_bar = false"  # DuckDB takes a spawned process for a terminal


@dataclass(frozen=True)
class Source:
    """Where a query is asked: a DuckDB file, and what is said before."""

    name: str
    path: Path
    lake: Path
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
    with duckdb.connect(str(source.path), read_only=True) as connection:
        connection.execute(source.setting + _NO_BAR)
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
    """Open, ask, close: the views as `spine query` makes them, a built file as it is."""
    opened: AbstractContextManager[duckdb.DuckDBPyConnection]
    if source.name.startswith("views"):
        opened = connect(open_lake(source.lake), TABLES, analysis=needs_analysis(sql))
    else:
        opened = duckdb.connect(str(source.path), read_only=True)
    with opened as connection:
        connection.execute(source.setting + _NO_BAR)
        _fetch(connection, sql)


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


def measure(settings: Settings, file: Path, symbol: str, week: date, times: int) -> list[Timing]:
    """Each query of each source, one process after another."""
    views, lake = settings.warehouse_path, Path(settings.lake_place)
    sources = (
        Source("views", views, lake),
        Source("views, metadata cache", views, lake, _CACHED),
        Source("built file", file, lake),
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
    parser.add_argument("--file", type=Path, help="default: otc.duckdb in the data folder")
    parser.add_argument("--symbol", default="PMCY", help="asked for; a large one by default")
    parser.add_argument("--times", type=int, default=7, help="asks of each query")
    chosen = parser.parse_args()
    if chosen.data:
        settings = Settings(data_dir=chosen.data.absolute())
        ensure_view_file(settings.warehouse_path, open_lake(settings.lake_place), TABLES)
    else:
        settings = make(chosen.place, chosen.weeks)
    lake = open_lake(settings.lake_place)
    file = (chosen.file or settings.data_dir / "otc.duckdb").absolute()
    built = None
    if not file.exists():
        steps = len(copy_steps(lake, _COMPUTED))
        sys.stderr.write(f"copying {steps} years of tables to {file}\n")
        built = round(build_database(file, lake, _COMPUTED).seconds, 1)
    before = os.getloadavg()[0]
    week = lake.weeks("otc_venue_share")[-1]
    found = measure(settings, file, chosen.symbol, week, chosen.times)
    Console(width=160).print(shown(found))
    told = {
        "weeks": len(lake.weeks("otc_venue_volume")),
        "threads": os.cpu_count(),
        "load": [round(before, 2), round(os.getloadavg()[0], 2)],
        "built_seconds": built,
        "built_bytes": file.stat().st_size,
        "queries": [asdict(row) for row in found],
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
