"""What Dagster remembers, asked from the command line: anomalies, the board, runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.orchestration.history import check_records
from spine_assets_tests.support.projects import CHECKS, EVERY_TIER, TABLES, Project
from spine_assets_tests.support.sites import Site, opened

WEEK = date(2025, 11, 14)
NEXT, AFTER = WEEK + timedelta(weeks=1), WEEK + timedelta(weeks=2)
BAD_LINE = "OTC|BADX|Bad Corp|OTCX VENUE|OTCX|1e6|1|2025-12-15\n"


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """An empty site whose Dagster the command sees."""
    with opened(tmp_path, code_location) as made:
        yield made


def asked(site: Site, *words: str) -> Any:
    """What a command prints with --json."""
    done = site.spine(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def kinds(told: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Week, table, check and severity of what was found."""
    return [
        (item["week_ending"], item["table"], item["check"], item["severity"])
        for item in told["anomalies"]
    ]


def spoil(project: Project, week: date) -> None:
    """Change a byte of a captured file, so that no run of the week comes to its checks."""
    (path, *_) = (project.lake / "otc_raw" / f"week_ending={week}").glob("*.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


class TestAnomalies:
    def test_the_latest_evaluation_counts_and_the_newest_week_comes_first(self, site: Site) -> None:
        for week in (WEEK, NEXT):
            site.project.deliver(week, Tier.OTC)
        site.runner.range(WEEK, NEXT)
        warned = [(str(week), "otc_raw", "delivery", "WARN") for week in (NEXT, WEEK)]
        assert kinds(asked(site, "anomalies")) == warned
        site.project.deliver(WEEK, Tier.NMS_TIER_1, Tier.NMS_TIER_2)
        assert site.runner.week(WEEK).success
        assert kinds(asked(site, "anomalies")) == warned[:1]
        assert kinds(asked(site, "anomalies", "--week", str(WEEK))) == []

    def test_a_finding_has_numbers_sample_rows_run_and_time(self, site: Site) -> None:
        site.project.deliver(WEEK, *EVERY_TIER)
        path = site.project.landing / f"week_ending={WEEK}" / "otc.csv"
        path.write_text(path.read_text() + BAD_LINE)
        run = site.runner.week(WEEK)
        (found,) = asked(site, "anomalies", "--table", "otc_raw")["anomalies"]
        assert (found["check"], found["severity"]) == ("rejects", "ERROR")
        (row,) = found["samples"]
        assert row["raw_line"] == BAD_LINE.strip()
        assert 1 in found["facts"].values()
        assert found["run_id"] == run.result.run_id
        assert found["at"].endswith("+00:00")
        printed = site.spine("anomalies", "--week", str(WEEK)).output
        assert "1 of 1 sample rows" in printed
        assert "BADX" in printed
        assert "BADX" not in site.spine("anomalies").output.split("what it found")[0]

    def test_severity_table_and_limit_choose_and_say_what_is_left_out(self, site: Site) -> None:
        for week in (WEEK, NEXT, AFTER):
            site.project.deliver(week, Tier.OTC)
        site.runner.range(WEEK, AFTER)
        told = asked(site, "anomalies", "--limit", "1", "--table", "otc_raw")
        assert kinds(told) == [(str(AFTER), "otc_raw", "delivery", "WARN")]
        assert told["more"] == 2
        assert "2 more" in site.spine("anomalies", "--limit", "1", "--table", "otc_raw").output
        assert kinds(asked(site, "anomalies", "--severity", "error")) == []
        assert len(kinds(asked(site, "anomalies", "--severity", "WARN"))) >= 3

    def test_weeks_of_another_lake_are_not_told(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.project.deliver(WEEK, Tier.OTC)
        assert site.runner.week(WEEK).success
        assert kinds(asked(site, "anomalies"))
        (site.project.root / "data" / "another").mkdir()
        monkeypatch.setenv("SPINE_LAKE", "data/another")
        done = site.spine("anomalies")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "Dagster's history is that of another lake" in done.stderr

    def test_a_check_that_was_planned_but_not_reached_keeps_its_evaluation(
        self, site: Site
    ) -> None:
        site.project.deliver(WEEK, Tier.OTC)
        assert site.runner.week(WEEK).success
        before = check_records(site.runner.instance, WEEK)
        assert [(item.table, item.check) for item in before] == list(CHECKS)
        spoil(site.project, WEEK)
        assert not site.runner.week(WEEK).success
        assert check_records(site.runner.instance, WEEK) == before
        assert kinds(asked(site, "anomalies"))[-1] == (str(WEEK), "otc_raw", "delivery", "WARN")


class TestBoard:
    def test_a_tier_whose_run_failed_is_told_so_until_it_is_loaded(self, site: Site) -> None:
        site.project.deliver_in_two_parts(WEEK)

        def state() -> str:
            (row,) = asked(site, "status")["weeks"]
            return str(row["tiers"]["OTC"]["state"])

        assert state() == "landed"
        assert not site.runner.week(WEEK).success
        assert state() == "failed"
        assert "failed" in site.spine("status").output
        for path in (site.project.landing / f"week_ending={WEEK}").iterdir():
            path.unlink()
        site.project.deliver(WEEK, Tier.OTC)
        assert site.runner.week(WEEK).success
        assert state() == "loaded"

    def test_later_weeks_of_which_nothing_arrived_are_told(self, site: Site) -> None:
        site.project.deliver(WEEK, Tier.OTC)
        told = asked(site, "status")["later_weeks_due"]
        assert told[0]["week_ending"] == str(NEXT)
        assert set(told[0]["tiers"]) == {"NMS_TIER_1", "NMS_TIER_2", "OTC"} or len(told) == 1
        due = asked(site, "status", "--due")["due"]
        assert due[0]["week_ending"] == str(WEEK)
        assert set(due[0]["tiers"]) == {"NMS_TIER_1", "NMS_TIER_2"}
        assert due[1:] == told
        printed = " ".join(site.spine("status").output.split())
        assert f"later weeks are due and nothing of them has arrived: {NEXT}" in printed
        assert str(NEXT) in site.spine("status", "--due").output

    def test_checks_of_the_board_are_those_of_the_week(self, site: Site) -> None:
        site.project.deliver(WEEK, Tier.OTC)
        site.project.deliver(NEXT, Tier.OTC)
        site.runner.range(WEEK, NEXT)
        for row in asked(site, "status")["weeks"]:
            whole = asked(site, "week", row["week_ending"])["checks"]
            assert len(whole) == 23
            assert row["checks"] == [
                check | ({"summary": None} if check["passed"] else {}) for check in whole
            ]


def run_as(site: Site, week: date, **tags: str) -> str:
    """A run with tags of ours; its id."""
    job = site.runner.code_location.resolve_job_def("otc_weekly")
    ours = {f"spine/{name}": value for name, value in tags.items()}
    ran = job.execute_in_process(
        instance=site.runner.instance,
        raise_on_error=False,
        tags={"dagster/partition": str(week), **ours},
        run_config={"ops": {"otc_week": {"config": {"force": True}}}},
    )
    return ran.run_id


class TestRuns:
    def test_runs_say_what_was_asked_who_asked_and_what_came_of_it(self, site: Site) -> None:
        site.project.deliver(WEEK, Tier.OTC)
        site.project.deliver_in_two_parts(NEXT)
        first = run_as(site, WEEK, lane="slow", trigger="person", pipeline="otc.ingest_week")
        second = site.runner.range(WEEK, NEXT).result.run_id
        newest, oldest = asked(site, "runs")
        assert (oldest["run_id"], newest["run_id"]) == (first, second)
        assert (oldest["name"], oldest["lane"], oldest["trigger"]) == (
            "otc.ingest_week",
            "slow",
            "person",
        )
        assert (oldest["status"], oldest["did"]) == ("success", "9 assets")
        assert oldest["weeks"] == {"first": str(WEEK), "last": str(WEEK)}
        assert oldest["started"] < oldest["ended"]
        assert (newest["name"], newest["status"]) == ("otc_weekly", "failure")
        assert newest["did"] == "8 assets; 1 of 2 weeks failed:"
        assert newest["weeks"] == {"first": str(WEEK), "last": str(NEXT)}
        printed = site.spine("runs").output
        assert first[:8] in printed
        assert second[:8] in printed

    def test_runs_are_chosen_by_status_pipeline_week_and_number(self, site: Site) -> None:
        site.project.deliver(WEEK, Tier.OTC)
        one = run_as(site, WEEK, pipeline="otc.ingest_week")
        failed = site.runner.week(AFTER).result.run_id
        ranged = site.runner.range(WEEK, NEXT).result.run_id

        def ids(*words: str) -> list[str]:
            return [item["run_id"] for item in asked(site, "runs", *words)]

        assert ids() == [ranged, failed, one]
        assert ids("--limit", "1") == [ranged]
        assert ids("--status", "failure") == [failed]
        assert ids("--pipeline", "otc.ingest_week") == [one]
        assert ids("--pipeline", "otc_weekly") == [ranged, failed, one]
        assert ids("--week", str(WEEK)) == [ranged, one]
        assert ids("--week", str(NEXT)) == [ranged]
        assert ids("--week", str(AFTER), "--status", "success") == []
        slip = site.spine("runs", "--pipeline", "otc.ingest_wek")
        assert slip.exit_code == 1
        assert "did you mean otc.ingest_week?" in slip.output

    def test_show_tells_parameters_figures_checks_error_and_logs(self, site: Site) -> None:
        site.project.deliver(WEEK, Tier.OTC)
        site.project.deliver_in_two_parts(NEXT)
        built = run_as(site, WEEK, lane="slow")
        ranged = site.runner.range(WEEK, NEXT).result.run_id
        told = asked(site, "runs", "show", built[:8])
        assert told["run_id"] == built
        assert told["parameters"] == {"ops": {"otc_week": {"config": {"force": True}}}}
        assert told["tags"] == {"spine/lane": "slow"}
        assert told["tables"]["otc_raw"]["rows"] == 3
        assert told["tables"]["otc_venue_volume"]["shares"] == 450
        made = {name: item["built"] for name, item in told["tables"].items()}
        assert made == dict.fromkeys((*TABLES, "otc_weekly_report"), 1)
        assert len(told["checks"]) == 23
        assert told["error"] is None
        assert [item["text"].split()[0] for item in told["logs"]][-1] == "PIPELINE_SUCCESS"
        failed = asked(site, "runs", "show", ranged, "--logs", "2")
        assert failed["weeks_done"] == [str(WEEK)]
        assert failed["weeks_failed"] == [str(NEXT)]
        assert failed["tables"]["otc_venue_share"]["unchanged"] == 1
        assert f"{NEXT}: no usable file for this week" in failed["error"]
        assert len(failed["logs"]) == 2
        printed = site.spine("runs", "show", ranged).output
        assert "1 of 2 weeks failed:" in printed
        assert "Last log lines" in printed

    def test_a_wrong_id_names_the_nearest(self, site: Site) -> None:
        site.project.deliver(WEEK, Tier.OTC)
        run_id = run_as(site, WEEK)
        wrong = ("0" if run_id[0] != "0" else "1") + run_id[1:8]
        done = site.spine("runs", "show", wrong)
        assert done.exit_code == 1
        assert f"did you mean {run_id}?" in done.output
        for odd in ("%", "_", "otc", "zz'--"):
            assert site.spine("runs", "show", odd).exit_code == 1

    def test_an_id_that_two_runs_share_asks_for_more(self, site: Site) -> None:
        job = site.runner.code_location.resolve_job_def("otc_weekly")
        ids = [f"abcd0000-0000-4000-8000-00000000000{ending}" for ending in "ab"]
        for run_id in ids:
            site.runner.instance.create_run_for_job(job, run_id=run_id)
        done = site.spine("runs", "show", "abcd")
        assert done.exit_code == 1
        assert "2 runs begin with abcd" in done.output
        assert asked(site, "runs", "show", ids[0])["status"] == "not_started"
