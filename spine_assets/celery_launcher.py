"""Dagster's launcher of Celery tasks, which also notices a worker that is gone.

A worker that is killed leaves its task STARTED in the result backend for ever, and Dagster's own
launcher takes that for a running run until `max_runtime_seconds` (`docs/decisions/0014-*`). This
one asks the worker that took the task. Belongs here: that question alone. The names
`check_run_worker_health`, `CheckRunHealthResult`, `WorkerStatus` and `DAGSTER_CELERY_TASK_ID_TAG`
were tried on dagster 1.13.27 with dagster-celery 0.29.27.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

if TYPE_CHECKING:
    import dagster as dg

_ANSWER_SECONDS = 5.0  # a worker answers in hundredths, on a loaded machine in a second or two
_SILENCES = 2  # polls in a row: one lost answer kills no run


class WatchingCeleryLauncher(CeleryRunLauncher):
    """Runs as Celery tasks; a run whose worker is gone has failed."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._silent: dict[str, int] = {}

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
