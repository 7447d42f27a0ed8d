"""A backfill as the UI launches it, driven by a real daemon."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from spine_assets.weeks import Tier
from spine_assets_tests.defs.conftest import TABLES, Project

WEEKS = [date(2025, 9, 5) + timedelta(weeks=n) for n in range(10)]
BAD = [WEEKS[3], WEEKS[7]]
START_SECONDS = 90  # the webserver needs about 8, some times that on a busy machine
END_SECONDS = 240  # the daemon looks at backfills every 30 s: at least two looks
STOP_SECONDS = 30

LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
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


class Server:
    """A webserver's GraphQL."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
            told: dict[str, Any] = json.load(answer)
        assert "errors" not in told, told
        data: dict[str, Any] = told["data"]
        return data

    def answers(self) -> bool:
        try:
            return bool(self.ask("{ version }"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def backfill(self, backfill_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(BACKFILL, id=backfill_id)["partitionBackfillOrError"]
        return found


@contextmanager
def started(project: Project, name: str, *command: str) -> Iterator[None]:
    """A process of the project's own environment; what it says goes to a file."""
    with (project.root / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=project.root,
            env={**os.environ, "DAGSTER_HOME": str(project.root)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_until(holds: Callable[[], bool], seconds: float, project: Project, what: str) -> None:
    """Ask until it holds; at the end of patience, show what the processes said."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            logs = "\n".join(path.read_text()[-3000:] for path in project.root.glob("*.log"))
            pytest.fail(f"{what} took over {seconds} s\n{logs}")
        time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_backfill_with_two_bad_weeks_fails_those_two_of_each_table(project: Project) -> None:
    for week in WEEKS:
        if week in BAD:
            project.deliver_in_two_parts(week)
        else:
            project.deliver(week, Tier.OTC)
    port = free_port()
    server = Server(port)
    serve = ("-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port))
    keys = [{"path": [table]} for table in TABLES]
    with started(project, "webserver", *serve):
        wait_until(server.answers, START_SECONDS, project, "the webserver's start")
        asked = {"assetSelection": keys, "partitionNames": [str(week) for week in WEEKS]}
        launched = server.ask(LAUNCH, params=asked)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        backfill_id = launched["backfillId"]
        # Only now: the daemon looks at backfills when it starts and then every 30 s.
        with started(project, "daemon", "-m", "dagster._daemon", "run"):
            wait_until(
                lambda: server.backfill(backfill_id)["status"] not in ("REQUESTED", "FAILING"),
                END_SECONDS,
                project,
                "the backfill",
            )
        ended = server.backfill(backfill_id)
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
    expected = (len(WEEKS), len(WEEKS) - len(BAD), len(BAD), 0)
    assert counts == dict.fromkeys(TABLES, expected)
    red = {
        node["assetKey"]["path"][0]: [
            (part["startKey"], part["endKey"])
            for part in node["assetPartitionStatuses"]["ranges"]
            if part["status"] == "FAILED"
        ]
        for node in bars
    }
    assert red == {table: [(str(week), str(week)) for week in BAD] for table in TABLES}
