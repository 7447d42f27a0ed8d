"""What grows with the rows of a week, and what a bucket costs beside a folder.

    uv run python benchmarks/scale.py --place PLACE --times 1 3 10 --weeks 8 --latency 20

Builds one week of so many times a full-size week's rows with the domain alone, then the same
full-size weeks into a folder and into a bucket of a local S3 server (moto), near and with some
milliseconds a request; these by the command that CI uses. Each build is a process of its own.
Prints tables, writes `results/scale.json`. Needs the tests' S3 server, so it runs in a checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import measuring
from rich.console import Console
from rich.table import Table as Grid

from spine_assets.core.weeks import Tier
from spine_assets.dev.sample import ROWS_PER_WEEK, write_sample
from spine_assets.lake.bucket.lake import ObjectLake
from spine_assets.lake.opening import open_lake
from spine_assets_tests.support import s3
from spine_assets_tests.support.s3_front import fronting

LAST = date(2025, 11, 21)
RESULTS = Path(__file__).parent / "results" / "scale.json"
_SETTLED_SECONDS = 3_600  # long ago for a landing folder
_MB = 1_000_000
_NO_BOUND = 10**11  # bytes and lines; a file is refused beyond 64 MB or a million


@dataclass(frozen=True)
class Build:
    """What one build cost, and what it asked of a bucket."""

    what: str
    rows: int
    weeks: int
    cost: measuring.Cost
    stored_bytes: int
    requests: Mapping[str, int] = field(default_factory=dict)
    load: float = 0.0

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "what": self.what,
            "rows": self.rows,
            "weeks": self.weeks,
            "load": self.load,
            **measuring.rounded(self.cost),
            "stored_bytes": self.stored_bytes,
            "requests": dict(self.requests),
        }


def delivered(landing: Path, weeks: int, rows: int) -> None:
    """Have files made by a process of its own: a child's peak of memory begins at its parent's."""
    words = [sys.executable, __file__, "--deliver", str(landing), str(weeks), str(rows)]
    subprocess.run(words, check=True)


def deliver(landing: Path, weeks: int, rows: int) -> None:
    """Whole files of some weeks, settled long ago."""
    named = [LAST - timedelta(weeks=back) for back in range(weeks)]
    write_sample(landing, named, rows_per_week=rows, tiers=list(Tier))
    then = time.time() - _SETTLED_SECONDS
    for path in landing.rglob("*.*"):
        os.utime(path, (then, then))


def build_alone(data: Path) -> None:
    """Build the week with the domain alone, also from files beyond the bound of a delivery."""
    import duckdb

    from spine_assets.otc.build.week import build_week
    from spine_assets.otc.delivery import archives, file_format
    from spine_assets.otc.delivery.scan import scan
    from spine_assets.otc.state.build_context import RunContext
    from spine_assets.otc.tables.registry import TABLES

    archives.MAX_CONTENT_BYTES = file_format.MAX_LINES = _NO_BOUND
    landing = scan(data / "landing", data / "index.json")
    database = duckdb.connect(":memory:")
    place = RunContext(open_lake(data / "lake"), landing, lambda: closing(database.cursor()))
    built = build_week(LAST, {table.name for table in TABLES}, place).finish()
    if built.error is not None or landing.unusable:
        raise SystemExit(f"{built.error} {landing.unusable}")


def build(project: Path, weeks: int, settings: Mapping[str, str]) -> measuring.Cost:
    """Materialize the weeks in a project of its own, with a new history."""
    shutil.copy(measuring.PROJECT / "dagster.yaml", project)
    words = ["asset", "materialize", "-m", "spine_assets.definitions", "--select", _TABLES]
    first = LAST - timedelta(weeks=weeks - 1)
    words += ["--partition-range", f"{first}...{LAST}"]
    log = project / "build.log"
    log.unlink(missing_ok=True)
    program = measuring.program("dagster")
    given = {"DAGSTER_HOME": str(project), **settings}
    return measuring.run([program, *words], log, folder=project, settings=given)


_TABLES = "otc_raw,otc_rejects,otc_venue_volume,otc_symbol_summary,otc_venue_share,otc_restatements"


def by_rows(place: Path, times: list[int]) -> Iterator[Build]:
    """One week, of more and more rows."""
    for factor in times:
        project = place / f"rows-{factor}"
        project.mkdir()
        delivered(project / "data" / "landing", 1, ROWS_PER_WEEK * factor)
        load = os.getloadavg()[0]
        words = [sys.executable, __file__, "--build", str(project / "data")]
        cost = measuring.run(words, project / "build.log", folder=project)
        rows = _rows(project / "data" / "lake")
        stored = measuring.size_of(project / "data" / "lake")
        yield Build(f"{factor} x", rows, 1, cost, stored, load=load)
        shutil.rmtree(project)


def by_place(place: Path, weeks: int, latencies: list[float], rounds: int) -> Iterator[Build]:
    """The same weeks into a folder and into a bucket, in turns."""
    given = place / "given"
    delivered(given, weeks, ROWS_PER_WEEK)
    with s3.running() as server, fronting(server) as front:
        for number in range(rounds):
            with _project(place, given, f"folder-{number}") as project:
                load = os.getloadavg()[0]
                cost = build(project, weeks, {})
                lake = project / "data" / "lake"
                size = measuring.size_of(lake)
                yield Build("folder", _rows(lake), weeks, cost, size, load=load)
            for latency in latencies:
                url = f"{front.new_bucket()}/lake"
                settings = {**front.environment(), "SPINE_LAKE": url}
                with _project(place, given, f"bucket-{number}-{latency}") as project:
                    front.delay(latency / 1_000)
                    front.requests.clear()
                    load = os.getloadavg()[0]
                    cost = build(project, weeks, settings)
                    asked = dict(front.requests)
                    front.delay(0)
                    os.environ |= front.environment()
                    size = sum(ObjectLake(url).root.below().values())
                    told = f"bucket, {latency:g} ms a request"
                    yield Build(told, _rows(url), weeks, cost, size, asked, load)


@contextmanager
def _project(place: Path, given: Path, name: str) -> Iterator[Path]:
    """A project whose landing folder has the given files."""
    project = place / name
    shutil.copytree(given, project / "data" / "landing", copy_function=os.link)
    try:
        yield project
    finally:
        shutil.rmtree(project)


def _rows(lake: Path | str) -> int:
    opened = open_lake(lake)
    files = (file for week in opened.weeks("otc_raw") for file in opened.files("otc_raw", week))
    return sum(opened.read(file, ["source_line"]).height for file in files)


def show(title: str, builds: list[Build]) -> None:
    """A line a build."""
    grid = Grid("", "rows", "weeks", "s", "CPU s", "peak MB", "stored MB", "requests a week")
    grid.title = title
    for item in builds:
        asked = ", ".join(f"{kind} {count / item.weeks:.1f}" for kind, count in _sorted(item))
        grid.add_row(
            *(item.what, f"{item.rows:,}", str(item.weeks), f"{item.cost.wall_seconds:.1f}"),
            *(f"{item.cost.cpu_seconds:.1f}", f"{item.cost.peak_bytes / _MB:,.0f}"),
            *(f"{item.stored_bytes / _MB:,.0f}", asked),
        )
    Console().print(grid)


def _sorted(item: Build) -> list[tuple[str, int]]:
    return sorted(item.requests.items(), key=lambda pair: -pair[1])


def main() -> None:
    """Measure and tell."""
    if sys.argv[1:2] == ["--deliver"]:
        deliver(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        return
    if sys.argv[1:2] == ["--build"]:
        build_alone(Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, required=True, help="an empty folder to work in")
    parser.add_argument("--times", type=int, nargs="*", default=[1, 3, 10])
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--latency", type=float, nargs="*", default=[0.0, 20.0], help="ms")
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    place = chosen.place.absolute()
    measuring.require_own(place)
    measuring.store_bytecode()
    rows = list(by_rows(place, chosen.times))
    show("one week", rows)
    places = list(by_place(place, chosen.weeks, chosen.latency, chosen.rounds))
    show("full-size weeks", places)
    told = {"rows": [item.told() for item in rows], "places": [item.told() for item in places]}
    RESULTS.write_text(json.dumps(measuring.machine() | told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
