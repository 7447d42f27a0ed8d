"""A backfill as the UI launches it, driven by a real daemon."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from spine_assets.dev.sample import write_sample
from spine_assets_tests.support.projects import TABLES, Project
from spine_assets_tests.support.servers import START_SECONDS, Server, free_port, started, wait_until

WEEKS = [date(2022, 1, 28) + timedelta(weeks=n) for n in range(200)]
ROWS = 300  # a week, as the committed sample weeks have
# The daemon looks at backfills every 30 s: at least two looks. 200 weeks take about 40 s, some
# times that on a busy machine.
END_SECONDS = 480

LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
SENSOR = """
{
  sensorOrError(sensorSelector: {
    repositoryLocationName: "spine_assets"
    repositoryName: "__repository__"
    sensorName: "otc_landing"
  }) { ... on Sensor { id } }
}
"""
STOP = """
mutation($id: String) { stopSensor(id: $id) { __typename } }
"""
BACKFILL = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PythonError { message }
    ... on PartitionBackfill {
      status
      error { message }
      runs(limit: 100) { status }
      assetBackfillData {
        assetBackfillStatuses {
          ... on AssetPartitionsStatusCounts {
            assetKey { path }
            numPartitionsTargeted
            numPartitionsMaterialized
            numPartitionsFailed
            numPartitionsInProgress
          }
        }
      }
    }
  }
}
"""
PARTITION_BAR = """
query($keys: [AssetKeyInput!]) {
  assetNodes(assetKeys: $keys) {
    assetKey { path }
    assetPartitionStatuses {
      ... on TimePartitionStatuses { ranges { status startKey endKey } }
    }
  }
}
"""


def asked_of(server: Server, backfill_id: str) -> dict[str, Any]:
    """What the server tells of a backfill."""
    found: dict[str, Any] = server.ask(BACKFILL, id=backfill_id)["partitionBackfillOrError"]
    return found


@pytest.mark.long
@pytest.mark.parametrize("number", [10, 200])
def test_backfill_with_two_bad_weeks_fails_those_two_of_each_table(
    project: Project, number: int
) -> None:
    weeks = WEEKS[:number]
    bad = [weeks[number // 5], weeks[number // 5 * 4]]
    good = [week for week in weeks if week not in bad]
    write_sample(project.landing, good, rows_per_week=ROWS)
    for week in bad:
        project.deliver_in_two_parts(week)
    port = free_port()
    server = Server(port)
    serve = ("-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port))
    keys = [{"path": [table]} for table in TABLES]
    with started(project, "webserver", *serve):
        wait_until(server.answers, START_SECONDS, project, "the webserver's start")
        # It would ask for the bad weeks again as soon as the backfill's run has failed.
        sensor = server.ask(SENSOR)["sensorOrError"]["id"]
        stopped = server.ask(STOP, id=sensor)["stopSensor"]["__typename"]
        assert stopped == "StopSensorMutationResult"
        asked = {"assetSelection": keys, "partitionNames": [str(week) for week in weeks]}
        launched = server.ask(LAUNCH, params=asked)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        backfill_id = launched["backfillId"]
        # Only now: the daemon looks at backfills when it starts and then every 30 s.
        with started(project, "daemon", "-m", "dagster._daemon", "run"):
            wait_until(
                lambda: asked_of(server, backfill_id)["status"] not in ("REQUESTED", "FAILING"),
                END_SECONDS,
                project,
                "the backfill",
            )
        ended = asked_of(server, backfill_id)
        bars = server.ask(PARTITION_BAR, keys=keys)["assetNodes"]
    assert ended["error"] is None
    assert ended["status"] == "COMPLETED_FAILED"
    assert [run["status"] for run in ended["runs"]] == ["FAILURE"]
    counts = {
        status["assetKey"]["path"][0]: (
            status["numPartitionsTargeted"],
            status["numPartitionsMaterialized"],
            status["numPartitionsFailed"],
            status["numPartitionsInProgress"],
        )
        for status in ended["assetBackfillData"]["assetBackfillStatuses"]
    }
    expected = (len(weeks), len(weeks) - len(bad), len(bad), 0)
    assert counts == dict.fromkeys(TABLES, expected)
    red = {
        node["assetKey"]["path"][0]: [
            (part["startKey"], part["endKey"])
            for part in node["assetPartitionStatuses"]["ranges"]
            if part["status"] == "FAILED"
        ]
        for node in bars
    }
    assert red == {table: [(str(week), str(week)) for week in bad] for table in TABLES}
