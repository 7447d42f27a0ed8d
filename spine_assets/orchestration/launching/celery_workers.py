"""Runs on Celery workers: the instance's `CeleryRunLauncher` sends each run to the broker.

The `run_launcher` in the instance's `dagster.yaml`, which the workers read too, names the broker,
result backend and queue. Runs start when a worker is free and bypass Dagster's queue. Belongs here:
finding workers, and starting and canceling their runs. Does not belong here: starting workers.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from spine_assets.orchestration import dagster_private
from spine_assets.orchestration.dagster_private import WorkerStatus
from spine_assets.orchestration.launching.queue import NO_WORKSPACE, CodeLocation, code_location
from spine_assets.pipelines.catalog import CannotLaunch, RunPlan

if TYPE_CHECKING:
    from spine_assets.orchestration.dagster_private import CeleryRunLauncher

_EXTRA = "cluster"
_ANSWER_SECONDS = 3.0  # one that is alive answers in some 10 ms, on a busy machine later
_ASK_TIMES = 4  # a worker that has just connected, or is on a busy machine, may miss the first
_CONNECT_SECONDS = 3.0
_END_SECONDS = 15.0  # a run that is asked to stop does so at its next event
_LOOK_SECONDS = 0.2


class Workers:
    """Hands runs to the Celery workers of this instance."""

    started_as = "handed to the workers as run"

    def __init__(self, instance: dg.DagsterInstance, code: CodeLocation) -> None:
        self.instance = instance
        self._code = code

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> None:
        """Hand a run to the broker."""
        run = self._code.create_run(self.instance, job, plan, tags, run_id)
        with warnings.catch_warnings():
            # The launcher makes its task again for each run, and celery 5.7 warns about it.
            warnings.filterwarnings("ignore", "Task name .* is already registered")
            self.instance.launch_run(run.run_id, NO_WORKSPACE)

    def is_lost(self, run: dg.DagsterRun) -> bool:
        """Whether its task has ended and the run has not, which is then recorded."""
        try:
            health = self.instance.run_launcher.check_run_worker_health(run)
        except KeyError:  # it has no task yet
            return False
        now = self.instance.get_run_by_id(run.run_id)
        ended = {WorkerStatus.FAILED, WorkerStatus.SUCCESS}
        if health.status not in ended or now is None or now.is_finished:
            return False
        reason = f"the worker of this run is lost: {health.msg or health.status.value}"
        if now.status is dg.DagsterRunStatus.CANCELING:
            self.instance.report_run_canceled(now, reason)
        else:
            self.instance.report_run_failed(now, reason)
        return True

    def give_up(self, run_ids: Sequence[str]) -> None:
        """Cancel the runs; mark those that no worker ends in time as canceled."""
        for run in reversed(self._unfinished(run_ids)):  # first those that still wait
            if not ask_to_end(self.instance, run):
                self.instance.report_run_canceled(run, "no worker had received it yet")
        end = time.monotonic() + _END_SECONDS
        while self._unfinished(run_ids) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
        for run in self._unfinished(run_ids):
            self.instance.report_run_canceled(run, "no worker ended it in time")

    def _unfinished(self, run_ids: Sequence[str]) -> list[dg.DagsterRun]:
        found = (self.instance.get_run_by_id(run_id) for run_id in run_ids)
        return [run for run in found if run is not None and not run.is_finished]


@contextmanager
def workers(
    instance: dg.DagsterInstance,
    definitions: Callable[[], dg.Definitions],
    root: Path | None = None,
) -> Iterator[Workers]:
    """The workers of the instance's Celery launcher.

    Raises:
        CannotLaunch: the instance has another launcher, no worker answers, or there is no
            workspace here.
    """
    require_workers(celery_launcher(instance))
    yield Workers(instance, code_location(definitions, root))


def celery_launcher(instance: dg.DagsterInstance) -> CeleryRunLauncher:
    """The instance's launcher, which must be a `CeleryRunLauncher`.

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
    from celery.exceptions import CeleryError  # optional: the extra `cluster`
    from kombu.exceptions import KombuError  # optional: the extra `cluster`

    broker = launcher.celery.connection_for_write()
    address = broker.as_uri()  # its password is masked
    try:
        with broker:
            broker.ensure_connection(max_retries=1, timeout=_CONNECT_SECONDS)
        for number in range(_ASK_TIMES):
            # Without a limit it waits the whole time; the first answer mostly suffices.
            most = None if number else 1
            inspect = launcher.celery.control.inspect(timeout=_ANSWER_SECONDS, limit=most)
            found = inspect.active_queues() or {}
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
    """Whether the instance starts its runs with Celery; Celery is not imported to find out."""
    module = sys.modules.get("dagster_celery.launcher")
    return module is not None and isinstance(instance.run_launcher, module.CeleryRunLauncher)


def ask_to_end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Ask the worker to end a run; return whether there was a task."""
    from spine_assets.orchestration.launching.celery_launcher import end_run  # optional: `cluster`

    return end_run(celery_launcher(instance), instance, run.run_id)
