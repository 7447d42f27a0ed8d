"""What Dagster counts as checked: evaluations name their materialization, and each was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionResolvedStatus
from dagster._core.storage.asset_check_state import AssetCheckState

from spine_assets.core.weeks import Tier
from spine_assets.orchestration.partitions import WEEKS
from spine_assets.otc.state import freshness
from spine_assets.otc.tables import symbol_summary, venue_share
from spine_assets.otc.tables.registry import TABLES as DECLARED
from spine_assets_tests.defs.test_weekly import spoil
from spine_assets_tests.support.projects import CHECKS, EVERY_TIER, Project, Runner

WEEK = date(2025, 11, 14)
NEXT = WEEK + timedelta(weeks=1)
_STATUS = AssetCheckExecutionResolvedStatus
PASSED, FAILED = _STATUS.SUCCEEDED.value, _STATUS.FAILED.value
KEYS = [dg.AssetCheckKey(dg.AssetKey(table), check) for table, check in CHECKS]


def counted(runner: Runner, *weeks: date) -> dict[tuple[str, str], set[str]]:
    """By table and check, how Dagster's page counts each of the weeks."""
    found = runner.instance.event_log_storage.get_asset_check_state([(key, WEEKS) for key in KEYS])
    return {
        (key.asset_key.to_user_string(), key.name): {
            _status(found[key], str(week)) for week in weeks
        }
        for key in KEYS
    }


def _status(state: AssetCheckState, week: str) -> str:
    listed = [name.value for name, subset in state.subsets.items() if week in partitions(subset)]
    return listed[0] if listed else "MISSING"


def partitions(subset: object) -> set[str]:
    value = getattr(subset, "subset_value", None)
    return set(value.get_partition_keys()) if value is not None else set()


def test_every_check_of_every_week_counts_as_passed(project: Project, runner: Runner) -> None:
    for week in (WEEK, NEXT):
        project.deliver(week, *EVERY_TIER)
    assert runner.range(WEEK, NEXT).success
    assert set().union(*counted(runner, WEEK, NEXT).values()) == {PASSED}
    # An unchanged week is materialized again, and every check evaluated again.
    outcome = runner.week(NEXT)
    assert outcome.fact("otc_venue_share", NEXT, "unchanged") is True
    assert set().union(*counted(runner, WEEK, NEXT).values()) == {PASSED}


def test_an_evaluation_names_the_latest_materialization(project: Project, runner: Runner) -> None:
    project.deliver(WEEK, *EVERY_TIER)
    runner.week(WEEK)
    made = runner.week(WEEK)
    checked = runner.week(WEEK, dg.AssetSelection.checks(KEYS[-1]))
    for key in KEYS:
        (material,) = runner.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key.asset_key, asset_partitions=[str(WEEK)]), limit=1
        ).records
        assert material.run_id == made.result.run_id
        (record,) = runner.instance.event_log_storage.get_asset_check_execution_history(key, 1)
        assert record.run_id == (checked if key == KEYS[-1] else made).result.run_id
        assert record.evaluation is not None
        target = record.evaluation.target_materialization_data
        assert target is not None
        assert (target.storage_id, target.run_id) == (material.storage_id, material.run_id)
        assert target.timestamp == material.timestamp


def test_a_check_that_keeps_a_week_from_being_published_counts_as_failed(
    project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.deliver(WEEK, Tier.OTC)
    runner.week(WEEK)
    project.deliver(WEEK, Tier.NMS_TIER_1)
    spoil(monkeypatch, WEEK)
    assert not runner.week(WEEK).success
    found = counted(runner, WEEK)
    assert found["otc_symbol_summary", "reconciles"] == {FAILED}
    assert found["otc_venue_volume", "reconciles"] == {PASSED}


def test_dagster_misses_no_output(project: Project, runner: Runner) -> None:
    project.deliver(WEEK, *EVERY_TIER)
    for selection in (None, ["otc_raw"], dg.AssetSelection.checks(KEYS[0])):
        outcome = runner.week(WEEK, selection)
        lines = runner.instance.all_logs(outcome.result.run_id)
        assert [line.message for line in lines if "did not yield" in line.message] == []


@pytest.fixture
def tightened(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A declaration by which no rank is below 2."""
    columns = tuple(
        replace(column, ge=2) if column.name == "rank" else column
        for column in venue_share.TABLE.columns
    )
    with monkeypatch.context() as patch:
        patch.setitem(vars(venue_share.TABLE), "columns", columns)
        patch.delitem(vars(venue_share.TABLE), "declaration_hash", raising=False)
        yield


class TestTightened:
    def test_a_check_that_is_executed_alone_runs(
        self, project: Project, runner: Runner, request: pytest.FixtureRequest
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        runner.week(WEEK)
        request.getfixturevalue("tightened")
        key = dg.AssetCheckKey(dg.AssetKey("otc_venue_share"), "schema")
        runner.week(WEEK, dg.AssetSelection.checks(key))
        # The stored week is stale by the new declaration, which the check says.
        assert counted(runner, WEEK)["otc_venue_share", "schema"] != {PASSED}

    def test_weeks_are_stale_and_their_next_run_fails(
        self, project: Project, runner: Runner, request: pytest.FixtureRequest
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        runner.week(WEEK)
        before = freshness.code_version(venue_share.TABLE)
        request.getfixturevalue("tightened")
        assert freshness.code_version(venue_share.TABLE) != before
        outcome = runner.week(WEEK)
        assert not outcome.success
        assert counted(runner, WEEK)["otc_venue_share", "schema"] == {FAILED}
        assert counted(runner, WEEK)["otc_symbol_summary", "schema"] == {PASSED}


def test_the_declaration_decides_a_tables_version() -> None:
    versions = {freshness.code_version(table) for table in DECLARED}
    assert len(versions) == len(DECLARED)
    table = symbol_summary.TABLE
    same = replace(table, description="other words", lineage={})
    assert same.declaration_hash == table.declaration_hash
    for changed in (
        replace(table, rules=table.rules[1:]),
        replace(table, checks=table.checks[1:]),
        replace(table, sort=table.sort[1:]),
        replace(table, columns=table.columns[1:]),
    ):
        assert changed.declaration_hash != table.declaration_hash


def test_an_asset_below_waits_for_blocking_checks(
    project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A team's own asset starts for the weeks whose blocking checks passed, and for no other."""

    @dg.asset(
        deps=["otc_symbol_summary"],
        partitions_def=WEEKS,
        automation_condition=dg.AutomationCondition.missing()
        & ~dg.AutomationCondition.any_deps_missing()
        & dg.AutomationCondition.all_deps_blocking_checks_passed(),
    )
    def below() -> None:
        """Nothing; whether it is asked for is what is tested."""

    defs = dg.Definitions.merge(runner.code_location, dg.Definitions(assets=[below]))
    for week in (WEEK, NEXT):
        project.deliver(week, Tier.OTC)
    runner.range(WEEK, NEXT)
    project.deliver(NEXT, Tier.NMS_TIER_1)
    spoil(monkeypatch, NEXT)
    runner.week(NEXT)
    found = dg.evaluate_automation_conditions(defs, runner.instance)
    assert found.get_requested_partitions(dg.AssetKey("below")) == {str(WEEK)}
