"""Dagster's memory: where it is, whether it opens, and what works on it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from spine_assets.core.settings import Settings
from spine_assets.core.tags import MAX_RUNTIME
from spine_assets.maintenance.doctor.findings import Finding, fail, listed, ok, warn
from spine_assets.orchestration import dagster_private
from spine_assets.orchestration.dagster_private import (
    CheckError,
    InstigatorStatus,
    InstigatorType,
    TickStatus,
)
from spine_assets.orchestration.history import NoInstance, open_instance

SENSOR = "otc_landing"
# Where no longest time is configured: all history is built in less than that.
_LONGEST_SECONDS = 24 * 3_600
_DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
_BROKEN = (
    NoInstance,
    OSError,
    sqlite3.Error,
    SQLAlchemyError,
    CommandError,
    CheckError,
    yaml.YAMLError,
    dg.DagsterError,
)
"""What a history that cannot be opened or read raises."""

_RESTORE = (
    "stop everything of Dagster; restore {place} from a copy, or move it away to begin a new "
    "history (the lake stays, and spine status judges by it)"
)


def config_file(root: Path) -> Finding:
    """Whether `dagster.yaml` is found, here or in `DAGSTER_HOME`."""
    folder = _folder(root)
    path = folder / "dagster.yaml"
    where = "DAGSTER_HOME" if os.environ.get("DAGSTER_HOME") else "the working folder"
    if not folder.is_absolute():
        return fail(f"DAGSTER_HOME is {folder}, which is no absolute path", "make it absolute")
    if not path.is_file():
        mend = "go to the project's root, or let DAGSTER_HOME name a folder with a dagster.yaml"
        return fail(f"there is no dagster.yaml in {where} ({folder})", mend)
    try:
        _config(root)
    except (OSError, ValueError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        return fail(f"{path} cannot be read: {said}", "mend it; the repository has a sound one")
    return ok(f"{path} ({where})")


def _folder(root: Path) -> Path:
    home = os.environ.get("DAGSTER_HOME")
    return Path(home) if home else root


def _config(root: Path) -> dict[str, Any]:
    found = yaml.safe_load((_folder(root) / "dagster.yaml").read_text("utf-8"))
    if not isinstance(found, dict):
        raise ValueError("it is no mapping of names to values")
    return found


def _place(root: Path) -> Path | None:
    """Folder of the SQLite databases, or None where another storage is configured."""
    storage = _config(root).get("storage", {"sqlite": {"base_dir": str(_folder(root))}})
    for given in (storage.get("sqlite"), (storage.get("custom") or {}).get("config")):
        base = (given or {}).get("base_dir")
        if isinstance(base, dict):  # {env: NAME}
            base = os.environ.get(str(base.get("env")))
        if base:
            return root / base
    return None


@contextmanager
def opened(root: Path) -> Iterator[tuple[dg.DagsterInstance | None, Finding]]:
    """The instance and whether its storage opens; None also where nothing is recorded yet.

    Dagster would make what is missing, so a history that is not there is not opened.
    """
    with ExitStack() as stack:
        instance: dg.DagsterInstance | None = None
        place: Path | None = None
        try:
            place = _place(root)
            missing = [] if place is None else [n for n in _DATABASES if not (place / n).exists()]
            if place is not None and len(missing) == len(_DATABASES):
                finding = ok(f"nothing is recorded yet; the first run makes {place}")
            elif missing:
                mend = _RESTORE.format(place=place)
                finding = fail(f"{place} has no {listed(missing)}: a part of it is lost", mend)
            else:
                instance = stack.enter_context(open_instance(root))
                runs = instance.get_runs_count()
                finding = ok(f"{runs:,} runs are recorded{f' in {place}' if place else ''}")
        except _BROKEN as error:
            instance = None
            mend = _RESTORE.format(place=place or "the database")
            finding = fail(f"Dagster's history cannot be opened: {_said(error)}", mend)
        yield instance, finding


def readable(instance: dg.DagsterInstance, examine: Any) -> Finding:
    """An examination of the open history, or what keeps it from being read."""
    try:
        finding: Finding = examine(instance)
    except _BROKEN as error:
        return fail(
            f"Dagster's history cannot be read: {_said(error)}",
            _RESTORE.format(place="Dagster's storage"),
        )
    return finding


def schema(instance: dg.DagsterInstance) -> Finding:
    """Whether the databases have the schema of this Dagster."""
    storages: dict[str, Any] = {
        "runs": instance.run_storage,
        "events": instance.event_log_storage,
        "schedules": instance.schedule_storage,
    }
    old = []
    for name, storage in storages.items():
        held, latest = storage.alembic_version() or (None, None)
        if held != latest:
            old.append(f"{name} is at {held}, this Dagster needs {latest}")
    if old:
        return fail(
            f"the history has the schema of another Dagster: {'; '.join(old)}",
            "make a copy of it, then: DAGSTER_HOME=$PWD dagster instance migrate",
        )
    return ok("runs, events and schedules have the schema of this Dagster")


def run_queue(instance: dg.DagsterInstance) -> Finding:
    """Whether runs in the queue are limited, and watched."""
    missing = []
    queue = instance.get_concurrency_config().run_queue_config
    most = queue.max_concurrent_runs if queue and queue.tag_concurrency_limits else None
    longest = instance.run_monitoring_max_runtime_seconds
    if most is None:
        missing.append("limits of the run queue (concurrency: runs)")
    if not instance.run_monitoring_enabled:
        missing.append("run monitoring (run_monitoring: enabled)")
    elif not longest:
        missing.append("a longest time of runs (run_monitoring: max_runtime_seconds)")
    if missing:
        return warn(
            f"dagster.yaml does not configure {'; '.join(missing)}",
            "take these parts over from the repository's dagster.yaml",
        )
    return ok(f"at most {most} runs at once, each of at most {longest:,} s")


def daemon(instance: dg.DagsterInstance) -> Finding:
    """Whether a daemon gives signs of life."""
    alive = _alive(instance)
    if not alive:
        return warn(
            "no daemon is running: files are not picked up by themselves", "make ui starts one"
        )
    if silent := sorted({*instance.get_required_daemon_types()} - alive):
        return warn(
            f"of the daemon these parts are silent: {listed([x.lower() for x in silent])}",
            "start it anew (make ui); its log says why",
        )
    return ok(f"a daemon is running, with {len(alive)} parts")


def _alive(instance: dg.DagsterInstance) -> set[str]:
    """Parts of the daemon that gave a sign of life of late."""
    kinds = instance.get_required_daemon_types()
    found = dagster_private.get_daemon_statuses(instance, kinds, ignore_errors=True)
    return {kind for kind, status in found.items() if status.healthy}


def sensor(instance: dg.DagsterInstance) -> Finding:
    """Whether the sensor of the landing folder is on and its last tick went well."""
    if not _alive(instance):
        return ok("not examined: no daemon is running")
    states = [
        state
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        if state.name == SENSOR
    ]
    if not states:
        return warn(f"the daemon has not looked at the sensor {SENSOR} yet", "look again soon")
    ended = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]
    # Loaded under another name of the code location, the sensor has another state.
    # Pairs and no dictionary: under dagster dev a state cannot be hashed (its origin holds a dict).
    ticks = [
        (
            state,
            instance.get_ticks(
                state.instigator_origin_id, state.selector_id, limit=1, statuses=ended
            ),
        )
        for state in states
    ]
    state, last = max(ticks, key=lambda one: one[1][0].timestamp if one[1] else 0)
    if state.status is InstigatorStatus.STOPPED:
        return warn(
            f"the sensor {SENSOR} is switched off: files are not picked up by themselves",
            "switch it on in the UI (Automation)",
        )
    if not last:
        return ok(f"the sensor {SENSOR} is on and has not ticked yet")
    at = f"{datetime.fromtimestamp(last[0].timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if last[0].status is TickStatus.FAILURE:
        error = last[0].error
        while error is not None and error.cause is not None:  # Dagster's own says only where
            error = error.cause
        return fail(
            f"the sensor {SENSOR} failed at {at}: {error.message.strip() if error else 'why?'}",
            "mend what it names; it tries again by itself",
        )
    return ok(f"the sensor {SENSOR} is on; it last looked at {at}")


def long_runs(instance: dg.DagsterInstance) -> Finding:
    """Runs that are recorded as running for longer than a run may take."""
    running = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    late = []
    for record in running:
        given = record.dagster_run.tags.get(MAX_RUNTIME, "")
        longest = float(given) if given.isdecimal() else instance.run_monitoring_max_runtime_seconds
        began = record.start_time or record.create_timestamp.timestamp()
        if time.time() - began > (longest or _LONGEST_SECONDS):
            late.append(
                f"{record.dagster_run.run_id} since {datetime.fromtimestamp(began, UTC):%F}"
            )
    if late:
        return warn(
            f"{len(late)} runs have been running for longer than a run may take: {listed(late)}",
            "their process was probably killed; spine runs cancel RUN_ID, or end them in the UI "
            "(Runs)",
        )
    return ok(f"{len(running)} runs are running, none for too long")


def histories(settings: Settings) -> Finding:
    """Whether this lake shares Dagster's history with another."""
    if os.environ.get("DAGSTER_HOME"):
        return ok("DAGSTER_HOME names this lake's own history")
    usual = Path("data/lake").absolute()
    if settings.lake_place != usual:
        return warn(
            f"the lake is {settings.lake_place}, but Dagster's history is that of {usual}: "
            "the UI shows whichever lake was built last",
            "set DAGSTER_HOME as well (docs/settings.md), or leave SPINE_DATA_DIR and SPINE_LAKE",
        )
    return ok("one lake, one history")


def _said(error: BaseException) -> str:
    """The first line of an error; SQLAlchemy's second is a link."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
