"""Seconds from three new files to a week's tables, beside a job that does nothing.

    uv run --group bench python benchmarks/one_week.py --place PLACE --pairs 10

PLACE gets what FINRA has published: three files a week, all built (minutes, once; a place that
is there is used again). All weeks are small but for the last two; of these one is built and
the last one's files are new each time: neither captured nor known to the landing index. Beside
each run of the project stands one of `empty_job.py`, which has as many assets, checks and
weeks in Dagster's memory. Then imports, each as a process. Prints tables and writes
`benchmarks/results/one-week.json`; asserts nothing about times.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import delivered
import measuring
from measuring import PROJECT, Cost, program
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results")
SMALL_ROWS = 90  # a week of history
FULL_WEEKS = 2  # the new one, and one before it with which its checks compare it
# Files younger than two seconds are watched until they settle; a sensor's run comes later.
SETTLED_SECONDS = 3_600
EVENTS = ("ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION")
MODULES = {"spine": "spine_assets.definitions", "empty": "empty_job"}
IMPORTS = {
    "python": ["-c", "pass"],
    "import dagster": ["-c", "import dagster"],
    "import spine_assets.definitions": ["-c", "import spine_assets.definitions"],
    "its definitions, loaded": ["-c", "from spine_assets.definitions import defs; defs()"],
}


class Place:
    """A folder with the project's data, and one with the empty job's Dagster."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.new = root / "new"
        self.landing = root / "spine" / "data" / "landing"
        self.index = root / "spine" / "data" / "landing-index.json"
        self.known = root / "known-index.json"
        self.list = root / "weeks.json"

    def prepare(self, weeks: int, rows: int) -> None:
        """Deliver and build all weeks but the last one, for the project and the empty job."""
        for name in MODULES:
            (self.root / name).mkdir()
            for file in ("dagster.yaml", "workspace.yaml"):
                shutil.copy(PROJECT / file, self.root / name)
        small = {"weeks": weeks, "rows": SMALL_ROWS, "take": -FULL_WEEKS}
        self._deliver(self.landing, small)
        held = delivered.read_list(self.list)
        self._deliver(self.new, {"weeks": FULL_WEEKS, "rows": rows})
        (*earlier, (new, files)) = delivered.read_list(self.list).items()
        for path in (path for _, paths in earlier for path in paths):
            path.rename(self.landing / path.name)
        for path in files:
            settled = time.time() - SETTLED_SECONDS
            os.utime(path, (settled, settled))
        last = earlier[-1][0]
        for name in MODULES:
            self.materialize(name, "--partition-range", f"{min(held)}...{last}")
        self.index.rename(self.known)
        delivered.write_list(self.list, {new: files})

    def new_week(self) -> date:
        """The week that is not built."""
        return next(iter(delivered.read_list(self.list)))

    def forget(self) -> None:
        """Deliver the new week as if for the first time."""
        week = self.new_week()
        for folder in (self.root / "spine" / "data" / "lake").glob(f"*/week_ending={week}"):
            shutil.rmtree(folder)
        shutil.copy(self.known, self.index)
        for path in self.new.iterdir():
            target = self.landing / path.name
            target.unlink(missing_ok=True)
            os.link(path, target)

    def materialize(self, name: str, *weeks: str) -> Cost:
        """Run a job for weeks; what it printed stands in its log alone."""
        command = [program("dagster"), "asset", "materialize", "-m", MODULES[name]]
        log = self.root / f"{name}.log"
        log.unlink(missing_ok=True)
        settings = {"PYTHONPATH": str(Path(__file__).parent)}
        words = [*command, "--select", "group:otc", *weeks]
        return measuring.run(words, log, folder=self.root / name, settings=settings)

    def events(self, name: str) -> dict[str, int]:
        """How many events of each kind the last run of a job left."""
        text = (self.root / f"{name}.log").read_text(errors="replace")
        return {event: text.count(f" - {event} - ") for event in EVENTS}

    def _deliver(self, folder: Path, counts: dict[str, int]) -> None:
        words = [word for name, count in counts.items() for word in (f"--{name}", str(count))]
        script = str(Path(delivered.__file__))
        command = [sys.executable, script, str(folder), str(self.list), *words]
        measuring.run(command, self.root / "text.log", folder=self.root)


def measure_pairs(place: Place, pairs: int) -> dict[str, list[Cost]]:
    """The new week by the project and by the empty job, in turns, each first every other time."""
    found: dict[str, list[Cost]] = {name: [] for name in MODULES}
    week = str(place.new_week())
    for pair in range(pairs):
        for name in list(MODULES)[:: 1 if pair % 2 else -1]:
            place.forget()
            delivered.read_all(delivered.read_list(place.list))
            found[name].append(place.materialize(name, "--partition", week))
    if place.events("spine") != place.events("empty"):
        raise SystemExit(f"the jobs differ: {place.events('spine')}, {place.events('empty')}")
    return found


def measure_imports(place: Place, times: int) -> dict[str, list[Cost]]:
    """What is imported before anything is done, in turns."""
    commands = {name: [sys.executable, *words] for name, words in IMPORTS.items()}
    commands["spine --help"] = [program("spine"), "--help"]
    log = place.root / "imports.log"
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(times):
        for name, command in commands.items():
            found[name].append(measuring.run(command, log, folder=place.root / "spine"))
    return found


def summary(costs: Sequence[Cost]) -> dict[str, Any]:
    """Medians, and the least wall time: what a machine with nothing else to do may reach."""
    return {
        "wall_seconds": round(statistics.median(cost.wall_seconds for cost in costs), 3),
        "least_wall_seconds": round(min(cost.wall_seconds for cost in costs), 3),
        "cpu_seconds": round(statistics.median(cost.cpu_seconds for cost in costs), 3),
        "peak_bytes": max(cost.peak_bytes for cost in costs),
        "runs": [measuring.rounded(cost) for cost in costs],
    }


def differences(found: dict[str, list[Cost]]) -> dict[str, float]:
    """What the project takes beyond the empty job: medians over pairs."""
    pairs = list(zip(found["spine"], found["empty"], strict=True))
    return {
        "wall_seconds": round(
            statistics.median(one.wall_seconds - other.wall_seconds for one, other in pairs), 3
        ),
        "cpu_seconds": round(
            statistics.median(one.cpu_seconds - other.cpu_seconds for one, other in pairs), 3
        ),
        "wall_ratio": round(
            statistics.median(one.wall_seconds / other.wall_seconds for one, other in pairs), 3
        ),
    }


def show(told: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console()
    title = f"a week of {told['rows']:,} rows among {told['files']:,} files, {told['pairs']} pairs"
    for part, heading in (("jobs", title), ("imports", "imports, each a process")):
        table = Table(title=heading, title_justify="left")
        table.add_column("what", no_wrap=True)
        for name in ("wall s", "least s", "CPU s", "peak MB"):
            table.add_column(name, justify="right")
        for name, row in told[part].items():
            times = (row["wall_seconds"], row["least_wall_seconds"], row["cpu_seconds"])
            table.add_row(name, *(f"{t:.2f}" for t in times), f"{row['peak_bytes'] / 1e6:.0f}")
        console.print(table)
    beyond = told["beyond_the_empty_job"]
    console.print(
        f"beyond the empty job: {beyond['wall_seconds']:.2f} s wall, "
        f"{beyond['cpu_seconds']:.2f} s CPU; {beyond['wall_ratio']:.2f} times its wall time"
    )


def main() -> None:
    """Build where nothing is built yet, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--place", type=Path, required=True, help="folder of its own")
    parser.add_argument("--weeks", type=int, default=653, help="as many as are complete today")
    parser.add_argument("--rows", type=int, default=190_000, help="of the new week")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON")
    chosen = parser.parse_args()
    place = Place(chosen.place.absolute())
    measuring.store_bytecode()
    if not place.known.exists():
        measuring.require_own(place.root)
        place.prepare(chosen.weeks, chosen.rows)
    load = measuring.load_average()
    jobs = measure_pairs(place, chosen.pairs)
    imports = measure_imports(place, chosen.pairs)
    told = {
        "machine": measuring.machine(),
        "load_average": [load, measuring.load_average()],
        "week": str(place.new_week()),
        "rows": delivered.read_all(delivered.read_list(place.list)).rows,
        "files": len(list(place.landing.iterdir())),
        "pairs": chosen.pairs,
        "events": place.events("spine"),
        "beyond_the_empty_job": differences(jobs),
        "jobs": {name: summary(costs) for name, costs in jobs.items()},
        "imports": {name: summary(costs) for name, costs in imports.items()},
    }
    chosen.results.mkdir(parents=True, exist_ok=True)
    (chosen.results / "one-week.json").write_text(json.dumps(told, indent=1) + "\n")
    show(told)


if __name__ == "__main__":
    main()
