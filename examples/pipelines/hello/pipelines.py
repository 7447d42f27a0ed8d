"""The pipelines of the example domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spine_assets.pipelines.catalog import Parameter, ParameterKind, Pipeline, PipelinePlan, RunPlan


def _greeting(values: Mapping[str, Any], dry_run: bool) -> PipelinePlan:
    config = {"example_greet": {"config": {"name": values["name"]}}}
    return PipelinePlan([RunPlan(run_config={"ops": config})])


PIPELINES = (
    Pipeline(
        "example.hello",
        "Says hello.",
        "example_hello",
        _greeting,
        (Parameter("name", ParameterKind.TEXT, "whom to greet", default="World"),),
    ),
)
