"""The queue of a daemon, as far as no daemon is needed: runs wait in it, or are not taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._daemon.types import DaemonHeartbeat

from spine_assets.orchestration.dagster_private import QueuedRunCoordinatorDaemon
from spine_assets.orchestration.launching.base import new_run_id
from spine_assets.orchestration.launching.queue import Queue, opened_workspace, queue
from spine_assets.pipelines.catalog import CannotLaunch, RunPlan

WORKSPACE = "load_from:\n  - python_file: jobs.py\n"
JOBS = """
import dagster as dg
import logging

@dg.logger
def console(_):
    return logging.Logger("quiet")

@dg.job(logger_defs={"console": console})
def nothing():
    pass
"""


@dg.job
def some_job() -> None:
    """Nothing."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    coordinator = {
        "module": QueuedRunCoordinator.__module__,
        "class": QueuedRunCoordinator.__name__,
    }
    overrides = {"run_coordinator": coordinator}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as made:
        yield made


def run_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    found = instance.get_run_by_id(run_id)
    assert found is not None
    return found


def test_a_run_waits_until_a_daemon_takes_it(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "workspace.yaml").write_text(WORKSPACE)
    run_id = new_run_id()
    with opened_workspace(instance, tmp_path) as workspace:
        Queue(instance, workspace).launch("nothing", RunPlan(), {"spine/lane": "slow"}, run_id)
    run = run_of(instance, run_id)
    assert run.status is dg.DagsterRunStatus.QUEUED
    assert run.tags["spine/lane"] == "slow"


def test_without_a_daemon_nothing_is_queued(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    with (
        pytest.raises(CannotLaunch, match="no daemon is running"),
        queue(instance, tmp_path),
    ):
        pass
    kind = QueuedRunCoordinatorDaemon.daemon_type()
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), kind, "one", []))
    with (
        pytest.raises(CannotLaunch, match=r"there is no workspace.yaml in this folder"),
        queue(instance, tmp_path),
    ):
        pass


def test_runs_of_the_queue_are_left_to_the_daemon(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(some_job, status=dg.DagsterRunStatus.STARTED)
    waiting = Queue(instance, None)
    assert not waiting.is_lost(run)
    waiting.give_up([run.run_id])
    assert run_of(instance, run.run_id).status is dg.DagsterRunStatus.STARTED
