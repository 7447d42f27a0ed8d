"""Runs on Celery workers are ended by the UI and by the command, at work and waiting in Redis."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from spine_assets.dev.local_cluster.topology import Cluster, ClusterOptions, missing, running
from spine_assets.lake.local import LocalLake
from spine_assets_tests.conftest import House, delivered, line
from spine_assets_tests.dev.local_cluster.clusters import (
    server_of,
    stop_landing_sensor,
    told,
    until,
)
from spine_assets_tests.support.servers import launched

pytestmark = [pytest.mark.cluster, pytest.mark.long]
HELD, WAITING, LATER = date(2025, 11, 7), date(2025, 11, 14), date(2025, 11, 21)
TERMINATE = """
mutation End($id: String!, $policy: TerminateRunPolicy) {
  terminateRun(runId: $id, terminatePolicy: $policy) { __typename }
}
"""
COMMAND_SECONDS = 120  # it takes about six; a machine under load some times that
STARTING, STARTED, SUCCESS, CANCELED = (
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.CANCELED,
)


@dataclass(frozen=True)
class Site:
    """A cluster with two places for runs, of whose workers one is gone: a second run waits."""

    cluster: Cluster
    instance: dg.DagsterInstance
    lake: LocalLake

    def launch(self, week: date, status: dg.DagsterRunStatus) -> str:
        """Launch a run as the UI does and wait for a status; its id."""
        run_id = launched(server_of(self.cluster), week)
        until(lambda: self.run(run_id).status is status, f"{status} of the run of {week}")
        return run_id

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def terminate(self, run_id: str) -> None:
        """End a run as the UI does, and wait until it is canceled.

        Of one that is starting the UI only offers to force it.
        """
        starting = self.run(run_id).status is STARTING
        policy = "MARK_AS_CANCELED_IMMEDIATELY" if starting else "SAFE_TERMINATE"
        answer = server_of(self.cluster).ask(TERMINATE, id=run_id, policy=policy)
        assert answer["terminateRun"]["__typename"] == "TerminateRunSuccess"
        until(lambda: self.run(run_id).is_finished, "ending the run")
        assert self.run(run_id).status is CANCELED

    def spine_cancels(self, run_id: str) -> tuple[int, str]:
        """Exit code and status of `spine runs cancel`."""
        program = str(Path(sys.executable).with_name("spine"))
        done = subprocess.run(
            [program, "runs", "cancel", run_id, "--wait", "60", "--json"],
            cwd=self.cluster.env["SPINE_DATA_DIR"],
            env=self.cluster.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)["status"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := missing("local"):
        pytest.skip(reason)
    root = tmp_path_factory.mktemp("cluster")
    with running(ClusterOptions(root)) as cluster, told(cluster) as instance:
        stop_landing_sensor(cluster)
        for week in (HELD, WAITING, LATER):
            House(root).drop(f"week_ending={week}/otc.csv", delivered(line()))
        cluster.children["worker-2"].kill()
        yield Site(cluster, instance, LocalLake(root / "lake"))


@pytest.mark.parametrize("how", ["the UI", "the command"])
def test_a_run_at_work_and_one_that_waits_in_redis_are_canceled(site: Site, how: str) -> None:
    with site.lake.lock(HELD):  # so that its run waits and does not end by itself
        at_work = site.launch(HELD, STARTED)
        waits = site.launch(WAITING, STARTING)
        until(lambda: DAGSTER_CELERY_TASK_ID_TAG in site.run(waits).tags, "handing it over")
        for run_id in (waits, at_work):
            if how == "the UI":
                site.terminate(run_id)
            else:
                assert site.spine_cancels(run_id) == (0, "canceled")
    site.launch(LATER, SUCCESS)  # behind it in Redis: the worker has passed the waiting one
    assert site.run(waits).status is CANCELED
    assert not list(site.lake.files("otc_raw", HELD))
    assert not list(site.lake.files("otc_raw", WAITING))
