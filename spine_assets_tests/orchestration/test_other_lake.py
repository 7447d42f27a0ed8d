"""Two lakes with one history: runs and commands refuse, and a repair makes it that of this lake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import Tier
from spine_assets.defs.otc.landing_sensor import otc_landing
from spine_assets.lake.format import lake_id
from spine_assets.lake.local import LocalLake
from spine_assets.maintenance.doctor import Health
from spine_assets.maintenance.doctor import dagster as doctor
from spine_assets.maintenance.doctor.lake import database
from spine_assets.orchestration.history.lake_identity import OtherLake, require_same_lake
from spine_assets_tests.support.projects import TABLES
from spine_assets_tests.support.sites import Site, opened

WEEK = date(2025, 11, 14)
MADE = {table: ["materialized"] for table in TABLES}
NONE = {table: [None] for table in TABLES}


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """A week, built with warnings: not all tiers are there."""
    with opened(tmp_path / "site", code_location) as made:
        made.project.deliver(WEEK, Tier.OTC)
        assert made.runner.week(WEEK).success
        yield made


@pytest.fixture
def other(site: Site, monkeypatch: pytest.MonkeyPatch) -> LocalLake:
    """Another lake and database from here on, and the history of before."""
    monkeypatch.setenv("SPINE_LAKE", "other/lake")
    monkeypatch.setenv("SPINE_DATABASE_PATH", "other/spine.duckdb")
    lake = LocalLake(site.project.root / "other" / "lake")
    done = site.spine("db", "init")
    assert done.exit_code == 0, done.output
    assert "what Dagster recorded is left out" in done.stderr
    return lake


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()


def ids(site: Site) -> dict[str, Any]:
    """The id of the newest materialization of each table."""
    found = {}
    for table in TABLES:
        event = site.runner.instance.get_latest_materialization_event(dg.AssetKey(table))
        made = event.asset_materialization if event else None
        assert made is not None
        found[table] = made.metadata.get("lake_id", dg.TextMetadataValue("")).value
    return found


def test_each_record_and_the_database_name_the_lake(site: Site) -> None:
    lake = LocalLake(site.project.lake)
    assert ids(site) == dict.fromkeys(TABLES, lake_id(lake))
    done = site.spine("doctor", "--json")
    found = {item["name"]: item for item in json.loads(done.stdout)}
    assert str(lake_id(lake)) in found["one_lake"]["found"]


def test_nothing_is_built_into_another_lake(site: Site, other: LocalLake) -> None:
    outcome = site.runner.week(WEEK)
    assert not outcome.success
    text = str(outcome.failure)
    assert str(lake_id(other)) in text
    assert str(lake_id(LocalLake(site.project.lake))) in text
    assert "spine doctor --repair" in text
    assert other.weeks("otc_raw") == []
    with (
        dg.build_sensor_context(site.runner.instance, sensor_name="otc_landing") as context,
        pytest.raises(OtherLake),
    ):
        otc_landing(context)


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "anomalies",
        "backfill",
        f"run otc.weekly -p week_ending={WEEK}",
        "query|FROM core_anomalies",
    ],
)
def test_commands_show_nothing_of_another_lake(site: Site, other: LocalLake, command: str) -> None:
    words = command.split("|") if "|" in command else command.split()
    done = site.spine(*words)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: Dagster's history is that of another lake: otc_raw of")
    assert str(other.root) in done.stderr


def test_a_lake_whose_disk_is_not_mounted_is_not_built_anew(site: Site) -> None:
    lake = site.project.lake
    lake.rename(site.project.root / "elsewhere")
    assert "is its disk mounted?" in site.spine("status").stderr
    assert not site.runner.week(WEEK).success
    assert LocalLake(lake).weeks("otc_raw") == []
    shutil.rmtree(lake)
    assert "nothing to repair" in site.spine("doctor", "--repair").stdout
    (site.project.root / "elsewhere").rename(lake)
    assert site.runner.week(WEEK).success
    assert site.runner.states(WEEK) == MADE


def test_what_is_not_about_tables_is_shown(site: Site, other: LocalLake) -> None:
    assert site.spine("runs").exit_code == 0
    assert site.spine("query", "FROM otc_venue_share").exit_code == 0
    done = site.spine("db", "refresh")
    assert done.exit_code == 0, done.output
    assert "what Dagster recorded is left out" in done.stderr


def test_doctor_says_so_and_a_repair_makes_the_history_that_of_this_lake(
    site: Site, other: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = doctor.one_lake(load_settings(), site.runner.instance)
    assert (found.outcome, "--repair" in (found.mend or "")) == (Health.FAIL, True)
    assert "--json cannot ask" in site.spine("doctor", "--repair", "--json").stderr
    assert site.runner.states(WEEK) == MADE
    done = site.spine("doctor", "--repair", "--yes", "--json")
    assert json.loads(done.stdout)["removed_other_lake"] is True
    assert site.runner.states(WEEK) == NONE
    assert json.loads(site.spine("anomalies", "--json").stdout)["anomalies"] == []
    assert site.runner.week(WEEK).success
    assert ids(site) == dict.fromkeys(TABLES, lake_id(other))
    # Back in the first lake: its weeks are recorded from its files.
    monkeypatch.delenv("SPINE_LAKE")
    monkeypatch.delenv("SPINE_DATABASE_PATH")
    assert not site.runner.week(WEEK).success
    done = site.spine("doctor", "--repair", "--yes")
    assert "removed the records of another lake" in done.stdout
    assert "recorded" in done.stdout
    assert ids(site) == dict.fromkeys(TABLES, lake_id(LocalLake(site.project.lake)))
    assert site.runner.states(WEEK) == MADE
    assert "nothing to repair" in site.spine("doctor", "--repair").stdout


def test_records_of_earlier_versions_are_those_of_any_lake(site: Site, other: LocalLake) -> None:
    for table in TABLES:
        site.runner.instance.report_runless_asset_event(
            dg.AssetMaterialization(table, partition=str(WEEK))
        )
    require_same_lake(site.runner.instance, other)
    assert site.runner.week(WEEK).success


def test_a_database_of_another_lake_is_left_as_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.project.root / "data" / "spine.duckdb"
    before = path.read_bytes()
    monkeypatch.setenv("SPINE_LAKE", "other/lake")
    for command in ("refresh", "init", "check"):
        done = site.spine("db", command)
        assert done.exit_code == 1
        assert "has the tables of another lake" in done.stderr
        assert "SPINE_DATABASE_PATH" in done.stderr
    assert path.read_bytes() == before
    found = database(load_settings())
    assert (found.outcome, "another lake" in found.found) == (Health.FAIL, True)
    path.unlink()
    assert site.spine("db", "refresh").exit_code == 0
    assert database(load_settings()).outcome is Health.OK


def test_a_lake_that_was_reset_is_the_same_one_for_history_and_database(site: Site) -> None:
    lake = LocalLake(site.project.lake)
    before = lake_id(lake)
    assert site.spine("db", "reset", "--yes").exit_code == 0
    assert lake_id(lake) == before
    assert site.runner.states(WEEK) == NONE
    assert site.runner.week(WEEK).success
    assert site.runner.states(WEEK) == MADE
    done = site.spine("db", "check")
    assert done.exit_code == 0, done.output
