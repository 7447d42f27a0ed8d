"""The same weeks built once on one backend: a process, a lake and a Dagster home of its own.

Each trial is the `spine backfill` that a person would type, in an empty folder. Files are read
where they were delivered; nothing but that folder is written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from spine_assets.core.settings import Settings
from spine_assets.lake.base import Lake, LakeFile
from spine_assets.lake.opening import open_lake

_WORKSPACE = {
    "load_from": [
        {
            "python_module": {
                "module_name": "spine_assets.definitions",
                "location_name": "spine_assets",
            }
        }
    ]
}
_RAW = "otc_raw"


@dataclass(frozen=True)
class Trial:
    """What a backend did.

    Attributes:
        is_ok: Whether the command ended well and all weeks were built.
        runs: How many Dagster runs it took.
        weeks_failed: Weeks that a run names as failed, oldest first.
        error: What the first run that failed says; None where none did.
        wall_seconds: From the command's start to its end.
        building_seconds: Spent in the domain, as the events of all tables' weeks tell.
        rows: Of `otc_raw`.
        lake: Where the tables are, as long as the trial's folder is there.
    """

    is_ok: bool
    runs: int
    weeks_failed: tuple[str, ...]
    error: str | None
    wall_seconds: float
    building_seconds: float
    rows: int
    lake: Lake[LakeFile]

    @property
    def overhead_seconds(self) -> float:
        """What is not building: starting, Dagster's bookkeeping, handing over, waiting."""
        return self.wall_seconds - self.building_seconds


def attempt(
    backend: str, weeks: tuple[date, date], settings: Settings, folder: Path, workers: int
) -> Trial:
    """Build the weeks from first to last on a backend.

    Args:
        backend: A value of `SPINE_BACKEND` that can run here.
        weeks: First and last.
        settings: Of the caller: where the files are, threads, memory, weeks a run.
        folder: Empty, and the trial's own.
        workers: How many Celery workers, where the backend has any.

    Raises:
        CannotStart: the broker or a worker does not answer.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    (data / "landing").symlink_to(settings.landing_path, target_is_directory=True)
    environment = _environment(backend, settings, data)
    (folder / "workspace.yaml").write_text(yaml.safe_dump(_WORKSPACE), "utf-8")
    with _ready(backend, folder, environment, workers):
        command = [str(Path(sys.executable).with_name("spine")), "backfill", "--json"]
        started = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - our own command
            [*command, f"{weeks[0]}..{weeks[1]}"],
            cwd=folder,
            env={**environment, "DAGSTER_HOME": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        wall = time.perf_counter() - started
    return _told(done, wall, open_lake(data / "lake"))


def _environment(backend: str, settings: Settings, data: Path) -> dict[str, str]:
    """The caller's, but with settings for this trial alone; nobody is alerted."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPINE_")}
    given: Mapping[str, Any] = {
        "SPINE_BACKEND": backend,
        "SPINE_DATA_DIR": data,
        "SPINE_MEMORY_LIMIT": int(settings.memory_limit),
        "SPINE_WEEKS_PER_RUN": settings.weeks_per_run,
        "SPINE_THREADS": settings.threads or 1,
    }
    return kept | {name: str(value) for name, value in given.items() if value is not None}


@contextmanager
def _ready(
    backend: str, folder: Path, environment: Mapping[str, str], workers: int
) -> Iterator[None]:
    """Dagster's home is written; where the backend is Celery, its broker and workers answer."""
    home: dict[str, Any] = {
        "storage": {
            "custom": {
                "module": "spine_assets.orchestration.storage.sqlite",
                "class": "BatchingSqliteStorage",
                "config": {"base_dir": str(folder / "dagster")},
            }
        },
        "telemetry": {"enabled": False},
        "python_logs": {"managed_python_loggers": ["spine_assets"]},
    }
    target = folder / "dagster.yaml"
    with ExitStack() as stack:
        if backend == "celery":
            from spine_assets.dev.local_cluster import one_worker, redis

            url = stack.enter_context(redis.running()).url
            home["run_launcher"] = {
                "module": "dagster_celery.launcher",
                "class": "CeleryRunLauncher",
                "config": {"broker": url, "backend": url},
            }
            target.write_text(yaml.safe_dump(home), "utf-8")
            stack.enter_context(one_worker.working(folder, url, workers=workers, env=environment))
        else:
            target.write_text(yaml.safe_dump(home), "utf-8")
        yield


def _told(done: subprocess.CompletedProcess[str], wall: float, lake: Lake[LakeFile]) -> Trial:
    """What the command says of its runs; one that broke off says nothing."""
    try:
        runs = json.loads(done.stdout)["runs"]
    except json.JSONDecodeError:
        runs = []
    figures = [made for run in runs for made in run["tables"].items()]
    errors = [run["error"] or run["status"] for run in runs if run["status"] != "success"]
    broken = None if runs else f"the command ended with {done.returncode}; see above"
    return Trial(
        is_ok=done.returncode == 0 and bool(runs) and not errors,
        runs=len(runs),
        weeks_failed=tuple(sorted({week for run in runs for week in run["weeks_failed"]})),
        error=errors[0] if errors else broken,
        wall_seconds=round(wall, 3),
        building_seconds=round(sum(made["seconds"] for _, made in figures), 3),
        rows=sum(made["rows"] for name, made in figures if name == _RAW),
        lake=lake,
    )
