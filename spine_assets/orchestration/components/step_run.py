"""One step within a Dagster run: its context, its retries, and the events that it records.

Shared by the ops of a pipeline's job and the assets of its tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import DATE
from spine_assets.lake.format import lake_id
from spine_assets.lake.opening import open_lake
from spine_assets.orchestration.asset_events import Event
from spine_assets.orchestration.asset_events import events_of as asset_events_of
from spine_assets.orchestration.components.keys import own_key
from spine_assets.orchestration.database import declared_lake, refresh_database
from spine_assets.orchestration.history.runs import trigger_of
from spine_assets.otc.state.results import CheckResult, TableBuilt
from spine_assets.pipelines.steps.engine import StepContext, StepResult
from spine_assets.pipelines.steps.table_build import TableStepResult
from spine_assets.pipelines.steps.worker_process import Failed, Worker, task_of
from spine_assets.pipelines.steps.workspace import Workspace
from spine_assets.pipelines.yaml.model import Retry, Step
from spine_assets.pipelines.yaml.pipeline import NO_FAILURE, DeclaredPipeline, Failure


def run_once(
    run_context: dg.OpExecutionContext | dg.AssetExecutionContext,
    pipeline: DeclaredPipeline,
    step: Step,
    worker: Worker,
    week: date | None,
    *,
    failure: Failure = NO_FAILURE,
    force: bool = False,
) -> StepResult | TableStepResult | Failed:
    """Make one attempt of a step of a pipeline.

    Args:
        run_context: Of the op or asset that runs it.
        pipeline: The pipeline.
        step: Its step.
        worker: The process that does the work.
        week: The partition.
        failure: What went wrong before it.
        force: Write a table again whose rows are unchanged.
    """
    run, run_date = run_context.run, run_date_of(run_context.run, run_context.instance)
    values = pipeline.values(
        run_date=run_date, run_id=run.run_id, week_ending=week, failure=failure
    )
    context = StepContext(
        pipeline_id=pipeline.pipeline_id,
        pipeline_logging_id=run.run_id,
        step_id=step.step_id,
        step_name=step.title,
        run_date=run_date,
        trigger_by=trigger_of(run) or "manual",
        tenant_id=pipeline.tenant_id,
        week_ending=week,
        pipeline_status="FAILED" if failure.failed_steps else "RUNNING",
        values=values,
        workspace=Workspace.of(load_settings(), pipeline.tenant_id),
        attempt=run_context.retry_number + 1,
    )
    return worker.do(task_of(step, context, force=force), step.timeout_minutes)


def run_date_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> date:
    """The date in a run's tags, else the day of its creation (UTC)."""
    if given := run.tags.get(DATE):
        return date.fromisoformat(given)
    record = instance.get_run_record_by_id(run.run_id)
    made = record.create_timestamp if record else datetime.now(UTC)
    return made.astimezone(UTC).date()


def events_of(
    run_context: dg.OpExecutionContext | dg.AssetExecutionContext,
    built: TableStepResult | Failed,
    pipeline: DeclaredPipeline,
    week: date | None,
) -> Iterator[Event]:
    """Dagster's events of what happened to a table's week.

    Of a step that failed these are the anomalies that it recorded before.
    """
    found: Sequence[TableBuilt | CheckResult] = ()
    if isinstance(built, Failed):
        found = () if built.recorded is None else (built.recorded,)
    else:
        found = built.events
    identity = lake_id(open_lake(load_settings().lake_place))
    yield from asset_events_of(run_context, found, week, partial(own_key, pipeline), identity)
    if pipeline.tenant_id is None and isinstance(built, TableStepResult) and not built.failed:
        refresh_database(run_context.instance, declared_lake(), run_context.log)


def failed_checks(built: TableStepResult) -> Failed | None:
    """The failure of a table whose blocking checks failed; None where it was published."""
    if not built.failed:
        return None
    reasons = [
        f"{event.check}: {event.summary}"
        for event in built.events
        if not isinstance(event, TableBuilt) and event.check in built.failed
    ]
    text = f"{built.table} is not published, its earlier rows stay; {'; '.join(reasons)}"
    return Failed(("CheckFailed",), text)


def seconds_to_wait(retry: Retry | None, failed: Failed, attempt: int) -> float | None:
    """Seconds to wait before a step is tried again; None where it is not."""
    if retry is None or attempt >= retry.max_attempts or not failed.is_one_of(retry.retry_on):
        return None
    return retry.wait_seconds * float(retry.backoff_multiplier ** (attempt - 1))


def links(result: StepResult) -> dict[str, dg.MetadataValue]:
    """Links to the files that a step wrote, for the UI."""
    found: dict[str, dg.MetadataValue] = {}
    for number, item in enumerate(result.files, start=1):
        name = "file" if len(result.files) == 1 else f"file_{number}"
        is_path = isinstance(item, Path)
        found[name] = dg.MetadataValue.path(item) if is_path else dg.MetadataValue.url(str(item))
    return found
