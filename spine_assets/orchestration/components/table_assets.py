"""The tables of a pipeline as assets: a multi-asset that builds one week or a range of weeks.

Their group is their pipeline, so `group:otc` does not include them. Materializing them makes tables
only; the pipeline's job also runs the steps that fetch, export or notify.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import dagster as dg

from spine_assets.core.tags import PIPELINE, TENANT
from spine_assets.orchestration.asset_events import Event, check_outputs
from spine_assets.orchestration.asset_specs import (
    OWNER,
    TABLE_KINDS,
    check_description,
    check_spec,
    description_of,
    table_metadata,
)
from spine_assets.orchestration.components.keys import key_of, own_key
from spine_assets.orchestration.components.partition_lock import hold_partition
from spine_assets.orchestration.components.step_run import (
    events_of,
    failed_checks,
    run_once,
    seconds_to_wait,
)
from spine_assets.orchestration.partitions import our_weeks, weeks_of
from spine_assets.pipelines.steps.table_build import TableStepResult
from spine_assets.pipelines.steps.worker_process import Failed, Worker, worker
from spine_assets.pipelines.yaml.model import Step
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline, checks_of, table_made


class TableBuildConfig(dg.Config):
    """Options of a run."""

    force: bool = False
    """Write weeks again whose rows are unchanged."""


def assets_of(pipeline: DeclaredPipeline) -> dg.AssetsDefinition | None:
    """The assets of a pipeline's tables; None where it makes none."""
    if not pipeline.table_steps:
        return None
    made = {own_key(pipeline, step.destination.table): step for step in pipeline.table_steps}

    @dg.multi_asset(
        name=f"{pipeline.name}__TABLES",  # no step has a name in capitals
        specs=[_spec(pipeline, step) for step in pipeline.table_steps],
        check_specs=[check for step in pipeline.table_steps for check in _checks(pipeline, step)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run() if pipeline.is_weekly else None,
        description=pipeline.description,
        op_tags={"dagster/compute_kind": "spine"},
    )
    def tables(
        context: dg.AssetExecutionContext, config: TableBuildConfig
    ) -> Iterator[Event | dg.Output[None]]:
        chosen = [step for key, step in made.items() if key in context.selected_asset_keys]
        if not chosen:
            raise dg.Failure(
                "these checks examine rows before they are published, so they run only together "
                "with their table: materialize it",
                allow_retries=False,
            )
        yield from _Weeks(context, pipeline, chosen, config.force).events()
        yield from check_outputs(context)

    return tables


def _spec(pipeline: DeclaredPipeline, step: Step) -> dg.AssetSpec:
    table = table_made(step, weekly=pipeline.is_weekly, values=pipeline.own_variables())
    before = [
        own_key(pipeline, other.destination.table)
        for other in pipeline.table_steps
        if other.step_id in pipeline.depends[step.step_id]
    ]
    return dg.AssetSpec(
        own_key(pipeline, table.name),
        deps=dict.fromkeys([*(key_of(pipeline, name) for name in table.deps), *before]),
        description=description_of(table),
        group_name=pipeline.name,
        kinds={*TABLE_KINDS, "yaml"},
        owners=[OWNER],
        code_version=table.code_version,
        partitions_def=our_weeks() if pipeline.is_weekly else None,
        skippable=True,
        metadata=table_metadata(table),
        tags={
            PIPELINE: pipeline.name,
            **({TENANT: pipeline.tenant_id} if pipeline.tenant_id else {}),
        },
    )


def _checks(pipeline: DeclaredPipeline, step: Step) -> list[dg.AssetCheckSpec]:
    key = own_key(pipeline, step.destination.table)
    return [
        check_spec(
            check.name,
            key,
            description=check_description(check.description, check.remedy),
            blocking=check.blocking,
            weekly=pipeline.is_weekly,
        )
        for check in checks_of(step)
    ]


@dataclass
class _Weeks:
    """The weeks of a run, one after another; a failed week does not stop the others."""

    context: dg.AssetExecutionContext
    pipeline: DeclaredPipeline
    steps: list[Step]
    force: bool
    failures: dict[str, str] = field(default_factory=dict)
    waits: list[tuple[int, float]] = field(default_factory=list)
    final: bool = False

    def events(self) -> Iterator[Event]:
        """Build all, then fail if one failed."""
        weeks: list[date | None] = [None]
        if self.pipeline.is_weekly:
            weeks = [*weeks_of(self.context)]
        with worker() as process:
            for week in weeks:
                with hold_partition(self.pipeline, week):
                    yield from self._week(week, process)
        if not self.failures:
            return
        failure = dg.Failure(
            "\n".join(
                [f"{len(self.failures)} of {len(weeks)} weeks failed:", *self.failures.values()]
            ),
            metadata={"failed_weeks": [*self.failures], "failures": self.failures},
            allow_retries=False,
        )
        if self.waits and not self.final:
            most, seconds = max(self.waits)
            raise dg.RetryRequested(most, seconds) from failure
        raise failure

    def _week(self, week: date | None, process: Worker) -> Iterator[Event]:
        for step in self.steps:
            found = run_once(self.context, self.pipeline, step, process, week, force=self.force)
            failure = found if isinstance(found, Failed) else None
            if isinstance(found, Failed | TableStepResult):
                yield from self._chosen(events_of(self.context, found, self.pipeline, week))
            if isinstance(found, TableStepResult):
                failure = failed_checks(found)
            if failure is not None:
                self._failed(step, week, failure)
                return  # the tables after it would be built from its earlier rows
        self.context.log.info(f"week {week}: built" if week else "built")

    def _chosen(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events without those of checks that the run does not select."""
        checks = {(key.asset_key, key.name) for key in self.context.selected_asset_check_keys}
        for event in events:
            if (
                isinstance(event, dg.AssetMaterialization)
                or (event.asset_key, event.check_name) in checks
            ):
                yield event

    def _failed(self, step: Step, week: date | None, failure: Failed) -> None:
        text = f"{week or 'all'}: {step.step_id}: {failure.kind}: {failure.message}"
        self.context.log.error(text)
        self.failures[str(week or "all")] = text
        wait = seconds_to_wait(step.retry, failure, self.context.retry_number + 1)
        if wait is None or step.retry is None:
            self.final = True
        else:
            self.waits.append((step.retry.max_attempts - 1, wait))
