"""Dagster's launcher of Celery tasks, which also notices a worker that is gone, and ends runs well.

A worker that is killed leaves its task STARTED in the result backend for ever, and Dagster's own
launcher takes that for a running run until `max_runtime_seconds` (`docs/decisions/0014-*`). This
one asks the worker that took the task. Dagster's own also ends the task alone when a run is to end:
the run is then told of as failed, and one that waits in the broker stays STARTING. Belongs here:
these two alone.
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
_SILENCES = 2  # polls in a row: one lost answer kills no run
_BEGIN_SECONDS = 30.0  # a worker loads the code in some seconds, on a busy machine in more
_LOOK_SECONDS = 0.1


class WatchingCeleryLauncher(CeleryRunLauncher):
    """Runs as Celery tasks; one whose worker is gone has failed, one that is ended is canceled."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._silent: dict[str, int] = {}

    def terminate(self, run_id: str) -> bool:
        """End a run as `end_run` does."""
        return end_run(self, self._instance, run_id)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """What Dagster's launcher says, and for a started task whether its worker holds it.

        Raises:
            kombu.exceptions.OperationalError: The broker cannot be asked, which tells nothing of
                the worker: the monitor asks again at its next round.
        """
        told = super().check_run_worker_health(run)
        task = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        if told.status is not WorkerStatus.RUNNING:
            self._silent.pop(run.run_id, None)
            return told
        about = self.celery.AsyncResult(task).info
        worker = about.get("hostname") if isinstance(about, Mapping) else None
        if worker is None or self._holds(worker, task):
            self._silent.pop(run.run_id, None)
            return told
        self._silent[run.run_id] = self._silent.get(run.run_id, 0) + 1
        if self._silent[run.run_id] < _SILENCES:
            return told
        del self._silent[run.run_id]
        said = f"Celery worker {worker} does not answer, or does not know of task {task}."
        return CheckRunHealthResult(WorkerStatus.FAILED, said)

    def _holds(self, worker: str, task: str) -> bool:
        """Whether a worker answers that it has a task, which one under the same name may not."""
        asked = self.celery.control.inspect([worker], timeout=_ANSWER_SECONDS)
        answers = asked.query_task(task) or {}
        return bool(answers.get(worker))


def end_run(launcher: CeleryRunLauncher, instance: dg.DagsterInstance, run_id: str) -> bool:
    """End a run: a worker stops it in good order; one that no worker has taken never begins.

    One that a worker has just taken is told only when it has begun: the event of its start would
    hide the wish to end it, and it would be recorded as failed.

    Args:
        launcher: Dagster's launcher of Celery tasks, or this module's.
        instance: Dagster's instance.
        run_id: The run.

    Returns:
        Whether there was something to end.
    """
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
        return False
    task = launcher.celery.AsyncResult(run.tags[DAGSTER_CELERY_TASK_ID_TAG])
    task.revoke()  # a worker that comes upon it from now on leaves it
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
