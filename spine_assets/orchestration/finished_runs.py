"""Dagster's finished runs, read for the alerts: which have ended, and the results of each.

No public call returns why a step or a run failed, or whether Dagster will run it again. For that
this reads fields of events, `remote_job_origin` and `code_location_origin` (tried on 1.13.27).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from spine_assets.alerts.alert import Number
from spine_assets.alerts.run_report import BuiltWeek, FailedCheck, RunReport
from spine_assets.core.tags import PARTITION, RANGE_END, RANGE_START
from spine_assets.core.weeks import WeekError, parse_week, weeks_between
from spine_assets.orchestration.history.events import events_of, failure_text
from spine_assets.orchestration.site import current, plain_name
from spine_assets.otc.tables import venue_volume

BUILT_TABLE = venue_volume.TABLE.name
"""The table whose rows and shares measure a built week."""

_EVENT = dg.DagsterEventType
_ENDS: tuple[Any, ...] = (_EVENT.RUN_SUCCESS, _EVENT.RUN_FAILURE)  # whoever cancels a run knows it
_WILL_RETRY = "dagster/will_retry"
# Status and tags of a run are written just after its last event. If its process died in between,
# it must not delay the others for longer.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Finished:
    """A finished run and the position of its last event in the log."""

    position: int
    run: dg.DagsterRun


def newest(instance: dg.DagsterInstance) -> int:
    """Position of the newest end of a run; 0 if there is none."""
    found = [instance.fetch_run_status_changes(kind, limit=1).records for kind in _ENDS]
    return max((record.storage_id for records in found for record in records), default=0)


def finished_after(
    context: dg.SensorEvaluationContext, position: int, limit: int
) -> tuple[list[Finished], int]:
    """Runs of this project that ended after a position, at most `limit`, and the new position.

    Left out are deleted and canceled runs, those of other code locations on the same instance, and
    failed ones that Dagster runs again.
    """
    instance = context.instance
    records: list[dg.EventLogRecord] = []
    for kind in _ENDS:
        wanted = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=position)
        records += instance.fetch_run_status_changes(wanted, limit=limit, ascending=True).records
    found = []
    for record in sorted(records, key=lambda item: item.storage_id)[:limit]:
        run = instance.get_run_by_id(record.event_log_entry.run_id)
        is_new = abs(time.time() - record.timestamp) <= _PATIENCE_SECONDS  # clocks may go back
        if run is not None and is_new and not _is_complete(run, instance):
            break
        position = record.storage_id
        if run is None or run.tags.get(_WILL_RETRY) == "true":
            continue
        if _is_ours(run, context) and run.status is not dg.DagsterRunStatus.CANCELED:
            found.append(Finished(position, run))
    return found, position


def report(instance: dg.DagsterInstance, run: dg.DagsterRun, *, with_built: bool) -> RunReport:
    """The results of a finished run, with what it built where that is wanted."""
    kinds = {_EVENT.STEP_FAILURE, _EVENT.RUN_FAILURE, _EVENT.ASSET_CHECK_EVALUATION}
    if with_built:
        kinds.add(_EVENT.ASSET_MATERIALIZATION)
    failures: dict[date, str] = {}
    errors: list[str] = []
    ends: list[str] = []
    checks: dict[tuple[str, str, str | None], Any] = {}
    built: dict[str, Any] = {}
    for _, event in events_of(instance, run.run_id, kinds):
        match event.event_type:
            case _EVENT.STEP_FAILURE:
                by_week = _failures_by_week(event)
                failures |= by_week
                if not by_week:
                    error = failure_text(event) or "failed"
                    errors.append(f"{event.step_key}: {error}")
            case _EVENT.RUN_FAILURE:
                ends.append(_run_error(event))
            case _EVENT.ASSET_CHECK_EVALUATION:
                found = event.asset_check_evaluation_data
                key = found.asset_key.to_user_string(), found.check_name, found.partition
                checks[key] = found  # the later one replaces the earlier
            case _EVENT.ASSET_MATERIALIZATION:
                made = event.step_materialization_data.materialization
                if plain_name(made.asset_key) == BUILT_TABLE and made.partition:
                    built[made.partition] = made
    if not failures and not errors:
        errors = ends
    return RunReport(
        run_id=run.run_id,
        job=run.job_name,
        succeeded=not ends,
        weeks=_weeks(run),
        failures=failures,
        error="; ".join(errors),
        failed_checks=tuple(
            _failed_check(found)
            for found in checks.values()
            if not found.passed and found.severity is dg.AssetCheckSeverity.ERROR
        ),
        checked=frozenset(week for _, _, key in checks if (week := _week(key))),
        built_table=BUILT_TABLE,
        built=tuple(_built(week, made) for key, made in built.items() if (week := _week(key))),
    )


def _is_complete(run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    """Whether Dagster has written the final status and tags of an ended run."""
    if run.status is dg.DagsterRunStatus.FAILURE and instance.run_retries_enabled:
        return _WILL_RETRY in run.tags
    return run.is_finished


def _is_ours(run: dg.DagsterRun, context: dg.SensorEvaluationContext) -> bool:
    """Whether a run is of this code location; runs of the command line name none."""
    if not current().owns(run):
        return False
    here, origin = context.code_location_origin, run.remote_job_origin
    if here is None or origin is None:
        return True
    there = origin.repository_origin.code_location_origin
    return bool(here.location_name == there.location_name)


def _failures_by_week(event: dg.DagsterEvent) -> dict[date, str]:
    """The metadata `failures` of our own `dg.Failure`: texts by week."""
    failure = event.step_failure_data.user_failure_data
    entry = failure.metadata.get("failures") if failure else None
    texts = entry.value if isinstance(entry, dg.JsonMetadataValue) else None
    if not isinstance(texts, dict):
        return {}
    return {week: str(text) for key, text in texts.items() if (week := _week(key))}


def _run_error(event: dg.DagsterEvent) -> str:
    data = event.event_specific_data
    error = getattr(data, "error", None)  # a run that was killed has no data
    message = event.message or "the run failed"
    return f"{message} {error.message.strip()}" if error else message


def _failed_check(found: dg.AssetCheckEvaluation) -> FailedCheck:
    return FailedCheck(
        _week(found.partition),
        plain_name(found.asset_key),
        found.check_name,
        found.description or "",
        bool(found.blocking),
        _numbers(found.metadata),
    )


def _built(week: date, made: dg.AssetMaterialization) -> BuiltWeek:
    numbers = _numbers(made.metadata)
    unchanged = made.metadata.get("unchanged")
    return BuiltWeek(
        week,
        int(numbers.get("dagster/partition_row_count", 0)),
        numbers.get("shares", 0),
        bool(unchanged and unchanged.value),
    )


def _numbers(metadata: Any) -> dict[str, Number]:
    """The figures of metadata; tables and longer values are for the UI."""
    return {
        name: item.value
        for name, item in metadata.items()
        if isinstance(item, (dg.IntMetadataValue, dg.FloatMetadataValue)) and item.value is not None
    }


def _weeks(run: dg.DagsterRun) -> tuple[date, ...]:
    """The weeks of a run; none if its partitions are not our weeks."""
    first, last = (_week(run.tags.get(name)) for name in (RANGE_START, RANGE_END))
    if first and last:
        return tuple(weeks_between(first, last))
    week = _week(run.tags.get(PARTITION))
    return (week,) if week else ()


def _week(key: str | None) -> date | None:
    try:
        return parse_week(key) if key else None
    except WeekError:
        return None
