"""Finds the pipelines of all domains, by folder, and those that YAML files declare.

The definitions of the domains are layered above pipelines, so that no module here may import them.
Therefore their package is imported by its name, and a new folder in it is found without a list.
What a pipeline is belongs to `catalog`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from spine_assets.core.tags import DATE, TENANT
from spine_assets.pipelines.catalog import Parameter, ParameterKind, Pipeline, PipelinePlan, RunPlan
from spine_assets.pipelines.yaml.loader import declared
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline

_DOMAINS = "spine_assets.defs"  # a package of a higher layer, imported by name when it is needed
_DAY = Parameter("date", ParameterKind.DAY, "the day it is about, {date}; today (UTC) without")
_WEEK = Parameter("week_ending", ParameterKind.WEEK, "the week's Friday", required=True)


def discover() -> dict[str, Pipeline]:
    """All pipelines by name: `PIPELINES` of each `defs/<domain>/pipelines.py`, and those of YAML.

    Raises:
        BadDeclaration: a pipeline's YAML is not valid.
    """
    folders = pkgutil.iter_modules(importlib.import_module(_DOMAINS).__path__)
    modules = [f"{_DOMAINS}.{item.name}.pipelines" for item in folders if item.ispkg]
    pipelines = [
        pipeline
        for module in modules
        if importlib.util.find_spec(module)
        for pipeline in importlib.import_module(module).PIPELINES
    ]
    pipelines += [_of_declared(item.pipeline) for item in declared()]
    found: dict[str, Pipeline] = {}
    for pipeline in pipelines:
        if pipeline.name in found:
            raise ValueError(f"two pipelines are named {pipeline.name}: rename one of them")
        found[pipeline.name] = pipeline
    return dict(sorted(found.items()))


def _of_declared(pipeline: DeclaredPipeline) -> Pipeline:
    """A pipeline in YAML, of one tenant, as `spine list` and `spine run` know pipelines."""
    parameters = (_WEEK, _DAY) if pipeline.is_weekly else (_DAY,)
    plan = partial(_plan, pipeline)
    return Pipeline(pipeline.pipeline_id, pipeline.description, pipeline.name, plan, parameters)


def _plan(pipeline: DeclaredPipeline, values: Mapping[str, Any], dry_run: bool) -> PipelinePlan:
    week: date | None = values.get("week_ending")
    day: date | None = values["date"]
    tags = {TENANT: pipeline.tenant_id} if pipeline.tenant_id else {}
    if day is not None:
        tags[DATE] = str(day)
    return PipelinePlan([RunPlan(week, week, tags=tags)])
