"""The pipeline of the finra domain: fetching one week as a run of Dagster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spine_assets.pipelines.catalog import Parameter, ParameterKind, Pipeline, PipelinePlan, RunPlan


def _of_week(values: Mapping[str, Any], dry_run: bool) -> PipelinePlan:
    week = values["week_ending"]
    return PipelinePlan([RunPlan(week, week)])


PIPELINES = (
    Pipeline(
        "finra.fetch",
        "Fetch a week from FINRA into the landing folder; `spine fetch` does so for many.",
        "finra_fetch",
        _of_week,
        (Parameter("week_ending", ParameterKind.WEEK, "the week's Friday", required=True),),
    ),
)
