"""`spine run`, `spine list` and `spine backfill`: each run is Dagster's, and can be found there."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.defs.otc.jobs import INGESTED, NORMALIZED, SUMMARIZED
from spine_assets.lake.local import LocalLake
from spine_assets.orchestration.history import open_instance, table_states
from spine_assets_tests.conftest import delivered, line
from spine_assets_tests.support.projects import TABLES, Project
from spine_assets_tests.support.servers import wait_until
from spine_assets_tests.support.sites import Site, opened

WEEK = date(2025, 11, 14)
WEEKS = [WEEK + timedelta(weeks=number) for number in range(-5, 1)]
LAST_LINE = "Error: "


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """An empty site whose Dagster the command sees."""
    with opened(tmp_path, code_location) as made:
        yield made


@pytest.fixture
def file(site: Site) -> Path:
    """A file of WEEK outside of the landing folder."""
    day = str(publication_day(WEEK, Tier.OTC))
    path = site.project.root / "download" / "otc.csv"
    path.parent.mkdir()
    path.write_bytes(delivered(line(updated=day), line("BBBB", updated=day)))
    return path


def run_json(site: Site, *words: str, exit_code: int = 0) -> Any:
    """What a command says to programs, after its lines for people on the other stream."""
    done = site.spine(*words, "--json")
    assert done.exit_code == exit_code, done.output
    return json.loads(done.stdout)


def states(site: Site, week: date = WEEK) -> dict[str, str | None]:
    with open_instance() as instance:
        found = table_states(instance, [week])
    return {table: found[table, week] for table in TABLES}


@pytest.mark.long
class TestPipelines:
    @pytest.mark.long
    def test_the_older_systems_three_steps_make_all_tables(self, site: Site, file: Path) -> None:
        words = ("-p", f"week_ending={WEEK}", "-p", "tier=OTC", "-p", f"file_path={file}")
        (ingested,) = run_json(site, "run", "otc.ingest_week", *words, "--lane", "slow")
        assert ingested["status"] == "success"
        assert ingested["tags"] == {
            "spine/pipeline": "otc.ingest_week",
            "spine/lane": "slow",
            "spine/trigger": "cli",
        }
        assert ingested["tables"]["otc_raw"]["rows"] == 2
        only = dict.fromkeys(INGESTED, "materialized") | dict.fromkeys((*NORMALIZED, *SUMMARIZED))
        assert states(site) == only
        (normalized,) = run_json(site, "run", "otc.normalize")
        assert normalized["weeks"] == {"first": str(WEEK), "last": str(WEEK)}
        (summarized,) = run_json(site, "run", "otc.summarize")
        assert sorted(summarized["tables"]) == [
            *("otc_firm_totals", "otc_restatements", "otc_symbol_summary", "otc_venue_share")
        ]
        assert states(site) == dict.fromkeys(TABLES, "materialized")
        assert [path.name for path in site.project.landing.rglob("*.csv")] == ["otc.csv"]
        with open_instance() as instance:
            runs = {run.run_id for run in instance.get_runs()}
        assert runs == {one["run_id"] for one in (ingested, normalized, summarized)}

    def test_nothing_behind_means_no_run(self, site: Site) -> None:
        done = site.spine("run", "compute_otc_metrics")
        assert done.exit_code == 0
        assert "nothing is stale" in done.output
        with open_instance() as instance:
            assert instance.get_runs_count() == 0

    def test_a_file_finds_its_own_week(self, site: Site, file: Path) -> None:
        (ingested,) = run_json(site, "run", "otc.ingest", "-p", f"file_path={file}")
        assert ingested["weeks"] == {"first": str(WEEK), "last": str(WEEK)}

    def test_a_dry_run_checks_everything_and_changes_nothing(self, site: Site, file: Path) -> None:
        words = ("-p", f"week_ending={WEEK}", "-p", f"file_path={file}", "--dry-run")
        planned = run_json(site, "run", "otc.weekly", *words)
        assert planned["runs"][0]["first_week"] == str(WEEK)
        assert planned["notes"] == [f"would copy: week_ending={WEEK}/otc.csv"]
        assert list(site.project.landing.iterdir()) == []
        with open_instance() as instance:
            assert instance.get_runs_count() == 0

    def test_a_file_of_another_tier_is_refused_before_anything_happens(
        self, site: Site, file: Path
    ) -> None:
        words = ("-p", f"week_ending={WEEK}", "-p", "tier=T1", "-p", f"file_path={file}")
        done = site.spine("run", "otc.ingest_week", *words)
        assert done.exit_code == 1
        assert "tier=NMS_TIER_1 was asserted, but the file holds OTC" in done.output
        assert list(site.project.landing.iterdir()) == []

    def test_a_failed_run_ends_with_one_and_says_why(self, site: Site) -> None:
        done = site.spine("run", "otc.weekly", "-p", f"week_ending={WEEK}")
        assert done.exit_code == 1
        assert f"{WEEK}: no usable file for this week in the landing folder" in done.output

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("run", "otc.ingest_wek"), "did you mean otc.ingest_week?"),
            (("run", "otc.weekly", "-p", "week_ending=2025-11-20"), "Fridays: 2025-11-21"),
            (("run", "otc.weekly"), "week_ending is required"),
            (("backfill", "2025-11-20"), "Fridays: 2025-11-21"),
            (("backfill", "2025-11-21..2025-11-14"), "give the earlier week first"),
            (("bakfill",), "Did you mean 'backfill'?"),
            (("run", "otc.weekly", "--lane", "fast"), "normal"),
        ],
    )
    def test_a_slip_is_wrong_usage_and_names_what_was_meant(
        self, site: Site, words: tuple[str, ...], said: str
    ) -> None:
        done = site.spine(*words)
        assert done.exit_code == 2
        assert said in done.output

    def test_without_a_daemon_nothing_is_queued(self, site: Site) -> None:
        done = site.spine("run", "otc.weekly", "-p", f"week_ending={WEEK}", "--queue")
        assert done.exit_code == 1
        assert "no daemon is running" in done.output
        with open_instance() as instance:
            assert instance.get_runs_count() == 0

    def test_parameters_are_explained(self, site: Site) -> None:
        listed = {item["pipeline"]: item for item in run_json(site, "list")}
        for name, item in listed.items():
            told = site.spine("run", name, "--help-params")
            assert told.exit_code == 0
            for parameter in item["parameters"]:
                assert parameter["name"] in told.output

    @pytest.mark.long
    def test_lines_of_the_log_are_json_where_asked(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPINE_LOG_FORMAT", "json")
        project.deliver(WEEK, Tier.OTC)
        done = project.run("spine", "run", "otc.weekly", "-p", f"week_ending={WEEK}", "--json")
        assert done.returncode == 0, done.stderr
        (story,) = json.loads(done.stdout)
        lines = [json.loads(text) for text in done.stderr.splitlines() if text.startswith("{")]
        built = [one for one in lines if "tables built" in one["message"]]
        assert [(one["run_id"], one["week"], one["percent"]) for one in built] == [
            (story["run_id"], str(WEEK), 100)
        ]
        assert all(one["run_id"] == story["run_id"] for one in lines)


@pytest.mark.long
class TestBackfill:
    def test_bad_weeks_fail_alone_and_are_built_once_mended(self, site: Site) -> None:
        good = [week for week in WEEKS if week not in {WEEKS[1], WEEKS[4]}]
        for week in good:
            site.project.deliver(week, Tier.OTC)
        for week in (WEEKS[1], WEEKS[4]):
            site.project.deliver_in_two_parts(week)
        span = f"{WEEKS[0]}..{WEEKS[-1]}"
        first = run_json(site, "backfill", span, exit_code=1)
        assert first["planned"] == [[str(WEEKS[0]), str(WEEKS[-1])]]
        assert first["runs"][0]["weeks_failed"] == [str(WEEKS[1]), str(WEEKS[4])]
        assert sorted(first["runs"][0]["weeks_done"]) == [str(week) for week in good]
        failed = run_json(site, "backfill", "--failed", "--dry-run")
        assert failed["weeks"] == [str(WEEKS[1]), str(WEEKS[4])]
        assert failed["passed_over"] == 4
        for week in (WEEKS[1], WEEKS[4]):
            for path in (site.project.landing / f"week_ending={week}").iterdir():
                path.unlink()
            site.project.deliver(week, Tier.OTC)
        again = run_json(site, "backfill", "--failed")
        assert [run["status"] for run in again["runs"]] == ["success", "success"]
        second = run_json(site, "backfill", span)
        (run,) = second["runs"]
        assert run["status"] == "success"
        assert run["tables"]["otc_raw"]["unchanged"] == len(WEEKS)
        for week in WEEKS:
            assert states(site, week) == dict.fromkeys(TABLES, "materialized")
        assert run_json(site, "backfill", "--missing")["weeks"] == []

    def test_missing_takes_weeks_with_something_new_or_behind(self, site: Site) -> None:
        for week in WEEKS[:3]:
            site.project.deliver(week, Tier.OTC)
        run_json(site, "backfill")
        site.project.deliver(WEEKS[1], Tier.NMS_TIER_1)
        site.project.deliver(WEEKS[3], Tier.OTC)
        for path in (site.project.lake / "otc_venue_share" / f"week_ending={WEEKS[2]}").iterdir():
            path.unlink()
        planned = run_json(site, "backfill", "--missing", "--dry-run")
        assert planned["weeks"] == [str(week) for week in WEEKS[1:4]]

    def test_weeks_without_input_are_no_part_of_any_run(self, site: Site) -> None:
        for week in (WEEKS[0], WEEKS[1], WEEKS[4]):
            site.project.deliver(week, Tier.OTC)
        done = run_json(site, "backfill", f"{WEEKS[0]}..{WEEKS[-1]}")
        assert done["planned"] == [
            [str(WEEKS[0]), str(WEEKS[1])],
            [str(WEEKS[4]), str(WEEKS[4])],
        ]
        assert states(site, WEEKS[2]) == dict.fromkeys(TABLES)

    def test_weeks_of_a_run_are_as_many_as_asked(self, site: Site) -> None:
        for week in WEEKS[:5]:
            site.project.deliver(week, Tier.OTC)
        planned = run_json(site, "backfill", "--weeks-per-run", "2", "--dry-run")
        assert [len(part) for part in planned["planned"]] == [2, 2, 2]
        assert planned["planned"][2] == [str(WEEKS[4]), str(WEEKS[4])]

    def test_what_is_unchanged_is_built_again_only_by_force(self, site: Site) -> None:
        site.project.deliver(WEEK, Tier.OTC)
        run_json(site, "backfill")
        (kept,) = run_json(site, "backfill")["runs"]
        (forced,) = run_json(site, "backfill", "--force")["runs"]
        assert kept["tables"]["otc_venue_share"]["unchanged"] == 1
        assert forced["tables"]["otc_venue_share"]["built"] == 1

    @pytest.mark.long
    def test_a_bar_shows_weeks_rows_and_failures(self, project: Project) -> None:
        for week in WEEKS[:2]:
            project.deliver(week, Tier.OTC)
        project.deliver_in_two_parts(WEEKS[2])
        done = project.run("spine", "backfill")
        assert done.returncode == 1
        bar = done.stderr.splitlines()[-1]
        assert re.search(r"weeks .*3/3.*100%.*6 rows.*1 failed", bar), done.stderr
        assert "2 weeks captured, 0 unchanged, 1 failed" in done.stdout
        assert "Traceback" not in done.stderr

    def test_no_input_is_nothing_to_do(self, site: Site) -> None:
        done = site.spine("backfill", f"{WEEKS[0]}..{WEEKS[1]}")
        assert (done.exit_code, done.output) == (0, "no week to build\n")


@pytest.mark.long
class TestEnding:
    @pytest.fixture
    def under_way(self, project: Project) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """A backfill of many weeks in a process of its own, and its run."""
        for number in range(60):
            project.deliver(WEEK - timedelta(weeks=number), Tier.OTC)
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("spine")), "backfill", "--verbose"],
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        lake = project.lake / "otc_venue_share"
        wait_until(lambda: len(list(lake.glob("*/data.parquet"))) > 3, 120, project, "the backfill")
        with open_instance(project.root) as instance:
            (run,) = instance.get_runs()
        try:
            yield process, run.run_id
        finally:
            process.kill()
            process.communicate()

    def test_a_run_in_a_process_of_its_own_can_be_canceled_from_another(
        self, project: Project, under_way: tuple[subprocess.Popen[str], str]
    ) -> None:
        process, run_id = under_way
        done = project.run("spine", "runs", "cancel", run_id[:8], "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["status"] == "canceled"
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "canceled" in out

    def test_an_interrupt_ends_a_run_that_is_then_known_as_canceled(
        self, project: Project, under_way: tuple[subprocess.Popen[str], str]
    ) -> None:
        process, run_id = under_way
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 1
        with open_instance(project.root) as instance:
            run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.CANCELED

    def test_a_run_that_takes_too_long_is_ended(self, project: Project) -> None:
        for week in WEEKS[:2]:
            project.deliver(week, Tier.OTC)
        ingested = project.run("spine", "backfill", "--json")
        assert ingested.returncode == 0, ingested.stderr
        built = [
            project.lake / "otc_venue_share" / f"week_ending={week}" / "data.parquet"
            for week in WEEKS[:2]
        ]
        for path in built:
            path.unlink()
        words = ("run", "compute_otc_metrics", "--max-runtime", "15", "--json")
        with LocalLake(project.lake).lock(WEEKS[1]):  # the run waits for it
            late = project.run("spine", *words)
        assert late.returncode == 1
        (story,) = json.loads(late.stdout)
        assert story["status"] == "canceled"
        assert [path.exists() for path in built] == [True, False]
