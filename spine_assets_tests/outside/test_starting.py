"""Runs that are started through the proxy: by the example, by Dagster's client, as a backfill."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from typing import Any

import httpx
import polars as pl
import pytest
from dagster import DagsterRunStatus
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError
from gql.transport.requests import RequestsHTTPTransport

from spine_assets.lake.local import LocalLake
from spine_assets_tests.outside.conftest import Site, events_of, question
from spine_assets_tests.outside.nginx import MISSING, NGINX, OPENSSL
from spine_assets_tests.support.projects import SOURCE, TABLES
from spine_assets_tests.support.servers import START_SECONDS, wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(NGINX is None or OPENSSL is None, reason=MISSING),
]
EXAMPLE = SOURCE / "examples" / "start_from_outside.py"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


def example(site: Site, key: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The example as a process, with this key."""
    command = [sys.executable, str(EXAMPLE), site.proxy.url, "--ca", str(site.proxy.certificate)]
    return subprocess.run(
        [*command, *words],
        env={**os.environ, "DAGSTER_API_KEY": key},
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * START_SECONDS,
    )


def ask(site: Site, name: str, **variables: Any) -> dict[str, Any]:
    """A question of `deploy/graphql/` with the operator's key."""
    told = httpx.post(
        f"{site.proxy.url}/graphql",
        json={"query": question(name), "variables": variables},
        headers={"X-API-Key": site.proxy.keys["nightly"]},
        verify=site.proxy.trusted,
        timeout=START_SECONDS,
    ).json()
    ((found),) = told["data"].values()
    assert isinstance(found, dict)
    return found


def in_lake(site: Site, table: str, week: date) -> pl.DataFrame:
    return pl.concat(
        pl.read_parquet(path) for path in LocalLake(site.project.lake).files(table, week)
    )


def test_a_week_is_started_followed_and_told_as_the_lake_has_it(site: Site) -> None:
    week = date(2025, 11, 7)  # of which a tier has not come
    done = example(site, site.proxy.keys["nightly"], str(week), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = {item["asset"]: item["rows"] for item in told["made"] if item["asset"] in TABLES}
    assert rows == {table: in_lake(site, table, week).height for table in TABLES}
    (venues,) = (item for item in told["made"] if item["asset"] == "otc_venue_volume")
    assert venues["shares"] == in_lake(site, "otc_venue_volume", week)["share_volume"].sum()
    assert ("otc_raw", "delivery", "WARN") in [
        (item["asset"], item["check"], item["severity"]) for item in told["failed_checks"]
    ]
    # Whichever test asks for the week first has it built.
    assert re.search(rf"week {week}: (8 tables built, report made|unchanged) in ", done.stderr)
    shown = json.loads(site.project.run("spine", "runs", "show", told["run_id"], "--json").stdout)
    assert (shown["trigger"], shown["lane"]) == ("api", "normal")


def test_a_job_without_weeks_is_started_the_same_way(site: Site) -> None:
    done = example(site, site.proxy.keys["nightly"], "--job", "example_hello")
    assert done.returncode == 0, done.stderr
    assert "Hello, World!" in done.stderr
    assert done.stdout.startswith("success: run ")


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("nightly", ("2025-11-20",), "has no week 2025-11-20"),
        ("nightly", ("2025-11-21", "--job", "nobody"), "PipelineNotFoundError"),
        ("nightly", ("--job", "otc_weekly"), "is started for a week"),
        ("nightly", ("2025-11-21", "--config", '{"ops": {"x": {}}}'), "RunConfigValidationInvalid"),
        ("board", ("2025-11-21",), "UnauthorizedError"),
        ("", ("2025-11-21",), "no valid key"),
    ],
)
def test_what_is_refused_ends_with_1_a_reason_and_no_run(
    name: str, words: tuple[str, ...], said: str, site: Site
) -> None:
    before = site.runs("api")
    done = example(site, site.proxy.keys.get(name, ""), *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert site.runs("api") == before


def test_a_failed_run_ends_with_1_and_its_reason(site: Site) -> None:
    done = example(site, site.proxy.keys["nightly"], "2024-01-05")
    assert done.returncode == 1
    assert "no usable file for this week in the landing folder" in done.stderr
    *checks, last = done.stdout.splitlines()
    assert last.startswith("failure: run ")
    assert checks == [
        "ERROR otc_raw: delivery: no usable file of 2024-01-05: none is in the landing folder"
    ]


def test_a_backfill_builds_its_weeks_and_adjoining_ones_share_a_run(site: Site) -> None:
    weeks = ["2025-10-10", "2025-10-17", "2025-10-31"]
    asked: dict[str, Any] = {"partitionSet": "otc_weekly_partition_set", "tags": []}
    refused = ask(site, "launch_backfill", weeks=["2025-10-09"], **asked)
    assert refused["__typename"] == "PartitionKeysNotFoundError"
    asked["tags"] = [{"key": "spine/lane", "value": "backfill"}]
    backfill = ask(site, "launch_backfill", weeks=weeks, **asked)["backfillId"]

    def state() -> dict[str, Any]:
        return ask(site, "backfill_status", backfillId=backfill)

    seconds = 2 * START_SECONDS
    wait_until(lambda: state()["status"] != "REQUESTED", seconds, site.project, "a backfill")
    told = state()
    assert told["status"] == "COMPLETED_SUCCESS"
    assert [run["status"] for run in told["runs"]] == ["SUCCESS", "SUCCESS"], told
    for week in weeks:
        assert in_lake(site, "otc_venue_share", date.fromisoformat(week)).height


def test_dagsters_own_client_starts_asks_and_ends(site: Site) -> None:
    def client(name: str) -> DagsterGraphQLClient:
        return DagsterGraphQLClient(
            "127.0.0.1",
            transport=RequestsHTTPTransport(
                url=f"{site.proxy.url}/graphql",
                headers={"X-API-Key": site.proxy.keys.get(name, "")},
                verify=str(site.proxy.certificate),
            ),
        )

    nightly = client("nightly")
    run_id = nightly.submit_job_execution("example_hello", tags={"spine/trigger": "client"})
    wait_until(
        lambda: nightly.get_run_status(run_id) is DagsterRunStatus.SUCCESS,
        START_SECONDS,
        site.project,
        "a run of Dagster's client",
    )
    with pytest.raises(DagsterGraphQLClientError, match="UnauthorizedError"):
        client("board").submit_job_execution("example_hello", tags={"spine/trigger": "client"})
    with pytest.raises(DagsterGraphQLClientError, match="401"):
        client("nobody").get_run_status(run_id)
    assert client("board").get_run_status(run_id) is DagsterRunStatus.SUCCESS
    assert site.runs("client") == 1


def test_a_run_in_the_queue_can_be_ended(site: Site) -> None:
    # Two of one week: the limit on dagster/partition holds the second back.
    tags = [{"key": "dagster/partition", "value": "2025-11-14"}]
    ids = [ask(site, "launch_partition", job="otc_weekly", tags=tags)["run"]["runId"] for _ in "12"]
    assert ask(site, "terminate", runId=ids[1])["__typename"] == "TerminateRunSuccess"

    def status(run_id: str) -> str:
        found = ask(site, "run_status", runId=run_id)["status"]
        assert isinstance(found, str)
        return found

    def have_ended() -> bool:
        return all(status(run_id) in ENDED for run_id in ids)

    wait_until(have_ended, START_SECONDS, site.project, "an end")
    assert [status(run_id) for run_id in ids] == ["SUCCESS", "CANCELED"]
    assert any(event["__typename"] == "MaterializationEvent" for event in events_of(site, ids[0]))
    assert ask(site, "terminate", runId="nobody")["__typename"] == "RunNotFoundError"
