"""Runs on Celery workers: the instance's `CeleryRunLauncher` hands each to the broker.

Which broker, result backend and queue is said by the `run_launcher` of the instance's
`dagster.yaml`, which the workers read too. Runs begin when a worker is free and pass Dagster's
queue by. Belongs here: asking whether the workers are there, handing over, ending runs of theirs.
Does not belong here: starting workers.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from spine_assets.orchestration import dagster_private
from spine_assets.orchestration.dagster_private import WorkerStatus
from spine_assets.orchestration.launching.queue import created, opened_workspace
from spine_assets.pipelines.catalog import CannotLaunch, RunPlan

if TYPE_CHECKING:
    from spine_assets.orchestration.dagster_private import CeleryRunLauncher

_EXTRA = "cluster"
_ANSWER_SECONDS = 3.0  # one that is alive answers in some 10 ms, on a busy machine later
_ASK_TIMES = 4  # a worker that has just connected, or is on a busy machine, may miss the first
_CONNECT_SECONDS = 3.0
_END_SECONDS = 15.0  # a run that is told to stop does so at its next event
_LOOK_SECONDS = 0.2


class Workers:
    """Hands runs to the Celery workers of this instance."""

    started_as = "handed to the workers as run"

    def __init__(self, instance: dg.DagsterInstance, workspace: Any) -> None:
        self.instance = instance
        self._workspace = workspace

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> None:
        """Hand a run to the broker."""
        run = created(self.instance, self._workspace, job, plan, tags, run_id)
        with warnings.catch_warnings():
            # The launcher makes its task anew for each run, which celery 5.7 warns of.
            warnings.filterwarnings("ignore", "Task name .* is already registered")
            self.instance.launch_run(run.run_id, self._workspace)

    def is_lost(self, run: dg.DagsterRun) -> bool:
        """Whether its task has ended without it."""
        return fail_if_lost(self.instance, run)

    def give_up(self, run_ids: Sequence[str]) -> None:
        """End the runs."""
        end_all(self.instance, run_ids)


@contextmanager
def workers(instance: dg.DagsterInstance, root: Path | None = None) -> Iterator[Workers]:
    """The workers of the instance's Celery launcher.

    Raises:
        CannotLaunch: the instance has another launcher, no worker answers, or there is no
            workspace here.
    """
    require_workers(celery_launcher(instance))
    with opened_workspace(instance, root) as workspace:
        yield Workers(instance, workspace)


def celery_launcher(instance: dg.DagsterInstance) -> CeleryRunLauncher:
    """The instance's launcher, which must be Celery's.

    Raises:
        CannotLaunch: it is another, or its package is not installed.
    """
    try:
        launcher_class = dagster_private.CeleryRunLauncher
    except ImportError as error:
        raise CannotLaunch(
            f"SPINE_BACKEND=celery needs the packages of the extra {_EXTRA!r}, and one is not "
            f"installed ({error}): uv sync --extra {_EXTRA}, or "
            f"pip install 'spine-assets[{_EXTRA}]'"
        ) from error
    launcher = instance.run_launcher
    if not isinstance(launcher, launcher_class):
        raise CannotLaunch(
            "SPINE_BACKEND=celery needs a Dagster instance whose run_launcher is "
            f"CeleryRunLauncher, and this one's is {type(launcher).__name__}: set DAGSTER_HOME to "
            "a folder whose dagster.yaml has one, such as a copy of deploy/dagster-postgres.yaml"
        )
    return launcher


def require_workers(launcher: CeleryRunLauncher) -> list[str]:
    """Names of workers that listen to the launcher's queue, one at least.

    Raises:
        CannotLaunch: the broker does not answer, or no worker does.
    """
    from celery.exceptions import CeleryError
    from kombu.exceptions import KombuError

    broker = launcher.celery.connection_for_write()
    address = broker.as_uri()  # its password is masked
    try:
        with broker:
            broker.ensure_connection(max_retries=1, timeout=_CONNECT_SECONDS)
        for number in range(_ASK_TIMES):
            # All are waited for until the end of the time; one that listens is mostly the first.
            most = None if number else 1
            asked = launcher.celery.control.inspect(timeout=_ANSWER_SECONDS, limit=most)
            found = asked.active_queues() or {}
            listening = [
                worker
                for worker, queues in found.items()
                if launcher.default_queue in {queue["name"] for queue in queues}
            ]
            if listening:
                return sorted(listening)
    except (CeleryError, KombuError, OSError) as error:
        raise CannotLaunch(
            f"the broker {address} does not answer ({error}): start it, or set the broker of the "
            "run_launcher in dagster.yaml"
        ) from error
    raise CannotLaunch(
        f"no Celery worker answers on the queue {launcher.default_queue!r} of {address}, so "
        "nothing would take the run: start one (docs/cluster.md)"
    )


def is_on_workers(instance: dg.DagsterInstance) -> bool:
    """Whether the instance hands its runs to Celery; imports nothing of it to tell."""
    module = sys.modules.get("dagster_celery.launcher")
    return module is not None and isinstance(instance.run_launcher, module.CeleryRunLauncher)


def ask_to_end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell the worker to end a run; whether there was a task to tell of."""
    from spine_assets.orchestration.launching.celery_launcher import end_run

    return end_run(celery_launcher(instance), instance, run.run_id)


def end_all(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    """End runs of the workers; those that no worker ends are marked canceled."""
    for run in reversed(_unfinished(instance, run_ids)):  # first those that still wait
        if not ask_to_end(instance, run):
            instance.report_run_canceled(run, "no worker was told of it yet")
    end = time.monotonic() + _END_SECONDS
    while _unfinished(instance, run_ids) and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    for run in _unfinished(instance, run_ids):
        instance.report_run_canceled(run, "no worker ended it in time")


def fail_if_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Record a run as failed whose task has ended without it, as Dagster's monitoring does.

    Returns:
        Whether it was lost.
    """
    try:
        health = instance.run_launcher.check_run_worker_health(run)
    except KeyError:  # not handed over yet
        return False
    now = instance.get_run_by_id(run.run_id)
    gone = {WorkerStatus.FAILED, WorkerStatus.SUCCESS, WorkerStatus.NOT_FOUND}
    if health.status not in gone or now is None or now.is_finished:
        return False
    said = f"the worker of this run is gone: {health.msg or health.status.value}"
    if now.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(now, said)
    else:
        instance.report_run_failed(now, said)
    return True


def _unfinished(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> list[dg.DagsterRun]:
    found = (instance.get_run_by_id(run_id) for run_id in run_ids)
    return [run for run in found if run is not None and not run.is_finished]
