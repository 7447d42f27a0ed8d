"""`SPINE_FIRST_WEEK`: where Dagster's partitions begin, and what is built."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from click.testing import CliRunner

from spine_assets.alerts.ongoing import FILES
from spine_assets.cli import main
from spine_assets.core.settings import Settings, WrongSetting, load_settings, using, validated
from spine_assets.core.weeks import FIRST_WEEK, Tier
from spine_assets.definitions import defs
from spine_assets.defs.otc.landing_sensor import LandingCursor, otc_landing
from spine_assets.defs.otc.schedules import otc_ingest_check
from spine_assets.lake.opening import open_lake
from spine_assets.orchestration.history import table_states
from spine_assets.orchestration.reconcile import differences
from spine_assets_tests.support import storages
from spine_assets_tests.support.projects import TABLES, Project, Runner

FIRST = date(2025, 11, 14)
EARLIER, LATER = FIRST - timedelta(weeks=1), FIRST + timedelta(weeks=1)


@pytest.fixture
def begun(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that begins with a week, and files of it, of the week before and of the next."""
    monkeypatch.setenv("SPINE_FIRST_WEEK", str(FIRST))
    for week in (EARLIER, FIRST, LATER):
        project.deliver(week, *Tier)
    return project


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2025-11-12", "SPINE_FIRST_WEEK: 2025-11-12 is a Wednesday; .*: 2025-11-14"),
        ("2014-05-09", "SPINE_FIRST_WEEK: 2014-05-09 is before FINRA's first published week"),
        ("soon", "SPINE_FIRST_WEEK: 'soon' is not a date"),
    ],
)
def test_it_is_a_friday_that_finra_published(
    text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_FIRST_WEEK", text)
    with pytest.raises(WrongSetting, match=reason):
        validated(load_settings)


def test_by_default_it_is_the_first_one_that_finra_published(project: Project) -> None:
    assert load_settings().first_week == FIRST_WEEK


def test_given_settings_hold_within_their_block(project: Project) -> None:
    given = Settings(first_week=FIRST)
    with using(given):
        assert load_settings() is given
    assert load_settings().first_week == FIRST_WEEK


def test_every_partition_of_ours_begins_there(begun: Project) -> None:
    graph = defs().resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    weekly = [node.partitions_def for node in nodes if node.partitions_def]
    checks = (graph.get(key).partitions_def for key in graph.asset_check_keys)
    weekly += [partitions for partitions in checks if partitions]
    assert len(weekly) > len(TABLES)
    assert {item.get_first_partition_key() for item in weekly} == {str(FIRST)}


def test_sensor_and_schedule_leave_earlier_weeks(begun: Project, runner: Runner) -> None:
    with dg.build_sensor_context(instance=runner.instance) as context:
        told = otc_landing(context)
    assert isinstance(told, dg.SensorResult)
    asked = [request.partition_key for request in told.run_requests or []]
    assert asked == [str(FIRST), str(LATER)]
    assert runner.instance.get_materialized_partitions(dg.AssetKey(FILES)) == {*asked}
    with dg.build_schedule_context(
        runner.instance, scheduled_execution_time=datetime.now(UTC)
    ) as scheduled:
        found = otc_ingest_check(scheduled)
    assert isinstance(found, list)
    assert [request.partition_key for request in found] == [str(FIRST), str(LATER)]


def test_a_sensor_with_earlier_files_alone_says_so(
    project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_FIRST_WEEK", str(FIRST))
    project.deliver(EARLIER, *Tier)
    with dg.build_sensor_context(instance=runner.instance) as context:
        told = otc_landing(context)
    assert isinstance(told, dg.SensorResult)
    assert told.skip_reason is not None
    assert "1 weeks before SPINE_FIRST_WEEK" in (told.skip_reason.skip_message or "")
    with dg.build_sensor_context(instance=runner.instance, cursor=told.cursor) as context:
        again = otc_landing(context)
    assert isinstance(again, dg.SensorResult)
    assert again.skip_reason is not None
    assert "nothing new" in (again.skip_reason.skip_message or "")


def test_commands_build_later_weeks_and_refuse_earlier_ones(begun: Project) -> None:
    planned = CliRunner().invoke(main, ["backfill", "--missing", "--dry-run"])
    assert planned.exit_code == 0
    assert str(FIRST) in planned.output
    assert str(EARLIER) not in planned.output
    for words in (
        ["backfill", f"{EARLIER}..{LATER}"],
        ["run", "otc.weekly", "-p", f"week_ending={EARLIER}"],
    ):
        refused = CliRunner().invoke(main, words)
        assert refused.exit_code == 2, refused.output
        assert f"week {EARLIER} is before SPINE_FIRST_WEEK, {FIRST}" in refused.output


def test_a_week_that_was_asked_for_before_is_forgotten(begun: Project, runner: Runner) -> None:
    cursor = LandingCursor(asked={str(EARLIER): "content"}).text()
    with dg.build_sensor_context(instance=runner.instance, cursor=cursor) as context:
        told = otc_landing(context)
    assert isinstance(told, dg.SensorResult)
    assert [*LandingCursor.load(told.cursor).asked] == [str(FIRST), str(LATER)]


def test_stored_tables_of_earlier_weeks_need_no_record(
    project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.deliver(EARLIER, *Tier)
    assert runner.week(EARLIER).success
    lake = open_lake(load_settings().lake_place)
    with storages.instance_in(project.root / "without") as empty:
        assert differences(empty, lake).weeks == {EARLIER}
        monkeypatch.setenv("SPINE_FIRST_WEEK", str(FIRST))
        assert not differences(empty, lake)


@pytest.mark.long
def test_dagster_builds_from_the_first_week_on(begun: Project) -> None:
    words = ("dagster", "asset", "materialize", "-m", "spine_assets.definitions", "--select")
    refused = begun.run(*words, "otc_raw", "--partition", str(EARLIER))
    assert refused.returncode != 0
    done = begun.run("spine", "backfill")
    assert done.returncode == 0, done.stderr
    with dg.DagsterInstance.from_config(str(begun.root)) as instance:
        states = table_states(instance, [EARLIER, FIRST, LATER])
    assert {states[table, EARLIER] for table in TABLES} == {None}
    assert {states[table, FIRST] for table in TABLES} == {"materialized"}
