"""Dagster's launcher of Celery tasks, extended by detecting lost workers and by canceling runs.

A killed worker leaves its task STARTED in the result backend for ever, and Dagster's own launcher
takes the run for a running one until `max_runtime_seconds` (`docs/decisions/0014-*`). This launcher
asks the worker that took the task. To cancel a run, Dagster's own ends the task only: the run is
then recorded as failed, and one that waits in the broker stays STARTING.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
from celery.states import READY_STATES

from spine_assets.orchestration.dagster_private import (
    DAGSTER_CELERY_TASK_ID_TAG,
    CeleryRunLauncher,
    CheckRunHealthResult,
    WorkerStatus,
)

_ANSWER_SECONDS = 5.0  # a worker answers in hundredths, on a loaded machine in a second or two
_SILENCES = 2  # polls in a row: one lost answer must not end a run
_BEGIN_SECONDS = 30.0  # a worker loads the code in some seconds, on a busy machine in more
_LOOK_SECONDS = 0.1


class WatchingCeleryLauncher(CeleryRunLauncher):
    """Runs as Celery tasks; a run that loses its worker fails, a terminated one is canceled."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._silent: dict[str, int] = {}

    def terminate(self, run_id: str) -> bool:
        """End a run as `end_run` does."""
        return end_run(self, self._instance, run_id)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """What Dagster's launcher reports, and for a started task whether its worker has it.

        Raises:
            kombu.exceptions.OperationalError: The broker does not answer, so the worker's state is
                unknown; the monitor asks again at its next round.
        """
        health = super().check_run_worker_health(run)
        task = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        if health.status is not WorkerStatus.RUNNING:
            self._silent.pop(run.run_id, None)
            return health
        about = self.celery.AsyncResult(task).info
        worker = about.get("hostname") if isinstance(about, Mapping) else None
        if worker is None or self._holds(worker, task):
            self._silent.pop(run.run_id, None)
            return health
        self._silent[run.run_id] = self._silent.get(run.run_id, 0) + 1
        if self._silent[run.run_id] < _SILENCES:
            return health
        del self._silent[run.run_id]
        message = f"Celery worker {worker} does not answer, or does not have task {task}."
        return CheckRunHealthResult(WorkerStatus.FAILED, message)

    def _holds(self, worker: str, task: str) -> bool:
        """Whether a worker has a task; a restarted one of the same name does not."""
        inspect = self.celery.control.inspect([worker], timeout=_ANSWER_SECONDS)
        answers = inspect.query_task(task) or {}
        return bool(answers.get(worker))


def end_run(launcher: CeleryRunLauncher, instance: dg.DagsterInstance, run_id: str) -> bool:
    """Cancel a run: its worker stops it in good order; a run that no worker has taken never starts.

    A task that a worker has just taken is revoked only once its run has started: the event of the
    start would overwrite CANCELING, and the run would be recorded as failed.

    Args:
        launcher: Dagster's launcher of Celery tasks, or this module's.
        instance: Dagster's instance.
        run_id: The run.

    Returns:
        Whether there was a task to cancel.
    """
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
        return False
    task = launcher.celery.AsyncResult(run.tags[DAGSTER_CELERY_TASK_ID_TAG])
    task.revoke()  # a worker that receives it from now on drops it
    end = time.monotonic() + _BEGIN_SECONDS
    while task.state == "STARTED" and not _has_begun(instance, run_id):
        if time.monotonic() > end:
            break
        time.sleep(_LOOK_SECONDS)
    begun, state = _has_begun(instance, run_id), task.state
    now = instance.get_run_by_id(run_id)
    if now is None or now.is_finished:
        return True
    if now.status is not dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceling(now)
    if state in READY_STATES or (state == "PENDING" and not begun):
        instance.report_run_canceled(now, "No worker executes it.")
    else:
        task.revoke(terminate=True)
    return True


def _has_begun(instance: dg.DagsterInstance, run_id: str) -> bool:
    record = instance.get_run_record_by_id(run_id)
    return record is not None and record.start_time is not None
