"""What Dagster's bookkeeping costs a range of weeks, by storage: SQLite and PostgreSQL.

    uv run python benchmarks/event_cost.py --weeks 60
    uv run python benchmarks/event_cost.py --weeks 653 --kinds sqlite-batching postgres-batching

The range is that of `event_log.py`: one step that yields the events of one week that was really
built, again for each week. Every kind runs as a whole process on a store of its own, one after
another, `--repeats` rounds of them; PostgreSQL is a server of this script on a free port of
loopback, whose commits wait for the disk but where the kind says `fsync off`. Prints a table and
writes JSON; asserts nothing.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import event_log
import measuring
import sqlalchemy as sa
import yaml

from spine_assets.core.weeks import FIRST_WEEK
from spine_assets.dev.local_cluster import postgres

RESULTS = Path(__file__).parent / "results"
_URL = "EVENT_COST_URL"
_DAGSTERS_BATCH = "100"  # events; what `DAGSTER_EVENT_BATCH_SIZE` brings hardly grows beyond it


@dataclass(frozen=True)
class Kind:
    """A way to store events.

    Attributes:
        storage: The part of `dagster.yaml`; None leaves the project's.
        fsync: Of PostgreSQL: whether commits wait for the disk. None where it is not used.
        settings: Environment variables of the process.
    """

    storage: Mapping[str, Any] | None
    fsync: bool | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


_STOCK_POSTGRES = {"postgres": {"postgres_url": {"env": _URL}}}
_OUR_POSTGRES = {
    "custom": {
        "module": "spine_assets.orchestration.storage.postgres",
        "class": "BatchingPostgresStorage",
        "config": {"postgres_url": {"env": _URL}},
    }
}
_DAGSTERS = {"DAGSTER_EVENT_BATCH_SIZE": _DAGSTERS_BATCH}
KINDS = {
    "sqlite": Kind({"sqlite": {"base_dir": "data/dagster"}}),
    "sqlite-batching": Kind(None),
    "postgres": Kind(_STOCK_POSTGRES, fsync=True),
    "postgres-fsync-off": Kind(_STOCK_POSTGRES, fsync=False),
    "postgres-batch-size": Kind(_STOCK_POSTGRES, fsync=True, settings=_DAGSTERS),
    "postgres-batching": Kind(_OUR_POSTGRES, fsync=True),
    "postgres-batching-fsync-off": Kind(_OUR_POSTGRES, fsync=False),
}


def once(folder: Path, name: str, weeks: int, url: str | None) -> dict[str, Any]:
    """Materialize a range in a process of its own; seconds by phase, bytes of the store."""
    kind = KINDS[name]
    place = event_log.home(folder, name)
    if kind.storage is not None:
        settings = yaml.safe_load((place / "dagster.yaml").read_text("utf-8"))
        settings["storage"] = kind.storage
        (place / "dagster.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    command = [measuring.program("dagster"), "asset", "materialize"]
    command += ["-f", str(Path(event_log.__file__).absolute()), "--select", "group:otc"]
    command += ["--partition-range", f"{FIRST_WEEK}...{FIRST_WEEK + timedelta(weeks=weeks - 1)}"]
    own = {"DAGSTER_HOME": str(place), **kind.settings, **({_URL: url} if url else {})}
    load, started = measuring.load_average(), time.time()
    cost = measuring.run(command, place / "run.log", folder=place, settings=own)
    return {
        **_told(place, url, started, started + cost.wall_seconds),
        "cpu_seconds": round(cost.cpu_seconds, 2),
        "load_before": load,
    }


def _told(place: Path, url: str | None, started: float, ended: float) -> dict[str, Any]:
    """Phases from the times of the run's own events."""
    history = place / "data/dagster/history/runs"
    shards = (path for path in history.glob("*.db") if path.stem != "index")
    engine = sa.create_engine(url or f"sqlite:///{next(shards)}")
    with engine.connect() as connection:
        asked = sa.text("SELECT dagster_event_type, event FROM event_logs ORDER BY id")
        rows = connection.execute(asked).all()
        events = [(kind, json.loads(event)["timestamp"]) for kind, event in rows]
        size = (
            connection.scalar(sa.text("SELECT pg_database_size(current_database())"))
            if url
            else measuring.size_of(history)
        )
    engine.dispose()
    planned = [at for kind, at in events if kind and kind.endswith("_PLANNED")]
    first = next(at for kind, at in events if kind == "STEP_START")
    last = next(at for kind, at in events if kind == "STEP_SUCCESS")
    marks = (started, planned[0], planned[-1], first, last, ended)
    seconds = {
        phase: round(end - begin, 2)
        for phase, begin, end in zip(event_log.PHASES, marks[:-1], marks[1:], strict=True)
    }
    in_step = sum(first <= at <= last for _, at in events)
    stored = ended - planned[0]
    return {
        "seconds": {**seconds, "all": round(ended - started, 2)},
        "events": len(events),
        "events_per_second_in_step": round(in_step / (last - first)),
        "ms_an_event": round(1000 * stored / len(events), 2),
        "bytes": size,
    }


def measure(
    weeks: int, names: list[str], repeats: int, rows: int, target: Path
) -> dict[str, list[Any]]:
    """All kinds, round by round, so that what else goes on strikes all alike; written as found."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="event-cost-") as name, ExitStack() as stack:
        folder = Path(name)
        event_log.build(folder, rows)
        asked = {KINDS[kind].fsync for kind in names} - {None}
        servers = {
            fsync: stack.enter_context(postgres.running(durable=bool(fsync))) for fsync in asked
        }
        for number in range(repeats):
            for kind in names if number % 2 == 0 else reversed(names):
                fsync = KINDS[kind].fsync
                base = f"{kind}_{number}".replace("-", "_")
                url = None if fsync is None else servers[fsync].database(base)
                found[kind].append(once(folder, kind, weeks, url))
                sys.stderr.write(f"{kind}: {found[kind][-1]['seconds']['all']} s\n")
                told = {"weeks": weeks, "machine": measuring.machine(), "runs": found}
                target.write_text(json.dumps(told, indent=1) + "\n")
    return found


def show(weeks: int, found: Mapping[str, list[Any]]) -> None:
    """A table of medians."""
    columns = (*event_log.PHASES, "all")
    more = ("cpu_seconds", "ms_an_event", "events_per_second_in_step")
    heads = "".join(f"{head[:12]:>13}" for head in (*columns, *more, "MB"))
    sys.stdout.write(f"{weeks} weeks, medians, seconds\n\n{'storage':28}{heads}\n")
    for kind, runs in found.items():
        cells = [statistics.median(run["seconds"][name] for run in runs) for name in columns]
        cells += [statistics.median(run[name] for run in runs) for name in more]
        cells.append(runs[0]["bytes"] / 1e6)
        sys.stdout.write(f"{kind:28}{''.join(f'{cell:13.2f}' for cell in cells)}\n")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weeks", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--rows", type=int, default=2_000, help="rows of the week that is built")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON")
    chosen = parser.parse_args()
    if any(KINDS[name].fsync is not None for name in chosen.kinds) and postgres.missing():
        raise SystemExit(postgres.missing())
    measuring.store_bytecode()
    chosen.results.mkdir(parents=True, exist_ok=True)
    target = chosen.results / f"event-cost-{chosen.weeks}.json"
    found = measure(chosen.weeks, chosen.kinds, chosen.repeats, chosen.rows, target)
    show(chosen.weeks, found)


if __name__ == "__main__":
    main()
