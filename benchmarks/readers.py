"""How long answers take when many read one lake while a run writes it, in a folder and in a bucket.

    uv run python benchmarks/readers.py --place PLACE --weeks 26 --seconds 20
    uv run python benchmarks/readers.py --place PLACE --weeks 26 --seconds 20 --s3

Makes a synthetic history in PLACE (`synthetic_lake.py`) and copies it by `LakeCopy` to a folder, or
with `--s3` to a bucket of a server on loopback: moto, one Python process, which is the bottleneck
of those figures, so they bound a real store's from above. Then 1, 10 and 50 readers ask
`warehouse.connect` in turn, each with a database of its own and no pause, while one process
publishes one week after another under its lock as runs do.

Every build of a week is the first one's figures times its number. So an answer tells which build
it was made of: it is *wrong* where the rows of one week's table are not of one build, or where a
reader meets an earlier build than before; an *error* is one that `warehouse.answer` gives up on.
Requests and bytes a question come from one more reader, alone, through a counting proxy.

Prints a table and JSON; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
from measuring import PROJECT, machine
from rich.console import Console
from rich.table import Table as Grid
from synthetic_lake import make

from spine_assets.lake.base import Lake, LakeError
from spine_assets.lake.opening import open_lake
from spine_assets.maintenance.copy_lake import LakeCopy
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import answer, connect
from spine_assets_tests.support.s3 import running
from spine_assets_tests.support.s3_front import fronting

WRITTEN = {"otc_venue_volume": "share_volume", "otc_symbol_summary": "total_volume"}
"""Tables that are published anew, with the column whose figures tell the build."""

QUESTIONS = {
    "one symbol, all weeks": (
        "otc_symbol_summary",
        "SELECT week_ending, sum(total_volume), count(*) FROM otc_symbol_summary "
        "WHERE symbol = $symbol GROUP BY week_ending",
    ),
    "one week's venues": (
        "otc_venue_volume",
        "SELECT week_ending, sum(share_volume), count(*) FROM otc_venue_volume "
        "WHERE week_ending = $week::DATE GROUP BY week_ending",
    ),
    "all weeks, summed": (
        "otc_venue_volume",
        "SELECT week_ending, sum(share_volume), count(*) FROM otc_venue_volume "
        "GROUP BY week_ending",
    ),
}
_NO_BAR = "SET enable_progress_bar = false"  # DuckDB takes a spawned process for a terminal
_START_SECONDS = 300  # of all readers, on a machine that others use too
_PER_PROCESS = 10  # readers that share a process; each has a database of its own


@dataclass
class Told:
    """What the readers of one process met.

    Attributes:
        seconds: Of each answer, by question.
        errors: Texts of errors.
        wrong: What is wrong with answers.
        builds: Greatest build that was met.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    builds: int = 1


Turn = tuple[Barrier, Event]
"""When all begin and when they end."""

Expected = dict[str, dict[date, tuple[Decimal, int]]]
"""Sum and rows of each question's weeks in the first build."""


def parameters(question: str, symbol: str, week: date) -> dict[str, Any]:
    """What a question is bound with."""
    known = {"symbol": symbol, "week": str(week)}
    return {name: value for name, value in known.items() if f"${name}" in QUESTIONS[question][1]}


def expected(lake: Lake, symbol: str, weeks: list[date]) -> Expected:
    """The answers before anything is published anew."""
    found: Expected = {}
    with connect(lake, TABLES, analysis=False) as connection:
        connection.execute(_NO_BAR)
        for question, (_, sql) in QUESTIONS.items():
            rows: list[tuple[Any, ...]] = []
            for week in weeks if "$week" in sql else weeks[:1]:
                rows += answer(connection, sql, parameters(question, symbol, week))[1]
            found[question] = {week: (total, count) for week, total, count in rows}
    return found


def read(
    place: Path | str, readers: int, symbol: str, first: Expected, turn: Turn, seed: int
) -> Told:
    """Readers of one process, from the turn's begin to its end."""
    begin, ended = turn
    told, guard = Told(), threading.Lock()

    def one(number: int) -> None:
        chance = random.Random(seed * 1_000 + number)  # noqa: S311 - which question is next
        met: dict[tuple[str, date], int] = {}
        with connect(open_lake(place), TABLES, analysis=False) as connection:
            connection.execute(_NO_BAR)
            begin.wait()
            while not ended.is_set():
                question = chance.choice([*QUESTIONS])
                week = chance.choice([*first["all weeks, summed"]])
                begun = time.perf_counter()
                try:
                    asked = parameters(question, symbol, week)
                    rows = answer(connection, QUESTIONS[question][1], asked)[1]
                except (duckdb.Error, LakeError) as error:
                    with guard:
                        said = f"{question}: {type(error).__name__} {error}"[:300]
                        told.errors.append(said.replace(f"{PROJECT}/", ""))
                    continue
                taken = time.perf_counter() - begun
                faults = judged(question, week, rows, first, met)
                with guard:
                    told.seconds[question].append(taken)
                    told.wrong += faults
                    told.builds = max(told.builds, *met.values())

    with ThreadPoolExecutor(readers) as threads:
        list(threads.map(one, range(readers)))
    return told


def judged(
    question: str,
    week: date,
    rows: list[tuple[Any, ...]],
    first: Expected,
    met: dict[tuple[str, date], int],
) -> list[str]:
    """What is wrong with an answer; the builds that it tells are added to those met."""
    table, sql = QUESTIONS[question]
    wanted = {week} if "$week" in sql else {*first[question]}
    faults = []
    if {row[0] for row in rows} != wanted:
        faults.append(f"{question}: weeks {sorted(wanted ^ {row[0] for row in rows})}")
    for told, total, count in rows:
        base, rows_of_week = first[question].get(told, (Decimal(1), -1))
        build, rest = divmod(total, base)
        earlier = met.get((table, told), 1)
        if rest or count != rows_of_week or build < earlier:
            faults.append(f"{question}: {told} {count} rows, {total} of {base}, after {earlier}")
        met[table, told] = max(earlier, int(build))
    return faults


def write(base: Path, place: Path | str, pause: float, turn: Turn) -> int:
    """Publish week after week anew, as runs do, from the turn's begin to its end; how many."""
    begin, ended = turn
    held, lake = open_lake(base), open_lake(place)
    weeks, count, build = held.weeks("otc_venue_volume"), 0, _build_of(held, lake)
    begin.wait()
    while True:
        build += 1
        for week in weeks:
            if ended.is_set():
                return count
            with lake.lock(week):
                for table, column in WRITTEN.items():
                    frame = held.read(held.part(table, week))
                    same = frame.schema[column]
                    frame = frame.with_columns((pl.col(column) * build).cast(same))
                    target = lake.part(table, week)
                    lake.publish(lake.stage(frame, target, {"build": build}), target)
            count += 1
            ended.wait(pause)


def _build_of(base: Lake, lake: Lake) -> int:
    """The greatest build in a lake: no later writer may publish an earlier one."""
    parts = (lake.part(table, week) for table in WRITTEN for week in base.weeks(table))
    return max(int(lake.metadata(part).get("build", 1)) for part in parts)


def measure(
    base: Path, place: Path | str, readers: int, chosen: argparse.Namespace, first: Expected
) -> dict[str, Any]:
    """Readers and the writer together for some seconds."""
    context = get_context("spawn")
    with context.Manager() as manager, context.Pool(1 + -(-readers // _PER_PROCESS)) as pool:
        # All begin when the last one has connected: to start processes is not what is measured.
        turn = begin, ended = manager.Barrier(readers + 2), manager.Event()
        writing = pool.apply_async(write, (base, place, chosen.pause, turn))
        shares = [min(_PER_PROCESS, readers - done) for done in range(0, readers, _PER_PROCESS)]
        reading = [
            pool.apply_async(read, (place, share, chosen.symbol, first, turn, number))
            for number, share in enumerate(shares)
        ]
        begin.wait(_START_SECONDS)
        time.sleep(chosen.seconds)
        ended.set()
        found = [process.get() for process in reading]
        published = writing.get()
    seconds = defaultdict(list)
    for told in found:
        for question, taken in told.seconds.items():
            seconds[question] += taken
    return {
        "readers": readers,
        "questions": {name: _spread(seconds[name]) for name in QUESTIONS},
        "errors": [text for told in found for text in told.errors],
        "wrong": [text for told in found for text in told.wrong],
        "weeks_published": published,
        "builds_met": max(told.builds for told in found),
        "load": round(os.getloadavg()[0], 2),
    }


def _spread(seconds: list[float]) -> dict[str, float]:
    """Number of answers and how long they took, in milliseconds."""
    if not seconds:
        return {"answers": 0}
    p50, p95 = np.percentile(seconds, [50, 95])
    taken = {"p50_ms": p50, "p95_ms": p95, "max_ms": max(seconds)}
    return {"answers": len(seconds)} | {name: round(1000 * s, 1) for name, s in taken.items()}


def requests(place: str, server: Any, symbol: str) -> dict[str, Any]:
    """Requests and bytes of each question, asked once by a reader alone."""
    found = {}
    with fronting(server) as front:
        os.environ |= front.environment()
        lake = open_lake(place)
        week = lake.weeks("otc_venue_volume")[0]
        with connect(lake, TABLES, analysis=False) as connection:
            for question, (_, sql) in QUESTIONS.items():
                front.requests.clear()
                front.bytes_out.clear()
                answer(connection, sql, parameters(question, symbol, week))
                mb = sum(front.bytes_out.values()) / 1e6
                found[question] = {**front.requests, "MB": round(mb, 2)}
    os.environ |= server.environment()
    return found


@contextmanager
def lake_in(chosen: argparse.Namespace, base: Path) -> Iterator[tuple[Path | str, dict[str, Any]]]:
    """A copy of the history to write to, and what its making tells."""
    if not chosen.s3:
        place = chosen.place.absolute() / "read"
        shutil.rmtree(place, ignore_errors=True)
        yield place, _copied(base, place)
        return
    with running() as server:
        os.environ |= server.environment()
        url = f"{server.new_bucket()}/lake"
        told = _copied(base, url)
        yield url, told | {"requests": requests(url, server, chosen.symbol)}


def _copied(base: Path, place: Path | str) -> dict[str, Any]:
    copied = LakeCopy(open_lake(base), open_lake(place)).copy()
    told = {"files": copied.files, "bytes": copied.bytes, "seconds": round(copied.seconds, 2)}
    return {"copied": told}


def shown(found: list[dict[str, Any]]) -> Grid:
    """A line a question and number of readers."""
    grid = Grid("readers", "question", "answers", "p50 ms", "p95 ms", "max ms", box=None)
    for column in (grid.columns[0], *grid.columns[2:]):
        column.justify = "right"
    for run in found:
        for question, spread in run["questions"].items():
            values = (f"{value:,}" for value in spread.values())
            grid.add_row(str(run["readers"]), question, *values)
    return grid


def main() -> None:
    """Make what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, required=True, help="folder of its own")
    parser.add_argument("--weeks", type=int, default=26)
    parser.add_argument("--rows", type=int, default=190_000, help="of a week")
    parser.add_argument("--seconds", type=float, default=20, help="of each number of readers")
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between written weeks")
    parser.add_argument("--symbol", default="PMCY", help="asked for; a large one by default")
    parser.add_argument("--s3", action="store_true", help="in a bucket, instead of a folder")
    chosen = parser.parse_args()
    settings = make(chosen.place, chosen.weeks, chosen.rows)
    base = Path(settings.lake_place)
    held = open_lake(base)
    first = expected(held, chosen.symbol, held.weeks("otc_venue_volume"))
    with lake_in(chosen, base) as (place, told):
        found = []
        for number in chosen.readers:
            found.append(measure(base, place, number, chosen, first))
            sys.stderr.write(json.dumps(found[-1]) + "\n")  # a later one may take too long
    Console(width=120).print(shown(found))
    weeks = {"weeks": chosen.weeks, "rows_per_week": chosen.rows, "s3": chosen.s3}
    told = {**machine(), **weeks, **told, "pause_seconds": chosen.pause, "runs": found}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
