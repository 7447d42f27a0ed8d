"""Steps done here and now, without Dagster and without a process of their own."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from spine_assets.pipelines import StepContext, StepResult
from spine_assets.pipelines.steps.table_build import TableStepResult
from spine_assets.pipelines.steps.worker_process import do, task_of
from spine_assets.pipelines.steps.workspace import Workspace
from spine_assets.pipelines.yaml.model import Step
from spine_assets.pipelines.yaml.pipeline import NO_FAILURE
from spine_assets_tests.conftest import WEEK, House
from spine_assets_tests.pipelines.flows import pipelines_of

COLUMNS = """
      key: [symbol]
      columns:
        - {name: symbol, type: VARCHAR, description: Ticker.}
        - {name: total_volume, type: "DECIMAL(38,6)", unit: shares, description: Volume., ge: 0}
"""


def table_flow(query: str, *, name: str = "volumes", columns: str = COLUMNS, **more: Any) -> str:
    """A pipeline of one table; `more` are further keys of the pipeline."""
    given = "".join(f"{key}: {value}\n" for key, value in ({"partitions": "weekly"} | more).items())
    return f"""
pipeline_id: "{"{tenant_id}_" if "tenants" in more else ""}flow"
description: A flow.
{given}
steps:
  - step_id: {name}
    ps_type: duckdb.sql
    source:
      query: {json.dumps(query)}
    destination:
      table: {name}
      description: Volume by symbol.
      grain: a symbol a week
{columns}"""


def context_of(house: House, *, week: date | None = WEEK, tenant: str | None = None) -> StepContext:
    """What a step of a flow is told."""
    return StepContext(
        pipeline_id="flow",
        pipeline_logging_id="run",
        step_id="volumes",
        step_name="Volumes",
        run_date=date(2026, 1, 20),
        trigger_by="test",
        tenant_id=tenant,
        week_ending=week,
        pipeline_status="RUNNING",
        values={},
        workspace=Workspace(house.lake.root, house.root, tenant),
    )


def done(
    text: str,
    house: House,
    *,
    week: date | None = WEEK,
    tenant: int = 0,
    step: int = 0,
    force: bool = False,
) -> TableStepResult | StepResult:
    """Do a step of a flow here and now.

    Raises:
        EngineExecutionError, TransientError: as the engine says.
    """
    pipeline = pipelines_of(text)[tenant]
    wanted: Step = pipeline.steps[step]
    values = pipeline.values(
        run_date=date(2026, 1, 20), run_id="run", week_ending=week, failure=NO_FAILURE
    )
    context = context_of(house, week=week, tenant=pipeline.tenant_id)
    told = StepContext(**{**vars(context), "values": values, "step_id": wanted.step_id})
    return do(task_of(wanted, told, force=force))


def built(text: str, house: House, **more: Any) -> TableStepResult:
    """The table of a step."""
    found = done(text, house, **more)
    assert isinstance(found, TableStepResult)
    return found
