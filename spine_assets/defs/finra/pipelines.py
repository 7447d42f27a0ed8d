"""The pipeline of the finra domain: fetching one week as a run of Dagster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spine_assets.pipelines.catalog import Parameter, ParameterKind, Pipeline, PipelinePlan, RunPlan


def _of_week(values: Mapping[str, Any], dry_run: bool) -> PipelinePlan:
    week = values["week_ending"]
    config = {"finra_weekly_files": {"config": {"recheck": values["recheck"]}}}
    return PipelinePlan([RunPlan(week, week, {"ops": config})])


PIPELINES = (
    Pipeline(
        "finra.fetch",
        "Fetch a week from FINRA into the landing folder; `spine fetch` does so for many.",
        "finra_fetch",
        _of_week,
        (
            Parameter("week_ending", ParameterKind.WEEK, "the week's Friday", required=True),
            Parameter(
                "recheck", ParameterKind.FLAG, "ask again for what is long settled", default=False
            ),
        ),
    ),
)
