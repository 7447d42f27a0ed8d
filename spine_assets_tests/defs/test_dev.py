"""The whole of it, as it stands in a corner for a year: `dagster dev` and a landing folder.

Webserver, daemon, code server and runs are real processes; nobody presses a button. Files
arrive, tables change, people are told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import duckdb
import pytest

from spine_assets.core.tags import FRONT
from spine_assets.core.weeks import Tier
from spine_assets.orchestration.history import open_instance
from spine_assets_tests.alerts.conftest import Receiver, receiving
from spine_assets_tests.outside.conftest import let_nobody_else_start_runs
from spine_assets_tests.support.projects import ROWS, TABLES, Project
from spine_assets_tests.support.servers import START_SECONDS, Server, free_port, started, wait_until

pytestmark = pytest.mark.long

CARD = ("otc_raw", "otc_venue_volume", "otc_symbol_summary", "otc_venue_share")
BACKFILL = """mutation($p: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $p) { ... on LaunchBackfillSuccess { backfillId } }
}"""
STATUS = """query($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}"""
CHECKS = """query($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode {
    assetChecksOrError { ... on AssetChecks { checks {
      name
      partitionStatuses { ... on AssetCheckTimePartitionStatuses {
        ranges { startKey endKey status }
      } }
    } } }
  } }
}"""

WEEK = date(2025, 11, 14)
NEXT, BAD = WEEK + timedelta(weeks=1), WEEK - timedelta(weeks=1)
CORRECTED = (("ABCD", "OTCX", 1_000, 2), *ROWS[1:])
# Settling takes 5 s, a tick comes every 15 s, a run's start takes some; each a few times that
# on a busy machine.
PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Corner:
    """A project that runs by itself, and where its alerts go."""

    project: Project
    webhook: Receiver
    server: Server

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        wait_until(holds, PATIENCE_SECONDS, self.project, what)

    def shares(self, week: date) -> int | None:
        """Total volume of a week's venue shares, as an analyst reads it."""
        path = self.project.root / "data" / "spine.duckdb"
        if not path.exists():
            return None
        with duckdb.connect(str(path), read_only=True) as views:
            answer = views.execute(
                "SELECT sum(total_volume) FROM otc_venue_share WHERE week_ending = $week",
                {"week": week},
            ).fetchone()
        return int(answer[0]) if answer and answer[0] is not None else None

    def runs(self) -> list[dg.DagsterRun]:
        with open_instance(self.project.root) as instance:
            return list(instance.get_runs())

    def idle(self) -> bool:
        return all(run.is_finished for run in self.runs())

    def spine(self, *words: str) -> Any:
        done = self.project.run("spine", *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@contextmanager
def standing(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Corner]:
    """`dagster dev`, as the README starts it."""
    port = free_port()
    with receiving() as webhook:
        monkeypatch.setenv("SPINE_ALERT_WEBHOOK", webhook.url)
        words = ("-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port))
        with started(project, "dev", *words):
            server = Server(port)
            wait_until(server.answers, START_SECONDS, project, "the start of dagster dev")
            yield Corner(project, webhook, server)


def test_files_become_tables_and_faults_become_messages_without_a_hand(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with standing(project, monkeypatch) as corner:
        files_become_tables(corner)
        a_correction_is_seen(corner)
        a_bad_file_is_told_and_nothing_else_is_disturbed(corner)
        a_run_from_the_command_line_waits_in_the_queue(corner)
        a_backfill_of_four_tables_passes_their_checks(corner)


def files_become_tables(corner: Corner) -> None:
    corner.project.deliver(WEEK, *Tier)
    corner.project.deliver(NEXT, *Tier)
    corner.wait(lambda: corner.shares(WEEK) == corner.shares(NEXT) == 1_350, "the first two weeks")
    corner.wait(corner.idle, "the end of their runs")
    runs = corner.runs()
    assert sorted(run.tags["dagster/partition"] for run in runs) == [str(WEEK), str(NEXT)]
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert {run.tags["dagster/sensor_name"] for run in runs} == {"otc_landing"}


def a_correction_is_seen(corner: Corner) -> None:
    corner.project.deliver(WEEK, Tier.OTC, rows=CORRECTED, mark="-corrected")
    corner.wait(lambda: corner.shares(WEEK) == 2_250, "the correction")
    corner.wait(corner.idle, "the end of its run")
    assert corner.shares(NEXT) == 1_350
    assert len(corner.runs()) == 3


def a_bad_file_is_told_and_nothing_else_is_disturbed(corner: Corner) -> None:
    before = {
        (table, week): corner.project.files(table, week)
        for table in TABLES
        for week in (WEEK, NEXT)
    }
    told = len(corner.webhook.payloads)
    corner.project.deliver_in_two_parts(BAD)
    corner.project.drop("moved.csv", "<html><body>moved</body></html>\n")

    def both_are_told() -> bool:
        new = " ".join(corner.webhook.texts[told:])
        return "moved.csv" in new and "otc-part1.csv" in new

    corner.wait(both_are_told, "the alerts")
    corner.wait(corner.idle, "the end of the failed run")
    about_bad = [text for text in corner.webhook.texts[told:] if "otc-part1.csv" in text]
    assert len(about_bad) == 1
    assert str(BAD) in about_bad[0]
    board = corner.spine("status")
    assert "moved.csv" in [item["file"] for item in board["unusable"]]
    states = {row["week_ending"]: row for row in board["weeks"]}
    assert states[str(BAD)]["tiers"]["OTC"]["state"] == "failed"
    assert {item["lake"] for item in states[str(WEEK)]["tables"].values()} == {"fresh"}
    after = {key: corner.project.files(*key) for key in before}
    assert after == before
    assert len(corner.runs()) == 4


def a_run_from_the_command_line_waits_in_the_queue(corner: Corner) -> None:
    words = ("-p", f"week_ending={NEXT}", "--queue", "--wait", "--lane", "slow")
    (story,) = corner.spine("run", "otc.weekly", *words)
    assert story["status"] == "success"
    assert story["lane"] == "slow"
    assert story["tables"]["otc_venue_share"]["unchanged"] == 1
    with open_instance(corner.project.root) as instance:
        events = {
            record.event_log_entry.dagster_event.event_type_value
            for record in instance.get_records_for_run(story["run_id"]).records
            if record.event_log_entry.dagster_event
        }
    assert {"PIPELINE_ENQUEUED", "PIPELINE_STARTING", "PIPELINE_SUCCESS"} <= events
    assert FRONT not in story["tags"]


def a_backfill_of_four_tables_passes_their_checks(corner: Corner) -> None:
    """What the page of assets sends, and what the page of a check counts."""
    week = NEXT - timedelta(weeks=10)
    let_nobody_else_start_runs(corner.server)  # the sensor may be faster than this test
    corner.project.deliver(week, *Tier)
    params = {
        "assetSelection": [{"path": [name]} for name in CARD],
        "partitionNames": [str(week)],
    }
    backfill = corner.server.ask(BACKFILL, p=params)["launchPartitionBackfill"]["backfillId"]

    def status() -> str:
        answer = corner.server.ask(STATUS, id=backfill)["partitionBackfillOrError"]
        return str(answer["status"])

    corner.wait(lambda: status().startswith("COMPLETED"), "the end of the backfill")
    assert status() == "COMPLETED_SUCCESS"
    for name in CARD:
        node = corner.server.ask(CHECKS, key={"path": [name]})["assetNodeOrError"]
        for check in node["assetChecksOrError"]["checks"]:
            states = {
                found["status"]
                for found in check["partitionStatuses"]["ranges"]
                if found["startKey"] <= str(week) <= found["endKey"]
            }
            assert states == {"SUCCEEDED"}, (name, check["name"])
