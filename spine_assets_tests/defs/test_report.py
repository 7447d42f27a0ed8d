"""The weekly report as Dagster makes it, and `spine report`."""

from __future__ import annotations

import importlib
import json
import stat
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.lake.local import LocalLake
from spine_assets.orchestration.history import open_instance
from spine_assets.otc.state.freshness import Freshness
from spine_assets.report import NAME, stored
from spine_assets_tests.support.projects import EVERY_TIER, TABLES, Project, Runner
from spine_assets_tests.support.sites import Site, opened

WEEK = date(2025, 11, 14)
NEXT = WEEK + timedelta(weeks=1)


@pytest.fixture
def reporting(runner: Runner) -> Runner:
    """Runs of the whole group."""
    return Runner(runner.code_location, runner.instance, reports=True)


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    with opened(tmp_path, code_location) as made:
        yield made


def pages(project: Project) -> list[date]:
    return stored.weeks(LocalLake(project.lake))


@pytest.mark.long
class TestRuns:
    def test_one_week_makes_its_page_after_its_tables(
        self, project: Project, reporting: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        outcome = reporting.week(WEEK)
        assert outcome.materialized() == [(name, str(WEEK)) for name in (*TABLES, NAME)]
        told = outcome.materialization(NAME, WEEK).metadata
        assert isinstance(told["report"], dg.PathMetadataValue)
        assert Path(str(told["report"].value)).read_text("utf-8").startswith("<!doctype html>")
        assert Path(str(told["index"].value)).exists()
        assert Path(str(told["chart"].value)).read_text("utf-8").startswith("<svg")
        assert told["shares"].value == 1350
        assert told["hhi"].value == pytest.approx((450 / 1350) ** 2 + (900 / 1350) ** 2, abs=1e-6)
        assert told["tiers_in"].value == "NMS_TIER_1, NMS_TIER_2, OTC"

    def test_figures_are_numbers_and_lists_are_tables(
        self, project: Project, reporting: Runner
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        project.deliver(NEXT, *EVERY_TIER, rows=(("ABCD", "OTCX", 500, 2),))
        outcome = reporting.range(WEEK, NEXT)
        shares = outcome.materialization("otc_venue_share", WEEK).metadata
        for name in ("shares", "trades", "hhi", "top_share_pct", "seconds"):
            assert isinstance(shares[name], dg.IntMetadataValue | dg.FloatMetadataValue)
        assert isinstance(shares["top_venues"], dg.TableMetadataValue)
        movers = outcome.materialization(NAME, NEXT).metadata["movers"]
        assert isinstance(movers, dg.TableMetadataValue)
        assert [record.data["change_shares"] for record in movers.records] == [100] * 3

    def test_a_bad_week_of_a_range_costs_no_other_week_its_page(
        self, project: Project, reporting: Runner
    ) -> None:
        last = NEXT + timedelta(weeks=1)
        for week in (WEEK, last):
            project.deliver(week, *EVERY_TIER)
        project.deliver_in_two_parts(NEXT)
        outcome = reporting.range(WEEK, last)
        assert outcome.failed_weeks == [str(NEXT)]
        assert pages(project) == [WEEK, last]
        made = [week for name, week in outcome.materialized() if name == NAME]
        assert made == [str(WEEK), str(last)]
        assert (
            "without a report: 2025-11-21" in stored.index_path(LocalLake(project.lake)).read_text()
        )

    def test_late_week_makes_the_next_page_anew_on_its_own_partition(
        self, project: Project, reporting: Runner
    ) -> None:
        project.deliver(NEXT, *EVERY_TIER)
        reporting.week(NEXT)
        project.deliver(WEEK, *EVERY_TIER, rows=(("ABCD", "OTCX", 225, 2),))
        outcome = reporting.week(WEEK)
        # The page of the next week is no partition of this run, which a backfill would count.
        assert [week for name, week in outcome.materialized() if name == NAME] == [str(WEEK)]
        (told,) = reporting.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(NAME), asset_partitions=[str(NEXT)]), 1
        ).records
        assert told.run_id != outcome.result.run_id
        made = told.asset_materialization
        assert made is not None
        assert made.metadata["change_pct"].value == 100.0
        held = reporting.instance.get_materialized_partitions(dg.AssetKey(NAME))
        assert held == {str(WEEK), str(NEXT)}

    def test_later_week_that_waits_for_its_own_run_is_no_fault_of_this_one(
        self, project: Project, reporting: Runner
    ) -> None:
        for week in (WEEK, NEXT):
            project.deliver(week, Tier.OTC)
            assert reporting.week(week).success
        for week in (WEEK, NEXT):  # both are delivered before either is built
            project.deliver(week, Tier.NMS_TIER_1)
        outcome = reporting.week(WEEK)
        assert outcome.success
        assert [week for name, week in outcome.materialized() if name == NAME] == [str(WEEK)]
        outcome = reporting.week(NEXT)
        assert outcome.fact(NAME, NEXT, "tiers_in") == "NMS_TIER_1, OTC"
        assert stored.freshness(LocalLake(project.lake), NEXT) is Freshness.FRESH

    def test_alone_it_reads_what_stands(self, project: Project, reporting: Runner) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        first = Runner(reporting.code_location, reporting.instance).week(WEEK)
        assert first.success
        assert pages(project) == []
        outcome = reporting.week(WEEK, dg.AssetSelection.assets(NAME))
        assert outcome.materialized() == [(NAME, str(WEEK))]
        assert outcome.evaluations() == {}
        assert pages(project) == [WEEK]

    def test_alone_it_fails_where_tables_are_missing(
        self, project: Project, reporting: Runner
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        reporting.week(WEEK, dg.AssetSelection.assets("otc_raw"))
        outcome = reporting.week(WEEK, dg.AssetSelection.assets(NAME))
        assert "otc_weekly_report needs otc_rejects, otc_venue_volume" in outcome.failure
        assert f"--partition {WEEK}" in outcome.failure

    def test_assets_lead_to_the_source_that_declares_them(
        self, code_location: dg.Definitions
    ) -> None:
        every = {
            spec.key.to_user_string(): spec for spec in code_location.resolve_all_asset_specs()
        }
        for name in (*TABLES, NAME):
            references = every[name].metadata["dagster/code_references"].code_references
            paths = [Path(item.file_path) for item in references]
            assert all(path.is_file() for path in paths)
        declared = every["otc_venue_share"].metadata["dagster/code_references"].code_references
        assert 'name="otc_venue_share"' in Path(declared[0].file_path).read_text("utf-8")


@pytest.mark.long
class TestCommand:
    def test_makes_a_page_that_is_missing_by_a_run_and_tells_it(self, site: Site) -> None:
        site.project.deliver(WEEK, *EVERY_TIER)
        site.project.deliver(NEXT, Tier.NMS_TIER_1)
        tables = ",".join(TABLES)
        assert site.spine("backfill", f"{WEEK}..{NEXT}").exit_code == 0, tables
        page = stored.page_path(LocalLake(site.project.lake), WEEK)
        page.unlink()
        done = site.spine("report", "--json")
        assert done.exit_code == 0, done.output
        assert done.stderr.startswith(f"building the report of {WEEK}\n")
        told = json.loads(done.stdout)
        assert (told["week_ending"], told["is_complete"], told["shares"]) == (str(WEEK), True, 1350)
        assert Path(told["report"]).samefile(page)
        with open_instance() as instance:
            newest = instance.get_runs(limit=1)[0]
        assert (newest.job_name, newest.tags["spine/pipeline"]) == ("otc_report", "otc.report")
        again = site.spine("report")
        assert again.stderr == ""
        assert again.stdout.splitlines()[-1] == str(page)
        assert "all three tiers in" in again.stdout
        assert (
            "INCOMPLETE, without NMS_TIER_2, OTC; ATS alone"
            in site.spine("report", str(NEXT)).stdout
        )

    def test_opens_the_browser_that_is_set(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.project.deliver(WEEK, *EVERY_TIER)
        site.spine("backfill", str(WEEK))
        seen = site.project.root / "opened"
        browser = site.project.root / "browser"
        browser.write_text(f'#!/bin/sh\necho "$1" >> "{seen}"\n')
        browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("BROWSER", f"{browser} %s")
        # The module keeps the browsers that it found when another test first asked it.
        monkeypatch.delitem(sys.modules, "webbrowser", raising=False)
        fresh = importlib.import_module("webbrowser")
        monkeypatch.setattr("spine_assets.cli.report.webbrowser", fresh)
        for words in ((), ("--index",)):
            assert site.spine("report", *words, "--open").exit_code == 0
        lake = LocalLake(site.project.lake)
        wanted = [stored.page_path(lake, WEEK), stored.index_path(lake)]
        assert seen.read_text().split() == [path.resolve().as_uri() for path in wanted]

    @pytest.mark.parametrize("words", [(), (str(NEXT),)])
    def test_says_what_to_do_where_nothing_is_built(
        self, site: Site, words: tuple[str, ...]
    ) -> None:
        if words:
            site.project.deliver(WEEK, Tier.OTC)
            site.spine("backfill", str(WEEK))
        done = site.spine("report", *words)
        assert done.exit_code == 1
        assert "not built" in done.stderr if words else "no week is built yet" in done.stderr
        assert "spine" in done.stderr.removeprefix("Error")

    def test_backfill_of_what_is_missing_makes_reports_of_older_weeks(self, site: Site) -> None:
        site.project.deliver(WEEK, *EVERY_TIER)
        site.spine("backfill", str(WEEK))
        lake = LocalLake(site.project.lake)
        stored.page_path(lake, WEEK).unlink()
        assert site.spine("backfill", "--missing").exit_code == 0
        assert stored.weeks(lake) == [WEEK]
