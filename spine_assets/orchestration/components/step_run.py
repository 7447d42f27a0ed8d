"""One step's work within a Dagster run: what it is told, how often it is tried, what is recorded.

Ops of a pipeline's job and the assets of its tables both do their work here.
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
class Told:
    """What a run knows that its steps are told."""

    run_id: str
    run_date: date
    trigger_by: str

    @classmethod
    def of(cls, run: dg.DagsterRun, instance: dg.DagsterInstance) -> Told:
        """Read it from the run's tags; without a date it is about the day of its creation (UTC)."""
        given = run.tags.get(DATE)
        if given:
            day = date.fromisoformat(given)
        else:
            record = instance.get_run_record_by_id(run.run_id)
            made = record.create_timestamp if record else datetime.now(UTC)
            day = made.astimezone(UTC).date()
        return cls(run.run_id, day, run.tags.get(TRIGGER, "manual"))


@dataclass
class Doing:
    """A step of a pipeline, as a run does it."""

    pipeline: DeclaredPipeline
    step: Step
    told: Told
    worker: Worker
    force: bool = False

    def once(
        self, week: date | None, failure: Failure = NO_FAILURE, attempt: int = 1
    ) -> StepResult | TableStepResult | Failed:
        """Try it once.

        Args:
            week: The partition.
            failure: What went wrong before it.
            attempt: Which try it is.
        """
        values = self.pipeline.values(
            run_date=self.told.run_date,
            run_id=self.told.run_id,
            week_ending=week,
            failure=failure,
        )
        context = StepContext(
            pipeline_id=self.pipeline.pipeline_id,
            pipeline_logging_id=self.told.run_id,
            step_id=self.step.step_id,
            step_name=self.step.title,
            run_date=self.told.run_date,
            trigger_by=self.told.trigger_by,
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
    """What happened to a table's week, as Dagster records it."""
    if pipeline.tenant_id is None and not built.failed:
        lake_with_views()
    key = own_key(pipeline, built.table)
    for event in built.events:
        if isinstance(event, TableBuilt):
            yield materialization(event, week, key)
        else:
            yield evaluation(event, week, key)


def kept_back(built: TableStepResult) -> Failed | None:
    """The failure of a table whose checks keep its rows from being published."""
    if not built.failed:
        return None
    said = [
        f"{event.check}: {event.summary}"
        for event in built.events
        if not isinstance(event, TableBuilt) and event.check in built.failed
    ]
    text = f"{built.table} is not published, its earlier rows stay; {'; '.join(said)}"
    return Failed(("CheckFailed",), text)


def seconds_to_wait(retry: Retry | None, failed: Failed, attempt: int) -> float | None:
    """How long to wait before a step is tried again; None where it is not."""
    if retry is None or attempt >= retry.max_attempts or not failed.is_one_of(retry.retry_on):
        return None
    return retry.wait_seconds * float(retry.backoff_multiplier ** (attempt - 1))


def result_json(result: StepResult) -> dict[str, Any]:
    """What an action did, for the step's log."""
    files = [str(item) for item in result.files]
    return {**result.result, **({"files": files} if files else {})}


def links(result: StepResult) -> dict[str, dg.MetadataValue]:
    """Links to what was written, for the UI."""
    found: dict[str, dg.MetadataValue] = {}
    for number, item in enumerate(result.files, start=1):
        name = "file" if len(result.files) == 1 else f"file_{number}"
        is_path = isinstance(item, Path)
        found[name] = dg.MetadataValue.path(item) if is_path else dg.MetadataValue.url(str(item))
    return found
