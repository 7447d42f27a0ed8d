"""Schedules in New York time, and the guards around runs that `dagster.yaml` sets."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType

from spine_assets.core.tags import Lane
from spine_assets.core.weeks import Tier
from spine_assets.defs.otc import schedules, weekly
from spine_assets.orchestration.history import open_instance
from spine_assets_tests.support.projects import ROWS, Project, Runner

WEEK = date(2025, 11, 14)
NEXT, LATER = WEEK + timedelta(weeks=1), WEEK + timedelta(weeks=3)
NEW_YORK = ZoneInfo("America/New_York")
AT = datetime(2026, 1, 21, 7, 0, tzinfo=NEW_YORK)


def asked(schedule: dg.ScheduleDefinition, runner: Runner) -> list[dg.RunRequest]:
    """What one tick asks for."""
    with dg.build_schedule_context(
        instance=runner.instance,
        scheduled_execution_time=AT,
        repository_def=runner.code_location.get_repository_def(),
    ) as context:
        told = schedule.evaluate_tick(context)
    return list(told.run_requests or [])


def executed(request: dg.RunRequest, job_name: str, runner: Runner) -> bool:
    job = runner.code_location.resolve_job_def(job_name)
    result = job.execute_in_process(
        run_config=request.run_config,
        instance=runner.instance,
        tags=dict(request.tags),
        partition_key=request.partition_key,
        raise_on_error=False,
    )
    return result.success


@pytest.mark.parametrize(
    ("name", "cron"),
    [
        ("otc_ingest_check", "0 7 * * 3"),
        ("otc_recheck_recent", "30 7 * * 3"),
        ("compute_otc_metrics", "0 22 * * 1-5"),
        ("otc_freshness_weekdays", "0 9 * * 1-5"),
    ],
)
def test_each_is_in_new_york_time_and_off_until_switched_on(
    code_location: dg.Definitions, name: str, cron: str
) -> None:
    found = code_location.resolve_schedule_def(name)
    assert found.cron_schedule == cron
    assert found.execution_timezone == "America/New_York"
    assert found.default_status is dg.DefaultScheduleStatus.STOPPED


def test_only_sensors_that_touch_no_network_are_on(code_location: dg.Definitions) -> None:
    """`alerts` sends only where the environment names a destination."""
    on = {
        sensor.name
        for sensor in code_location.sensors or []
        if sensor.default_status is dg.DefaultSensorStatus.RUNNING
    }
    assert on == {"otc_landing", "alerts"}


class TestIngestCheck:
    def test_it_asks_for_weeks_with_something_not_captured(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, *Tier)
        assert runner.week(WEEK).success
        project.deliver(NEXT, Tier.OTC)
        (request,) = asked(schedules.otc_ingest_check, runner)
        assert request.partition_key == str(NEXT)
        assert executed(request, "otc_weekly", runner)
        assert asked(schedules.otc_ingest_check, runner) == []

    def test_the_same_tick_asks_for_the_same_runs(self, project: Project, runner: Runner) -> None:
        project.deliver(WEEK, Tier.OTC)
        first = asked(schedules.otc_ingest_check, runner)
        second = asked(schedules.otc_ingest_check, runner)
        assert [one.run_key for one in first] == [one.run_key for one in second]


@pytest.mark.long
class TestRecheck:
    def test_it_asks_for_the_newest_captured_weeks_a_stretch_a_run(
        self, project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(schedules, "RECENT_WEEKS", 3)
        for week in (WEEK - timedelta(weeks=9), WEEK, NEXT, LATER):
            project.deliver(week, Tier.OTC)
            assert runner.week(week).success
        requests = asked(schedules.otc_recheck_recent, runner)
        spans = [
            (
                one.tags.get("dagster/asset_partition_range_start"),
                one.tags.get("dagster/asset_partition_range_end"),
                one.tags.get("dagster/partition"),
            )
            for one in requests
        ]
        assert spans == [(str(WEEK), str(NEXT), None), (None, None, str(LATER))]

    @pytest.mark.long
    def test_a_correction_that_lies_there_is_built_by_it(
        self, project: Project, runner: Runner
    ) -> None:
        for week in (WEEK, NEXT):
            project.deliver(week, Tier.OTC)
            assert runner.week(week).success
        project.deliver(WEEK, Tier.OTC, rows=(("ABCD", "OTCX", 999, 2), *ROWS[1:]), mark="-later")
        (request,) = asked(schedules.otc_recheck_recent, runner)
        assert executed(request, "otc_weekly", runner)
        assert asked(schedules.otc_ingest_check, runner) == []

    def test_without_captures_it_asks_for_nothing(self, project: Project, runner: Runner) -> None:
        assert asked(schedules.otc_recheck_recent, runner) == []


class TestMetrics:
    def test_it_asks_for_weeks_whose_tables_are_behind_and_builds_them(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        project.deliver(NEXT, Tier.OTC)
        assert replace(runner, reports=True).week(WEEK).success
        assert runner.week(NEXT, "otc_raw").success
        (request,) = asked(schedules.compute_otc_metrics, runner)
        assert request.tags["dagster/partition"] == str(NEXT)
        assert request.tags["spine/pipeline"] == "compute_otc_metrics"
        assert executed(request, "compute_otc_metrics", runner)
        assert asked(schedules.compute_otc_metrics, runner) == []
        assert runner.states(NEXT)["otc_venue_share"] == ["materialized"]


class TestGuards:
    def test_every_lane_has_a_width_and_a_week_one_run_at_a_time(self, project: Project) -> None:
        with open_instance(project.root) as instance:
            queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        limits = {
            (one["key"], str(one.get("value"))): one["limit"]
            for one in queue.tag_concurrency_limits
        }
        widths = {lane: limits["spine/lane", lane.value] for lane in Lane}
        assert widths == {Lane.NORMAL: 2, Lane.BACKFILL: 1, Lane.SLOW: 1}
        assert limits["dagster/partition", "{'applyLimitPerUniqueValue': True}"] == 1

    def test_runs_are_watched_and_only_crashes_are_run_again(self, project: Project) -> None:
        with open_instance(project.root) as instance:
            assert instance.run_monitoring_enabled
            assert instance.run_monitoring_max_runtime_seconds == 3600
            assert instance.run_retries_enabled
            assert not instance.run_retries_retry_on_asset_or_op_failure

    def test_ticks_are_forgotten_after_a_time(self, project: Project) -> None:
        with open_instance(project.root) as instance:
            days = {
                kind: instance.get_tick_retention_settings(kind)
                for kind in (InstigatorType.SENSOR, InstigatorType.SCHEDULE)
            }
        assert all(0 < number <= 90 for found in days.values() for number in found.values())

    def test_a_passing_fault_is_retried_with_longer_waits_and_a_bad_file_is_not(
        self, project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(weekly, "FIRST_WAIT_SECONDS", 0.2)
        project.deliver(WEEK, Tier.OTC)
        project.block_lake()
        passing = runner.week(WEEK)
        assert not passing.success
        waits = [
            event.step_retry_data.seconds_to_wait
            for event in passing.result.all_events
            if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY
        ]
        assert waits == [0.2, 0.4]
        assert passing.failed_weeks == [str(WEEK)]
        project.lake.unlink()
        project.deliver_in_two_parts(NEXT)
        bad = runner.week(NEXT)
        assert not bad.success
        kinds = {event.event_type for event in bad.result.all_events}
        assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds

    def test_a_fault_that_passes_meanwhile_ends_well(
        self, project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(weekly, "FIRST_WAIT_SECONDS", 0.2)
        project.deliver(WEEK, Tier.OTC)
        project.block_lake()
        said = dg.RetryRequested.__init__

        def mended(self: dg.RetryRequested, *words: object) -> None:
            project.lake.unlink(missing_ok=True)
            said(self, *words)  # type: ignore[arg-type]

        monkeypatch.setattr(dg.RetryRequested, "__init__", mended)
        assert runner.week(WEEK).success
        assert runner.states(WEEK)["otc_venue_share"] == ["materialized"]
