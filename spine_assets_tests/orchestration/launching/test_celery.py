"""Celery's launcher and its workers, with a broker and a result backend in this process's memory.

Whole clusters, with Redis and workers as processes, are in `defs/test_backends.py` and
`dev/local_cluster/`.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from celery import signals
from celery.contrib.testing.worker import start_worker

from spine_assets.orchestration.dagster_private import DAGSTER_CELERY_TASK_ID_TAG, WorkerStatus
from spine_assets.orchestration.launching import celery_launcher, celery_workers
from spine_assets.orchestration.launching.celery_launcher import WatchingCeleryLauncher
from spine_assets.orchestration.launching.queue import CodeLocation
from spine_assets.pipelines.catalog import CannotLaunch

STARTED, STARTING = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
CANCELING, CANCELED = dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED


@dg.job
def some_job() -> None:
    """Nothing."""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setattr(celery_launcher, "_ANSWER_SECONDS", 0.05)  # for workers that do not answer
    monkeypatch.setattr(celery_workers, "_ANSWER_SECONDS", 0.5)
    launcher = {
        "module": WatchingCeleryLauncher.__module__,
        "class": "WatchingCeleryLauncher",
        "config": {
            "broker": "memory://",
            "backend": "cache+memory://",
            "config_source": {"broker_transport_options": {"polling_interval": 0.01}},
        },
    }
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"run_launcher": launcher}) as made:
        yield made


@pytest.fixture
def launcher(instance: dg.DagsterInstance) -> WatchingCeleryLauncher:
    found = instance.run_launcher
    assert isinstance(found, WatchingCeleryLauncher)
    return found


def made(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *, with_task: bool = True
) -> dg.DagsterRun:
    """A run as storage knows it, with a task of its own: results stay in memory between tests."""
    tags = {DAGSTER_CELERY_TASK_ID_TAG: str(uuid.uuid4())} if with_task else {}
    run: dg.DagsterRun = instance.create_run_for_job(some_job, status=status, tags=tags)
    return run


def task_of(run: dg.DagsterRun) -> str:
    return run.tags[DAGSTER_CELERY_TASK_ID_TAG]


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def record(
    launcher: WatchingCeleryLauncher, run: dg.DagsterRun, state: str, about: Any = None
) -> None:
    """Write what a worker writes into the result backend about the task of a run."""
    launcher.celery.backend.store_result(task_of(run), about, state)


def record_start(launcher: WatchingCeleryLauncher, run: dg.DagsterRun, worker: str) -> None:
    record(launcher, run, "STARTED", {"hostname": worker, "pid": 1})


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def keep_the_logging(**_: object) -> None:
    """A worker without a receiver here would take the root logger of the process for itself."""


@contextmanager
def worker(launcher: WatchingCeleryLauncher, name: str, queues: str = "dagster") -> Iterator[None]:
    """A worker in threads of this process."""
    app, stopped = launcher.celery, threading.Event()

    def wake() -> None:
        """Send messages: without any it would see only after two seconds that it is to stop."""
        while not stopped.wait(0.02):
            app.control.broadcast("heartbeat")

    waker = threading.Thread(target=wake)
    with start_worker(app, pool="threads", hostname=name, queues=queues, perform_ping_check=False):
        try:
            yield
        finally:
            waker.start()
    stopped.set()
    waker.join()


@contextmanager
def at_work(launcher: WatchingCeleryLauncher, run: dg.DagsterRun, name: str) -> Iterator[None]:
    """The task of a run, held by a worker."""
    begun, over = threading.Event(), threading.Event()

    @launcher.celery.task(name="hold")  # type: ignore[untyped-decorator]
    def hold() -> None:
        begun.set()
        over.wait(10)

    with worker(launcher, name):
        hold.apply_async(task_id=task_of(run), queue="dagster")
        assert begun.wait(10)
        try:
            yield
        finally:
            over.set()


class TestHealth:
    def test_a_run_fails_at_the_second_silence_of_its_worker(
        self, instance: dg.DagsterInstance, launcher: WatchingCeleryLauncher
    ) -> None:
        run = made(instance, STARTED)
        record_start(launcher, run, "one@here")
        first, second = (launcher.check_run_worker_health(run) for _ in range(2))
        assert first.status is WorkerStatus.RUNNING
        assert second.status is WorkerStatus.FAILED
        assert second.msg is not None
        assert f"one@here does not answer, or does not have task {task_of(run)}" in second.msg

    def test_an_answer_between_two_silences_keeps_the_run(
        self,
        instance: dg.DagsterInstance,
        launcher: WatchingCeleryLauncher,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        run, level = made(instance, STARTED), logging.getLogger().level
        found = []
        with at_work(launcher, run, "two@here"):
            for name, seconds in (("nobody@here", 0.05), ("two@here", 10.0), ("nobody@here", 0.05)):
                record_start(launcher, run, name)
                monkeypatch.setattr(celery_launcher, "_ANSWER_SECONDS", seconds)
                found.append(launcher.check_run_worker_health(run).status)
        assert found == [WorkerStatus.RUNNING] * 3
        assert logging.getLogger().level == level  # the worker has left it to the other tests

    def test_a_restarted_worker_that_does_not_have_the_task_is_silent_about_it(
        self,
        instance: dg.DagsterInstance,
        launcher: WatchingCeleryLauncher,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(celery_launcher, "_ANSWER_SECONDS", 10.0)
        run = made(instance, STARTED)
        record_start(launcher, run, "three@here")
        with worker(launcher, "three@here"):
            found = [launcher.check_run_worker_health(run).status for _ in range(2)]
        assert found == [WorkerStatus.RUNNING, WorkerStatus.FAILED]


class TestLost:
    """Whether a run is lost, and as what it is then recorded."""

    def workers(self, instance: dg.DagsterInstance) -> celery_workers.Workers:
        return celery_workers.Workers(instance, CodeLocation("here", Path(), dg.Definitions))

    @pytest.mark.parametrize("state", ["SUCCESS", "FAILURE"])
    def test_a_run_whose_task_has_ended_is_recorded_as_failed(
        self, instance: dg.DagsterInstance, launcher: WatchingCeleryLauncher, state: str
    ) -> None:
        run = made(instance, STARTED)
        record(launcher, run, state, ValueError("of the task") if state == "FAILURE" else None)
        assert self.workers(instance).is_lost(run)
        assert status_of(instance, run) is FAILURE

    def test_a_run_that_is_being_canceled_is_recorded_as_canceled(
        self, instance: dg.DagsterInstance, launcher: WatchingCeleryLauncher
    ) -> None:
        run = made(instance, CANCELING)
        record(launcher, run, "SUCCESS")
        assert self.workers(instance).is_lost(run)
        assert status_of(instance, run) is CANCELED

    def test_a_run_that_has_just_ended_stays_as_it_ended(
        self, instance: dg.DagsterInstance, launcher: WatchingCeleryLauncher
    ) -> None:
        """Whoever asks still has the run as it was before."""
        run = made(instance, SUCCESS)
        record(launcher, run, "SUCCESS")
        assert not self.workers(instance).is_lost(run)
        assert status_of(instance, run) is SUCCESS

    def test_a_run_that_waits_or_has_no_task_yet_is_not_lost(
        self, instance: dg.DagsterInstance
    ) -> None:
        for with_task in (True, False):
            run = made(instance, STARTING, with_task=with_task)
            assert not self.workers(instance).is_lost(run)
            assert status_of(instance, run) is STARTING


class TestEnding:
    def test_a_run_that_has_ended_is_left_as_it_is(
        self, instance: dg.DagsterInstance, launcher: WatchingCeleryLauncher
    ) -> None:
        run = made(instance, SUCCESS)
        assert not launcher.terminate(run.run_id)
        assert status_of(instance, run) is SUCCESS

    def test_a_run_that_waits_in_the_broker_is_canceled_at_once(
        self, instance: dg.DagsterInstance, launcher: WatchingCeleryLauncher
    ) -> None:
        run = made(instance, STARTING)
        assert launcher.terminate(run.run_id)
        assert status_of(instance, run) is CANCELED

    def test_whoever_waits_no_longer_leaves_no_run_that_goes_on(
        self, instance: dg.DagsterInstance
    ) -> None:
        """Runs that no worker has are not waited for."""
        runs = [
            made(instance, STARTING),
            made(instance, STARTING, with_task=False),
            made(instance, SUCCESS),
        ]
        begun = time.monotonic()
        code = CodeLocation("here", Path(), dg.Definitions)
        celery_workers.Workers(instance, code).give_up([run.run_id for run in runs])
        assert time.monotonic() - begun < celery_workers._END_SECONDS
        assert [status_of(instance, run) for run in runs] == [CANCELED, CANCELED, SUCCESS]


def test_a_worker_of_another_queue_does_not_take_runs(launcher: WatchingCeleryLauncher) -> None:
    launcher.celery.amqp.queues.add("reports")
    with worker(launcher, "four@here", queues="reports"):
        with pytest.raises(CannotLaunch, match="no Celery worker answers on the queue 'dagster'"):
            celery_workers.require_workers(launcher)
        launcher.default_queue = "reports"
        assert celery_workers.require_workers(launcher) == ["four@here"]
