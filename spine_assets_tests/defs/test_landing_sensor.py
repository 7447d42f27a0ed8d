"""The landing sensor: what it asks for, when it keeps quiet, and when it asks again."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.core.tags import RANGE_END, RANGE_START
from spine_assets.core.weeks import Tier, weeks_between
from spine_assets.defs import scan_limits
from spine_assets.defs.otc import landing_sensor, retry_policy
from spine_assets.defs.otc.landing_sensor import otc_landing
from spine_assets.otc.captures.pending import input_of
from spine_assets.otc.delivery.scan import scan
from spine_assets_tests.conftest import files_limited_to
from spine_assets_tests.support.projects import EVERY_TIER, ROWS, Project, Runner

WEEK = date(2025, 11, 14)
NEXT = WEEK + timedelta(weeks=1)
OLD = date(2022, 11, 18)
CORRECTED = (("ABCD", "OTCX", 101, 2), *ROWS[1:])


class _Collected(logging.Handler):
    """Keeps what is logged as a warning."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@dataclass
class Watch:
    """Ticks of the sensor, and the runs it asks for, executed as the daemon would."""

    runner: Runner
    cursor: str | None = None
    said: str = ""
    logged: list[str] = field(default_factory=list)

    def tick(self) -> list[dg.RunRequest]:
        """One evaluation; its requests."""
        with dg.build_sensor_context(
            instance=self.runner.instance,
            cursor=self.cursor,
            sensor_name="otc_landing",
        ) as context:
            context.log.addHandler(_Collected(self.logged))
            result = otc_landing(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor or self.cursor
        self.said = (result.skip_reason.skip_message or "") if result.skip_reason else ""
        return list(result.run_requests or [])

    def run(self, request: dg.RunRequest) -> bool:
        """Execute what was asked for."""
        job = self.runner.code_location.resolve_job_def("otc_weekly")
        tags = {**request.tags, "dagster/run_key": request.run_key or ""}
        result = job.execute_in_process(
            run_config=request.run_config,
            instance=self.runner.instance,
            partition_key=request.partition_key,
            tags=tags,
            raise_on_error=False,
        )
        return result.success

    def settle(self, rounds: int = 5) -> int:
        """Tick and run until nothing is asked for; how many runs that took."""
        runs = 0
        for _ in range(rounds):
            asked = self.tick()
            if not asked:
                return runs
            runs += sum(1 for request in asked if self.run(request) is not None)
        pytest.fail("the sensor asks again and again")


@pytest.fixture
def watch(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """A sensor that waits for nothing."""
    monkeypatch.setattr(retry_policy, "_FIRST_WAIT_SECONDS", 0)
    return Watch(runner)  # type: ignore[return-value]


def weeks(requests: list[dg.RunRequest]) -> list[str]:
    """All weeks that are requested, each as often as it is."""
    return [str(week) for request in requests for week in weeks_of(request)]


def weeks_of(request: dg.RunRequest) -> list[date]:
    """The weeks of one request."""
    if request.partition_key is not None:
        return [date.fromisoformat(request.partition_key)]
    first, last = (request.tags[name] for name in (RANGE_START, RANGE_END))
    return weeks_between(date.fromisoformat(first), date.fromisoformat(last))


class TestWhatArrives:
    def test_files_of_a_week_make_one_run_and_then_nothing_is_asked(
        self, project: Project, watch: Watch
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        (request,) = watch.tick()
        assert request.partition_key == str(WEEK)
        assert request.run_key is not None
        assert request.run_key.startswith(f"{WEEK}:")
        assert request.tags["spine/trigger"] == "sensor"
        assert request.tags["spine/lane"] == "normal"
        assert watch.run(request)
        assert watch.tick() == []
        assert watch.tick() == []
        assert watch.said == "nothing new among 3 files"

    def test_a_late_tier_and_a_correction_each_make_a_new_run(
        self, project: Project, watch: Watch
    ) -> None:
        project.deliver(WEEK, Tier.NMS_TIER_1)
        first = watch.tick()
        assert watch.run(first[0])
        project.deliver(WEEK, Tier.OTC)
        second = watch.tick()
        assert watch.run(second[0])
        project.deliver(WEEK, Tier.OTC, rows=CORRECTED, mark="-corrected")
        third = watch.tick()
        assert watch.run(third[0])
        assert watch.tick() == []
        keys = {request.run_key for request in (*first, *second, *third)}
        assert weeks(first) == weeks(second) == weeks(third) == [str(WEEK)]
        assert len(keys) == 3

    def test_a_touched_file_and_a_copy_of_a_known_one_make_none(
        self, project: Project, watch: Watch
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        watch.settle()
        (path,) = project.landing.rglob("*.csv")
        os.utime(path, (time.time() + 5, time.time() + 5))
        assert watch.tick() == []
        path.with_name("again.csv").write_bytes(path.read_bytes())
        assert watch.tick() == []

    def test_a_correction_of_three_years_ago_is_built(self, project: Project, watch: Watch) -> None:
        project.deliver(OLD, Tier.OTC)
        watch.settle()
        project.deliver(NEXT, Tier.OTC)
        watch.settle()
        project.deliver(OLD, Tier.OTC, rows=CORRECTED, updated=date(2025, 11, 3), mark="-later")
        (request,) = watch.tick()
        assert request.partition_key == str(OLD)
        assert watch.run(request)
        assert watch.runner.states(OLD)["otc_venue_share"] == ["materialized"]

    def test_a_tick_asks_for_so_many_runs_and_the_next_one_for_the_others(
        self, project: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(landing_sensor, "MOST_REQUESTS", 3)
        every = [WEEK - timedelta(weeks=number) for number in range(5)]
        for week in every:
            project.deliver(week, Tier.OTC)
        first = watch.tick()
        assert len(first) == 3
        for request in first:
            assert watch.run(request)
        second = watch.tick()
        assert sorted(weeks(first) + weeks(second)) == sorted(map(str, every))

    def test_nothing_is_read_while_nothing_changes(
        self, project: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        watch.settle()
        watch.tick()

        def read(*_: object) -> None:
            raise AssertionError("the landing folder was scanned")

        monkeypatch.setattr(landing_sensor, "scan", read)
        assert watch.tick() == []

    def test_a_damaged_cursor_only_costs_a_look(self, project: Project, watch: Watch) -> None:
        project.deliver(WEEK, Tier.OTC)
        watch.settle()
        for damaged in ("{", "[]", '{"seen": 1, "other": 2}'):
            watch.cursor = damaged
            assert watch.tick() == []


class TestWhatCannotBeUsed:
    def test_it_is_named_once_and_again_when_it_changed(
        self, project: Project, watch: Watch
    ) -> None:
        project.drop("moved.csv", "<html><body>moved</body></html>\n")
        assert watch.tick() == []
        project.deliver(WEEK, Tier.OTC)
        watch.settle()
        (told,) = watch.logged
        assert "moved.csv" in told
        project.drop("moved.csv", "nothing of the sort\n")
        watch.tick()
        assert len(watch.logged) == 2

    def test_a_refused_delivery_is_asked_for_once(self, project: Project, watch: Watch) -> None:
        project.deliver_in_two_parts(WEEK)
        (request,) = watch.tick()
        assert not watch.run(request)
        for _ in range(3):
            assert watch.tick() == []

    def test_a_refused_part_beside_a_good_one_is_asked_for_once(
        self, project: Project, watch: Watch
    ) -> None:
        project.deliver(WEEK, Tier.NMS_TIER_1)
        project.deliver_in_two_parts(WEEK)
        (request,) = watch.tick()
        assert watch.run(request)
        for _ in range(3):
            assert watch.tick() == []
        project.deliver(WEEK, Tier.OTC, rows=ROWS, mark="-part1")
        (project.landing / f"week_ending={WEEK}" / "otc-part2.csv").unlink()
        (again,) = watch.tick()
        assert watch.run(again)
        assert watch.tick() == []

    def test_a_file_still_being_written_waits_and_is_not_forgotten(
        self, project: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scan_limits, "SETTLE_SECONDS", 3600.0)
        project.deliver(WEEK, Tier.OTC)
        assert watch.tick() == []
        assert "still being written" in watch.said
        monkeypatch.setattr(scan_limits, "SETTLE_SECONDS", 0.0)
        assert weeks(watch.tick()) == [str(WEEK)]


class TestMuchAtOnce:
    def test_reading_is_bounded_a_tick_and_goes_on_where_it_stopped(
        self, project: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scan_limits, "READ_BYTES", 1)
        every = [WEEK - timedelta(weeks=number) for number in range(12)]
        for week in every:
            project.deliver(week, Tier.OTC)
        known: list[str] = []
        for _ in range(len(every)):
            asked = watch.tick()
            if asked:
                break
            known.append(watch.said)
        assert sorted(weeks(asked)) == sorted(map(str, every))
        assert len(known) >= 2
        assert all("files are known" in text for text in known)
        assert len(set(known)) == len(known)

    def test_an_index_that_cannot_be_written_is_told_and_not_read_around_for_ever(
        self, project: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scan_limits, "READ_BYTES", 1)
        for number in range(8):
            project.deliver(WEEK - timedelta(weeks=number), Tier.OTC)
        with files_limited_to(0), pytest.raises(OSError, match=r"index\.json cannot be"):
            watch.tick()


@pytest.fixture
def history(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """Files of five weeks, of which two adjacent ones; with more than three, weeks share runs."""
    monkeypatch.setattr(landing_sensor, "MANY_WEEKS", 3)
    found = [OLD, WEEK - timedelta(weeks=1), WEEK, NEXT, NEXT + timedelta(weeks=1)]
    for week in found:
        project.deliver(week, Tier.OTC)
    return found


class TestHistoryAtOnce:
    def test_adjacent_weeks_share_a_run_in_the_lane_of_history(
        self,
        history: list[date],
        watch: Watch,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(landing_sensor, "WEEKS_PER_RUN", 3)
        asked = watch.tick()
        assert [weeks_of(request) for request in asked] == [
            [history[0]],
            history[1:4],
            [history[4]],
        ]
        assert {request.tags["spine/lane"] for request in asked} == {"backfill"}
        assert len({request.run_key for request in asked}) == 3
        capfd.readouterr()
        assert all(watch.run(request) for request in asked)
        # A line a week, and not Dagster's lines of every event.
        printed = capfd.readouterr().err
        assert "tables built" in printed
        assert " - DEBUG - " not in printed
        assert watch.tick() == []
        assert watch.tick() == []
        assert watch.runner.states(*history)["otc_venue_share"] == ["materialized"] * 5

    def test_the_setting_limits_the_weeks_of_a_run(
        self, history: list[date], watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPINE_WEEKS_PER_RUN", "2")
        assert [len(weeks_of(request)) for request in watch.tick()] == [1, 2, 2]

    def test_a_week_that_another_run_builds_divides_a_stretch(
        self, history: list[date], watch: Watch
    ) -> None:
        watch.runner.instance.create_run_for_job(
            watch.runner.code_location.resolve_job_def("otc_weekly"),
            tags={"dagster/partition": str(WEEK)},
        )
        asked = watch.tick()
        assert [weeks_of(request) for request in asked] == [
            [OLD],
            [history[1]],
            [NEXT, history[4]],
        ]

    def test_a_week_that_arrives_meanwhile_is_not_history(
        self, project: Project, history: list[date], watch: Watch
    ) -> None:
        job = watch.runner.code_location.resolve_job_def("otc_weekly")
        for request in watch.tick():
            tags = dict(request.tags)
            if request.partition_key:
                tags["dagster/partition"] = request.partition_key
            watch.runner.instance.create_run_for_job(job, tags=tags)
        project.deliver(WEEK + timedelta(weeks=3), Tier.OTC)
        (request,) = watch.tick()
        assert request.tags["spine/lane"] == "normal"

    def test_a_refused_week_is_left_and_the_others_are_done(
        self, project: Project, history: list[date], watch: Watch
    ) -> None:
        (project.landing / f"week_ending={WEEK}" / "otc.csv").unlink()
        project.deliver_in_two_parts(WEEK)
        single, stretch = watch.tick()
        assert weeks_of(stretch) == history[1:]
        assert watch.run(single)
        assert not watch.run(stretch)
        assert watch.tick() == []
        project.drop("unrelated.csv", "<html>\n")  # another look
        assert watch.tick() == []
        states = watch.runner.states(*history[1:])["otc_venue_share"]
        assert states == ["materialized", "failed", "materialized", "materialized"]

    def test_a_week_that_fails_for_a_while_is_tried_again_and_given_up_alone(
        self, project: Project, history: list[date], watch: Watch
    ) -> None:
        single, stretch = watch.tick()
        watch.run(single)
        folder = project.lake / "otc_raw"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"week_ending={WEEK}").symlink_to("a mount that is missing")
        assert not watch.run(stretch)
        keys = [stretch.run_key]
        for _ in range(retry_policy.MAX_ATTEMPTS - 1):
            (again,) = watch.tick()
            assert again.partition_key == str(WEEK)
            keys.append(again.run_key)
            assert not watch.run(again)
        assert len(set(keys)) == retry_policy.MAX_ATTEMPTS
        assert watch.tick() == []
        assert [text for text in watch.logged if f"spine backfill {WEEK}" in text]

    def test_of_a_killed_run_only_what_it_had_not_built_is_asked_for_again(
        self, history: list[date], watch: Watch
    ) -> None:
        single, stretch = watch.tick()
        watch.run(single)
        assert replace(watch.runner, reports=True).range(history[1], WEEK).success
        dead = watch.runner.instance.create_run_for_job(
            watch.runner.code_location.resolve_job_def("otc_weekly"), tags=stretch.tags
        )
        watch.runner.instance.report_run_failed(dead, "its process ended unexpectedly")
        again = watch.tick()
        assert weeks(again) == [str(week) for week in history[3:]]
        assert [request.tags["spine/lane"] for request in again] == ["normal", "normal"]


@pytest.mark.long
class TestAskingAgain:
    def test_a_passing_fault_is_tried_again_a_bounded_number_of_times(
        self, project: Project, watch: Watch
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        project.block_lake()
        keys = []
        for _ in range(retry_policy.MAX_ATTEMPTS):
            (request,) = watch.tick()
            keys.append(request.run_key)
            assert not watch.run(request)
        assert watch.tick() == []
        assert len(set(keys)) == retry_policy.MAX_ATTEMPTS
        assert [text for text in watch.logged if f"spine backfill {WEEK}" in text]

    def test_once_it_has_passed_the_week_is_built(self, project: Project, watch: Watch) -> None:
        project.deliver(WEEK, Tier.OTC)
        project.block_lake()
        (request,) = watch.tick()
        assert not watch.run(request)
        project.lake.unlink()
        (again,) = watch.tick()
        assert again.run_key == f"{request.run_key}#2"
        assert watch.run(again)
        assert watch.tick() == []

    def test_between_attempts_it_waits(
        self, project: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retry_policy, "_FIRST_WAIT_SECONDS", 3600)
        project.deliver(WEEK, Tier.OTC)
        project.block_lake()
        (request,) = watch.tick()
        assert not watch.run(request)
        project.lake.unlink()
        assert watch.tick() == []
        assert "1 weeks being built or waiting" in watch.said
        # The clock was a year ahead, and is set right.
        before = datetime.now(UTC) - timedelta(days=366)
        waiting = input_of(WEEK, scan(project.landing, project.root / "data" / "index.json"), {})
        ((_, judged),) = retry_policy.judge_all(watch.runner.instance, [waiting], before).items()
        assert judged.verdict is retry_policy.Verdict.ASK

    def test_a_run_killed_after_it_captured_is_asked_for_again(
        self, project: Project, watch: Watch
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        (request,) = watch.tick()
        assert watch.runner.week(WEEK, "otc_raw").success
        dead = watch.runner.instance.create_run_for_job(
            watch.runner.code_location.resolve_job_def("otc_weekly"),
            tags={**request.tags, "dagster/partition": str(WEEK)},
        )
        watch.runner.instance.report_run_failed(dead, "its process ended unexpectedly")
        (again,) = watch.tick()
        assert again.run_key == f"{request.run_key}#2"
        assert watch.run(again)
        assert watch.tick() == []
        assert watch.runner.states(WEEK)["otc_venue_share"] == ["materialized"]

    def test_after_the_lake_was_reset_everything_is_asked_for_again(
        self, project: Project, watch: Watch
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        project.deliver(NEXT, Tier.OTC)
        assert watch.settle() == 2
        done = project.run("spine", "db", "reset", "--yes")
        assert done.returncode == 0, done.stderr
        again = watch.tick()
        assert weeks(again) == [str(WEEK), str(NEXT)]
        assert all(watch.run(request) for request in again)
        assert watch.tick() == []

    def test_a_run_that_a_person_canceled_is_not_repeated(
        self, project: Project, watch: Watch
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        (request,) = watch.tick()
        job = watch.runner.code_location.resolve_job_def("otc_weekly")
        run = watch.runner.instance.create_run_for_job(job, tags=request.tags)
        watch.runner.instance.report_run_canceled(run)
        assert watch.tick() == []

    def test_while_its_run_is_under_way_nothing_is_asked(
        self, project: Project, watch: Watch
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        (request,) = watch.tick()
        job = watch.runner.code_location.resolve_job_def("otc_weekly")
        watch.runner.instance.create_run_for_job(job, tags=request.tags)
        assert watch.tick() == []
        assert "being built" in watch.said


def test_weeks_that_another_run_is_about_to_build_are_left_to_it(
    project: Project, watch: Watch
) -> None:
    for week in (WEEK, NEXT):
        project.deliver(week, Tier.OTC)
    project.deliver(OLD, Tier.OTC)
    job = watch.runner.code_location.resolve_job_def("otc_weekly")
    backfill = watch.runner.instance.create_run_for_job(
        job,
        tags={
            "dagster/asset_partition_range_start": str(WEEK),
            "dagster/asset_partition_range_end": str(NEXT),
        },
    )
    assert weeks(watch.tick()) == [str(OLD)]
    watch.runner.instance.report_run_failed(backfill, "its process ended unexpectedly")
    assert weeks(watch.tick()) == [str(OLD), str(WEEK), str(NEXT)]


@pytest.mark.long
def test_the_cursor_stays_small_whatever_is_known(project: Project, watch: Watch) -> None:
    for number in range(6):
        project.deliver(WEEK - timedelta(weeks=number), Tier.OTC)
    watch.settle()
    watch.tick()
    assert watch.cursor is not None
    memory = json.loads(watch.cursor)
    assert memory["asked"] == {}
    assert len(watch.cursor) < 200
    assert Path(project.landing).exists()
