"""FINRA's control totals through the real job and the real sensor, as dropped files."""

from __future__ import annotations

from datetime import date

import dagster as dg

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets_tests.conftest import OF_TOTALS
from spine_assets_tests.defs.test_landing_sensor import Watch
from spine_assets_tests.support.control_totals import Part, Trade
from spine_assets_tests.support.projects import TABLES, Project, Runner

WEEK = date(2025, 11, 14)
PART = Part(
    WEEK,
    Tier.NMS_TIER_1,
    VenueClass.ATS,
    (Trade("AAAA", "UBSA", "100", 2), Trade("AAAA", "SGMT", "50"), Trade("BBBB", "UBSA", "7")),
)
CHECKS = ("otc_symbol_summary", "otc_venue_share")
USE_TOTALS = {*OF_TOTALS, "otc_venue_share"}


def judged(runner: Runner) -> dict[str, tuple[bool, str]]:
    """By table, whether its check `control` passes, and its severity, after a run that succeeds."""
    outcome = runner.week(WEEK)
    assert outcome.success
    assert outcome.materialized() == [(table, str(WEEK)) for table in TABLES]
    found = outcome.evaluations()
    each = {table: found[table, "control", str(WEEK)] for table in CHECKS}
    return {table: (item.passed, item.severity.value) for table, item in each.items()}


def versions(runner: Runner) -> dict[str, str]:
    outcome = runner.week(WEEK)
    return {table: outcome.version(table, WEEK) for table in TABLES}


def test_totals_that_agree_prove_the_tier_on_the_board(project: Project, runner: Runner) -> None:
    project.drop("rows.class=ats.csv", PART.rows())
    project.drop("totals.class=ats.csv", PART.totals_text())
    assert judged(runner) == dict.fromkeys(CHECKS, (True, "ERROR"))
    done = project.run("spine", "status")
    assert "loaded proven" in " ".join(done.stdout.split()), done.stdout + done.stderr


def test_each_table_names_the_files_that_it_is_made_from(project: Project, runner: Runner) -> None:
    rows, totals = "rows.class=ats.csv", "totals.class=ats.csv"
    project.drop(rows, PART.rows())
    project.drop(totals, PART.totals_text())
    outcome = runner.week(WEEK)
    files = {table: outcome.fact(table, WEEK, "files") for table in TABLES}
    made_from = {table: [rows] for table in TABLES}
    made_from |= {table: [totals] for table in OF_TOTALS}
    assert files == made_from | {"otc_venue_share": [rows, totals]}
    assert {outcome.fact(table, WEEK, "tiers_in") for table in TABLES} == {"NMS_TIER_1"}


def test_a_wrong_total_fails_the_check_and_the_week_is_published(
    project: Project, runner: Runner
) -> None:
    lines = PART.totals()
    lines[0][5] = "151"  # of AAAA, which has 150
    project.drop("rows.class=ats.csv", PART.rows())
    project.drop("totals.class=ats.csv", PART.text(lines))
    assert judged(runner) == {
        "otc_symbol_summary": (False, "ERROR"),
        "otc_venue_share": (True, "ERROR"),
    }
    told = project.run("spine", "trace", "AAAA", str(WEEK))
    said = " ".join(told.stdout.split())
    assert "FINRA says 151; our rows sum to 150: DIFFERS BY 1" in said, told.stdout + told.stderr
    assert "ATS UBSA: FINRA says 107; our rows sum to the same" in said


def test_totals_dropped_later_start_a_run_that_builds_only_what_uses_them(
    project: Project, runner: Runner
) -> None:
    watch = Watch(runner)
    project.drop("rows.class=ats.csv", PART.rows())
    assert watch.settle() == 1
    before = versions(runner)
    project.drop("totals.class=ats.csv", PART.totals_text())
    assert watch.settle() == 1
    after = versions(runner)
    assert {table for table in TABLES if after[table] != before[table]} == USE_TOTALS


def test_totals_alone_start_no_run(project: Project, runner: Runner) -> None:
    project.drop("totals.class=ats.csv", PART.totals_text())
    watch = Watch(runner)
    assert watch.tick() == []
    outcome = runner.week(WEEK)
    assert not outcome.success
    assert "control totals wait for the rows that they are of" in outcome.failure
    project.drop("rows.class=ats.csv", PART.rows())
    assert len(watch.tick()) == 1
    assert judged(runner) == dict.fromkeys(CHECKS, (True, "ERROR"))


def test_a_selection_of_the_known_tables_uses_totals_too(project: Project, runner: Runner) -> None:
    project.drop("rows.class=ats.csv", PART.rows())
    project.drop("totals.class=ats.csv", PART.totals_text())
    names = ("otc_raw", "otc_rejects", "otc_venue_volume", "otc_symbol_summary", "otc_venue_share")
    outcome = runner.week(WEEK, dg.AssetSelection.assets(*names))
    assert outcome.success
    assert outcome.evaluations()["otc_venue_share", "control", str(WEEK)].passed
