"""Weeks built once on one backend, with a process, a lake and a Dagster home of their own.

Each trial is a `spine backfill` as a user would type it, in an empty folder. Files are read from
the landing folder, and only the empty folder is written to.
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
from spine_assets.otc.tables.registry import TABLES

_MODULE = {"module_name": "spine_assets.definitions", "location_name": "spine_assets"}
_WORKSPACE = {"load_from": [{"python_module": _MODULE}]}
_LAUNCHER = ("dagster_celery.launcher", "CeleryRunLauncher")
_STORAGE = ("spine_assets.orchestration.storage.opening", "SqliteStorage")
_RAW = TABLES[0].name


@dataclass(frozen=True)
class Trial:
    """The result of a trial.

    Attributes:
        is_ok: Whether the command succeeded and all weeks were built.
        runs: Number of Dagster runs.
        weeks_failed: Weeks that a run reports as failed, oldest first.
        error: The error of the first failed run; None if none failed.
        wall_seconds: From the command's start to its end.
        building_seconds: Spent in the domain, by the events of all tables' weeks.
        rows: Of `otc_raw`.
        lake: The tables, as long as the trial's folder exists.
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
        """All but building: start-up, Dagster's bookkeeping, launching, waiting."""
        return self.wall_seconds - self.building_seconds


def attempt(
    backend: str, weeks: tuple[date, date], settings: Settings, folder: Path, workers: int
) -> Trial:
    """Build the weeks from first to last on a backend.

    Args:
        backend: A value of `SPINE_BACKEND` that can run here.
        weeks: First and last.
        settings: Of the caller: landing folder, threads, memory, weeks per run.
        folder: Empty, for this trial alone.
        workers: Number of Celery workers, if the backend has any.

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
    return _result(done, wall, open_lake(data / "lake"))


def _environment(backend: str, settings: Settings, data: Path) -> dict[str, str]:
    """The caller's environment with settings for this trial alone, and without alerts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPINE_")}
    given = {
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
    """Write Dagster's home; for Celery, run a broker and workers until the block ends."""
    home: dict[str, Any] = {
        "storage": {"custom": _component(*_STORAGE, base_dir=str(folder / "dagster"))},
        "telemetry": {"enabled": False},
        "python_logs": {"managed_python_loggers": ["spine_assets"]},
    }
    target = folder / "dagster.yaml"
    with ExitStack() as stack:
        if backend == "celery":
            from spine_assets.dev.local_cluster import one_worker, redis  # extra `cluster`

            url = stack.enter_context(redis.running()).url
            home["run_launcher"] = _component(*_LAUNCHER, broker=url, backend=url)
            target.write_text(yaml.safe_dump(home), "utf-8")
            stack.enter_context(one_worker.working(folder, url, workers=workers, env=environment))
        else:
            target.write_text(yaml.safe_dump(home), "utf-8")
        yield


def _component(module: str, name: str, **config: str) -> dict[str, object]:
    return {"module": module, "class": name, "config": config}


def _result(done: subprocess.CompletedProcess[str], wall: float, lake: Lake[LakeFile]) -> Trial:
    """Read the command's JSON; a command that broke off prints none."""
    try:
        runs = json.loads(done.stdout)["runs"]
    except json.JSONDecodeError:
        runs = []
    figures = [made for run in runs for made in run["tables"].items()]
    errors = [run["error"] or run["status"] for run in runs if run["status"] != "success"]
    if not runs:
        errors = [f"the command ended with exit code {done.returncode}; see its messages above"]
    return Trial(
        is_ok=done.returncode == 0 and bool(runs) and not errors,
        runs=len(runs),
        weeks_failed=tuple(sorted({week for run in runs for week in run["weeks_failed"]})),
        error=errors[0] if errors else None,
        wall_seconds=round(wall, 3),
        building_seconds=round(sum(made["seconds"] for _, made in figures), 3),
        rows=sum(made["rows"] for name, made in figures if name == _RAW),
        lake=lake,
    )
