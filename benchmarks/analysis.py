"""How long each view for analysis takes: one week of it, and every week.

    uv run python benchmarks/analysis.py --place PLACE --weeks 100

Makes a synthetic history with both classes in PLACE (`synthetic_lake.py`). Each view is asked over
one connection for its newest week (`NAME_in`), for that week as a filter upon all (`NAME`), and
for all weeks, as the rows are made and counted, not fetched. Before that `connect` is timed with
the views and without. Prints a table and JSON; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table as Grid
from synthetic_lake import make

from spine_assets.lake.base import Lake
from spine_assets.lake.opening import open_lake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.warehouse.connection import connect

_CONNECTS = 15  # asks of `connect`, which takes hundredths of a second


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of all cores."""
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - cpu


def _median(work: Callable[[], object], times: int) -> dict[str, float]:
    found = [_seconds(work) for _ in range(times)]
    clock, cpu = (statistics.median(values) for values in zip(*found, strict=True))
    return {"seconds": round(clock, 4), "least": round(min(found)[0], 4), "cpu": round(cpu, 4)}


def _connected(lake: Lake, analysis: bool) -> None:
    with connect(lake, TABLES, analysis=analysis):
        pass


def _kept(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Make all columns of the rows; how many."""
    ((rows,),) = connection.execute(f"CREATE OR REPLACE TEMP TABLE kept AS {sql}").fetchall()
    return int(rows)


def measure(lake: Lake, times: int) -> list[dict[str, object]]:
    """One row a question."""
    found: list[dict[str, object]] = []
    for analysis in (False, True):
        name = f"connect, {'with' if analysis else 'without'} the views"
        found.append({"asked": name} | _median(partial(_connected, lake, analysis), _CONNECTS))
    week = lake.weeks("otc_venue_share")[-1]
    with connect(lake, TABLES) as connection:
        for view in VIEWS:
            if not view.by_week:
                continue
            for sql in (
                f"FROM {view.macro}('{week}', '{week}')",
                f"FROM {view.name} WHERE week_ending = '{week}'",
                f"FROM {view.every_week}",
            ):
                rows = _kept(connection, sql)  # the first time files come from the disk
                told = _median(partial(_kept, connection, sql), times)
                found.append({"asked": sql, "rows": rows} | told)
    return found


def main() -> None:
    """Make what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, required=True, help="folder of its own")
    parser.add_argument("--weeks", type=int, default=100)
    parser.add_argument("--times", type=int, default=3, help="asks of each question")
    chosen = parser.parse_args()
    lake = open_lake(make(chosen.place, chosen.weeks, non_ats=True).lake_place)
    before = os.getloadavg()[0]
    found = measure(lake, chosen.times)
    names = ("asked", "rows", "seconds", "least", "cpu")
    grid = Grid(*names, box=None)
    for row in found:
        grid.add_row(*(str(row.get(name, "")) for name in names))
    Console(width=120).print(grid)
    load = [round(before, 2), round(os.getloadavg()[0], 2)]
    sys.stdout.write(json.dumps({"weeks": chosen.weeks, "load": load, "asked": found}) + "\n")


if __name__ == "__main__":
    main()
