"""What a declaration means for one tenant: names, steps in order, and the values of its names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from spine_assets.core.tables import Check, Table
from spine_assets.otc.state.results import Severity
from spine_assets.otc.tables.common_checks import SCHEMA
from spine_assets.pipelines.steps.anomalies import ANOMALIES
from spine_assets.pipelines.steps.engine import TableEngine
from spine_assets.pipelines.steps.registry import engines
from spine_assets.pipelines.yaml import step_order
from spine_assets.pipelines.yaml.model import Declaration, Partitions, Step
from spine_assets.pipelines.yaml.table_model import TableDestination, table_of
from spine_assets.pipelines.yaml.templates import TemplateError, Value, names_in, render

_CODE_DIGITS = 12
_REMEDY = "Correct the step's YAML or its input and run it again; the earlier rows stay."
_RECORDED = Check(
    ANOMALIES,
    "The step's own code has recorded neither warning nor error.",
    "The rows are published. The sample has the code, severity, message and context of each.",
)


@dataclass(frozen=True)
class Failure:
    """What went wrong, for steps that run after a failure."""

    error: str = ""
    failed_steps: tuple[str, ...] = ()


NO_FAILURE = Failure()


@dataclass(frozen=True)
class DeclaredPipeline:
    """A pipeline of one tenant, or of none."""

    declaration: Declaration
    tenant_id: str | None

    @cached_property
    def pipeline_id(self) -> str:
        """Its name, with the `{names}` in it replaced."""
        return render(self.declaration.pipeline_id, self._fixed())

    @property
    def name(self) -> str:
        """Its name as Dagster accepts names: letters, digits, underscores."""
        return re.sub(r"\W", "_", self.pipeline_id)

    @property
    def is_weekly(self) -> bool:
        """Whether each run is about one week."""
        return self.declaration.partitions is Partitions.WEEKLY

    @cached_property
    def description(self) -> str:
        """What it is for; names that only a run knows stay as `{name}`."""
        known = {"pipeline_id": self.pipeline_id, **self._fixed()}
        text = self.declaration.description
        later = {name: f"{{{name}}}" for name in names_in(text) if name not in known}
        return render(text, {**known, **later})

    @cached_property
    def depends(self) -> dict[str, tuple[str, ...]]:
        """The steps that each step waits for."""
        return step_order.dependencies(self.declaration.steps)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Steps, each after those that it waits for."""
        by_name = {step.step_id: step for step in self.declaration.steps}
        return tuple(by_name[name] for name in step_order.topological(self.depends))

    @property
    def table_steps(self) -> tuple[Step, ...]:
        """The steps that make tables."""
        return tuple(step for step in self.steps if step.makes_table)

    @property
    def is_parallel(self) -> bool:
        """Whether steps run at the same time."""
        return any(step.parallel_group for step in self.steps)

    def step(self, step_id: str) -> Step:
        """A step by its name; KeyError where there is none."""
        return {step.step_id: step for step in self.steps}[step_id]

    def values(
        self, *, run_date: date, run_id: str, week_ending: date | None, failure: Failure
    ) -> dict[str, Value]:
        """The values of `{names}` in a run."""
        builtin: dict[str, Value] = {
            "pipeline_id": self.pipeline_id,
            "date": run_date,
            "run_id": run_id,
            "error": failure.error,
            "failed_steps": ", ".join(failure.failed_steps),
            **self._fixed(),
        }
        if week_ending is not None:
            builtin["week_ending"] = week_ending
        return resolved(self.own_variables(), builtin)

    def _fixed(self) -> dict[str, Value]:
        """Values that are the same in every run."""
        known: dict[str, Value] = {
            "provider": self.declaration.provider,
            "domain": self.declaration.domain,
        }
        if self.tenant_id is not None:
            known["tenant_id"] = self.tenant_id
        plain = {
            name: value
            for name, value in self.own_variables().items()
            if not isinstance(value, str) or not names_in(value)
        }
        return {**plain, **known}

    def own_variables(self) -> dict[str, Value]:
        """Variables as this tenant sets them; texts may still contain names."""
        tenants = self.declaration.tenants or {}
        own = (tenants.get(self.tenant_id) or {}) if self.tenant_id is not None else {}
        return {**self.declaration.variables, **own}


def of_all_tenants(declaration: Declaration) -> tuple[DeclaredPipeline, ...]:
    """The pipelines that a declaration stands for, one per tenant."""
    tenants: list[str | None] = [*declaration.tenants] if declaration.tenants else [None]
    return tuple(DeclaredPipeline(declaration, tenant) for tenant in tenants)


def table_made(step: Step, *, weekly: bool, values: Mapping[str, Value] | None = None) -> Table:
    """The table that a step makes, declared like every other table.

    Its code version changes with the step's parts and with the values of their names.
    """
    engine = engines()[step.ps_type]
    assert isinstance(engine, TableEngine)  # noqa: S101 - callers check `makes_table`
    destination: TableDestination = step.destination
    parts = [step.model_dump(mode="json", include={"source", "config", "destination"})]
    named = {name: str(value) for name, value in sorted((values or {}).items())}
    text = json.dumps([*parts, named], sort_keys=True, default=str)
    code = hashlib.sha256(text.encode()).hexdigest()[:_CODE_DIGITS]
    return table_of(destination, weekly=weekly, deps=engine.reads(step.source), code=code)


def checks_of(step: Step) -> tuple[Check, ...]:
    """The checks of the table that a step makes: the schema's, its own, and of its anomalies."""
    engine = engines()[step.ps_type]
    assert isinstance(engine, TableEngine)  # noqa: S101 - callers check `makes_table`
    own = [
        Check(
            part.name,
            part.description,
            part.todo or _REMEDY,
            blocking=part.severity is Severity.ERROR,
        )
        for part in step.destination.checks
    ]
    recorded = [_RECORDED] if engine.records_anomalies else []
    return (Check("schema", SCHEMA, _REMEDY, blocking=True), *own, *recorded)


def resolved(variables: Mapping[str, Value], builtin: Mapping[str, Value]) -> dict[str, Value]:
    """Values of all names; names in the texts of variables are replaced as well.

    Raises:
        TemplateError: variables refer to one another in a circle, or a name is not known.
    """
    found = dict(builtin)
    waiting = dict(variables)
    while waiting:
        ready = {
            name: value
            for name, value in waiting.items()
            if not isinstance(value, str) or not {*names_in(value)} & {*waiting}
        }
        if not ready:
            raise TemplateError(f"variables refer to one another: {', '.join(sorted(waiting))}")
        for name, value in ready.items():
            found[name] = render(value, found) if isinstance(value, str) else value
            del waiting[name]
    return found
