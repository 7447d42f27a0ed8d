"""Pipelines in YAML, started through the proxy and run by the daemon."""

from __future__ import annotations

import json
from datetime import date
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from spine_assets.lake.local import LocalLake
from spine_assets.pipelines.steps.workspace import tenant_lake
from spine_assets_tests.outside.conftest import Site
from spine_assets_tests.outside.nginx import MISSING, NGINX, OPENSSL
from spine_assets_tests.outside.test_starting import ENDED, ask, example
from spine_assets_tests.support.servers import START_SECONDS, wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(NGINX is None or OPENSSL is None, reason=MISSING),
]
WEEK = date(2025, 10, 3)
WEEKS = ("2025-09-19", "2025-09-26")


def logged(site: Site, sql: str) -> list[dict[str, Any]]:
    """Rows of a query over the log of runs."""
    told = site.project.run("spine", "query", sql, "--json")
    assert told.returncode == 0, told.stderr
    found: list[dict[str, Any]] = json.loads(told.stdout)
    return found


def built(site: Site, *weeks: str) -> None:
    """Have weeks built, as somebody does before pipelines read them."""
    for week in weeks:
        done = example(site, site.proxy.keys["nightly"], week)
        assert done.returncode == 0, done.stderr


def watched(site: Site, tenant: str, week: date) -> pl.DataFrame:
    lake = tenant_lake(LocalLake(site.project.lake), tenant)
    return lake.read(lake.part("watch_list", week))


def test_a_pipeline_is_started_followed_and_logged(site: Site) -> None:
    built(site, str(WEEK))
    done = example(
        site, site.proxy.keys["nightly"], str(WEEK), "--job", "acme_watch_list", "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = watched(site, "acme", WEEK).height
    assert {item["asset"]: item["rows"] for item in told["made"]}["acme/watch_list"] == rows
    (run,) = logged(
        site, f"FROM x_meta_pipeline_runs WHERE pipeline_logging_id = '{told['run_id']}'"
    )
    assert (run["tenant_id"], run["pipeline_id"]) == ("acme", "acme_watch_list")
    assert (run["status"], run["trigger_by"], run["total_steps"]) == ("SUCCESS", "api", 4)
    steps = logged(
        site,
        "SELECT step_id, step_name, status, rows_processed FROM x_meta_step_logs "
        f"WHERE pipeline_logging_id = '{told['run_id']}' ORDER BY start_time",
    )
    assert [step["step_id"] for step in steps] == ["watch_list", "moves", "tell", "tell_failure"]
    assert steps[0]["step_name"] == "Volume of the watched symbols"
    assert (steps[0]["rows_processed"], steps[3]["status"]) == (rows, "SKIPPED")


def test_a_pipeline_fails_on_a_week_that_is_not_built_and_says_so(site: Site) -> None:
    done = example(site, site.proxy.keys["nightly"], "2024-01-05", "--job", "globex_watch_list")
    assert done.returncode == 1
    assert "spine backfill 2024-01-05" in done.stdout + done.stderr
    (run,) = logged(
        site,
        "FROM x_meta_pipeline_runs WHERE tenant_id = 'globex' AND status = 'FAILED' "
        "ORDER BY start_time DESC LIMIT 1",
    )
    assert "EngineExecutionError: week 2024-01-05" in run["error_message"]


def test_two_runs_of_a_week_follow_one_another(site: Site) -> None:
    built(site, str(WEEK))
    tags = [{"key": "dagster/partition", "value": str(WEEK)}]
    ids = [
        ask(site, "launch_partition", job="acme_watch_list", tags=tags)["run"]["runId"]
        for _ in "123"
    ]

    def have_ended() -> bool:
        return all(ask(site, "run_status", runId=run)["status"] in ENDED for run in ids)

    wait_until(have_ended, 3 * START_SECONDS, site.project, "three runs")
    listed = ", ".join(f"'{run}'" for run in ids)
    spans = logged(
        site,
        "SELECT start_time, end_time, status FROM x_meta_pipeline_runs "
        f"WHERE pipeline_logging_id IN ({listed}) ORDER BY start_time",
    )
    assert [span["status"] for span in spans] == ["SUCCESS"] * 3
    for first, second in pairwise(spans):
        assert first["end_time"] <= second["start_time"]


def test_a_backfill_of_a_pipelines_job_runs_each_week(site: Site) -> None:
    built(site, *WEEKS)
    asked = {"partitionSet": "acme_watch_list_partition_set", "tags": []}
    backfill = ask(site, "launch_backfill", weeks=[*WEEKS], **asked)["backfillId"]

    def state() -> dict[str, Any]:
        return ask(site, "backfill_status", backfillId=backfill)

    wait_until(
        lambda: state()["status"] != "REQUESTED", 3 * START_SECONDS, site.project, "a backfill"
    )
    told = state()
    assert (told["status"], [run["status"] for run in told["runs"]]) == (
        "COMPLETED_SUCCESS",
        ["SUCCESS", "SUCCESS"],
    )
    for week in WEEKS:
        assert watched(site, "acme", date.fromisoformat(week)).height
