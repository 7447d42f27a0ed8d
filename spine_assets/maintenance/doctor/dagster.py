"""Dagster's history: whether it opens, and what runs on it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from spine_assets.core.settings import Settings
from spine_assets.core.tags import MAX_RUNTIME
from spine_assets.core.text import first_line
from spine_assets.lake.base import LakeError
from spine_assets.lake.format import lake_id
from spine_assets.lake.opening import open_lake
from spine_assets.maintenance.doctor.configuration import sqlite_folder
from spine_assets.maintenance.doctor.diagnosis import Diagnosis, fail, listed, ok, warn
from spine_assets.orchestration.dagster_private import CheckError
from spine_assets.orchestration.history import NoInstance, OtherLake, open_instance
from spine_assets.orchestration.history.lake_identity import require_same_lake
from spine_assets.orchestration.reconcile import differences
from spine_assets.otc.tables.registry import TABLES

SENSOR = "otc_landing"
# Where none is configured: all history is built in less time.
_LONGEST_SECONDS = 24 * 3_600
_NEWEST_TICKS = 50  # at most one goes on, and each kill of the daemon leaves one without an end
_COMPARED_WEEKS = 52  # data versions are read from files; all history would take most of a minute
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
"""Errors of a history that cannot be opened or read."""

_RESTORE = (
    "stop everything of Dagster; restore {place} from a copy, or move it away to begin a new "
    "history (the lake stays, and spine status reads the lake)"
)
_RECOVER = (
    "stop everything of Dagster and restore {place} from a backup (spine backup); without one, "
    "sqlite3 {name} .recover | sqlite3 new.db in that folder saves what can be read: put new.db in "
    "its place; or move {place} away to begin a new history. Then spine doctor --repair"
)


@contextmanager
def opened(root: Path) -> Iterator[tuple[dg.DagsterInstance | None, Diagnosis]]:
    """The instance and whether its storage opens; None also where nothing is recorded yet.

    Dagster would create what is missing, so a missing history is not opened.
    """
    with ExitStack() as stack:
        instance: dg.DagsterInstance | None = None
        place: Path | None = None
        try:
            place = sqlite_folder(root)
            missing = [] if place is None else [n for n in _DATABASES if not (place / n).exists()]
            if place is not None and len(missing) == len(_DATABASES):
                diagnosis = ok(f"nothing is recorded yet; the first run makes {place}")
            elif place is not None and (damaged := damage(place)):
                named = "; ".join(f"{name}: {text}" for name, text in damaged.items())
                diagnosis = fail(
                    f"PRAGMA quick_check finds damage in {place}: {named}",
                    _RECOVER.format(place=place, name=next(iter(damaged))),
                )
            elif missing:
                mend = _RESTORE.format(place=place)
                diagnosis = fail(f"{place} has no {listed(missing)}: a part of it is missing", mend)
            else:
                instance = stack.enter_context(open_instance(root))
                runs = instance.get_runs_count()
                diagnosis = ok(f"{runs:,} runs are recorded{f' in {place}' if place else ''}")
        except _BROKEN as error:
            instance = None
            mend = _RESTORE.format(place=place or "the database")
            diagnosis = fail(f"Dagster's history cannot be opened: {first_line(error)}", mend)
        yield instance, diagnosis


def damage(place: Path) -> dict[str, str]:
    """By database of a SQLite history: the first thing that `PRAGMA quick_check` finds."""
    found = {}
    for name in _DATABASES:
        path = place / name
        if not path.exists():
            continue
        try:
            uri = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                ((text,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.OperationalError:  # locked or not readable, which opening it reports
            continue
        except sqlite3.DatabaseError as error:
            text = str(error)
        if text != "ok":
            found[name] = text.strip().partition("\n")[0]
    return found


def readable(instance: dg.DagsterInstance, examine: Any) -> Diagnosis:
    """An examination of the open history; a history that cannot be read is a finding too."""
    try:
        diagnosis: Diagnosis = examine(instance)
    except _BROKEN as error:
        return fail(
            f"Dagster's history cannot be read: {first_line(error)}",
            _RESTORE.format(place="Dagster's storage"),
        )
    return diagnosis


def schema(instance: dg.DagsterInstance) -> Diagnosis:
    """Whether the databases have the schema of this Dagster."""
    storages: dict[str, Any] = {
        "runs": instance.run_storage,
        "events": instance.event_log_storage,
        "schedules": instance.schedule_storage,
    }
    old = []
    for name, storage in storages.items():
        version, latest = storage.alembic_version() or (None, None)
        if version != latest:
            old.append(f"{name} is at {version}, this Dagster needs {latest}")
    if old:
        return fail(
            f"the history has the schema of another Dagster: {'; '.join(old)}",
            "make a copy of it, then: DAGSTER_HOME=$PWD dagster instance migrate",
        )
    return ok("runs, events and schedules have the schema of this Dagster")


def run_queue(instance: dg.DagsterInstance) -> Diagnosis:
    """Whether the run queue has limits and runs are monitored."""
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
            "copy these parts from the repository's dagster.yaml",
        )
    return ok(f"at most {most} runs at once, each of at most {longest:,} s")


def daemon(instance: dg.DagsterInstance) -> Diagnosis:
    """Whether a daemon is running."""
    alive = _alive(instance)
    if not alive:
        return warn(
            "no daemon is running: files are not picked up automatically",
            "spine ui starts one, and so does dagster dev",
        )
    if silent := sorted({*instance.get_required_daemon_types()} - alive):
        return warn(
            f"these parts of the daemon do not respond: {listed([x.lower() for x in silent])}",
            "restart it (spine ui, dagster dev); its log has the reason",
        )
    return ok(f"a daemon is running, with {len(alive)} parts")


def _alive(instance: dg.DagsterInstance) -> set[str]:
    """Parts of the daemon with a recent heartbeat."""
    return {kind for kind, status in instance.get_daemon_statuses().items() if status.healthy}


def sensor(instance: dg.DagsterInstance) -> Diagnosis:
    """Whether the sensor of the landing folder is on and its last tick went well."""
    if not _alive(instance):
        return ok("not examined: no daemon is running")
    states = [state for state in instance.all_instigator_state() if state.name == SENSOR]
    if not states:
        return warn(f"the daemon has not run the sensor {SENSOR} yet", "try again in a minute")
    # Loaded under another name of the code location, the sensor has another state.
    # Pairs and no dictionary: under dagster dev a state cannot be hashed (its origin holds a dict).
    ticks = [(state, _last_tick(instance, state)) for state in states]
    state, last = max(ticks, key=lambda one: one[1].timestamp if one[1] else 0)
    if not state.is_running:
        return warn(
            f"the sensor {SENSOR} is switched off: files are not picked up automatically",
            "switch it on in the UI (Automation)",
        )
    if last is None:
        return ok(f"the sensor {SENSOR} is on and has not ticked yet")
    at = f"{datetime.fromtimestamp(last.timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if last.is_failure:
        error = last.error
        while error is not None and error.cause is not None:  # the outer ones have only the place
            error = error.cause
        reason = error.message.strip() if error else "no reason is recorded"
        return fail(
            f"the sensor {SENSOR} failed at {at}: {reason}",
            "correct what it names; it tries again automatically",
        )
    return ok(f"the sensor {SENSOR} is on; it last looked at {at}")


def _last_tick(instance: dg.DagsterInstance, state: Any) -> Any:
    """The last tick that has ended; of a killed daemon some have not."""
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=_NEWEST_TICKS)
    return next((tick for tick in ticks if tick.is_completed), None)


def one_lake(settings: Settings, instance: dg.DagsterInstance) -> Diagnosis:
    """Whether the history is that of this lake."""
    try:
        lake = open_lake(settings.lake_place)
        require_same_lake(instance, lake)
        identity = lake_id(lake)
    except OtherLake as error:
        found, _, mend = str(error).partition(" Let ")
        return fail(found, f"let {mend}")
    except LakeError:
        return warn("not examined: the lake cannot be read", "mend what the lines above name")
    if identity is None:
        return ok("the lake has no id yet; its next run gives it one")
    return ok(f"lake and history are of lake {identity}")


def agreement(settings: Settings, instance: dg.DagsterInstance) -> Diagnosis:
    """Whether Dagster has recorded what the lake has, and nothing else."""
    try:
        lake = open_lake(settings.lake_place)
        require_same_lake(instance, lake)
        newest = lake.weeks(TABLES[0].name)[-_COMPARED_WEEKS:]
        found = differences(instance, lake, versions=newest)
    except OtherLake:
        return warn("not examined: the history is that of another lake", "see one_lake above")
    except LakeError:  # other checks say what is wrong with it
        return warn("not examined: the lake cannot be read", "mend what the lines above name")
    parts = [
        f"{sum(map(len, weeks.values()))} tables of {len(weeks)} weeks are {what} "
        f"({listed([str(week) for week in weeks])})"
        for weeks, what in (
            (found.unrecorded, "in the lake and not recorded as they are"),
            (found.lost, "recorded and not in the lake"),
        )
        if weeks
    ]
    if parts:
        return warn(
            f"lake and Dagster's history disagree: {'; '.join(parts)}",
            "spine doctor --repair lets the history follow the lake; "
            "spine backfill --missing also makes the evaluations of checks",
        )
    return ok("Dagster's history and the lake agree on every table and week")


def long_runs(instance: dg.DagsterInstance) -> Diagnosis:
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
