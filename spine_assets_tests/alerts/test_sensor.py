"""The sensor `alerts` after real runs, over a real socket: one message per cause, reported once."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest

from spine_assets.alerts import outbox
from spine_assets.alerts.channels import Destination, destinations
from spine_assets.alerts.sensor_state import SensorState
from spine_assets.core.alert_settings import load_alert_settings
from spine_assets.core.settings import WrongSetting
from spine_assets.core.weeks import Tier, publication_day
from spine_assets.defs import alerts as sensor_module
from spine_assets.otc.build.builders import BUILDERS
from spine_assets.otc.delivery.line_schema import DELIVERED
from spine_assets_tests.alerts.conftest import (
    Mailbox,
    Receiver,
    free_port,
    receiving,
)
from spine_assets_tests.defs.test_weekly import spoil
from spine_assets_tests.support.projects import EVERY_TIER, Project, Runner

WEEK = date(2025, 11, 14)
NEXT = WEEK + timedelta(weeks=1)
AFTER = WEEK + timedelta(weeks=2)
TODAY = date(2025, 12, 15)
"""35 days after the Monday of WEEK: its tier 2 and OTC are due today, its tier 1 and that of
NEXT were due before, that of AFTER is due today."""


@dataclass
class Watcher:
    """The sensor and its cursor."""

    instance: dg.DagsterInstance
    webhook: Receiver | None = None
    cursor: str | None = None
    read: int = 0
    skipped: list[str] = field(default_factory=list)

    def tick(self) -> list[str]:
        """Evaluate the sensor once; the messages that it sent to the webhook."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, sensor_name="alerts"
        )
        result = sensor_module.alerts(context)
        assert isinstance(result, dg.SkipReason)
        self.skipped.append(result.skip_message or "")
        self.cursor = context.cursor
        texts = self.webhook.texts if self.webhook else []
        new, self.read = texts[self.read :], len(texts)
        return new

    @property
    def state(self) -> SensorState:
        held = SensorState.from_json(self.cursor)
        assert held is not None
        return held


def titles(texts: list[str]) -> list[str]:
    """First line of each message, without its marks."""
    return [text.splitlines()[0].strip("*") for text in texts]


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensor takes TODAY for the date."""
    monkeypatch.setattr(sensor_module, "_today", lambda: TODAY)


@pytest.fixture
def watcher(
    runner: Runner, webhook: Receiver, today: None, monkeypatch: pytest.MonkeyPatch
) -> Watcher:
    """A sensor that sends to a webhook and has read all earlier runs."""
    monkeypatch.setenv("SPINE_ALERT_WEBHOOK", webhook.url)
    made = Watcher(runner.instance, webhook)
    assert made.tick() == []
    return made


def deliver_what_is_due(project: Project) -> None:
    """All tiers of WEEK, and tier 1 of NEXT."""
    project.deliver(WEEK, *EVERY_TIER)
    project.deliver(NEXT, Tier.NMS_TIER_1)


def block_writing(project: Project, table: str) -> None:
    """A file where a table's folder should be, so that no week of it can be written."""
    shutil.rmtree(project.lake / table, ignore_errors=True)
    project.lake.mkdir(exist_ok=True)
    (project.lake / table).write_text("in the way")


@pytest.mark.long
class TestRuns:
    def test_a_failed_run_is_reported_with_week_text_and_next_command(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        deliver_what_is_due(project)
        project.deliver(AFTER, Tier.OTC, rows=(("A", "OTCX", 1, 1),), mark="-part1")
        project.deliver(AFTER, Tier.OTC, rows=(("B", "OTCX", 1, 1),), mark="-part2")
        outcome = runner.week(AFTER)
        assert not outcome.success
        (text,) = watcher.tick()
        lines = text.splitlines()
        assert lines[0] == f"*Failed: week {AFTER}*"
        assert "otc-part1.csv" in lines[1]
        assert "join them into one file" in lines[1]
        assert f"week: {AFTER}" in lines
        run_id = outcome.result.run_id
        assert f"Next: `spine runs show {run_id}`" in lines
        assert lines[-1] == f"Run: <http://127.0.0.1:3000/runs/{run_id}|{run_id}>"
        assert watcher.tick() == []

    def test_the_command_that_the_failure_names_is_the_next_one(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        deliver_what_is_due(project)
        assert runner.week(WEEK).success
        project.deliver(WEEK, Tier.OTC, updated=date(2026, 1, 5), mark="-corrected")
        watcher.tick()
        assert not runner.week(WEEK, "otc_venue_share").success
        (text,) = watcher.tick()
        (command,) = [line for line in text.splitlines() if line.startswith("Next: ")]
        assert "dagster asset materialize -m spine_assets.definitions --select" in command
        assert f"--partition {WEEK}" in command

    def test_a_blocked_week_is_one_message_the_checks(
        self,
        project: Project,
        runner: Runner,
        watcher: Watcher,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        deliver_what_is_due(project)
        spoil(monkeypatch, WEEK)
        assert not runner.week(WEEK).success
        (text,) = watcher.tick()
        lines = text.splitlines()
        assert lines[0] == f"*Check failed: otc_symbol_summary.reconciles, week {WEEK}*"
        assert {"table: otc_symbol_summary", "check: reconciles", f"week: {WEEK}"} <= set(lines)
        assert f"Next: `spine anomalies --week {WEEK}`" in lines
        numbers = [line for line in lines if line.split(": ")[-1].replace(",", "").isdigit()]
        assert numbers

    def test_a_failed_check_of_a_run_that_succeeded_is_reported(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        deliver_what_is_due(project)
        project.deliver(WEEK, Tier.OTC, rows=(("A", "OTCX", -5, 1), ("B", "OTCX", 1, 1)))
        assert runner.week(WEEK).success
        (text,) = watcher.tick()
        assert titles([text]) == [f"Check failed: otc_raw.rejects, week {WEEK}"]
        assert "rejects: 1" in text.splitlines()

    def test_the_same_problem_on_many_weeks_is_one_message_that_lists_them(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        for week in (WEEK, NEXT, AFTER):
            project.deliver(week, *EVERY_TIER)
        block_writing(project, "otc_venue_volume")
        outcome = runner.range(WEEK, AFTER)
        assert outcome.failed_weeks == [str(WEEK), str(NEXT), str(AFTER)]
        (text,) = watcher.tick()
        assert titles([text]) == [f"Failed: 3 weeks ({WEEK} to {AFTER})"]
        assert "is a file where a folder is expected" in text
        assert f"weeks: {WEEK} to {AFTER}" in text.splitlines()

    def test_the_same_problem_of_many_runs_is_one_message_too(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        for week in (WEEK, NEXT):
            project.deliver(week, *EVERY_TIER)
        block_writing(project, "otc_venue_volume")
        for week in (WEEK, NEXT):
            runner.week(week)
        (text,) = watcher.tick()
        assert titles([text]) == [f"Failed: 2 weeks ({WEEK} to {NEXT})"]
        assert "runs: 2" in text.splitlines()

    def test_different_problems_of_one_run_are_different_messages(
        self,
        project: Project,
        runner: Runner,
        watcher: Watcher,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        project.deliver_in_two_parts(NEXT)
        project.deliver(NEXT, Tier.NMS_TIER_1, rows=(("Z", "OTCX", 1, 1),), mark="-half")
        spoil(monkeypatch, WEEK)
        project.deliver_in_two_parts(AFTER)
        runner.range(WEEK, AFTER)
        found = titles(watcher.tick())
        assert f"Check failed: otc_symbol_summary.reconciles, week {WEEK}" in found
        assert f"Failed: week {AFTER}" in found
        assert len(found) == 2

    def test_a_step_that_crashed_is_reported_by_its_error(
        self,
        project: Project,
        runner: Runner,
        watcher: Watcher,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def crash(*_: Any) -> pl.DataFrame:
            raise ZeroDivisionError("a bug")

        deliver_what_is_due(project)
        monkeypatch.setitem(BUILDERS, "otc_venue_share", crash)
        runner.week(WEEK)
        (text,) = watcher.tick()
        assert titles([text]) == [f"Failed: week {WEEK}"]
        assert "otc_week: ZeroDivisionError: a bug" in text

    def test_a_run_that_died_without_a_step_failure_is_reported(
        self, runner: Runner, watcher: Watcher
    ) -> None:
        job = runner.code_location.resolve_job_def("otc_weekly")
        run = runner.instance.create_run_for_job(job, tags={"dagster/partition": str(WEEK)})
        runner.instance.report_run_failed(run, "Run timed out, its worker is gone.")
        (text,) = watcher.tick()
        assert titles([text]) == [f"Failed: week {WEEK}"]
        assert "its worker is gone" in text

    def test_a_run_of_another_job_is_reported_without_a_week(
        self, runner: Runner, watcher: Watcher
    ) -> None:
        @dg.op
        def fetch() -> None:
            raise ConnectionError("FINRA does not answer")

        @dg.job
        def fetching() -> None:
            fetch()

        fetching.execute_in_process(instance=runner.instance, raise_on_error=False)
        (text,) = watcher.tick()
        assert titles([text]) == ["Failed: run of fetching"]
        assert "FINRA does not answer" in text
        fetching.execute_in_process(instance=runner.instance, raise_on_error=False)
        assert watcher.tick() == []

    def test_the_same_again_is_reported_once_until_the_week_succeeded(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        deliver_what_is_due(project)
        block_writing(project, "otc_venue_volume")
        runner.week(WEEK)
        assert len(watcher.tick()) == 1
        runner.week(WEEK)
        assert watcher.tick() == []
        (project.lake / "otc_venue_volume").unlink()
        assert runner.week(WEEK).success
        assert watcher.tick() == []
        block_writing(project, "otc_venue_volume")
        runner.week(WEEK)
        assert titles(watcher.tick()) == [f"Failed: week {WEEK}"]

    def test_a_week_that_failed_in_a_range_before_is_not_reported_again_beside_a_new_one(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        deliver_what_is_due(project)
        block_writing(project, "otc_venue_volume")
        runner.week(WEEK)
        assert len(watcher.tick()) == 1
        runner.range(WEEK, NEXT)
        assert titles(watcher.tick()) == [f"Failed: week {NEXT}"]

    def test_history_before_the_first_tick_is_not_reported(
        self, project: Project, runner: Runner, webhook: Receiver, watcher: Watcher
    ) -> None:
        runner.week(WEEK)
        fresh = Watcher(runner.instance, webhook)
        assert fresh.tick() == []
        assert titles(watcher.tick()) == [f"Failed: week {WEEK}"]

    def test_deleted_runs_do_not_stop_the_reports(self, runner: Runner, watcher: Watcher) -> None:
        done = [runner.week(WEEK).result.run_id, runner.week(NEXT).result.run_id]
        assert len(watcher.tick()) == 1  # one cause of two weeks
        for run_id in done:
            runner.instance.delete_run(run_id)
        assert watcher.tick() == []  # the next run gets a storage id that was used before
        runner.week(AFTER)
        assert titles(watcher.tick()) == [f"Failed: week {AFTER}"]

    def test_success_is_reported_on_request_once_a_run(
        self,
        project: Project,
        runner: Runner,
        watcher: Watcher,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        deliver_what_is_due(project)
        assert runner.range(WEEK, NEXT).success
        assert watcher.tick() == []
        monkeypatch.setenv("SPINE_ALERT_ON_SUCCESS", "true")
        assert runner.range(WEEK, NEXT, force=True).success
        (text,) = watcher.tick()
        assert text.splitlines()[:6] == [
            f"*Built: 2 weeks ({WEEK} to {NEXT})*",
            f"2 weeks built: {WEEK} to {NEXT}",
            f"weeks: {WEEK} to {NEXT}",
            "table: otc_venue_volume",
            "rows: 12",  # 3 of each of 4 files
            "shares: 1,800",
        ]


class TestRetries:
    @pytest.fixture
    def retrying(self, project: Project, code_location: dg.Definitions) -> Iterator[Runner]:
        """An instance that runs failed runs again."""
        folder = project.root / "retrying"
        folder.mkdir()
        overrides = {"run_retries": {"enabled": True, "max_retries": 1}}
        with dg.DagsterInstance.local_temp(str(folder), overrides=overrides) as instance:
            yield Runner(code_location, instance)

    def test_only_the_last_attempt_is_reported(
        self,
        retrying: Runner,
        webhook: Receiver,
        today: None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SPINE_ALERT_WEBHOOK", webhook.url)
        watcher = Watcher(retrying.instance, webhook)
        assert watcher.tick() == []
        job = retrying.code_location.resolve_job_def("otc_weekly")
        tags = {"dagster/partition": str(WEEK)}
        first = retrying.instance.create_run_for_job(job, tags=tags)
        retrying.instance.report_run_failed(first, "gone")
        kept = retrying.instance.get_run_by_id(first.run_id)
        assert kept is not None
        assert kept.tags["dagster/will_retry"] == "true"
        assert watcher.tick() == []
        last = retrying.instance.create_run_for_job(job, tags=tags | {"dagster/max_retries": "0"})
        retrying.instance.report_run_failed(last, "gone")
        assert titles(watcher.tick()) == [f"Failed: week {WEEK}"]


class TestChannels:
    def test_without_a_destination_nothing_happens_and_the_reason_is_given(
        self, runner: Runner, project: Project
    ) -> None:
        project.drop("bad.csv", "<html>")
        watcher = Watcher(runner.instance, cursor="old")
        watcher.tick()
        assert watcher.skipped == ["no destination is set: SPINE_ALERT_WEBHOOK or SPINE_ALERT_SMTP"]
        assert not watcher.cursor

    def test_what_a_dead_channel_missed_comes_later_and_the_other_gets_it_once(
        self,
        project: Project,
        runner: Runner,
        mailbox: Mailbox,
        today: None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        port = free_port()
        monkeypatch.setenv("SPINE_ALERT_WEBHOOK", f"http://127.0.0.1:{port}/s3cr3t")
        monkeypatch.setenv("SPINE_ALERT_SMTP", f"smtp://127.0.0.1:{mailbox.port}")
        monkeypatch.setenv("SPINE_ALERT_FROM", "spine@example.org")
        monkeypatch.setenv("SPINE_ALERT_TO", "desk@example.org")
        watcher = Watcher(runner.instance)
        watcher.tick()
        runner.week(WEEK)
        watcher.tick()
        project.drop("bad.csv", "<html>")
        watcher.tick()
        assert watcher.skipped[1:] == [
            "0 sent, 1 waiting (webhook: ConnectError)",
            "0 sent, 2 waiting (webhook: ConnectError)",
        ]
        subjects = [f"[spine] Failed: week {WEEK}", "[spine] Unusable: bad.csv"]
        assert [mail["Subject"] for mail in mailbox.mails] == subjects
        assert "s3cr3t" not in (watcher.cursor or "")
        with receiving(port) as webhook:
            watcher.webhook = webhook
            assert titles(watcher.tick()) == [f"Failed: week {WEEK}", "Unusable: bad.csv"]
            assert watcher.tick() == []
        assert [mail["Subject"] for mail in mailbox.mails] == subjects
        assert watcher.state.waiting == []

    def test_a_message_that_is_refused_holds_up_no_other(
        self, project: Project, runner: Runner, watcher: Watcher, webhook: Receiver
    ) -> None:
        webhook.status = 400
        runner.week(WEEK)
        project.drop("bad.csv", "<html>")
        watcher.tick()
        assert len(webhook.paths) == 2
        webhook.status = 200
        assert len(watcher.tick()) == 2

    def test_after_enough_tries_it_is_given_up_with_an_error_and_the_rest_goes_on(
        self,
        runner: Runner,
        watcher: Watcher,
        webhook: Receiver,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(outbox, "MOST_TRIES", 2)
        logged: list[str] = []
        log = logging.getLogger("given up")
        log.addHandler(_Kept(logged))
        webhook.status = 500
        runner.week(WEEK)
        watcher.tick()
        assert len(watcher.state.waiting) == 1
        state = watcher.state
        done = outbox.send_waiting(state, sensor_destinations(), log)
        assert done.waiting == 0
        (error,) = [text for text in logged if text.startswith("ERROR")]
        assert f"given up after 2 tries by webhook: Failed: week {WEEK}" in error
        watcher.cursor = state.as_json()
        webhook.status = 200
        runner.week(NEXT)
        assert titles(watcher.tick()) == [f"Failed: week {NEXT}"]

    def test_a_wrong_setting_fails_the_tick_without_its_secret(
        self, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPINE_ALERT_SMTP", "smtp://olga:s3cr3t/x@mail.example")
        with pytest.raises(WrongSetting) as refused:
            Watcher(runner.instance).tick()
        assert "SPINE_ALERT_SMTP" in str(refused.value)
        assert "s3cr3t" not in repr(refused.value)

    def test_a_cursor_that_somebody_edited_starts_again(
        self, runner: Runner, watcher: Watcher
    ) -> None:
        watcher.cursor = '{"version":1,"position":"x"'
        runner.week(WEEK)
        assert watcher.tick() == []
        assert watcher.state.position > 0


def sensor_destinations() -> list[Destination]:
    """The destinations that the environment names."""
    return destinations(load_alert_settings())


class _Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__()
        self.texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.levelname} {record.getMessage()}")


class TestOngoing:
    def test_a_healthy_week_of_35_days_raises_nothing(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        deliver_what_is_due(project)
        assert watcher.tick() == []
        assert runner.range(WEEK, NEXT).success
        assert watcher.tick() == []

    def test_a_missing_tier_raises_on_the_day_after_it_was_due_and_once(
        self, project: Project, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project.deliver(WEEK, Tier.NMS_TIER_1, Tier.NMS_TIER_2)
        project.deliver(NEXT, Tier.NMS_TIER_1)
        project.deliver(AFTER, Tier.NMS_TIER_1)
        assert watcher.tick() == []
        monkeypatch.setattr(sensor_module, "_today", lambda: TODAY + timedelta(days=1))
        (text,) = watcher.tick()
        lines = text.splitlines()
        assert lines[0] == f"*Overdue: OTC of week {WEEK}*"
        assert "download it from https://otctransparency.finra.org" in lines[1]
        assert {f"week: {WEEK}", f"due: {TODAY}", "days_overdue: 1"} <= set(lines)
        assert "Next: `spine status`" in lines
        assert watcher.tick() == []
        monkeypatch.setattr(sensor_module, "_today", lambda: TODAY + timedelta(days=2))
        assert watcher.tick() == []

    def test_many_overdue_weeks_of_a_tier_are_one_message(
        self, project: Project, watcher: Watcher
    ) -> None:
        project.deliver(WEEK - timedelta(weeks=10), *EVERY_TIER)
        first = WEEK - timedelta(weeks=9)
        last = WEEK - timedelta(weeks=1)
        assert titles(watcher.tick()) == [
            f"Overdue: NMS_TIER_1 of 11 weeks ({first} to {NEXT})",
            f"Overdue: NMS_TIER_2 of 9 weeks ({first} to {last})",
            f"Overdue: OTC of 9 weeks ({first} to {last})",
        ]

    def test_what_comes_back_is_reported_anew(self, project: Project, watcher: Watcher) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        overdue = [f"Overdue: NMS_TIER_1 of week {NEXT}"]
        assert titles(watcher.tick()) == overdue
        project.deliver(NEXT, Tier.NMS_TIER_1)
        assert watcher.tick() == []
        shutil.rmtree(project.landing / f"week_ending={NEXT}")
        assert titles(watcher.tick()) == overdue

    def test_unusable_files_of_one_reason_are_one_message_and_a_new_one_another(
        self, project: Project, watcher: Watcher
    ) -> None:
        project.drop("a.csv", "<html>")
        project.drop("b.csv", "<html>")
        (text,) = watcher.tick()
        assert titles([text]) == ["Unusable: 2 files"]
        assert text.splitlines()[1].startswith("a.csv, b.csv: ")
        project.drop("c.csv", "<html>")
        assert titles(watcher.tick()) == ["Unusable: c.csv"]
        assert watcher.tick() == []

    def test_a_file_that_a_run_would_refuse_is_reported_as_well(
        self, project: Project, watcher: Watcher
    ) -> None:
        """Half of its rows speak for another week than the other half."""
        deliver_what_is_due(project)
        days = [publication_day(week, Tier.OTC) for week in (WEEK, AFTER)]
        lines = [f"OTC|S{n}|S Corp|OTCX VENUE|OTCX|{n + 1}|1|{days[n % 2]}" for n in range(10)]
        project.drop("mixed.csv", "".join(f"{text}\n" for text in ("|".join(DELIVERED), *lines)))
        (text,) = watcher.tick()
        assert titles([text]) == ["Unusable: mixed.csv"]
        assert f"week_ending={AFTER}" in text

    def test_a_capture_that_waits_is_reported_until_a_person_decides(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        """One row of a week whose whole file is captured."""
        project.deliver(WEEK, Tier.NMS_TIER_1, Tier.NMS_TIER_2)
        project.deliver(NEXT, Tier.NMS_TIER_1)
        day = publication_day(WEEK, Tier.OTC)
        lines = [f"OTC|S{n}|S Corp|OTCX VENUE|OTCX|{n + 1}|1|{day}" for n in range(10)]
        header = "|".join(DELIVERED)
        for name, part in (("whole.csv", lines), ("part.csv", lines[:1])):
            text = "".join(f"{text}\n" for text in (header, *part))
            project.drop(f"week_ending={WEEK}/otc/{name}", text)
        assert runner.week(WEEK).success
        (text,) = [told for told in watcher.tick() if "Waiting" in told]
        assert titles([text]) == [f"Waiting: OTC ATS of week {WEEK}"]
        assert f"week_ending={WEEK}/otc/part.csv: captured, and not in the tables" in text
        assert f"spine captures --week {WEEK}" in text
        assert [told for told in watcher.tick() if "Waiting" in told] == []

    def test_ongoing_problems_are_reported_at_the_first_tick(
        self,
        project: Project,
        runner: Runner,
        webhook: Receiver,
        today: None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SPINE_ALERT_WEBHOOK", webhook.url)
        project.deliver(WEEK, *EVERY_TIER)
        project.drop("bad.csv", "<html>")
        assert titles(Watcher(runner.instance, webhook).tick()) == [
            "Unusable: bad.csv",
            f"Overdue: NMS_TIER_1 of week {NEXT}",
        ]

    def test_the_freshness_check_adds_no_second_message(
        self, project: Project, runner: Runner, watcher: Watcher
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        assert len(watcher.tick()) == 1
        job = runner.code_location.resolve_job_def("otc_freshness")
        result = job.execute_in_process(instance=runner.instance)
        (found,) = result.get_asset_check_evaluations()
        assert not found.passed
        assert watcher.tick() == []
