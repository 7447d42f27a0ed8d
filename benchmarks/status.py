"""How fast the board is over the whole history: `spine status`, `spine anomalies`, `spine --help`.

    uv run python benchmarks/status.py --place PLACE

Builds a place of 650 weeks by 8 tables (small synthetic files, one range through Dagster;
minutes, once: a place that is there is used again), then times each command as a whole
process and, in one process, after all imports. Prints a table and JSON; asserts nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

PROJECT = Path(__file__).parent.parent
COMMANDS = (
    ("--help",),
    ("status",),
    ("status", "--all", "--json"),
    ("anomalies",),
    ("anomalies", "--json"),
    ("runs",),
)


def build(place: Path, weeks: int, rows: int) -> None:
    """Deliver the published tiers of the newest weeks and run them as one range."""
    from spine_assets.core.weeks import FIRST_WEEK, Tier, publication_day, weeks_between
    from spine_assets.dev.sample import write_sample

    today = datetime.now(UTC).date()
    last = date.fromordinal(today.toordinal() - (today.weekday() + 3) % 7)
    every = weeks_between(FIRST_WEEK, last)
    due = [week for week in every if publication_day(week, Tier.NMS_TIER_1) < today][-weeks:]
    place.mkdir(parents=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT / name, place)
    for tier in Tier:
        published = [week for week in due if publication_day(week, tier) < today]
        write_sample(place / "data/landing", published, rows_per_week=rows, tiers=[tier])
    command = [
        *(str(program("dagster")), "asset", "materialize", "-m", "spine_assets.definitions"),
        *("--select", "group:otc", "--partition-range", f"{due[0]}...{due[-1]}"),
    ]
    with (place / "build.log").open("w") as log:
        subprocess.run(command, cwd=place, stdout=log, stderr=log, check=False)


def program(name: str) -> Path:
    """A command of this environment."""
    return Path(sys.executable).with_name(name)


def as_process(words: tuple[str, ...], place: Path) -> float:
    """Seconds of a command as a process of its own."""
    started = time.perf_counter()
    subprocess.run(
        [str(program("spine")), *words], cwd=place, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def after_imports(words: tuple[str, ...], times: int) -> list[float]:
    """Seconds of a command in this process, whose modules a first run has imported.

    The exchange calendar is computed afresh each time, as a process of its own must.
    """
    from spine_assets.cli import main
    from spine_assets.core import weeks

    found = []
    for _ in range(times + 1):
        weeks._closed_days.cache_clear()
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            main(list(words), standalone_mode=False)
        found.append(time.perf_counter() - started)
    return found[1:]


def measure(place: Path, times: int) -> list[dict[str, object]]:
    """Median seconds of each command, both ways."""
    found: list[dict[str, object]] = []
    os.chdir(place)
    for words in COMMANDS:
        whole = [as_process(words, place) for _ in range(times)]
        inner = [] if words == ("--help",) else after_imports(words, times)
        found.append(
            {
                "command": " ".join(("spine", *words)),
                "process_seconds": round(statistics.median(whole), 3),
                "after_imports_seconds": round(statistics.median(inner), 3) if inner else None,
            }
        )
    return found


def main() -> None:
    """Build where nothing is built yet, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, required=True, help="folder of its own")
    parser.add_argument("--weeks", type=int, default=650)
    parser.add_argument("--rows", type=int, default=90, help="ATS rows a week")
    parser.add_argument("--times", type=int, default=5, help="runs of each command")
    chosen = parser.parse_args()
    place = chosen.place.absolute()
    if not place.exists():
        build(place, chosen.weeks, chosen.rows)
    weeks = len(list((place / "data/lake/otc_raw").glob("week_ending=2*")))
    found = measure(place, chosen.times)
    print(f"{weeks} weeks by 8 tables, median of {chosen.times}, seconds\n")  # noqa: T201
    print(f"{'command':30}{'process':>10}{'after imports':>16}")  # noqa: T201
    for row in found:
        inner = row["after_imports_seconds"]
        print(f"{row['command']:30}{row['process_seconds']:>10}{inner or '':>16}")  # noqa: T201
    print(json.dumps({"weeks": weeks, "load": os.getloadavg()[0], "commands": found}))  # noqa: T201


if __name__ == "__main__":
    main()
