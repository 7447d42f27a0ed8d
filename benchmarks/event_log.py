"""What Dagster's own bookkeeping costs a range of weeks: stock SQLite storage against ours.

    .venv/bin/python benchmarks/event_log.py --weeks 100 --pairs 3

The step yields the events of one week that was really built, again for each week of the range,
so that what is timed is Dagster and nothing else. Both storages run as whole processes
(`dagster asset materialize --partition-range`), pair by pair, with the project's own
`dagster.yaml`. Prints a table and JSON; asserts nothing.
"""

import argparse
import json
import os
import pickle
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from spine_assets.core.weeks import FIRST_WEEK

PROJECT = Path(__file__).parent.parent
WEEK = date(2025, 11, 21)  # the week that is built once; late enough for every tier
STOCK, OURS = "stock", "ours"
EVENTS = "week.pickle"
PHASES = ("start", "planning", "before_step", "step", "end")
MORE = ("cpu", "events/s", "run MB", "index MB")


@dg.definitions
def defs() -> dg.Definitions:
    """One step of our tables, checks and weeks that yields what the working folder holds."""
    from spine_assets.defs.otc.specs import check_specs, weekly_specs
    from spine_assets.orchestration.asset_events import check_outputs, events_of

    @dg.multi_asset(
        name="otc_week",
        specs=weekly_specs(),
        check_specs=check_specs(),
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def otc_week(context: dg.AssetExecutionContext) -> Iterator[Any]:
        events = pickle.loads(Path(EVENTS).read_bytes())  # noqa: S301 - written by `build`
        for key in context.partition_keys:
            week = date.fromisoformat(key)
            yield from events_of(context, events, week)
            context.log.info(f"week {week}: 8 tables built in 0.10 s (1/1 weeks, 100%)")
        yield from check_outputs(context)

    return dg.Definitions(assets=[otc_week], executor=dg.in_process_executor)


def build(folder: Path, rows: int) -> None:
    """Build one generated week; one of its checks warns with a full sample, as real ones do."""
    import duckdb

    from spine_assets.core.weeks import Tier
    from spine_assets.dev.sample import write_sample
    from spine_assets.lake.local import LocalLake
    from spine_assets.otc.build.week import build_week
    from spine_assets.otc.checks.context import SAMPLE_ROWS
    from spine_assets.otc.delivery.scan import scan
    from spine_assets.otc.state.build_context import RunContext
    from spine_assets.otc.state.results import CheckResult, Severity
    from spine_assets.otc.tables.registry import TABLES

    @contextmanager
    def connect() -> Iterator[duckdb.DuckDBPyConnection]:
        with closing(duckdb.connect(":memory:")) as connection:
            yield connection

    write_sample(folder / "landing", [WEEK], rows_per_week=rows, tiers=list(Tier))
    for path in (folder / "landing").rglob("*.csv"):
        os.utime(path, (0, 0))  # settled long ago
    place = RunContext(
        LocalLake(folder / "lake"), scan(folder / "landing", folder / "index.json"), connect
    )
    result = build_week(WEEK, {table.name for table in TABLES}, place, force=False).finish()
    if result.error is not None:
        raise SystemExit(str(result.error))
    row = {"symbol": "ABCD", "mpid": "OTCX", "share_volume": "1234567", "trade_count": 1}
    warning = {"passed": False, "severity": Severity.WARN, "samples": [row] * SAMPLE_ROWS}
    events = [
        replace(event, **warning)
        if isinstance(event, CheckResult) and event.check == "volumes"
        else event
        for event in result.events
    ]
    (folder / EVENTS).write_bytes(pickle.dumps(events))


def home(folder: Path, kind: str) -> Path:
    """A fresh project folder with our `dagster.yaml`, on the stock storage or on ours."""
    place = folder / kind
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copy(folder / EVENTS, place)
    settings = yaml.safe_load((PROJECT / "dagster.yaml").read_text("utf-8"))
    if kind == STOCK:
        settings["storage"] = {"sqlite": {"base_dir": "data/dagster"}}
    (place / "dagster.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    return place


def once(folder: Path, kind: str, weeks: int) -> dict[str, Any]:
    """Materialize a range in a process of its own; seconds by phase, bytes by file."""
    place = home(folder, kind)
    program = Path(sys.executable).with_name("dagster")
    words = ["asset", "materialize", "-f", str(Path(__file__).absolute()), "--select", "group:otc"]
    asked = f"{FIRST_WEEK}...{FIRST_WEEK + timedelta(weeks=weeks - 1)}"
    load, started = os.getloadavg()[0], time.time()
    with (place / "run.log").open("w") as log:
        process = subprocess.Popen(
            [str(program), *words, "--partition-range", asked],
            cwd=place,
            stdout=log,
            stderr=log,
            env=os.environ | {"DAGSTER_HOME": str(place)},
        )
        _, status, used = os.wait4(process.pid, 0)
    ended = time.time()
    if status:
        raise SystemExit((place / "run.log").read_text("utf-8")[-4000:])
    return {
        **_told(place, started, ended),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "load_before": load,
    }


def _told(place: Path, started: float, ended: float) -> dict[str, Any]:
    """Phases from the times of the run's own events."""
    history = place / "data/dagster/history/runs"
    (shard,) = (path for path in history.glob("*.db") if path.stem != "index")
    with closing(sqlite3.connect(shard)) as connection:
        events = [
            (kind, json.loads(event)["timestamp"])
            for kind, event in connection.execute(
                "SELECT dagster_event_type, event FROM event_logs ORDER BY id"
            )
        ]
    planned = [at for kind, at in events if kind and kind.endswith("_PLANNED")]
    first = next(at for kind, at in events if kind == "STEP_START")
    last = next(at for kind, at in events if kind == "STEP_SUCCESS")
    marks = (started, planned[0], planned[-1], first, last, ended)
    seconds = {
        name: round(end - begin, 2)
        for name, begin, end in zip(PHASES, marks[:-1], marks[1:], strict=True)
    }
    in_step = sum(first <= at <= last for _, at in events)
    return {
        "seconds": {**seconds, "all": round(ended - started, 2)},
        "events": len(events),
        "events_per_second_in_step": round(in_step / (last - first)),
        "bytes": {"run": shard.stat().st_size, "index": (history / "index.db").stat().st_size},
    }


def main() -> None:
    """Pairs of runs, the order turned from pair to pair; medians as a table, all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--only", choices=(STOCK, OURS))
    parser.add_argument("--rows", type=int, default=2_000, help="rows of the week that is built")
    chosen = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="event-log-") as name:
        build(Path(name), chosen.rows)
        for number in range(chosen.pairs):
            for kind in (STOCK, OURS) if number % 2 == 0 else (OURS, STOCK):
                if chosen.only in (None, kind):
                    found.setdefault(kind, []).append(once(Path(name), kind, chosen.weeks))
    columns = (*PHASES, "all")
    sys.stdout.write(f"{chosen.weeks} weeks, median of {chosen.pairs}, seconds\n\n")
    heads = "".join(f"{head:>13}" for head in (*columns, *MORE))
    sys.stdout.write(f"{'storage':8}{heads}\n")
    for kind, runs in found.items():
        cells = [statistics.median(run["seconds"][name] for run in runs) for name in columns]
        cells += [
            statistics.median(run[name] for run in runs)
            for name in ("cpu_seconds", "events_per_second_in_step")
        ]
        cells += [runs[0]["bytes"][name] / 1e6 for name in ("run", "index")]
        sys.stdout.write(f"{kind:8}{''.join(f'{cell:13.2f}' for cell in cells)}\n")
    sys.stdout.write(json.dumps({"weeks": chosen.weeks, "runs": found}) + "\n")


if __name__ == "__main__":
    main()
