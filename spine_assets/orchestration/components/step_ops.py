"""Steps as ops of their pipeline's job.

Every op yields its `outcome` before it fails, and the job's executor lets the steps after it
begin when they have the outcomes of all they wait for. So steps that run on failure are part of
the same run, and the run still fails. The metadata of `outcome` is what `x_meta_step_logs` tells.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from spine_assets.orchestration.components.outcomes import Before, Outcome, Status
from spine_assets.orchestration.components.step_run import (
    Doing,
    Event,
    Told,
    events_of,
    kept_back,
    links,
    result_json,
    seconds_to_wait,
)
from spine_assets.orchestration.components.when import why_not
from spine_assets.pipelines.steps.engine import EngineExecutionError, StepResult
from spine_assets.pipelines.steps.registry import engines
from spine_assets.pipelines.steps.table_build import TableStepResult
from spine_assets.pipelines.steps.worker_process import Failed, failed, worker
from spine_assets.pipelines.yaml.model import Step
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline
from spine_assets.pipelines.yaml.templates import TemplateError

OUTCOME = "outcome"
_AFTER = "after_"


def op_name(pipeline: DeclaredPipeline, step: Step) -> str:
    """Name of the definition; in the job the op has the step's own."""
    return f"{pipeline.name}__{step.step_id}"


def input_name(step_id: str) -> str:
    """Name of the input that hands over the outcome of a step."""
    return f"{_AFTER}{step_id}"


def op_of(pipeline: DeclaredPipeline, step: Step) -> dg.OpDefinition:
    """The op of a step."""
    depends = pipeline.depends[step.step_id]

    @dg.op(
        name=op_name(pipeline, step),
        description=f"{step.title}\n\n{_family(step)}",
        ins={input_name(name): dg.In(dict) for name in depends},
        out={OUTCOME: dg.Out(dict, description="How it ended, for the steps after it.")},
        tags={"dagster/compute_kind": step.ps_type},
    )
    def run_step(
        context: dg.OpExecutionContext, **before: dict[str, Any]
    ) -> Iterator[Event | dg.Output[dict[str, Any]]]:
        yield from _Run(context, pipeline, step, before).events()

    return run_step


def _family(step: Step) -> str:
    told = (type(engines()[step.ps_type]).__doc__ or "").split("\n\n")[0]
    return f"`{step.ps_type}`: {told}"


class _Run:
    """One try of a step within a run."""

    def __init__(
        self,
        context: dg.OpExecutionContext,
        pipeline: DeclaredPipeline,
        step: Step,
        before: dict[str, dict[str, Any]],
    ) -> None:
        self.context, self.pipeline, self.step = context, pipeline, step
        self.before = Before([Outcome.from_plain(item) for item in before.values()])
        self.week = date.fromisoformat(context.partition_key) if pipeline.is_weekly else None
        self.attempt = context.retry_number + 1

    def events(self) -> Iterator[Event | dg.Output[dict[str, Any]]]:
        """Skip it, or do it."""
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
        found = self._done()
        if isinstance(found, Failed):
            yield from self._fail(found)
        elif isinstance(found, StepResult):
            for line in found.log_lines:
                self.context.log.info(line)
            yield self._outcome(
                Status.SUCCESS, found.rows_processed, result_json(found), links(found)
            )
        else:
            yield from self._built(found)

    def _done(self) -> StepResult | TableStepResult | Failed:
        told = Told.of(self.context.run, self.context.instance)
        with worker() as hands:
            doing = Doing(self.pipeline, self.step, told, hands)
            try:
                return doing.once(self.week, self.before.failure, self.attempt)
            except TemplateError as error:
                return failed(error)

    def _built(self, built: TableStepResult) -> Iterator[Event | dg.Output[dict[str, Any]]]:
        yield from events_of(built, self.pipeline, self.week)
        kept = kept_back(built)
        if kept is not None:
            yield from self._fail(kept)
            return
        yield self._outcome(Status.SUCCESS, built.rows, {"table": built.table, "rows": built.rows})

    def _fail(self, fault: Failed) -> Iterator[dg.Output[dict[str, Any]]]:
        """Ask for another try, or tell the steps after it and fail."""
        wait = seconds_to_wait(self.step.retry, fault, self.attempt)
        if wait is not None and self.step.retry is not None:
            self.context.log.warning(
                f"{fault.kind}: {fault.message}; try {self.attempt + 1} of "
                f"{self.step.retry.max_attempts} in {wait:g} s"
            )
            raise dg.RetryRequested(self.step.retry.max_attempts - 1, wait)
        said = f"{fault.kind}: {fault.message}"
        yield self._outcome(Status.FAILED, reason=said)
        trace = {"trace": dg.MetadataValue.md(f"```\n{fault.trace}\n```")} if fault.trace else {}
        raise dg.Failure(said, metadata=trace, allow_retries=False)

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
