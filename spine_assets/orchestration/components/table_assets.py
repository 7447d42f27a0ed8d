"""The tables of a pipeline as assets: a multi-asset that builds one week or a range of weeks.

They stand in the group of their pipeline, so that `group:otc` is free of them. To materialize them
makes tables alone; what fetches, exports or tells is done by the pipeline's job.
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from spine_assets.core.tables import Table
from spine_assets.core.tags import PIPELINE, TENANT
from spine_assets.orchestration.asset_specs import (
    OWNER,
    TABLE_KINDS,
    check_description,
    description_of,
    table_metadata,
    weekly_check,
)
from spine_assets.orchestration.components.keys import key_of, own_key
from spine_assets.orchestration.components.partition_lock import turn
from spine_assets.orchestration.components.step_run import (
    Doing,
    Event,
    Told,
    events_of,
    kept_back,
    seconds_to_wait,
)
from spine_assets.orchestration.partitions import WEEKS
from spine_assets.otc.state.results import Severity
from spine_assets.otc.tables.common_checks import SCHEMA
from spine_assets.pipelines.steps.table_build import Built
from spine_assets.pipelines.steps.worker_process import Failed, Worker, worker
from spine_assets.pipelines.yaml.model import Step
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline, table_made

_REMEDY = "Mend the step's YAML or what it reads, and run it again; the earlier rows stay."


class BuildConfig(dg.Config):
    """Options of a run."""

    force: bool = False
    """Write also weeks whose rows are what is stored."""


def assets_of(pipeline: DeclaredPipeline) -> dg.AssetsDefinition | None:
    """The assets of a pipeline's tables; None where it makes none."""
    if not pipeline.table_steps:
        return None
    made = {own_key(pipeline, step.destination.table): step for step in pipeline.table_steps}

    @dg.multi_asset(
        name=f"{pipeline.name}__TABLES",  # no step is named in capitals,
        specs=[_spec(pipeline, step) for step in pipeline.table_steps],
        check_specs=[check for step in pipeline.table_steps for check in _checks(pipeline, step)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run() if pipeline.is_weekly else None,
        description=pipeline.description,
        op_tags={"dagster/compute_kind": "spine"},
    )
    def tables(context: dg.AssetExecutionContext, config: BuildConfig) -> Iterator[Event]:
        chosen = [step for key, step in made.items() if key in context.selected_asset_keys]
        if not chosen:
            raise dg.Failure(
                "these checks are of rows before they are published, so they are made with their "
                "table alone: materialize it",
                allow_retries=False,
            )
        yield from _Weeks(context, pipeline, chosen, force=config.force).events()

    return tables


def _spec(pipeline: DeclaredPipeline, step: Step) -> dg.AssetSpec:
    table = _declared(pipeline, step)
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
        partitions_def=WEEKS if pipeline.is_weekly else None,
        skippable=True,
        metadata=table_metadata(table),
        tags={
            PIPELINE: pipeline.name,
            **({TENANT: pipeline.tenant_id} if pipeline.tenant_id else {}),
        },
    )


def _declared(pipeline: DeclaredPipeline, step: Step) -> Table:
    return table_made(step, weekly=pipeline.is_weekly, values=pipeline.own_variables())


def _checks(pipeline: DeclaredPipeline, step: Step) -> list[dg.AssetCheckSpec]:
    key = own_key(pipeline, step.destination.table)
    told = [("schema", check_description(SCHEMA, _REMEDY), True)]
    told += [
        (
            check.name,
            check_description(check.description, check.todo or _REMEDY),
            check.severity is Severity.ERROR,
        )
        for check in step.destination.checks
    ]
    if pipeline.is_weekly:
        return [
            weekly_check(name, key, description=text, blocking=blocking)
            for name, text, blocking in told
        ]
    return [
        dg.AssetCheckSpec(name, asset=key, description=text, blocking=blocking)
        for name, text, blocking in told
    ]


class _Weeks:
    """The weeks of a run, one after another; a bad one stops itself and no other."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        pipeline: DeclaredPipeline,
        steps: list[Step],
        *,
        force: bool,
    ) -> None:
        self.context, self.pipeline, self.steps, self.force = context, pipeline, steps, force
        self.failures: dict[str, str] = {}
        self.waits: list[tuple[int, float]] = []
        self.final = False

    def events(self) -> Iterator[Event]:
        """Build all, then fail if one failed."""
        weeks: list[date | None] = [None]
        if self.pipeline.is_weekly:
            weeks = [date.fromisoformat(key) for key in self.context.partition_keys]
        with worker() as hands:
            for week in weeks:
                with turn(self.pipeline, week):
                    yield from self._week(week, hands)
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

    def _week(self, week: date | None, hands: Worker) -> Iterator[Event]:
        for step in self.steps:
            told = Told.of(self.context.run, self.context.instance)
            doing = Doing(self.pipeline, step, told, hands, self.force)
            attempt = self.context.retry_number + 1
            found = doing.once(week, attempt=attempt)
            fault = found if isinstance(found, Failed) else None
            if isinstance(found, Built):
                yield from self._chosen(events_of(found, self.pipeline, week))
                fault = kept_back(found)
            if fault is not None:
                self._failed(step, week, fault, attempt)
                return  # the tables after it would be made of its earlier rows
        self.context.log.info(f"week {week}: built" if week else "built")

    def _chosen(self, events: Iterator[Event]) -> Iterator[Event]:
        """Events but for checks that the run leaves out."""
        checks = {(key.asset_key, key.name) for key in self.context.selected_asset_check_keys}
        for event in events:
            match event:
                case dg.AssetCheckEvaluation(asset_key=key, check_name=name):
                    if (key, name) in checks:
                        yield event
                case _:
                    yield event

    def _failed(self, step: Step, week: date | None, fault: Failed, attempt: int) -> None:
        said = f"{week or 'all'}: {step.step_id}: {fault.kind}: {fault.said}"
        self.context.log.error(said)
        self.failures[str(week or "all")] = said
        wait = seconds_to_wait(step.retry, fault, attempt)
        if wait is None or step.retry is None:
            self.final = True
        else:
            self.waits.append((step.retry.max_attempts - 1, wait))
