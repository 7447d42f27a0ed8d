"""A backfill over two workers, of which one is killed: all weeks are right, each built once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.launcher import WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from polars.testing import assert_frame_equal

from spine_assets.core.settings import load_settings
from spine_assets.dev.local_cluster.processes import Child
from spine_assets.dev.local_cluster.topology import Cluster, ClusterOptions, Lakes, missing, running
from spine_assets.lake.base import Lake
from spine_assets.lake.opening import open_lake
from spine_assets.otc.captures import storage as captures
from spine_assets_tests.conftest import House, delivered, line
from spine_assets_tests.dev.local_cluster.clusters import (
    server_of,
    stop_landing_sensor,
    told,
    until,
)
from spine_assets_tests.support.servers import Server

pytestmark = pytest.mark.cluster
LAST = date(2025, 11, 21)
WEEKS = tuple(LAST - timedelta(weeks=back) for back in range(60))[::-1]
LAUNCH = """
mutation Launch($assets: [AssetKeyInput!]!, $weeks: [String!]!) {
  launchPartitionBackfill(backfillParams: {assetSelection: $assets, partitionNames: $weeks}) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}
"""
TABLES = ("otc_raw", "otc_rejects", "otc_venue_volume", "otc_symbol_summary", "otc_venue_share")
ENDED = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}
BEFORE = 2  # runs that are done when the worker is lost; six in all
ROWS = 3  # lines of each file
MOST = 1_000  # materializations of a table; there are some 60


def deliver(landing: House) -> None:
    """A small file for each week, no two alike."""
    for number, week in enumerate(WEEKS, start=1):
        rows = [line(f"SYM{n}", "OTCX", str(100 * number + n), str(n + 1)) for n in range(ROWS)]
        landing.drop(f"week_ending={week}/otc.csv", delivered(*rows))


@dataclass(frozen=True)
class Backfill:
    """A backfill that was started by GraphQL, as the UI does."""

    server: Server
    instance: dg.DagsterInstance
    id: str
    cluster: Cluster
    lost: list[str] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        """The lake that the workers wrote."""
        return open_lake(load_settings().lake_place)

    @property
    def weeks_per_run(self) -> int:
        return int(self.cluster.env["SPINE_WEEKS_PER_RUN"])

    @property
    def status(self) -> str:
        told = self.server.ask(STATUS, id=self.id)["partitionBackfillOrError"]
        return str(told["status"])

    def runs(self, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
        wanted = dg.RunsFilter(tags={"dagster/backfill": self.id}, statuses=list(statuses))
        return list(self.instance.get_runs(wanted))

    def materialized(self) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        """By table and week: how often it was told of, and how often as built anew."""
        told: Counter[tuple[str, str]] = Counter()
        built: Counter[tuple[str, str]] = Counter()
        for table in TABLES:
            key = dg.AssetKey(table)
            for record in self.instance.fetch_materializations(key, limit=MOST).records:
                made = record.asset_materialization
                assert made is not None
                assert made.partition is not None
                told[table, made.partition] += 1
                built[table, made.partition] += not made.metadata["unchanged"].value
        return told, +built


def started(cluster: Cluster, instance: dg.DagsterInstance) -> Backfill:
    server = server_of(cluster)
    assets = [{"path": [table]} for table in TABLES]
    answer = server.ask(LAUNCH, assets=assets, weeks=[str(week) for week in WEEKS])
    launched: dict[str, Any] = answer["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return Backfill(server, instance, launched["backfillId"], cluster)


def took(worker: Child) -> set[str]:
    """Tasks that a worker took, as its log tells."""
    found = worker.log.read_text(errors="replace").split("Task execute_job[")[1:]
    return {text.partition("]")[0] for text in found}


@pytest.fixture(scope="module", params=["s3", pytest.param("local", marks=pytest.mark.long)])
def backfill(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backfill]:
    """A backfill of sixty weeks, done; the second worker was killed in the middle of it."""
    lake: Lakes = request.param
    if reason := missing(lake):
        pytest.skip(reason)
    root = tmp_path_factory.mktemp("cluster")
    with (
        running(ClusterOptions(root, lake, weeks_per_run=10)) as cluster,
        told(cluster) as instance,
    ):
        stop_landing_sensor(cluster)
        deliver(House(root))
        made = started(cluster, instance)
        lose_a_worker(made)
        until(lambda: made.status in ENDED, "the backfill")
        yield made


def lose_a_worker(backfill: Backfill) -> None:
    """Kill the second worker at work, and wait until Dagster notices."""
    second = backfill.cluster.children["worker-2"]

    def at_work() -> list[dg.DagsterRun]:
        tasks = took(second)
        begun = backfill.runs(dg.DagsterRunStatus.STARTED)
        return [run for run in begun if run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) in tasks]

    def is_in_the_middle() -> bool:
        return len(backfill.runs(dg.DagsterRunStatus.SUCCESS)) >= BEFORE and bool(at_work())

    until(is_in_the_middle, "the first runs")
    backfill.lost.extend(run.run_id for run in at_work())
    second.kill()
    until(lambda: bool(backfill.runs(dg.DagsterRunStatus.FAILURE)), "noticing the loss")


def test_it_ends_well_and_the_lost_run_was_done_again(backfill: Backfill) -> None:
    assert backfill.status == "COMPLETED_SUCCESS"
    failed = {run.run_id for run in backfill.runs(dg.DagsterRunStatus.FAILURE)}
    assert failed == set(backfill.lost)
    again = [run for run in backfill.runs() if run.parent_run_id in failed]
    assert [run.status for run in again] == [dg.DagsterRunStatus.SUCCESS]


def test_both_workers_had_runs(backfill: Backfill) -> None:
    ran = {run.tags[DAGSTER_CELERY_TASK_ID_TAG] for run in backfill.runs()}
    for name in ("worker-1", "worker-2"):
        assert ran & took(backfill.cluster.children[name])


def test_dagsters_own_launcher_takes_the_lost_run_for_running(backfill: Backfill) -> None:
    """The reason for our `celery_launcher.py`; when this test fails, that may go."""
    launcher = backfill.instance.run_launcher
    assert isinstance(launcher, CeleryRunLauncher)
    (lost,) = [run for run in backfill.runs() if run.run_id in backfill.lost]
    told = CeleryRunLauncher.check_run_worker_health(launcher, lost)
    assert told.status is WorkerStatus.RUNNING


def test_every_week_is_told_of_and_none_was_built_twice(backfill: Backfill) -> None:
    told, built = backfill.materialized()
    assert set(told) == {(table, str(week)) for table in TABLES for week in WEEKS}
    # What a killed run built in its last moment may have been told as unchanged by the next one.
    assert set(built.values()) == {1}
    assert len(told) - len(built) <= len(TABLES) * backfill.weeks_per_run


def test_each_file_was_captured_once_and_no_row_stands_twice(backfill: Backfill) -> None:
    lake = backfill.lake
    assert {week: len(captures.stored(lake, week)) for week in WEEKS} == dict.fromkeys(WEEKS, 1)
    for table in TABLES:
        files = 2 if table == "otc_rejects" else 1  # of the parser, and of the rules
        assert {len(lake.files(table, week)) for week in WEEKS} == {files}
    raw = pl.concat(rows(lake, "otc_raw", week) for week in WEEKS)
    assert raw.height == raw.unique().height == ROWS * len(WEEKS)


def test_tables_are_those_of_a_local_build_of_the_same_files(
    backfill: Backfill, tmp_path: Path
) -> None:
    plain = House(tmp_path)
    plain.landing.mkdir()
    deliver(plain)
    for week in WEEKS:
        plain.built(week=week)
        for table in TABLES:
            assert_frame_equal(rows(backfill.lake, table, week), rows(plain.lake, table, week))


def rows(lake: Lake, table: str, week: date) -> pl.DataFrame:
    """A table's week without what tells which run captured or built it, in an order of its own."""
    found = pl.concat(pl.read_parquet(file.read_bytes()) for file in lake.files(table, week))
    kept = [name for name in found.columns if "capture" not in name and name != "build_id"]
    return found.select(kept).sort(kept)
