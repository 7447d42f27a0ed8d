"""Declared pipelines as `spine list` and `spine run` know pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from spine_assets.core.tags import DATE, TENANT
from spine_assets.pipelines.catalog import Kind, Parameter, Pipeline, Plan, RunPlan
from spine_assets.pipelines.yaml.loader import declared
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline

_DAY = Parameter("date", Kind.DAY, "the day it is about, {date}; today (UTC) without")
_WEEK = Parameter("week_ending", Kind.WEEK, "the week's Friday", required=True)


def offered() -> list[Pipeline]:
    """All pipelines that are declared in YAML, one a tenant."""
    return [_offered(item.pipeline) for item in declared()]


def _offered(pipeline: DeclaredPipeline) -> Pipeline:
    parameters = (_WEEK, _DAY) if pipeline.is_weekly else (_DAY,)
    plan = partial(_plan, pipeline)
    return Pipeline(pipeline.pipeline_id, pipeline.description, pipeline.name, plan, parameters)


def _plan(pipeline: DeclaredPipeline, values: Mapping[str, Any], dry_run: bool) -> Plan:
    week: date | None = values.get("week_ending")
    day: date | None = values["date"]
    tags = {TENANT: pipeline.tenant_id} if pipeline.tenant_id else {}
    if day is not None:
        tags[DATE] = str(day)
    return Plan([RunPlan(week, week, tags=tags)])
