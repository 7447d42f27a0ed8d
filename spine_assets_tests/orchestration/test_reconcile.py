"""Lake and Dagster's history are brought to agree, whichever of them lost something."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import Tier
from spine_assets.lake.local import LocalLake
from spine_assets.maintenance.doctor import Diagnosis, Health
from spine_assets.maintenance.doctor.dagster import agreement
from spine_assets.orchestration.history import open_instance
from spine_assets.orchestration.history.materializations import latest_materializations
from spine_assets.orchestration.history.storage import partitions_by_state
from spine_assets.orchestration.partitions import WEEKS as PARTITIONS
from spine_assets.orchestration.reconcile import WEEKLY, differences
from spine_assets_tests.support.projects import TABLES
from spine_assets_tests.support.sites import Site, opened

WEEKS = [date(2025, 10, 31) + timedelta(weeks=n) for n in range(3)]
FIRST, MIDDLE, LAST = WEEKS
MADE = dict.fromkeys(TABLES, ["materialized"] * 3)
DERIVED = "otc_venue_share"


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """Three weeks, built by one run with their reports."""
    with opened(tmp_path, code_location) as made:
        for week in WEEKS:
            made.project.deliver(week, Tier.OTC)
        done = made.spine("backfill")
        assert done.exit_code == 0, done.output
        yield made


def versions(site: Site) -> dict[tuple[str, str], str | None]:
    """Data version by table and week."""
    found = latest_materializations(site.runner.instance, WEEKLY)
    return {(item.table, item.partition): item.data_version for item in found}


def remove(site: Site, *tables: str, week: date) -> None:
    for table in tables:
        shutil.rmtree(site.project.lake / table / f"week_ending={week}")


def remove_all_of(site: Site, week: date) -> None:
    """Nothing of the week is left, in the lake and in the landing folder."""
    for folder in site.project.lake.glob(f"*/week_ending={week}"):
        shutil.rmtree(folder)
    shutil.rmtree(site.project.landing / f"week_ending={week}")


def record_of(site: Site) -> Diagnosis:
    """What `spine doctor` says of it."""
    return agreement(load_settings(), site.runner.instance)


def planned(site: Site) -> list[str]:
    done = site.spine("backfill", "--missing", "--dry-run", "--json")
    found: list[str] = json.loads(done.stdout)["weeks"]
    return found


def repaired(site: Site) -> dict[str, Any]:
    done = site.spine("doctor", "--repair", "--yes", "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shown(site: Site, table: str) -> dict[str, set[str]]:
    """Partitions by state, computed anew as the UI does."""
    instance = site.runner.instance
    instance.wipe_asset_cached_status([dg.AssetKey(table)])
    return partitions_by_state(instance, table, PARTITIONS)


class TestTheHistoryLacks:
    def test_nothing_while_both_agree(self, site: Site) -> None:
        assert record_of(site).outcome is Health.OK
        assert planned(site) == []
        nothing = {"recorded": {}, "removed": {}, "left": {}, "removed_other_lake": False}
        assert repaired(site) == nothing

    def test_assets_wiped_in_the_ui_are_missing_until_they_are_recorded(self, site: Site) -> None:
        before = versions(site)
        site.runner.instance.wipe_assets([dg.AssetKey(name) for name in TABLES[:2]])
        assert site.runner.states(*WEEKS)[TABLES[0]] == [None, None, None]
        found = record_of(site)
        assert found.outcome is Health.WARN
        assert "6 tables of 3 weeks are in the lake and not recorded" in found.found
        assert planned(site) == [str(week) for week in WEEKS]
        names = list(TABLES[:2])
        assert repaired(site)["recorded"] == {str(week): names for week in WEEKS}
        assert versions(site) == before
        assert site.runner.states(*WEEKS) == MADE
        assert record_of(site).outcome is Health.OK
        assert planned(site) == []

    def test_a_record_without_a_run_has_the_facts_of_the_run_that_built_it(
        self, site: Site
    ) -> None:
        def facts(table: str) -> dict[str, Any]:
            key = dg.AssetRecordsFilter(dg.AssetKey(table), asset_partitions=[str(MIDDLE)])
            (found,) = site.runner.instance.fetch_materializations(key, limit=1).records
            assert found.asset_materialization is not None
            metadata = found.asset_materialization.metadata
            return {name: getattr(entry, "value", None) for name, entry in metadata.items()}

        before = {table: facts(table) for table in WEEKLY}
        site.runner.instance.wipe_assets([dg.AssetKey(name) for name in WEEKLY])
        repaired(site)
        told = {table: facts(table) for table in WEEKLY}
        for table in WEEKLY:
            differing = {
                name for name in before[table] if before[table][name] != told[table].get(name)
            }
            assert differing <= {
                *("seconds", "unchanged", "trades", "same_content", "index", "chart"),
            }, table
            assert told[table]["unchanged"] is True

    @pytest.mark.sqlite
    def test_a_removed_history_is_begun_again_with_all_that_is_stored(self, site: Site) -> None:
        before = versions(site)
        shutil.rmtree(site.project.root / "data" / "dagster")
        done = site.project.run("spine", "backfill", "--missing", "--dry-run", "--json")
        assert json.loads(done.stdout)["weeks"] == [str(week) for week in WEEKS]
        done = site.project.run("spine", "doctor", "--repair")
        assert f"recorded {len(WEEKLY) * 3} tables of 3 weeks" in done.stdout, done.stderr
        with open_instance() as instance:
            found = latest_materializations(instance, WEEKLY)
        assert {(item.table, item.partition): item.data_version for item in found} == before
        assert {item.run_id for item in found} == {""}

    def test_a_backfill_of_what_is_missing_makes_the_evaluations_too(self, site: Site) -> None:
        site.runner.instance.wipe_assets([dg.AssetKey(name) for name in TABLES])
        assert site.runner.check_states(LAST)["otc_raw", "conservation"] == []
        done = site.spine("backfill", "--missing")
        assert done.exit_code == 0, done.output
        assert site.runner.states(*WEEKS) == MADE
        assert site.runner.check_states(LAST)["otc_raw", "conservation"] == ["SUCCEEDED"]
        assert planned(site) == []

    def test_a_run_records_its_own_weeks_and_no_other(self, site: Site) -> None:
        site.runner.instance.wipe_assets([dg.AssetKey(DERIVED)])
        done = site.runner.week(MIDDLE, dg.AssetSelection.assets("otc_raw", "otc_rejects"))
        assert done.success
        assert site.runner.states(*WEEKS)[DERIVED] == [None, "materialized", None]

    def test_a_record_of_another_build_counts_as_none(self, site: Site) -> None:
        other = dg.AssetMaterialization(
            DERIVED, partition=str(LAST), tags={"dagster/data_version": "another"}
        )
        site.runner.instance.report_runless_asset_event(other)
        assert record_of(site).outcome is Health.WARN
        assert planned(site) == [str(LAST)]
        assert repaired(site)["recorded"] == {str(LAST): [DERIVED]}
        assert versions(site)[DERIVED, str(LAST)] != "another"

    def test_a_stale_table_is_left_to_its_build(self, site: Site) -> None:
        site.runner.instance.wipe_assets([dg.AssetKey(DERIVED)])
        site.project.deliver(LAST, Tier.NMS_TIER_1)
        assert site.runner.week(LAST, dg.AssetSelection.assets("otc_raw", "otc_rejects")).success
        told = repaired(site)
        assert told["left"] == {str(LAST): [DERIVED]}
        assert set(told["recorded"]) == {str(FIRST), str(MIDDLE)}
        assert str(LAST) in planned(site)


class TestTheLakeLacks:
    def test_a_record_without_a_file_is_wiped_and_the_run_keeps_its_log(self, site: Site) -> None:
        instance = site.runner.instance
        (run_id,) = instance.get_run_ids()
        remove(site, DERIVED, week=LAST)
        found = record_of(site)
        assert (
            found.outcome,
            f"1 tables of 1 weeks are recorded and not in the lake ({LAST})",
        ) == (
            Health.WARN,
            found.found.partition(": ")[2],
        )
        assert repaired(site)["removed"] == {str(LAST): [DERIVED]}
        assert shown(site, DERIVED)["materialized"] == {str(FIRST), str(MIDDLE)}
        latest = instance.get_latest_materialization_event(dg.AssetKey(DERIVED))
        assert latest is not None
        assert latest.dagster_event is not None
        assert latest.dagster_event.partition == str(MIDDLE)
        assert site.runner.check_states(LAST)[DERIVED, "schema"] == []
        assert site.runner.check_states(MIDDLE)[DERIVED, "schema"] == ["SUCCEEDED"]
        kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION}
        logged = instance.get_records_for_run(run_id, None, kinds).records
        assert len(logged) == len(WEEKLY) * 3
        assert planned(site) == [str(LAST)]
        done = site.spine("backfill", "--missing")
        assert done.exit_code == 0, done.output
        assert site.runner.states(*WEEKS) == MADE
        assert record_of(site).outcome is Health.OK

    def test_the_question_names_what_would_be_removed(self, site: Site) -> None:
        remove_all_of(site, FIRST)
        done = site.project.run("spine", "doctor", "--repair", "--json")
        assert done.returncode == 2
        assert "--yes" in done.stderr
        asked = site.spine("doctor", "--repair")
        assert f"records of {len(WEEKLY)} tables of 1 weeks ({FIRST})" in asked.output
        assert site.runner.states(FIRST)[DERIVED] == ["materialized"]

    def test_all_weeks_wiped_one_by_one_leave_an_asset_that_was_never_made(
        self, site: Site
    ) -> None:
        for week in WEEKS:
            remove_all_of(site, week)
        assert len(repaired(site)["removed"]) == 3
        for table in TABLES:
            assert not any(shown(site, table).values())
            assert site.runner.instance.get_latest_materialization_event(dg.AssetKey(table)) is None
        site.project.deliver(MIDDLE, Tier.OTC)
        assert site.runner.week(MIDDLE).success
        assert site.runner.states(*WEEKS)[DERIVED] == [None, "materialized", None]

    def test_a_range_run_wipes_its_weeks_of_which_nothing_is_left(self, site: Site) -> None:
        remove_all_of(site, MIDDLE)
        assert site.runner.range(MIDDLE, LAST).success
        assert site.runner.states(*WEEKS)[DERIVED] == ["materialized", None, "materialized"]

    def test_a_failure_after_the_last_build_stays_a_failure(self, site: Site) -> None:
        remove_all_of(site, MIDDLE)
        assert not site.runner.week(MIDDLE).success
        assert shown(site, DERIVED)["failed"] == {str(MIDDLE)}
        assert repaired(site)["removed"].keys() <= {str(MIDDLE)}
        assert shown(site, DERIVED)["failed"] == {str(MIDDLE)}
        assert shown(site, DERIVED)["materialized"] == {str(FIRST), str(LAST)}

    def test_a_lake_that_is_not_mounted_wipes_nothing(self, site: Site) -> None:
        site.project.lake.rename(site.project.root / "elsewhere")
        lake = LocalLake(site.project.lake)
        assert not differences(site.runner.instance, lake)
        site.project.block_lake()
        assert not site.runner.week(LAST).success
        site.project.lake.unlink()
        (site.project.root / "elsewhere").rename(site.project.lake)
        assert site.runner.states(FIRST, MIDDLE)[DERIVED] == ["materialized"] * 2
        assert site.runner.week(LAST).success

    def test_a_reset_lake_is_forgotten_by_dagster_too(self, site: Site) -> None:
        assert site.spine("db", "reset", "--yes").exit_code == 0
        assert site.runner.states(*WEEKS) == dict.fromkeys(TABLES, [None] * 3)
        assert json.loads(site.spine("anomalies", "--json").output)["anomalies"] == []
        assert site.runner.instance.get_runs_count() == 1
        assert site.spine("backfill").exit_code == 0
        assert site.runner.states(*WEEKS) == MADE


@pytest.mark.long
def test_tables_whose_record_was_never_written_are_recorded_afterwards(site: Site) -> None:
    """As on a full disk of Dagster: the file is published, and its event does not follow."""
    week = LAST + timedelta(weeks=1)
    site.project.deliver(week, Tier.OTC)
    lake = LocalLake(site.project.lake)
    program = Path(sys.executable).with_name("spine")
    with subprocess.Popen([str(program), "backfill", str(week)], stderr=subprocess.DEVNULL) as run:
        until = time.monotonic() + 120
        while not lake.files("otc_raw", week):
            assert run.poll() is None
            assert time.monotonic() < until
            time.sleep(0.002)
        run.kill()
    before = shown(site, "otc_raw")
    assert str(week) in before["in_progress"] - before["materialized"]
    assert str(week) in planned(site)
    assert "otc_raw" in repaired(site)["recorded"][str(week)]
    after = shown(site, "otc_raw")
    assert str(week) in after["materialized"] - after["in_progress"]
