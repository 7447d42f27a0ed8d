"""Configuration and tags of a run, whichever launcher starts it."""

from __future__ import annotations

from datetime import date

import pytest

from spine_assets.orchestration.launching.base import config_of, tags_of
from spine_assets.pipelines.catalog import RunPlan

FIRST, LAST = date(2025, 11, 7), date(2025, 11, 21)
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        (RunPlan(FIRST, LAST), {START: "2025-11-07", END: "2025-11-21"}),
        (RunPlan(LAST, LAST), {"dagster/partition": "2025-11-21"}),
        (RunPlan(), {}),
    ],
)
def test_tags_name_the_first_and_the_last_week(plan: RunPlan, named: dict[str, str]) -> None:
    assert tags_of(plan, {"spine/lane": "slow"}) == {"spine/lane": "slow", **named}


@pytest.mark.parametrize("week", [None, LAST])
def test_tags_of_a_plan_outweigh_those_that_are_given(week: date | None) -> None:
    """They are of this run alone; the others are of all runs of a command."""
    found = tags_of(RunPlan(week, week, tags={"spine/lane": "normal"}), {"spine/lane": "slow"})
    assert found["spine/lane"] == "normal"


def test_the_configuration_is_the_plans_with_our_log() -> None:
    plan = RunPlan(run_config={"ops": {"one": {"config": {"name": "Ada"}}}})
    assert config_of(plan) == {"loggers": {"console": {"config": {}}}, **plan.run_config}
    loud = {"loggers": {"console": {"config": {"level": "DEBUG"}}}}
    assert config_of(plan, "DEBUG") == {**loud, **plan.run_config}
