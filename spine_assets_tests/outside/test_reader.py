"""What a reader's key, and so the read-only server, still lets be changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from dagster_graphql.schema import create_schema

from spine_assets_tests.outside.conftest import Site, question
from spine_assets_tests.outside.mutations import ALLOWED, REFUSED
from spine_assets_tests.outside.nginx import MISSING, NGINX, OPENSSL
from spine_assets_tests.support.servers import START_SECONDS, wait_until

SAYS_NO = ("UnauthorizedError", "do not have permission")
_ALL = """{
  runsOrError { ... on Runs { results { runId status } } }
  partitionBackfillsOrError { ... on PartitionBackfills { results { id status } } }
  sensorsOrError(repositorySelector: {repositoryName: "__repository__",
    repositoryLocationName: "spine_assets"}) { ... on Sensors { results {
    id name sensorState { id status } } } }
  schedulesOrError(repositorySelector: {repositoryName: "__repository__",
    repositoryLocationName: "spine_assets"}) { ... on Schedules { results {
    id name scheduleState { id status } } } }
  assetNodes { assetKey { path } assetMaterializations(limit: 1) { timestamp partition } }
  instance { concurrencyLimits { concurrencyKey } autoMaterializePaused }
}"""


def everything(site: Site) -> dict[str, Any]:
    """Whatever of Dagster's memory a mutation might change, past the proxy."""
    return site.behind.ask(_ALL)


def as_reader(site: Site, query: str) -> str:
    """The answer as text; refusals come with 200, 401 and 500 alike."""
    headers = {"X-API-Key": site.proxy.keys["board"]}
    url = f"{site.proxy.url}/graphql"
    told = httpx.post(
        url, json={"query": query}, headers=headers, verify=site.proxy.trusted, timeout=120
    )
    return told.text


@pytest.fixture(scope="session")
def ids(site: Site) -> dict[str, str]:
    """Ids of a run, a backfill, and a sensor's and a schedule's state."""
    tags = [{"key": "spine/trigger", "value": "waits"}]
    started = site.behind.ask(question("launch_partition"), job="example_hello", tags=tags)
    backfill = site.behind.ask(
        question("launch_backfill"),
        partitionSet="otc_weekly_partition_set",
        weeks=["2025-09-12"],
        tags=tags,
    )
    made = backfill["launchPartitionBackfill"]["backfillId"]
    # Dagster looks at a reader's rights only once a backfill that is to be repeated has ended.
    wait_until(
        lambda: _has_ended(site, made), 2 * START_SECONDS, site.project, "the end of a backfill"
    )
    found = everything(site)
    (sensor,) = (
        item["sensorState"]["id"]
        for item in found["sensorsOrError"]["results"]
        if item["name"] == "otc_landing"
    )
    return {
        "RUN": started["launchRun"]["run"]["runId"],
        "BACKFILL": made,
        "SENSOR": sensor,
        "SCHEDULE": found["schedulesOrError"]["results"][0]["scheduleState"]["id"],
    }


def test_every_mutation_of_dagster_is_tried() -> None:
    schema = create_schema().graphql_schema
    assert schema.mutation_type is not None
    assert set(schema.mutation_type.fields) == {*REFUSED, *ALLOWED}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.long
@pytest.mark.skipif(NGINX is None or OPENSSL is None, reason=MISSING)
def test_a_reader_changes_nothing(name: str, site: Site, ids: dict[str, str]) -> None:
    arguments = REFUSED[name]
    for placeholder, real in ids.items():
        arguments = arguments.replace(placeholder, real)
    told = as_reader(site, f"mutation {{ {name}{arguments} }}")
    assert any(word in told for word in SAYS_NO), told


@pytest.mark.long
@pytest.mark.skipif(NGINX is None or OPENSSL is None, reason=MISSING)
def test_two_mutations_are_not_refused_and_leave_one_file_at_most(site: Site) -> None:
    before, files = everything(site), _files(site.project.root)
    for name, arguments in ALLOWED.items():
        assert "errors" not in json.loads(as_reader(site, f"mutation {{ {name}{arguments} }}"))
    after = everything(site)
    for part in ("sensorsOrError", "schedulesOrError", "instance"):
        assert after[part] == before[part]
    assert {path.name for path in _files(site.project.root) - files} <= {"nux.yaml"}


def _has_ended(site: Site, backfill: str) -> bool:
    told = site.behind.ask(question("backfill_status"), backfillId=backfill)
    return bool(told["partitionBackfillOrError"]["status"].startswith("COMPLETED"))


def _files(root: Path) -> set[Path]:
    """Files beside the data, which runs may be writing."""
    return {
        path for path in root.rglob("*") if path.is_file() and root / "data" not in path.parents
    }
