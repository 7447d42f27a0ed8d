"""A run and its steps as values by column of `x_meta_pipeline_runs` and `x_meta_step_logs`.

Belongs here: making the columns from Dagster's run. Does not belong here: reading steps from events
(`step_rows`), frames (`run_log_frames`), and the columns' meaning (`warehouse.run_tables`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import dagster as dg

from spine_assets.core.tags import (
    DATE,
    PARTITION,
    PIPELINE,
    RANGE_END,
    RANGE_START,
    TENANT,
    TRIGGER,
)
from spine_assets.orchestration.history.events import events_of
from spine_assets.orchestration.history.runs import (
    moment_of,
    name_of,
    run_failure_text,
    trigger_of,
    weeks_of,
)
from spine_assets.orchestration.history.step_rows import (
    ASSET_KINDS,
    FAILED,
    RUNNING,
    STEP_KINDS,
    SUCCESS,
    StepRow,
    missing,
    steps_of,
)

MOST_CHARS = 2_000  # an error of Dagster's may hold a page of configuration; a screen is enough

_STATUS = dg.DagsterRunStatus
_PENDING = "PENDING"
STATUSES = {
    **dict.fromkeys((_STATUS.QUEUED, _STATUS.NOT_STARTED, _STATUS.MANAGED), _PENDING),
    **dict.fromkeys((_STATUS.STARTING, _STATUS.STARTED, _STATUS.SUSPENDED), RUNNING),
    _STATUS.CANCELING: RUNNING,
    _STATUS.SUCCESS: SUCCESS,
    _STATUS.FAILURE: FAILED,
    _STATUS.CANCELED: "CANCELED",
}
"""By each status of Dagster's the one that is shown."""
_RUN_FAILURE = dg.DagsterEventType.RUN_FAILURE
_SHOWN_TAGS = {PIPELINE, TENANT, TRIGGER, DATE, PARTITION, RANGE_START, RANGE_END}
_HIDDEN = "."  # begins Dagster's internal tags, such as a code server's address


@dataclass(frozen=True)
class RunRows:
    """A run and its steps: values by column; JSON as plain values, times in UTC without a zone."""

    row: dict[str, Any]
    steps: list[dict[str, Any]]


def read_runs(
    instance: dg.DagsterInstance, records: Sequence[dg.RunRecord], *, rows: bool = True
) -> Iterator[RunRows]:
    """Runs with their steps; one that was deleted meanwhile is left out.

    Args:
        instance: Dagster's instance.
        records: The runs, in the order wanted.
        rows: Also read what steps materialized, which is most events of a long run.
    """
    kinds = STEP_KINDS | {_RUN_FAILURE} | (ASSET_KINDS if rows else set())

    @cache
    def steps_planned(snapshot_id: str) -> tuple[str, ...]:  # runs of one job share a plan
        plan = instance.get_execution_plan_snapshot(snapshot_id)
        # None where the plan was deleted with another run, in spite of its annotation.
        return tuple(plan.step_keys_to_execute) if plan else ()

    for record in records:
        run = record.dagster_run
        events = []
        if STATUSES[run.status] != _PENDING:  # it has no steps, and SQLite would make it a file
            events = list(events_of(instance, run.run_id, kinds))
            if not events and not instance.has_run(run.run_id):
                continue
        plan_id = run.execution_plan_snapshot_id
        yield _logged(record, events, () if plan_id is None else steps_planned(plan_id))


def _logged(
    record: dg.RunRecord, events: list[tuple[float, dg.DagsterEvent]], plan: Sequence[str]
) -> RunRows:
    run = record.dagster_run
    ended: float | bool = (record.end_time or True) if run.is_finished else False
    steps = steps_of(events, plan, ended)
    total = len(steps) + len(missing(plan, [step.step_id for step in steps]))
    status = STATUSES[run.status]
    failures = [event for _, event in events if event.event_type is _RUN_FAILURE]
    error = run_failure_text(failures[-1]) if failures and status == FAILED else None
    row = {
        "pipeline_logging_id": run.run_id,
        "tenant_id": run.tags.get(TENANT),
        "pipeline_id": name_of(run),
        "start_time": _time(record.start_time),
        "end_time": _time(record.end_time),
        "status": status,
        "trigger_by": trigger_of(run),
        "run_date": _day(record),
        "total_steps": total if plan or steps else None,
        "completed_steps": sum(step.status == SUCCESS for step in steps),
        "failed_steps": sum(step.status == FAILED for step in steps),
        "error_message": _cut(error, run.run_id),
        "metadata": _finite(_metadata(record)),
    }
    return RunRows(row, [_step(run, step) for step in steps])


def _step(run: dg.DagsterRun, step: StepRow) -> dict[str, Any]:
    return {
        "log_id": f"{run.run_id}.{step.step_id}",
        "pipeline_logging_id": run.run_id,
        "step_id": step.step_id,
        "step_name": step.name,
        "start_time": _time(step.started),
        "end_time": _time(step.ended),
        "status": step.status,
        "rows_processed": step.rows,
        "error_message": _cut(step.error, run.run_id),
        "step_result": _finite(step.result),
        "execution_metadata": {
            "attempts": step.attempts,
            "seconds": step.seconds,
            "reason": _cut(step.reason, run.run_id),
            **_asked_for(run),
            "tenant_id": run.tags.get(TENANT),
            "pipeline_id": name_of(run),
        },
    }


def _asked_for(run: dg.DagsterRun) -> dict[str, Any]:
    """Job, and partition or first and last of a range."""
    weeks = weeks_of(run)
    if weeks is None:
        return {"job": run.job_name}
    if PARTITION in run.tags:
        return {"job": run.job_name, "partition": weeks[0]}
    return {"job": run.job_name, "weeks": {"first": weeks[0], "last": weeks[1]}}


def _metadata(record: dg.RunRecord) -> dict[str, Any]:
    run = record.dagster_run
    origin = run.remote_job_origin
    location = origin.repository_origin.code_location_origin.location_name if origin else None
    return {
        **_asked_for(run),
        "created": _created(record).isoformat(),
        "dagster_status": run.status.value,
        "code_location": location,
        "retry_of": run.parent_run_id,
        "tags": {
            name: text
            for name, text in sorted(run.tags.items())
            if name not in _SHOWN_TAGS and not name.startswith(_HIDDEN)
        },
        "config": dict(run.run_config),
    }


def _day(record: dg.RunRecord) -> date:
    """The run's date: its tag, else the day on which it was created."""
    try:
        return date.fromisoformat(record.dagster_run.tags[DATE])
    except (KeyError, ValueError):
        return _created(record).date()


def _created(record: dg.RunRecord) -> datetime:
    at = record.create_timestamp
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _time(stamp: float | None) -> datetime | None:
    at = moment_of(stamp)
    return at.replace(tzinfo=None) if at else None


def _cut(text: str | None, run_id: str) -> str | None:
    """A text of at most `MOST_CHARS`, ending with where to read the rest."""
    if text is None or len(text) <= MOST_CHARS:
        return text
    rest = f"… (cut: {len(text):,} characters; spine runs show {run_id} shows the run's)"
    return text[: MOST_CHARS - len(rest)] + rest


def _finite(value: Any) -> Any:
    """The same JSON with null for NaN and infinities, which JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
