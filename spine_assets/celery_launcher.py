"""Dagster's launcher of Celery tasks, which also notices a worker that is gone, and ends runs well.

A worker that is killed leaves its task STARTED in the result backend for ever, and Dagster's own
launcher takes that for a running run until `max_runtime_seconds` (`docs/decisions/0014-*`). This
one asks the worker that took the task. Dagster's own also ends the task alone when a run is to end:
the run is then told of as failed, and one that waits in the broker stays STARTING. Belongs here:
these two alone. The names `terminate`, `check_run_worker_health`, `_instance`,
`CheckRunHealthResult`, `WorkerStatus` and `DAGSTER_CELERY_TASK_ID_TAG` were tried on dagster
1.13.27 with dagster-celery 0.29.27.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

_ANSWER_SECONDS = 5.0  # a worker answers in hundredths, on a loaded machine in a second or two
_SILENCES = 2  # polls in a row: one lost answer kills no run


class WatchingCeleryLauncher(CeleryRunLauncher):
    """Runs as Celery tasks; one whose worker is gone has failed, one that is ended is canceled."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._silent: dict[str, int] = {}

    def terminate(self, run_id: str) -> bool:
        """End a run: a worker stops it in good order; one that waits in the broker never begins.

        A worker that takes the task of a canceled run all the same does not execute it.

        Returns:
            Whether there was something to end.
        """
        record = self._instance.get_run_record_by_id(run_id)
        if record is None or DAGSTER_CELERY_TASK_ID_TAG not in record.dagster_run.tags:
            return False
        run = record.dagster_run
        if run.is_finished:
            return False
        if run.status is not dg.DagsterRunStatus.CANCELING:
            self._instance.report_run_canceling(run)
        super().terminate(run_id)
        waits = self.celery.AsyncResult(run.tags[DAGSTER_CELERY_TASK_ID_TAG]).state == "PENDING"
        if waits and record.start_time is None:
            self._instance.report_run_canceled(run, "No worker had begun it.")
        return True

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
