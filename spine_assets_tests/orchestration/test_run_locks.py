"""Whether a process executes a run: its lock, and what follows when nobody holds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.lake.local import LocalLake
from spine_assets.orchestration import run_locks
from spine_assets.orchestration.history import open_instance
from spine_assets.orchestration.run_locks import FOLDER, LOST
from spine_assets_tests.support.projects import Project
from spine_assets_tests.support.servers import START_SECONDS, wait_until

HOLDER = """
import sys, time
import dagster as dg
from spine_assets.orchestration import run_locks
with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
    with run_locks.held(instance, sys.argv[2]):
        print("held", flush=True)
        time.sleep(600)
"""
STATUS = dg.DagsterRunStatus
WEEK = date(2025, 11, 14)


@dg.job
def empty() -> None:
    """Nothing."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


def recorded(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus = STATUS.STARTED
) -> dg.DagsterRun:
    made: dg.DagsterRun = instance.create_run_for_job(empty, status=status)
    return made


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def files(instance: dg.DagsterInstance) -> list[str]:
    folder = Path(instance.root_directory, FOLDER)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@contextmanager
def holder(instance: dg.DagsterInstance, run_id: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a run's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, instance.root_directory, run_id],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("status", "ends_as"),
    [
        (STATUS.NOT_STARTED, STATUS.FAILURE),
        (STATUS.STARTING, STATUS.FAILURE),
        (STATUS.STARTED, STATUS.FAILURE),
        (STATUS.CANCELING, STATUS.CANCELED),
    ],
)
def test_a_run_ends_when_its_process_is_killed_and_not_before(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, ends_as: dg.DagsterRunStatus
) -> None:
    run = recorded(instance, status)
    with holder(instance, run.run_id) as process:
        assert run_locks.report_lost(instance) == []
        assert status_of(instance, run) is status
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert run_locks.report_lost(instance) == [run.run_id]
    assert status_of(instance, run) is ends_as
    assert files(instance) == []
    assert run_locks.report_lost(instance) == []
    ends = [
        record.event_log_entry.dagster_event
        for record in instance.get_records_for_run(run.run_id).records
        if record.event_log_entry.dagster_event
        and record.event_log_entry.dagster_event.event_type_value
        in {"PIPELINE_FAILURE", "PIPELINE_CANCELED"}
    ]
    assert [event.message for event in ends] == [LOST]


def test_a_file_without_a_run_is_removed(instance: dg.DagsterInstance) -> None:
    with holder(instance, "of-a-process-killed-before-it-recorded-its-run"):
        assert run_locks.report_lost(instance) == []
        assert len(files(instance)) == 1
    assert run_locks.report_lost(instance) == []
    assert files(instance) == []


def test_a_run_that_has_ended_stays_as_it_ended(instance: dg.DagsterInstance) -> None:
    run = recorded(instance)
    with run_locks.held(instance, run.run_id):
        instance.report_run_canceled(run)
    assert status_of(instance, run) is STATUS.CANCELED
    assert files(instance) == []


def test_a_run_that_its_process_leaves_behind_has_failed(instance: dg.DagsterInstance) -> None:
    run = recorded(instance)
    with pytest.raises(ValueError, match="an error of ours"), run_locks.held(instance, run.run_id):
        raise ValueError("an error of ours")
    assert status_of(instance, run) is STATUS.FAILURE


def test_a_run_without_a_lock_here_is_left_alone(instance: dg.DagsterInstance) -> None:
    run = recorded(instance)
    assert run_locks.report_lost(instance) == []
    assert status_of(instance, run) is STATUS.STARTED


def test_a_folder_that_cannot_be_written_stops_no_run(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    Path(instance.root_directory, FOLDER).write_text("no folder", "utf-8")
    run = recorded(instance)
    with run_locks.held(instance, run.run_id):
        pass
    assert "cannot be locked" in caplog.text
    assert run_locks.report_lost(instance) == []


def test_a_process_that_executes_one_run_after_another_holds_the_last(
    instance: dg.DagsterInstance,
) -> None:
    first, second = recorded(instance), recorded(instance)
    for run in (first, first, second):
        run_locks.hold_until_exit(instance, run)
    assert run_locks.report_lost(instance) == [first.run_id]
    assert [status_of(instance, run) for run in (first, second)] == [
        STATUS.FAILURE,
        STATUS.STARTED,
    ]


def test_a_run_of_the_daemon_is_left_to_it(instance: dg.DagsterInstance) -> None:
    run = recorded(instance)
    run_locks.hold_until_exit(instance, run._replace(remote_job_origin=_origin()))
    assert files(instance) == []


def _origin() -> object:
    from dagster._core.remote_origin import (
        InProcessCodeLocationOrigin,
        RemoteJobOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="here"))
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "here"), "empty")


@pytest.mark.long
@pytest.mark.sqlite
def test_a_killed_materialize_that_waited_for_a_lock_said_so_and_is_recorded_as_failed(
    project: Project,
) -> None:
    project.deliver(WEEK, Tier.OTC)
    command = ("asset", "materialize", "-m", "spine_assets.definitions", "--select", "otc_raw")
    program = str(Path(sys.executable).with_name("dagster"))
    environment = {**os.environ, "DAGSTER_HOME": str(project.root)}
    with LocalLake(project.lake).lock(WEEK), (project.root / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [program, *command, "--partition", str(WEEK)],
            cwd=project.root,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: _waits(project), START_SECONDS, project, "the wait for the lock")
        finally:
            process.kill()
            process.wait()
    with open_instance(project.root) as opened:
        (run,) = opened.get_runs()
        assert run.status is STATUS.FAILURE
    assert list((project.root / "data/dagster" / FOLDER).iterdir()) == []


def _waits(project: Project) -> bool:
    """Whether the one run of a project has logged which lock it waits for, and who holds it."""
    with open_instance(project.root) as opened:
        return any(
            f"waits for the lock of week {WEEK}, which" in record.event_log_entry.user_message
            and f"process {os.getpid()}" in record.event_log_entry.user_message
            for run in opened.get_runs()
            for record in opened.get_records_for_run(run.run_id).records
        )
