"""Fetching as Dagster does it: the asset, its sensor and its schedule, each by itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.core.tags import LANE, Lane
from spine_assets.core.weeks import Tier, VenueClass, week_ending_of
from spine_assets.defs.finra.files import FETCH
from spine_assets.defs.finra.offered_sensor import finra_offered
from spine_assets.defs.finra.resource import Finra
from spine_assets.defs.finra.schedules import finra_restatements
from spine_assets.defs.otc import retry_policy
from spine_assets.dev.finra_sim import Fault, Restatement, SimServer, serving
from spine_assets.dev.finra_sim.faults import FaultKind
from spine_assets.finra.delivered import read_name
from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables import registry as tables
from spine_assets.warehouse.connection import connect
from spine_assets_tests.finra.conftest import SMALL, TODAY
from spine_assets_tests.finra.tables import differences, held_by
from spine_assets_tests.support.projects import TABLES, Project, Runner

WEEK = date(2025, 11, 21)
AT = datetime(2025, 12, 31, 11, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def asked(project: Project, server: SimServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project asks the simulated FINRA."""
    monkeypatch.setenv("SPINE_FINRA_URL", server.url)
    monkeypatch.setenv("SPINE_FINRA_REQUESTS_PER_SECOND", "20")


class Clock(Finra):
    """The afternoon of a day, or now."""

    day: str | None

    def now(self) -> datetime:
        """That moment."""
        return datetime.fromisoformat(f"{self.day}T20:00:00Z") if self.day else super().now()


def fetched_files(project: Project) -> list[Path]:
    """Of rows by venue; those of control totals are beside them."""
    files = sorted(project.landing.glob("finra/*/*.csv.gz"))
    return [path for path in files if ".totals." not in path.name]


def ticked(runner: Runner) -> dg.SensorResult | dg.SkipReason:
    """What a tick of the sensor says."""
    with dg.build_sensor_context(
        instance=runner.instance, resources={"finra": Clock(day=None)}
    ) as context:
        told = finra_offered(context)
    assert isinstance(told, dg.SensorResult | dg.SkipReason)
    return told


def requests(runner: Runner) -> list[dg.RunRequest]:
    told = ticked(runner)
    assert isinstance(told, dg.SensorResult), told
    return list(told.run_requests or [])


def executed(request: dg.RunRequest, runner: Runner) -> bool:
    """Run what was asked for."""
    assert request.partition_key is not None
    return fetched(runner, date.fromisoformat(request.partition_key), request.tags).success


def fetched(
    runner: Runner, week: date, tags: Mapping[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    """Run the job for a week."""
    return runner.code_location.resolve_job_def("finra_fetch").execute_in_process(
        instance=runner.instance,
        tags=dict(tags or {}),
        partition_key=str(week),
        raise_on_error=False,
    )


def facts(fetch: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What the step says of its week."""
    (output,) = (event for event in fetch.all_events if event.is_successful_output)
    return {name: item.value for name, item in output.step_output_data.metadata.items()}


def reported_files(runner: Runner) -> dict[str, list[str]]:
    """By week, the files of the latest materialization of the landing folder's asset."""
    key = dg.AssetKey("finra_otc_files")
    found = {}
    for week in runner.instance.get_materialized_partitions(key):
        (record,) = runner.instance.fetch_materializations(
            dg.AssetRecordsFilter(key, asset_partitions=[week]), limit=1
        ).records
        assert record.asset_materialization is not None
        files = record.asset_materialization.metadata["files"]
        assert isinstance(files, dg.TableMetadataValue)
        found[week] = [str(row.data["file"]) for row in files.records]
    return found


@pytest.mark.long
class TestJob:
    def test_a_week_is_fetched_reported_and_then_built(
        self, project: Project, runner: Runner, server: SimServer
    ) -> None:
        done = fetched(runner, WEEK)
        assert done.success
        told = facts(done)
        assert told["new_files"] == told["new_totals"] == len(Tier) * len(VenueClass)
        (files,) = reported_files(runner).values()
        assert len(files) == told["new_files"] + told["new_totals"]
        outcome = runner.week(WEEK)
        assert outcome.success
        assert {name for name, _ in outcome.materialized()} == {*TABLES}
        assert differences(project.lake, server.sim, [WEEK]) == []

    def test_both_classes_stand_side_by_side_in_every_table(
        self, project: Project, runner: Runner, server: SimServer
    ) -> None:
        assert fetched(runner, WEEK).success
        assert runner.week(WEEK).success
        shares = {
            venue_class: sum(
                row[3]
                for tier in Tier
                for row in held_by(server.sim, WEEK, tier)
                if row[0] == venue_class
            )
            for venue_class in VenueClass
        }
        assert all(shares.values())
        with connect(LocalLake(project.lake), tables.TABLES) as warehouse:
            by_symbol = warehouse.execute(
                "SELECT sum(ats_volume), sum(non_ats_volume), bool_and(hhi <= hhi_high) "
                "FROM otc_symbol_summary"
            ).fetchone()
            by_venue = warehouse.execute(
                "SELECT venue_class, sum(total_volume), round(sum(class_share_pct), 6), "
                "count(*) FILTER (mpid = 'DE_MINIMIS' AND rank IS NOT NULL) "
                "FROM otc_venue_share GROUP BY ALL ORDER BY ALL"
            ).fetchall()
            named = warehouse.execute(
                "SELECT DISTINCT regexp_extract(mpid, '^(CRD|FIRM:|DE_MINIMIS)') "
                "FROM otc_venue_volume WHERE venue_class = 'NON_ATS' ORDER BY ALL"
            ).fetchall()
        assert by_symbol == (shares[VenueClass.ATS], shares[VenueClass.NON_ATS], True)
        assert by_venue == [
            ("ATS", shares[VenueClass.ATS], 100.0, 0),
            ("NON_ATS", shares[VenueClass.NON_ATS], 100.0, 0),
        ]
        assert ("CRD",) in named
        assert ("DE_MINIMIS",) in named

    def test_again_nothing_is_new(
        self, project: Project, runner: Runner, server: SimServer
    ) -> None:
        assert fetched(runner, WEEK).success
        before = fetched_files(project)
        server.sim.traffic.forget()
        done = fetched(runner, WEEK)
        assert done.success
        assert facts(done)["new_files"] == 0
        assert fetched_files(project) == before
        weeks = {item["week"] for item in server.sim.traffic.summary()["asked"]}
        assert weeks == {"2025-11-17"}  # a named week is asked about all the same

    def test_a_week_that_is_not_offered_fails_and_says_when_it_is(self, runner: Runner) -> None:
        outcome = fetched(runner, date(2026, 1, 2))
        assert not outcome.success
        assert "NMS_TIER_1 on 2026-01-20" in _failure(outcome)

    def test_a_senseless_answer_fails_and_keeps_the_others(
        self, project: Project, runner: Runner, server: SimServer
    ) -> None:
        server.sim.faults.add(Fault(FaultKind.HTML, count=1))
        outcome = fetched(runner, WEEK)
        assert not outcome.success
        assert "text/html" in _failure(outcome)
        assert len(fetched_files(project)) == 4

    def test_a_refusal_is_told_and_not_repeated(self, runner: Runner, server: SimServer) -> None:
        server.sim.faults.add(Fault(FaultKind.FORBIDDEN))
        outcome = fetched(runner, WEEK)
        assert not outcome.success
        assert "SPINE_FINRA_CLIENT_ID" in _failure(outcome)

    def test_building_the_tables_never_asks_finra(self, runner: Runner, server: SimServer) -> None:
        assert not runner.week(WEEK).success
        assert server.sim.traffic.summary()["requests"] == 0


class TestPipeline:
    def test_a_week_is_fetched_by_name(self, project: Project) -> None:
        done = CliRunner().invoke(main, ["run", "finra.fetch", "-p", f"week_ending={WEEK}"])
        assert done.exit_code == 0, done.output
        assert len(fetched_files(project)) == 6


@pytest.mark.long
class TestSensor:
    def test_it_is_off_until_switched_on(self, code_location: dg.Definitions) -> None:
        found = code_location.resolve_sensor_def("finra_offered")
        assert found.default_status is dg.DefaultSensorStatus.STOPPED

    def test_each_week_that_lacks_something_is_asked_for_once(
        self, project: Project, runner: Runner, server: SimServer
    ) -> None:
        asked_for = requests(runner)
        weeks = [str(request.partition_key) for request in asked_for]
        assert weeks == sorted(weeks, reverse=True)  # the newest first
        offered = {str(week) for week, _ in server.sim.partitions("weeklySummary")}
        historic = {str(week) for week, _ in server.sim.partitions("weeklySummaryHistoric")}
        assert set(weeks) == offered | historic
        assert all(request.tags[LANE] == Lane.SLOW.value for request in asked_for)
        assert all(executed(request, runner) for request in asked_for)
        assert isinstance(ticked(runner), dg.SkipReason)

    def test_a_tier_that_is_published_later_is_asked_for(
        self, runner: Runner, server: SimServer
    ) -> None:
        server.sim.today = date(2025, 12, 28)
        assert all(executed(request, runner) for request in requests(runner))
        server.sim.today = TODAY
        weeks = {request.partition_key for request in requests(runner)}
        assert weeks == {"2025-12-12", "2025-11-28"}  # tier 1 of one, the others of another

    def test_a_fetch_that_failed_is_asked_for_again_later(
        self, runner: Runner, server: SimServer
    ) -> None:
        server.sim.faults.add(Fault(FaultKind.HTML))
        first = requests(runner)[0]
        assert not executed(first, runner)
        server.sim.faults.clear()
        again = [request.partition_key for request in requests(runner)]
        assert first.partition_key not in again  # it waits a minute
        (record, *_) = runner.instance.get_run_records(
            dg.RunsFilter(tags={retry_policy.INPUT: first.tags[retry_policy.INPUT]})
        )
        assert record.dagster_run.status is dg.DagsterRunStatus.FAILURE

    def test_a_finra_that_is_away_is_no_failure_of_the_sensor(
        self, runner: Runner, server: SimServer
    ) -> None:
        server.stop()
        told = ticked(runner)
        assert isinstance(told, dg.SkipReason)
        assert "cannot be read now" in (told.skip_message or "")


class TestRestatements:
    """Clocks and files are of the present, FINRA's days are in it too."""

    WEEK = week_ending_of(datetime.now(UTC).date() - timedelta(days=70))

    @pytest.fixture
    def server(self) -> Iterator[SimServer]:
        """A FINRA of today."""
        today = datetime.now(UTC).date()
        with serving(replace(SMALL, today=today, rows=20, weeks=20, historic_weeks=0)) as running:
            yield running

    @pytest.fixture
    def restated(self, project: Project, runner: Runner, server: SimServer) -> date:
        """A project with one week that FINRA restates today, ten weeks after its end."""
        assert fetched(runner, self.WEEK).success
        assert len(fetched_files(project)) == 6
        plan = Restatement(self.WEEK, Tier.OTC, VenueClass.ATS, server.sim.today)
        server.sim.archive.restate(plan)
        return self.WEEK

    def scheduled(self, runner: Runner) -> list[dg.RunRequest] | dg.SkipReason:
        with dg.build_schedule_context(
            instance=runner.instance,
            scheduled_execution_time=AT,
            resources={"finra": Clock(day=None)},
        ) as context:
            told = finra_restatements(context)
        assert isinstance(told, list | dg.SkipReason)
        return told

    def test_the_schedule_requests_the_weeks_that_changed(
        self, code_location: dg.Definitions, project: Project, runner: Runner, restated: date
    ) -> None:
        found = code_location.resolve_schedule_def("finra_restatements")
        assert found.default_status is dg.DefaultScheduleStatus.STOPPED
        asked_for = self.scheduled(runner)
        assert isinstance(asked_for, list)
        assert [request.partition_key for request in asked_for] == [str(restated)]
        assert executed(asked_for[0], runner)
        assert len(fetched_files(project)) == 7

    def test_without_changes_the_schedule_requests_nothing(self, runner: Runner) -> None:
        assert fetched(runner, self.WEEK).success
        assert isinstance(self.scheduled(runner), dg.SkipReason)

    def test_the_sensor_asks_for_them_too_once_a_day(
        self, project: Project, runner: Runner, server: SimServer, restated: date
    ) -> None:
        weeks = {request.partition_key: request for request in requests(runner)}
        assert str(restated) in weeks
        server.sim.traffic.forget()
        again = {request.partition_key for request in requests(runner)}
        assert str(restated) in again  # until it was asked about
        assert server.sim.traffic.summary()["requests"] == 2  # what is offered: no second look
        assert executed(weeks[str(restated)], runner)
        assert len(fetched_files(project)) == 7
        left = {request.partition_key for request in requests(runner)}
        assert left == weeks.keys() - {str(restated)}

    def test_where_finra_refuses_the_question_an_old_check_is_due(
        self, project: Project, runner: Runner, server: SimServer, restated: date
    ) -> None:
        server.sim.faults.add(Fault(FaultKind.ACROSS_REFUSED))
        assert isinstance(self.scheduled(runner), dg.SkipReason)  # it was asked about just now
        times = project.root / "data" / "finra" / "looks.json"
        asked_at = json.loads(times.read_text())
        week_ago = (datetime.now(UTC) - timedelta(days=7)).isoformat()
        times.write_text(json.dumps(dict.fromkeys(asked_at, week_ago)))
        for path in project.landing.glob("finra/*/*.csv.gz"):
            name = read_name(path.name)
            assert name is not None
            older = replace(name, fetched_at=name.fetched_at - timedelta(days=7))
            path.rename(project.landing / older.path)
        asked_for = self.scheduled(runner)
        assert isinstance(asked_for, list)
        assert [request.partition_key for request in asked_for] == [str(restated)]
        assert executed(asked_for[0], runner)
        assert len(fetched_files(project)) == 7


def test_an_older_week_is_fetched_from_the_historic_dataset(
    project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(replace(SMALL, weeks=2, historic_weeks=6)) as server:
        monkeypatch.setenv("SPINE_FINRA_URL", server.url)
        assert fetched(runner, WEEK).success
        assert runner.week(WEEK).success
        assert "weeklySummaryHistoric" in str(server.sim.traffic.summary()["endpoints"])
        assert differences(project.lake, server.sim, [WEEK]) == []
        assert LocalLake(project.lake).weeks("otc_venue_share") == [WEEK]


def test_a_password_in_the_address_is_refused_and_stands_in_no_log_or_event(
    server: SimServer,
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("SPINE_FINRA_URL", server.url.replace("://", "://olga:s3cr3t@"))
    fetch = fetched(runner, WEEK)
    assert not fetch.success
    stored = str(runner.instance.all_logs(fetch.run_id)) + caplog.text + str(capfd.readouterr())
    assert "SPINE_FINRA_URL: contains a user or password" in stored
    assert "s3cr3t" not in stored
    assert server.sim.traffic.summary()["requests"] == 0


def _failure(fetch: dg.ExecuteInProcessResult) -> str:
    data = fetch.failure_data_for_node(FETCH)
    assert data is not None
    assert data.error is not None
    return data.error.message
