"""The check `tiers_arrived` and its schedule."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from spine_assets.core.weeks import Tier, publication_day, week_ending_of
from spine_assets_tests.support.projects import EVERY_TIER, Project, Runner

WEEK = date(2025, 11, 21)


def checked(runner: Runner) -> dg.AssetCheckEvaluation:
    job = runner.code_location.resolve_job_def("otc_freshness")
    result = job.execute_in_process(instance=runner.instance)
    (found,) = result.get_asset_check_evaluations()
    return found


def test_an_empty_house_owes_nothing(runner: Runner) -> None:
    assert checked(runner).passed


def test_all_that_was_due_until_today_is_in(project: Project, runner: Runner) -> None:
    today = datetime.now(UTC).date()
    for age in range(8):
        week = week_ending_of(today) - timedelta(weeks=age)
        project.deliver(week, *(tier for tier in Tier if publication_day(week, tier) <= today))
    found = checked(runner)
    assert found.passed, found.description
    assert found.description == "every tier that was due has arrived"


def test_an_overdue_tier_is_an_error_that_says_which_and_what_to_do(
    project: Project, runner: Runner
) -> None:
    project.deliver(WEEK, *EVERY_TIER)
    found = checked(runner)
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.ERROR
    said = found.description or ""
    assert f"NMS_TIER_1 of {WEEK + timedelta(weeks=1)} to " in said
    assert "drop it into the landing folder" in said
    sample = found.metadata["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    assert sorted(sample.records[0].data) == ["due", "tier", "week_ending"]


def test_the_schedule_is_off_and_asks_on_weekday_mornings_in_new_york(
    code_location: dg.Definitions,
) -> None:
    schedule = code_location.resolve_schedule_def("otc_freshness_weekdays")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "0 9 * * 1-5"
    assert schedule.execution_timezone == "America/New_York"


def test_the_sensor_of_alerts_is_on(code_location: dg.Definitions) -> None:
    sensor = code_location.resolve_sensor_def("alerts")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30
