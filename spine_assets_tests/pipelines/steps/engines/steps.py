"""Runs a step as it is declared, in this process: names replaced, SQL left to be bound."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from spine_assets.pipelines import ActionEngine, Parts, StepContext, StepResult, Work
from spine_assets.pipelines.steps import engines
from spine_assets.pipelines.steps import registry as finding
from spine_assets.pipelines.steps.engine import PARTS, Engine
from spine_assets.pipelines.steps.workspace import Workspace
from spine_assets.pipelines.yaml import reference
from spine_assets.pipelines.yaml.step_texts import rendered
from spine_assets.pipelines.yaml.templates import Value

Step = Mapping[str, Any]
AnyEngine = Engine[Any, Any, Any]
WEEK = date(2025, 11, 21)


def found_engines() -> dict[str, AnyEngine]:
    """Every engine of the folder, by its `ps_type`."""
    own = engines.__name__
    return {name: found for name, found in finding.engines().items()
            if type(found).__module__.startswith(own)}  # fmt: skip


def context_of(
    root: Path,
    *,
    tenant: str | None = None,
    week: date | None = WEEK,
    **values: Value,
) -> StepContext:
    """What a step is told whose data folder is `root`."""
    told: dict[str, Value] = {"pipeline_id": "desk", "date": date(2026, 1, 20)}
    if tenant is not None:
        told["tenant_id"] = tenant
    if week is not None:
        told["week_ending"] = week
    return StepContext(
        pipeline_id="desk",
        pipeline_logging_id="run-1",
        step_id="step",
        step_name="Step",
        run_date=date(2026, 1, 20),
        trigger_by="test",
        tenant_id=tenant,
        week_ending=week,
        pipeline_status="RUNNING",
        values={**told, **values},
        workspace=Workspace(root / "lake", root, tenant),
    )


def parts_of(engine: AnyEngine, step: Step) -> dict[str, BaseModel]:
    """The parts of a step as declared."""
    return {part: getattr(engine, part).model_validate(step.get(part) or {}) for part in PARTS}


def work_of(engine: AnyEngine, step: Step, context: StepContext) -> Work[Any, Any, Any]:
    """A step's work with the names in its texts replaced."""
    parts = {name: rendered(part, context.values) for name, part in parts_of(engine, step).items()}
    return Work(**parts, context=context)


def act(engine: ActionEngine[Any, Any, Any], step: Step, context: StepContext) -> StepResult:
    """Do a step's work."""
    return engine.act(work_of(engine, step, context))


def problems(engine: AnyEngine, step: Step, *known: str) -> list[str]:
    """What is wrong with a step when it is loaded."""
    return engine.problems(Parts(**parts_of(engine, step)), set(known))


def example_of(engine: AnyEngine) -> dict[str, Any]:
    """The step that an engine's docstring shows."""
    shown = reference.example_of(engine)
    assert shown, f"{engine.ps_type} shows no step"
    step = yaml.safe_load(shown)
    assert isinstance(step, dict)
    return step
