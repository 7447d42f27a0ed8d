"""What the weekly report costs a run: the group with it against its tables alone, in turns.

    uv run --group bench python benchmarks/reports.py --place PLACE --weeks 20 --repeats 3

Full-size ATS weeks of synthetic text are made once in PLACE. Each run builds them into a new lake
by `dagster asset materialize` in a process of its own; a run of one week comes before each range.
Prints seconds and CPU seconds of each; asserts nothing.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

LAST = date(2025, 11, 21)
TABLES = "otc_raw,otc_rejects,otc_venue_volume,otc_symbol_summary,otc_venue_share,otc_restatements"
SELECTIONS = {"tables": TABLES, "tables and report": "group:otc"}
ROWS = 190_000  # of a full ATS week


def landing(place: Path, weeks: int) -> Path:
    """The delivered files, made where they are not there."""
    folder = place / f"landing-{weeks}"
    if not folder.exists():
        command = ["spine", "sample", "write", "--out", str(folder), "--weeks", str(weeks)]
        run([*command, "--ending", str(LAST), "--rows", str(ROWS)], place)
    return folder


def run(command: list[str], home: Path) -> tuple[float, float]:
    """Seconds and CPU seconds of a command of this environment."""
    program = Path(sys.executable).with_name(command[0])
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([str(program), *command[1:]], cwd=home, check=True, capture_output=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def project(place: Path, files: Path) -> Path:
    """An empty project over the delivered files."""
    home = place / "project"
    shutil.rmtree(home, ignore_errors=True)
    (home / "data").mkdir(parents=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(Path(__file__).parents[1] / name, home / name)
    (home / "data" / "landing").symlink_to(files)
    return home


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, required=True)
    parser.add_argument("--weeks", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    for name in ("DAGSTER_HOME", "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(name, None)
    place = asked.place.resolve()
    place.mkdir(parents=True, exist_ok=True)
    files = landing(place, asked.weeks)
    first = LAST - timedelta(weeks=asked.weeks - 1)
    build = ["dagster", "asset", "materialize", "-m", "spine_assets.definitions"]
    for _ in range(asked.repeats):
        for name, selection in SELECTIONS.items():
            home = project(place, files)
            one = run([*build, "--select", selection, "--partition", str(LAST)], home)
            home = project(place, files)
            reach = ["--partition-range", f"{first}...{LAST}"]
            every = run([*build, "--select", selection, *reach], home)
            told = (
                f"{name:18} one week {one[0]:6.2f} s ({one[1]:6.2f} s CPU), {asked.weeks} weeks "
                f"{every[0]:6.2f} s ({every[1]:6.2f} s CPU)"
            )
            print(told)  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main()
