"""Runs of this process, which start at once and bypass the queue.

A watcher thread ends a run that is canceled by another process or runs too long, as the daemon does
for its own runs. Its lock (`run_locks`) lets others notice that this process was killed. A job's
executor runs it: in this process, or each step in a process of its own.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from spine_assets.core.tags import FRONT, MAX_RUNTIME
from spine_assets.orchestration import run_locks
from spine_assets.orchestration.dagster_private import (
    ReconstructableRepository,
    capture_interrupts,
    execute_run,
)
from spine_assets.orchestration.launching.base import config_of, tags_of
from spine_assets.pipelines.catalog import RunPlan

_FAILURE_REASON, _INTERRUPTED = "dagster/failure_reason", "UNEXPECTED_TERMINATION"
_WATCH_SECONDS = 1.0  # between polls of the run; each reads one row


class InProcessLauncher:
    """Runs jobs of the code location in this process, or in processes that it starts and ends."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        definitions: dg.Definitions,
        log_level: str | None = None,
    ) -> None:
        self.instance = instance
        self.log_level = log_level
        self._definitions = definitions

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> None:
        """Run to the end.

        Raises:
            DagsterExecutionInterruptedError: it was interrupted; the run is recorded as canceled.
        """
        with run_locks.held(self.instance, run_id):
            self._run(job, plan, tags, run_id)

    def _run(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> None:
        definition = self._definitions.resolve_job_def(job)
        usual = self.instance.run_monitoring_max_runtime_seconds  # 0 for any
        longest = float({**definition.tags, **tags}.get(MAX_RUNTIME, usual))
        given = tags_of(plan, {**tags, FRONT: "cli"})
        config = config_of(plan, self.log_level)
        with capture_interrupts(), _watched(self.instance, run_id, longest):
            if definition.executor_def.name == dg.in_process_executor.name:
                definition.execute_in_process(
                    run_config=config,
                    instance=self.instance,
                    tags=given,
                    run_id=run_id,
                    raise_on_error=False,
                )
            else:
                self._by_own_executor(definition, config, given, run_id)
        run = self.instance.get_run_by_id(run_id)
        # Dagster records a run that its user interrupted as failed.
        if run is not None and run.tags.get(_FAILURE_REASON) == _INTERRUPTED:
            self.instance.report_run_canceled(run, "interrupted where it was started")

    def _by_own_executor(
        self, definition: dg.JobDefinition, config: Any, tags: dict[str, str], run_id: str
    ) -> None:
        """Run a job by its own executor, as `dagster job execute` does, under our run id."""
        repository = ReconstructableRepository.for_module("spine_assets.definitions", "defs")
        job = repository.get_reconstructable_job(definition.name)
        run = self.instance.create_run_for_job(
            job_def=definition,
            run_id=run_id,
            run_config=config,
            tags={**definition.tags, **tags},
            job_code_origin=job.get_python_origin(),
        )
        execute_run(job, run, self.instance)


@contextmanager
def _watched(instance: dg.DagsterInstance, run_id: str, longest: float) -> Iterator[None]:
    """Interrupt this process's run when another process cancels it or it takes too long."""
    over = threading.Event()

    def watch() -> None:
        waited = 0.0
        while not over.wait(_WATCH_SECONDS):
            waited += _WATCH_SECONDS
            run = instance.get_run_by_id(run_id)
            late = bool(longest) and waited > longest
            if run is not None and late and not run.is_finished:
                instance.report_run_canceling(
                    run, f"it took longer than {longest:.0f} s; --max-runtime gives it more"
                )
            if run is not None and (run.status is dg.DagsterRunStatus.CANCELING or late):
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
