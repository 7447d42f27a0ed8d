"""Runs of the weekly multi-asset: one week, one table, a range, and again."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest

from spine_assets.core.weeks import FIRST_WEEK, Tier
from spine_assets.orchestration.partitions import WEEKS
from spine_assets.otc.build.builders import BUILDERS
from spine_assets.otc.checks import registry as checks_registry
from spine_assets.otc.tables.registry import with_rejects, with_upstream
from spine_assets_tests.conftest import OF_TOTALS
from spine_assets_tests.support.projects import CHECKS, EVERY_TIER, TABLES, Outcome, Project, Runner

WEEK = date(2025, 11, 14)
NEXT = WEEK + timedelta(weeks=1)
AFTER = WEEK + timedelta(weeks=2)
REVISED = date(2026, 1, 5)  # after every tier's first publication of these weeks
ROWS_A_TIER, SHARES_A_TIER = 3, 450
BLOCKED = TABLES.index("otc_symbol_summary")
"""So many tables are built before the one that `spoil` spoils; three are not, from it on."""


def every(*weeks: date) -> list[tuple[str, str]]:
    """All tables of the weeks, in the order in which they are built."""
    return [(table, str(week)) for week in weeks for table in TABLES]


def on_every(
    keys: Sequence[Hashable], states: Sequence[str | None]
) -> dict[Hashable, list[str | None]]:
    """The same states for each table or check."""
    return {key: list(states) for key in keys}


@pytest.fixture
def memory(project: Project, code_location: dg.Definitions) -> Iterator[Runner]:
    """Runs against an instance in memory, for ranges of the whole history."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Runner(code_location, instance)


def spoil(monkeypatch: pytest.MonkeyPatch, *weeks: date) -> None:
    """Make the builder of otc_symbol_summary lose a share in the given weeks."""
    sound = BUILDERS["otc_symbol_summary"]

    def unsound(venues: pl.DataFrame, *others: Any) -> pl.DataFrame:
        built = sound(venues, *others)
        if built["week_ending"].to_list()[0] not in weeks:
            return built
        lost = pl.when(pl.col("symbol") == "ABCD").then(1).otherwise(0)
        return built.with_columns(
            (pl.col(name) - lost).cast(built.schema[name])
            for name in ("total_volume", "ats_volume")
        )

    monkeypatch.setitem(BUILDERS, "otc_symbol_summary", unsound)


class TestOneWeek:
    def test_materializes_every_table_for_that_week_alone(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        project.deliver(NEXT, *EVERY_TIER)
        outcome = runner.week(WEEK)
        assert outcome.success
        assert outcome.materialized() == every(WEEK)
        for table in TABLES:
            assert runner.instance.get_materialized_partitions(dg.AssetKey(table)) == {str(WEEK)}

    def test_materializations_carry_what_they_hold_and_are_made_from(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        outcome = runner.week(WEEK)
        rows = {"otc_raw": 9, "otc_rejects": 0, "otc_venue_volume": 9}
        rows |= dict.fromkeys(OF_TOTALS, 0)  # none are delivered
        rows |= {"otc_symbol_summary": 6, "otc_venue_share": 2, "otc_restatements": 0}
        files = [f"week_ending={WEEK}/{tier.value.lower()}.csv" for tier in EVERY_TIER]
        captures = outcome.fact("otc_raw", WEEK, "capture_ids")
        assert len(captures) == len(set(captures)) == len(EVERY_TIER)
        for table in TABLES:
            held = outcome.materialization(table, WEEK).metadata
            assert held["dagster/partition_row_count"].value == rows[table]
            if table != "otc_restatements":  # it has changes of shares and no shares
                is_empty = table in ("otc_rejects", *OF_TOTALS)
                expected_shares = 0 if is_empty else SHARES_A_TIER * len(EVERY_TIER)
                assert held["shares"].value == expected_shares
            of_rows = table not in OF_TOTALS
            assert held["tiers_in"].value == ("NMS_TIER_1, NMS_TIER_2, OTC" if of_rows else "")
            assert held["files"].value == (files if of_rows else [])
            assert held["capture_ids"].value == (captures if of_rows else [])
            assert 0 <= outcome.fact(table, WEEK, "seconds") < 60
            assert held["unchanged"].value is False

    def test_data_versions_tell_tables_and_contents_apart(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.NMS_TIER_1)
        first = runner.week(WEEK)
        project.deliver(WEEK, Tier.OTC)
        second = runner.week(WEEK)
        project.deliver(WEEK, Tier.OTC, updated=REVISED, mark="-corrected")
        third = runner.week(WEEK)
        versions = {
            outcome.version(table, WEEK) for outcome in (first, second, third) for table in TABLES
        }
        # Of control totals nothing is delivered, so nothing of these two changes.
        assert len(versions) == 3 * (len(TABLES) - len(OF_TOTALS)) + len(OF_TOTALS)
        for outcome, tiers in ((first, "NMS_TIER_1"), (second, "NMS_TIER_1, OTC")):
            assert outcome.fact("otc_venue_share", WEEK, "tiers_in") == tiers
        assert third.fact("otc_raw", WEEK, "captures") == 3

    def test_data_version_depends_on_content_alone(
        self, project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        here = runner.week(WEEK)
        monkeypatch.setenv("SPINE_LAKE", "another_lake")
        monkeypatch.setenv("SPINE_DATABASE_PATH", "another.duckdb")
        with dg.DagsterInstance.ephemeral() as instance:
            there = replace(runner, instance=instance).week(WEEK)
        assert there.fact("otc_raw", WEEK, "unchanged") is False
        for table in TABLES:
            assert there.version(table, WEEK) == here.version(table, WEEK)

    def test_version_that_dagster_keeps_is_the_tables_own(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        outcome = runner.week(WEEK)
        for table in TABLES:
            event = runner.instance.fetch_materializations(dg.AssetKey(table), limit=1).records[0]
            assert event.partition_key == str(WEEK)
            kept = event.asset_materialization
            assert kept is not None
            assert (kept.tags or {})["dagster/data_version"] == outcome.version(table, WEEK)

    def test_all_thirteen_checks_are_evaluated_on_that_week(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        evaluations = runner.week(WEEK).evaluations()
        assert set(evaluations) == {(table, check, str(WEEK)) for table, check in CHECKS}
        assert [key for key, found in evaluations.items() if not found.passed] == []
        assert [key for key, found in evaluations.items() if not found.description] == []

    def test_no_check_stays_planned(self, project: Project, runner: Runner) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        assert runner.week(WEEK).success
        assert runner.check_states(WEEK) == on_every(CHECKS, ["SUCCEEDED"])
        stored = [
            record.partition
            for table, check in CHECKS
            for record in runner.instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(dg.AssetKey(table), check), limit=100
            )
        ]
        assert stored == [str(WEEK)] * len(CHECKS)

    def test_evaluations_say_whether_they_block(self, project: Project, runner: Runner) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        outcome = runner.week(WEEK)
        blocking = {
            (found.asset_key.to_user_string(), found.check_name)
            for found in outcome.evaluations().values()
            if found.blocking
        }
        warned_only = {"delivery", "rejects", "notes", "volumes", "issues", "continuity"}
        warned_only |= {"share_shift", "size", "control"}
        assert blocking == {key for key in CHECKS if key[1] not in warned_only}

    def test_without_any_usable_file_fails_and_lists_each_unusable_one(
        self, project: Project, runner: Runner
    ) -> None:
        project.drop("page.csv", "<html><body>moved</body></html>\n")
        project.drop("empty.csv", "")
        project.deliver(NEXT, Tier.OTC)
        outcome = runner.week(WEEK)
        assert outcome.materialized() == []
        assert outcome.failed_weeks == [str(WEEK)]
        assert f"{WEEK}: no usable file" in outcome.failure
        assert "page.csv: this is an HTML or XML page" in outcome.failure
        assert "empty.csv: the file is empty" in outcome.failure
        assert runner.states(WEEK) == on_every(TABLES, ["failed"])

    def test_a_foreign_unusable_file_is_no_finding_of_the_week(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        project.drop("page.csv", "<html><body>moved</body></html>\n")
        outcome = runner.week(WEEK)
        assert outcome.success
        delivery = outcome.evaluations()["otc_raw", "delivery", str(WEEK)]
        assert "page.csv" not in (delivery.description or "")

    def test_delivery_in_two_parts_fails_and_names_both(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver_in_two_parts(WEEK)
        outcome = runner.week(WEEK)
        assert outcome.failed_weeks == [str(WEEK)]
        for part in ("otc-part1.csv", "otc-part2.csv"):
            assert f"{part}: holds other rows than" in outcome.failure
        assert "join them into one file" in outcome.failure

    def test_blocked_table_keeps_its_file_and_stops_those_after_it(
        self, project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        assert runner.week(WEEK).success
        before = {table: project.files(table, WEEK) for table in TABLES}
        project.deliver(WEEK, Tier.OTC, updated=REVISED, mark="-corrected")
        spoil(monkeypatch, WEEK)
        outcome = runner.week(WEEK)
        assert outcome.failed_weeks == [str(WEEK)]
        assert f"{WEEK}: otc_symbol_summary was not published: reconciles:" in outcome.failure
        assert outcome.materialized() == every(WEEK)[:BLOCKED]
        evaluations = outcome.evaluations()
        assert not evaluations["otc_symbol_summary", "reconciles", str(WEEK)].passed
        assert evaluations["otc_symbol_summary", "schema", str(WEEK)].passed
        assert [key for key in evaluations if key[0] == "otc_venue_share"] == []
        after = {table: project.files(table, WEEK) for table in TABLES}
        assert after["otc_symbol_summary"] == before["otc_symbol_summary"]
        assert after["otc_venue_share"] == before["otc_venue_share"]
        assert after["otc_venue_volume"] != before["otc_venue_volume"]
        good, bad = ["materialized"], ["failed"]
        assert list(runner.states(WEEK).values()) == [good] * BLOCKED + [bad] * 3

    def test_blocked_week_is_mended_by_the_next_run(
        self, project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        with monkeypatch.context() as spoiled:
            spoil(spoiled, WEEK)
            assert not runner.week(WEEK).success
        assert runner.week(WEEK).materialized() == every(WEEK)
        assert runner.states(WEEK) == on_every(TABLES, ["materialized"])


@pytest.mark.long
class TestOneTable:
    def test_reads_the_stored_week_and_materializes_itself_alone(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        runner.week(WEEK)
        before = {table: project.files(table, WEEK) for table in TABLES}
        outcome = runner.week(WEEK, "otc_venue_share", force=True)
        assert outcome.success
        assert outcome.materialized() == [("otc_venue_share", str(WEEK))]
        assert outcome.fact("otc_venue_share", WEEK, "unchanged") is False
        assert {key[0] for key in outcome.evaluations()} == {"otc_venue_share"}
        after = {table: project.files(table, WEEK) for table in TABLES}
        changed = [table for table in TABLES if after[table] != before[table]]
        assert changed == ["otc_venue_share"]

    def test_each_table_can_be_built_alone_once_the_week_stands(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        runner.week(WEEK)
        for table in TABLES:
            made = [(name, str(WEEK)) for name in TABLES if name in with_rejects([table])]
            assert runner.week(WEEK, table, force=True).materialized() == made

    @pytest.mark.parametrize("table", TABLES[1:])
    def test_of_a_week_that_was_never_loaded_all_that_it_needs_is_built(
        self, project: Project, runner: Runner, table: str
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        outcome = runner.week(WEEK, table)
        assert outcome.success
        needed = [(name, str(WEEK)) for name in TABLES if name in with_upstream([table])]
        assert {*outcome.materialized()} >= {*needed}
        assert runner.states(WEEK)[table] == ["materialized"]

    def test_on_a_missing_upstream_table_names_the_selection(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        assert runner.week(WEEK, "otc_raw").success
        outcome = runner.week(WEEK, "otc_venue_share")
        assert "otc_venue_share needs otc_rejects, which is missing" in outcome.failure
        assert set(advised(outcome)) >= {"otc_rejects", "otc_venue_volume", "otc_venue_share"}
        assert outcome.materialized() == []
        assert runner.week(WEEK, advised(outcome)).success

    def test_on_an_outdated_upstream_table_names_the_selection(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        runner.week(WEEK)
        project.deliver(WEEK, Tier.OTC, updated=REVISED, mark="-corrected")
        assert runner.week(WEEK, ["otc_raw", "otc_rejects"]).success
        before = project.files("otc_venue_share", WEEK)
        outcome = runner.week(WEEK, "otc_venue_share")
        assert "needs otc_venue_volume, which is older than its inputs" in outcome.failure
        assert outcome.materialized() == []
        assert project.files("otc_venue_share", WEEK) == before
        assert runner.week(WEEK, advised(outcome)).success

    def test_on_files_that_are_not_captured_names_a_selection_that_works(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        runner.week(WEEK)
        project.deliver(WEEK, Tier.OTC, updated=REVISED, mark="-corrected")
        outcome = runner.week(WEEK, "otc_venue_share")
        assert "otc-corrected.csv" in outcome.failure
        assert outcome.materialized() == []
        assert runner.week(WEEK, advised(outcome)).success

    def test_is_built_from_captures_when_the_delivered_file_is_gone(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        assert runner.week(WEEK, "otc_raw").success
        for path in project.landing.rglob("*.csv"):
            path.unlink()
        assert runner.week(WEEK).materialized() == every(WEEK)

    def test_without_its_checks_evaluates_none(self, project: Project, runner: Runner) -> None:
        project.deliver(WEEK, Tier.OTC)
        bare = dg.AssetSelection.assets("otc_raw").without_checks()
        outcome = runner.week(WEEK, bare)
        assert outcome.materialized() == [("otc_raw", str(WEEK))]
        assert outcome.evaluations() == {}


def advised(outcome: Outcome) -> list[str]:
    """The tables that a failure tells to run."""
    _, _, after = outcome.failure.partition("--select '")
    return after.partition("'")[0].split(",")


def damage(project: Project, table: str, week: date) -> str:
    """Cut the one stored file of a table's week; its name."""
    (path,) = (project.lake / table / f"week_ending={week}").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:100])
    return path.name


class TestRange:
    def test_materializes_every_week_with_input_and_no_other(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        project.deliver(AFTER, *EVERY_TIER)
        outcome = runner.range(WEEK, AFTER)
        assert outcome.success
        assert outcome.materialized() == every(WEEK, AFTER)
        expected = ["materialized", None, "materialized"]
        assert runner.states(WEEK, NEXT, AFTER) == on_every(TABLES, expected)
        for week in (WEEK, AFTER):
            assert runner.check_states(week) == on_every(CHECKS, ["SUCCEEDED"])
        assert {key[2] for key in outcome.evaluations()} == {str(WEEK), str(AFTER)}

    def test_of_weeks_without_any_input_is_green_and_materializes_nothing(
        self, project: Project, runner: Runner
    ) -> None:
        project.drop("page.csv", "<html><body>moved</body></html>\n")
        outcome = runner.range(WEEK, AFTER)
        assert outcome.success
        assert outcome.materialized() == []
        assert runner.states(WEEK, NEXT, AFTER) == on_every(TABLES, [None] * 3)

    def test_compares_each_week_with_the_one_built_before_it_in_the_same_run(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        project.deliver(NEXT, Tier.OTC, rows=(("ABCD", "OTCX", 10_000, 2),))
        evaluations = runner.range(WEEK, NEXT).evaluations()
        continuity = evaluations["otc_venue_volume", "continuity", str(NEXT)]
        assert not continuity.passed
        assert continuity.metadata["against"].value == str(WEEK)
        assert evaluations["otc_venue_volume", "continuity", str(WEEK)].passed

    def test_with_bad_weeks_names_them_and_builds_the_others(
        self, project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weeks = [WEEK + timedelta(weeks=n) for n in range(4)]
        for week in weeks:
            project.deliver(week, Tier.OTC)
        bad = [weeks[1], weeks[3]]
        spoil(monkeypatch, *bad)
        outcome = runner.range(weeks[0], weeks[3])
        assert outcome.failed_weeks == [str(week) for week in bad]
        assert outcome.failure.startswith("2 of 4 weeks failed:")
        for week in bad:
            assert f"{week}: otc_symbol_summary was not published" in outcome.failure
        for week in (weeks[0], weeks[2]):
            assert str(week) not in outcome.failure
        assert outcome.materialized() == [
            *every(weeks[0]),
            *every(weeks[1])[:BLOCKED],
            *every(weeks[2]),
            *every(weeks[3])[:BLOCKED],
        ]
        good, some_bad = ["materialized"] * 4, ["materialized", "failed"] * 2
        assert list(runner.states(*weeks).values()) == [good] * BLOCKED + [some_bad] * 3
        reconciles = [
            runner.check_states(week)["otc_symbol_summary", "reconciles"] for week in weeks
        ]
        assert reconciles == [["SUCCEEDED"], ["FAILED"]] * 2

    def test_with_a_bad_week_keeps_its_old_files(
        self, project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for week in (WEEK, NEXT, AFTER):
            project.deliver(week, Tier.OTC)
        runner.range(WEEK, AFTER)
        kept = {table: project.files(table, NEXT) for table in TABLES[BLOCKED:]}
        for week in (WEEK, NEXT, AFTER):
            project.deliver(week, Tier.OTC, updated=REVISED, mark="-corrected")
        spoil(monkeypatch, NEXT)
        outcome = runner.range(WEEK, AFTER)
        assert outcome.failed_weeks == [str(NEXT)]
        assert outcome.materialized() == [*every(WEEK), *every(NEXT)[:BLOCKED], *every(AFTER)]
        assert {table: project.files(table, NEXT) for table in TABLES[BLOCKED:]} == kept

    def test_with_a_bad_week_does_not_name_or_keep_as_failed_a_week_without_input(
        self, project: Project, runner: Runner
    ) -> None:
        """Dagster shows every week of a failed run that has no materialization as failed.

        No event of ours can say otherwise (1.13.27); the next green run takes it back.
        """
        project.deliver(WEEK, Tier.OTC)
        project.deliver_in_two_parts(AFTER)
        outcome = runner.range(WEEK, AFTER)
        assert outcome.failed_weeks == [str(AFTER)]
        assert str(NEXT) not in outcome.failure
        assert outcome.materialized() == every(WEEK)
        for path in project.landing.rglob("otc-part2.csv"):
            path.unlink()
        assert runner.range(WEEK, AFTER).success
        expected = ["materialized", None, "materialized"]
        assert runner.states(WEEK, NEXT, AFTER) == on_every(TABLES, expected)

    @pytest.mark.parametrize("views_stand", [True, False])
    def test_goes_on_after_a_week_whose_stored_capture_is_damaged(
        self, project: Project, runner: Runner, views_stand: bool
    ) -> None:
        for week in (WEEK, NEXT, AFTER):
            project.deliver(week, Tier.OTC)
        runner.week(NEXT, "otc_raw")
        damaged = damage(project, "otc_raw", NEXT)
        if not views_stand:
            (project.root / "data" / "spine.duckdb").unlink()
        outcome = runner.range(WEEK, AFTER)
        assert outcome.materialized() == every(WEEK, AFTER)
        assert outcome.failed_weeks == [str(NEXT)]
        assert damaged in outcome.failure

    def test_goes_on_after_a_week_whose_derived_file_is_damaged(
        self, project: Project, runner: Runner
    ) -> None:
        for week in (WEEK, NEXT, AFTER):
            project.deliver(week, Tier.OTC)
        runner.week(NEXT)
        damage(project, "otc_symbol_summary", NEXT)
        outcome = runner.range(WEEK, AFTER)
        assert set(outcome.materialized()) >= set(every(WEEK, AFTER))

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("blocked", "folder"),
        [
            (f"otc_venue_volume/week_ending={NEXT}", False),
            (f"otc_venue_volume/week_ending={NEXT}/data.parquet", True),
            (f"_locks/{NEXT}.lock", True),
        ],
    )
    def test_goes_on_after_a_week_whose_place_in_the_lake_is_not_writable(
        self, project: Project, runner: Runner, blocked: str, folder: bool
    ) -> None:
        for week in (WEEK, NEXT, AFTER):
            project.deliver(week, Tier.OTC)
        path = project.lake / blocked
        path.parent.mkdir(parents=True)
        if folder:
            (path / "not_empty").mkdir(parents=True)
        else:
            path.write_text("a file where a folder belongs", "utf-8")
        outcome = runner.range(WEEK, AFTER)
        expected = ["materialized", "failed", "materialized"]
        assert runner.states(WEEK, NEXT, AFTER)["otc_venue_volume"] == expected
        assert outcome.failed_weeks == [str(NEXT)]
        assert str(path.parent if path.suffix else path) in outcome.failure

    @pytest.mark.long
    def test_of_the_whole_history_builds_the_few_weeks_that_have_files(
        self, project: Project, memory: Runner
    ) -> None:
        some = [FIRST_WEEK, date(2020, 1, 3), WEEK]
        for week in some:
            project.deliver(week, Tier.OTC)
        last = WEEKS.get_last_partition_key()
        assert last is not None
        outcome = memory.range(FIRST_WEEK, date.fromisoformat(last))
        assert outcome.success
        assert outcome.materialized() == every(*some)
        keys = {str(week) for week in some}
        for table in TABLES:
            assert memory.instance.get_materialized_partitions(dg.AssetKey(table)) == keys


@pytest.mark.long
class TestAgain:
    def test_unchanged_week_is_said_again_and_not_rebuilt(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        first = runner.week(WEEK)
        before = {table: project.files(table, WEEK) for table in TABLES}
        second = runner.week(WEEK)
        assert second.success
        assert second.materialized() == every(WEEK)
        for table in TABLES:
            assert second.fact(table, WEEK, "unchanged") is True
            assert second.version(table, WEEK) == first.version(table, WEEK)
            assert project.files(table, WEEK) == before[table]
        assert runner.check_states(WEEK) == on_every(CHECKS, ["SUCCEEDED", "SUCCEEDED"])

    def test_unchanged_week_carries_the_same_facts(self, project: Project, runner: Runner) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        first, second = runner.week(WEEK), runner.week(WEEK)
        for table in TABLES:
            then = set(first.materialization(table, WEEK).metadata)
            assert set(second.materialization(table, WEEK).metadata) == then
            for name in then & {"dagster/partition_row_count", "shares", "files", "capture_ids"}:
                assert second.fact(table, WEEK, name) == first.fact(table, WEEK, name)

    def test_touched_file_changes_nothing(self, project: Project, runner: Runner) -> None:
        project.deliver(WEEK, Tier.OTC)
        runner.week(WEEK)
        before = {table: project.files(table, WEEK) for table in TABLES}
        project.deliver(WEEK, Tier.OTC, mark="-again")
        project.deliver(WEEK, Tier.OTC)
        assert runner.week(WEEK).success
        assert {table: project.files(table, WEEK) for table in TABLES} == before

    def test_range_builds_only_the_week_that_changed(
        self, project: Project, runner: Runner
    ) -> None:
        for week in (WEEK, NEXT, AFTER):
            project.deliver(week, Tier.OTC)
        runner.range(WEEK, AFTER)
        project.deliver(NEXT, Tier.NMS_TIER_1)
        outcome = runner.range(WEEK, AFTER)
        assert outcome.materialized() == every(WEEK, NEXT, AFTER)
        unchanged = [
            week
            for week in (WEEK, NEXT, AFTER)
            for table in TABLES
            if outcome.fact(table, week, "unchanged")
        ]
        of_totals = [NEXT] * len(OF_TOTALS)  # none came
        assert unchanged == [WEEK] * len(TABLES) + of_totals + [AFTER] * len(TABLES)

    def test_force_builds_anew_and_keeps_the_version(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        first = runner.week(WEEK)
        forced = runner.week(WEEK, force=True)
        assert forced.success
        for table in TABLES[1:]:
            assert forced.fact(table, WEEK, "unchanged") is False
            assert forced.version(table, WEEK) == first.version(table, WEEK)
        assert len(project.files("otc_raw", WEEK)) == 1


class TestChecksAlone:
    EVERY = dg.AssetSelection.checks_for_assets(*TABLES)

    def test_evaluate_the_stored_week_and_materialize_nothing(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        runner.week(WEEK)
        before = {table: project.files(table, WEEK) for table in TABLES}
        outcome = runner.week(WEEK, self.EVERY)
        assert outcome.success
        assert outcome.materialized() == []
        assert set(outcome.evaluations()) == {(table, check, str(WEEK)) for table, check in CHECKS}
        assert runner.check_states(WEEK) == on_every(CHECKS, ["SUCCEEDED", "SUCCEEDED"])
        assert {table: project.files(table, WEEK) for table in TABLES} == before

    def test_one_check_is_evaluated_alone(self, project: Project, runner: Runner) -> None:
        project.deliver(WEEK, Tier.OTC)
        runner.week(WEEK)
        key = dg.AssetCheckKey(dg.AssetKey("otc_venue_share"), "schema")
        outcome = runner.week(WEEK, dg.AssetSelection.checks(key))
        assert set(outcome.evaluations()) == {("otc_venue_share", "schema", str(WEEK))}
        assert outcome.materialized() == []

    def test_find_a_stored_file_that_was_tampered_with(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        runner.week(WEEK)
        part = project.lake / "otc_venue_share" / f"week_ending={WEEK}" / "data.parquet"
        metadata = pl.read_parquet_metadata(part)
        stored = pl.read_parquet(part)
        more = (pl.col("total_volume") * 2).cast(stored.schema["total_volume"])
        stored.with_columns(total_volume=more).write_parquet(
            part, metadata={"spine": metadata["spine"]}
        )
        outcome = runner.week(WEEK, self.EVERY)
        failed = [key[:2] for key, found in outcome.evaluations().items() if not found.passed]
        assert ("otc_venue_share", "reconciles") in failed
        assert [key for key in failed if key[0] == "otc_symbol_summary"] == []
        assert outcome.materialized() == []

    def test_of_a_range_pass_over_weeks_without_input(
        self, project: Project, runner: Runner
    ) -> None:
        for week in (WEEK, AFTER):
            project.deliver(week, *EVERY_TIER)
        runner.range(WEEK, AFTER)
        outcome = runner.range(WEEK, AFTER, self.EVERY)
        assert outcome.success
        assert {key[2] for key in outcome.evaluations()} == {str(WEEK), str(AFTER)}
        assert outcome.materialized() == []

    def test_on_a_week_that_was_never_built_name_the_selection(
        self, project: Project, runner: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        outcome = runner.week(WEEK, self.EVERY)
        assert outcome.failed_weeks == [str(WEEK)]
        assert outcome.evaluations() == {}
        assert runner.week(WEEK, advised(outcome)).success
        assert runner.states(WEEK) == on_every(TABLES, ["materialized"])


class TestInterruption:
    def test_crash_of_a_check_crashes_the_run_and_publishes_nothing(
        self, project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def crash(*_: object) -> None:
            raise ZeroDivisionError("a check that crashes must crash")

        project.deliver(WEEK, Tier.OTC)
        with monkeypatch.context() as crashing:
            crashing.setattr(checks_registry, "run", crash)
            outcome = runner.week(WEEK)
        assert not outcome.success
        assert outcome.materialized() == []
        assert project.files("otc_raw", WEEK) == {}
        leftovers = list(project.lake.rglob(".*.tmp"))
        assert leftovers == []
        assert runner.week(WEEK).success
