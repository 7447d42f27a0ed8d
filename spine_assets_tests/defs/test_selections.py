"""Usual selections on a week of which nothing is stored yet, and keys that name no week."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.core.weeks import Tier
from spine_assets_tests.support.projects import TABLES, Project, Runner

WEEK, LATER = date(2025, 10, 17), date(2025, 11, 21)
THURSDAY = "2025-11-20"
CARD = "otc_raw,otc_venue_volume,otc_symbol_summary,otc_venue_share"
SELECTIONS = (
    CARD,
    "group:otc",
    "otc_raw*",
    "otc_raw+",
    "*otc_venue_share",
    "otc_venue_volume+",
    "otc_venue_volume",
    "kind:duckdb",
    'owner:"team:market-structure"',
    "*",
)
MATERIALIZE = ("dagster", "asset", "materialize", "-m", "spine_assets.definitions", "--select")
LAUNCH = ("dg", "launch", "-m", "spine_assets.definitions", "--assets")
NAMED = {"otc_raw", "otc_rejects", "otc_venue_volume"}
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_new_week_is_built(project: Project, runner: Runner, selection: str) -> None:
    project.deliver(WEEK, Tier.OTC)
    names = dg.AssetSelection.from_coercible(selection.split(","))
    outcome = runner.week(WEEK, names)
    assert outcome.success
    known = {table for table, state in runner.states(WEEK).items() if state == ["materialized"]}
    assert known == {table for table in TABLES if project.files(table, WEEK)}
    assert known >= NAMED


@pytest.mark.long
@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("command", [MATERIALIZE, LAUNCH], ids=["dagster", "dg"])
def test_commands_build_a_new_week(
    project: Project, command: tuple[str, ...], selection: str
) -> None:
    project.deliver(WEEK, Tier.OTC)
    done = project.run(*command, selection, "--partition", str(WEEK))
    assert done.returncode == 0, done.stderr[-3_000:]
    assert all(project.files(table, WEEK) for table in NAMED)


@pytest.mark.long
@pytest.mark.parametrize("selection", ["otc_raw*", 'owner:"team:market-structure"'])
def test_a_range_of_what_holds_views_and_files_is_one_run(project: Project, selection: str) -> None:
    project.deliver(WEEK, Tier.OTC)
    done = project.run(*MATERIALIZE, selection, "--partition-range", f"{WEEK}...{LATER}")
    assert done.returncode == 0, done.stderr[-3_000:]
    assert all(project.files(table, WEEK) for table in NAMED)


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({}, "names no week"),
        ({START: str(LATER), END: str(WEEK)}, "ends before it begins"),
        ({"dagster/partition": THURSDAY}, "is a Thursday; weeks end on Fridays: 2025-11-21"),
        ({START: THURSDAY, END: THURSDAY}, "is a Thursday"),
        ({START: str(WEEK), END: THURSDAY}, "is a Thursday"),
        ({START: "2014-05-09", END: str(WEEK)}, "before FINRA's first published week"),
    ],
    ids=["none", "reversed", "Thursday", "Thursdays", "to a Thursday", "too early"],
)
def test_keys_that_name_no_week_fail_and_say_so(
    project: Project, runner: Runner, tags: dict[str, str], why: str
) -> None:
    project.deliver(WEEK, Tier.OTC)
    job = runner.code_location.resolve_job_def("otc_weekly")
    result = job.execute_in_process(instance=runner.instance, tags=tags, raise_on_error=False)
    assert not result.success
    assert result.get_asset_materialization_events() == []
    data = result.failure_data_for_node("otc_week")
    assert data is not None
    assert data.user_failure_data is not None, data.error
    assert why in (data.user_failure_data.description or "")


@pytest.mark.long
@pytest.mark.parametrize(
    "keys",
    [
        ("--partition-range", f"{LATER}...{WEEK}"),
        ("--partition-range", f"{THURSDAY}...{THURSDAY}"),
        ("--partition", THURSDAY),
        (),
    ],
    ids=["reversed", "Thursdays", "Thursday", "none"],
)
def test_commands_refuse_such_keys(project: Project, keys: tuple[str, ...]) -> None:
    project.deliver(WEEK, Tier.OTC)
    assert project.run(*MATERIALIZE, "group:otc", *keys).returncode != 0
    assert not project.files("otc_raw", WEEK)


@pytest.mark.parametrize("weeks", [f"{LATER}..{WEEK}", THURSDAY])
def test_our_commands_refuse_them_too(project: Project, weeks: str) -> None:
    done = CliRunner().invoke(main, ["backfill", weeks])
    assert done.exit_code == 2, done.output
