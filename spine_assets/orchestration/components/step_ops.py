"""Steps as ops of their pipeline's job.

Every op yields its `outcome` before it fails, and the job's executor starts a step when it has the
outcomes of all steps that it waits for. So steps that run on failure are part of the same run, and
the run still fails. `x_meta_step_logs` is read from the metadata of `outcome`.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from spine_assets.orchestration.asset_events import Event
from spine_assets.orchestration.components.outcomes import Status, StepOutcome, UpstreamOutcomes
from spine_assets.orchestration.components.step_run import (
    events_of,
    failed_checks,
    links,
    run_once,
    seconds_to_wait,
)
from spine_assets.orchestration.components.when import why_not
from spine_assets.orchestration.partitions import week_of
from spine_assets.pipelines.steps.engine import EngineExecutionError, StepResult
from spine_assets.pipelines.steps.registry import engines
from spine_assets.pipelines.steps.table_build import TableStepResult
from spine_assets.pipelines.steps.worker_process import Failed, failed, worker
from spine_assets.pipelines.yaml.model import Step
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline
from spine_assets.pipelines.yaml.templates import TemplateError

OUTCOME = "outcome"


def op_name(pipeline: DeclaredPipeline, step: Step) -> str:
    """Name of the definition; in the job the op has the step's own."""
    return f"{pipeline.name}__{step.step_id}"


def input_name(step_id: str) -> str:
    """Name of the input that receives the outcome of a step."""
    return f"after_{step_id}"


def op_of(pipeline: DeclaredPipeline, step: Step) -> dg.OpDefinition:
    """The op of a step."""
    summary = (type(engines()[step.ps_type]).__doc__ or "").split("\n\n")[0]

    @dg.op(
        name=op_name(pipeline, step),
        description=f"{step.title}\n\n`{step.ps_type}`: {summary}",
        ins={input_name(name): dg.In(dict) for name in pipeline.depends[step.step_id]},
        out={OUTCOME: dg.Out(dict, description="How it ended, for the steps after it.")},
        tags={"dagster/compute_kind": step.ps_type},
    )
    def run_step(
        context: dg.OpExecutionContext, **before: dict[str, Any]
    ) -> Iterator[Event | dg.Output[dict[str, Any]]]:
        yield from _Attempt(context, pipeline, step, before).events()

    return run_step


class _Attempt:
    """One attempt of a step within a run."""

    def __init__(
        self,
        context: dg.OpExecutionContext,
        pipeline: DeclaredPipeline,
        step: Step,
        before: dict[str, dict[str, Any]],
    ) -> None:
        self.context, self.pipeline, self.step = context, pipeline, step
        self.before = UpstreamOutcomes([StepOutcome.from_plain(item) for item in before.values()])
        self.week = week_of(context) if pipeline.is_weekly else None
        self.attempt = context.retry_number + 1

    def events(self) -> Iterator[Event | dg.Output[dict[str, Any]]]:
        """Skip the step or run it."""
        try:
            reason = self.before.why_not(self.step.trigger) or why_not(
                self.step.when, self.before, self.pipeline, self.context.instance, self.week
            )
        except EngineExecutionError as error:
            yield from self._fail(failed(error))
            return
        if reason is not None:
            self.context.log.info(f"skipped: {reason}")
            yield self._outcome(Status.SKIPPED, reason=reason)
            return
        found: StepResult | TableStepResult | Failed
        with worker() as process:
            try:
                found = run_once(
                    self.context,
                    self.pipeline,
                    self.step,
                    process,
                    self.week,
                    failure=self.before.failure,
                )
            except TemplateError as error:
                found = failed(error)
        if isinstance(found, Failed):
            yield from events_of(self.context, found, self.pipeline, self.week)
            yield from self._fail(found)
        elif isinstance(found, StepResult):
            for line in found.log_lines:
                self.context.log.info(line)
            files = {"files": [str(item) for item in found.files]} if found.files else {}
            result = {**found.result, **files}
            yield self._outcome(Status.SUCCESS, found.rows_processed, result, links(found))
        else:
            yield from self._built(found)

    def _built(self, built: TableStepResult) -> Iterator[Event | dg.Output[dict[str, Any]]]:
        yield from events_of(self.context, built, self.pipeline, self.week)
        failure = failed_checks(built)
        if failure is not None:
            yield from self._fail(failure)
            return
        yield self._outcome(Status.SUCCESS, built.rows, {"table": built.table, "rows": built.rows})

    def _fail(self, failure: Failed) -> Iterator[dg.Output[dict[str, Any]]]:
        """Request a retry, or yield the outcome for the steps after it and fail."""
        wait = seconds_to_wait(self.step.retry, failure, self.attempt)
        if wait is not None and self.step.retry is not None:
            self.context.log.warning(
                f"{failure.kind}: {failure.message}; try {self.attempt + 1} of "
                f"{self.step.retry.max_attempts} in {wait:g} s"
            )
            raise dg.RetryRequested(self.step.retry.max_attempts - 1, wait)
        reason = f"{failure.kind}: {failure.message}"
        yield self._outcome(Status.FAILED, reason=reason)
        trace = dg.MetadataValue.md(f"```\n{failure.trace}\n```")
        metadata = {"trace": trace} if failure.trace else {}
        raise dg.Failure(reason, metadata=metadata, allow_retries=False)

    def _outcome(
        self,
        status: Status,
        rows: int | None = None,
        result: dict[str, Any] | None = None,
        more: dict[str, dg.MetadataValue] | None = None,
        *,
        reason: str = "",
    ) -> dg.Output[dict[str, Any]]:
        outcome = self.before.then(self.step.step_id, status, rows, reason)
        metadata: dict[str, Any] = {
            "status": status.value,
            "step_name": self.step.title,
            "attempts": self.attempt,
            **({"rows_processed": rows} if rows is not None else {}),
            **({"result": dg.MetadataValue.json(result)} if result else {}),
            **({"reason": reason} if reason else {}),
            **(more or {}),
        }
        return dg.Output(outcome.as_plain(), OUTCOME, metadata=metadata)
