"""One step within a Dagster run: its context, its retries, and the events that it records.

Shared by the ops of a pipeline's job and the assets of its tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import DATE, TRIGGER
from spine_assets.orchestration.asset_events import evaluation, materialization
from spine_assets.orchestration.components.keys import own_key
from spine_assets.orchestration.lake_views import lake_with_views
from spine_assets.otc.state.results import TableBuilt
from spine_assets.pipelines.steps.engine import StepContext, StepResult
from spine_assets.pipelines.steps.table_build import TableStepResult
from spine_assets.pipelines.steps.worker_process import Failed, Worker, task_of
from spine_assets.pipelines.steps.workspace import Workspace
from spine_assets.pipelines.yaml.model import Retry, Step
from spine_assets.pipelines.yaml.pipeline import NO_FAILURE, DeclaredPipeline, Failure

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


@dataclass(frozen=True)
class RunInfo:
    """Facts of a run that its steps receive."""

    run_id: str
    run_date: date
    trigger_by: str

    @classmethod
    def of(cls, run: dg.DagsterRun, instance: dg.DagsterInstance) -> RunInfo:
        """Read them from the run's tags; the date defaults to the day of its creation (UTC)."""
        given = run.tags.get(DATE)
        if given:
            day = date.fromisoformat(given)
        else:
            record = instance.get_run_record_by_id(run.run_id)
            made = record.create_timestamp if record else datetime.now(UTC)
            day = made.astimezone(UTC).date()
        return cls(run.run_id, day, run.tags.get(TRIGGER, "manual"))


@dataclass
class StepRun:
    """A step of a pipeline within a run."""

    pipeline: DeclaredPipeline
    step: Step
    run: RunInfo
    worker: Worker
    force: bool = False

    def once(
        self, week: date | None, failure: Failure = NO_FAILURE, attempt: int = 1
    ) -> StepResult | TableStepResult | Failed:
        """Run it once.

        Args:
            week: The partition.
            failure: What went wrong before it.
            attempt: Number of the attempt, from 1.
        """
        values = self.pipeline.values(
            run_date=self.run.run_date,
            run_id=self.run.run_id,
            week_ending=week,
            failure=failure,
        )
        context = StepContext(
            pipeline_id=self.pipeline.pipeline_id,
            pipeline_logging_id=self.run.run_id,
            step_id=self.step.step_id,
            step_name=self.step.title,
            run_date=self.run.run_date,
            trigger_by=self.run.trigger_by,
            tenant_id=self.pipeline.tenant_id,
            week_ending=week,
            pipeline_status="FAILED" if failure.failed_steps else "RUNNING",
            values=values,
            workspace=Workspace.of(load_settings(), self.pipeline.tenant_id),
            attempt=attempt,
        )
        task = task_of(self.step, context, force=self.force)
        return self.worker.do(task, self.step.timeout_minutes)


def events_of(
    built: TableStepResult, pipeline: DeclaredPipeline, week: date | None
) -> Iterator[Event]:
    """Dagster's events of what happened to a table's week."""
    if pipeline.tenant_id is None and not built.failed:
        lake_with_views()
    key = own_key(pipeline, built.table)
    for event in built.events:
        if isinstance(event, TableBuilt):
            yield materialization(event, week, key)
        else:
            yield evaluation(event, week, key)


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


def result_json(result: StepResult) -> dict[str, Any]:
    """The result of an action, for the step's log."""
    files = [str(item) for item in result.files]
    return {**result.result, **({"files": files} if files else {})}


def links(result: StepResult) -> dict[str, dg.MetadataValue]:
    """Links to the files that a step wrote, for the UI."""
    found: dict[str, dg.MetadataValue] = {}
    for number, item in enumerate(result.files, start=1):
        name = "file" if len(result.files) == 1 else f"file_{number}"
        is_path = isinstance(item, Path)
        found[name] = dg.MetadataValue.path(item) if is_path else dg.MetadataValue.url(str(item))
    return found
