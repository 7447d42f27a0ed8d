"""Starting runs: in this process, or in the queue of a running daemon.

Either way it is a Dagster run with an id, events and tags. Runs in this process begin at once
and pass the queue by; a watcher ends them when they are canceled from elsewhere or run too
long, as the daemon does for its own.

Names beyond Dagster's public ones, tried on 1.13.27, stand here: making a run of a job in a
workspace (what `dagster job launch` does), the daemon's heartbeat, and taking interrupts where
Dagster records them.
"""

from __future__ import annotations

import os
import signal
import threading
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dagster as dg

from spine_assets.defs.logs import LOGGED
from spine_assets.pipelines import CannotLaunch, RunPlan
from spine_assets.tags import FRONT, MAX_RUNTIME, week_tags

_FAILURE_REASON, _INTERRUPTED = "dagster/failure_reason", "UNEXPECTED_TERMINATION"
_WATCH_SECONDS = 1.0  # between looks at the own run; each reads one row


@dataclass(frozen=True)
class Launched:
    """A run that was started, and whether it has succeeded; None where it may still run."""

    run_id: str
    success: bool | None


class Launcher(Protocol):
    """Starts runs of a job."""

    instance: dg.DagsterInstance

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> Launched:
        """Start one run."""
        ...


def new_run_id() -> str:
    """An id for a run that is about to be started, so that it can be followed from the start."""
    return str(uuid.uuid4())


def config_of(plan: RunPlan, log_level: str | None = None) -> dict[str, Any]:
    """Run config: the pipeline's own, and our console logger."""
    logged: dict[str, Any] = {"loggers": {"console": {"config": {}}}}
    if log_level is not None:
        logged["loggers"]["console"]["config"]["level"] = log_level
    return {**LOGGED, **logged, **plan.run_config}


def tags_of(plan: RunPlan, tags: Mapping[str, str]) -> dict[str, str]:
    """Tags of a run, with those that name its weeks."""
    if plan.first is None or plan.last is None:
        return {**tags, **plan.tags}
    return {**tags, **plan.tags, **week_tags(str(plan.first), str(plan.last))}


class Here:
    """Runs in this process."""

    def __init__(self, instance: dg.DagsterInstance, log_level: str | None = None) -> None:
        from spine_assets.definitions import defs

        self.instance = instance
        self.log_level = log_level
        with warnings.catch_warnings():
            # Dagster's component tree calls functions that Dagster itself marks as preview.
            warnings.filterwarnings("ignore", ".*load_definitions_from_module.*", dg.PreviewWarning)
            self._definitions = defs()

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> Launched:
        """Run to the end.

        Raises:
            DagsterExecutionInterruptedError: it was interrupted; the run is recorded as canceled.
        """
        from dagster._utils.interrupts import capture_interrupts

        definition = self._definitions.resolve_job_def(job)
        from spine_assets.components.turns import OWN_EXECUTORS

        longest = _longest(self.instance, {**definition.tags, **tags})
        given = tags_of(plan, {**tags, FRONT: "cli"})
        config = config_of(plan, self.log_level)
        with capture_interrupts(), _watched(self.instance, run_id, longest):
            if definition.executor_def.name in OWN_EXECUTORS:
                success = _by_own_executor(self.instance, definition, config, given, run_id)
            else:
                success = definition.execute_in_process(
                    run_config=config,
                    instance=self.instance,
                    tags=given,
                    run_id=run_id,
                    raise_on_error=False,
                ).success
        self._say_who_ended(run_id)
        return Launched(run_id, success)

    def _say_who_ended(self, run_id: str) -> None:
        """Record a run that its user interrupted as canceled; Dagster takes it for a failure."""
        run = self.instance.get_run_by_id(run_id)
        if run is not None and run.tags.get(_FAILURE_REASON) == _INTERRUPTED:
            self.instance.report_run_canceled(run, "interrupted where it was started")


class Queue:
    """Puts runs into the queue of the daemon that works on this instance."""

    def __init__(self, instance: dg.DagsterInstance, workspace: Any) -> None:
        self.instance = instance
        self._workspace = workspace

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> Launched:
        """Put a run into the queue."""
        from dagster._cli.job import _create_run
        from dagster._cli.workspace import cli_target

        location = cli_target.get_code_location_from_workspace(self._workspace, None)
        repository = cli_target.get_remote_repository_from_code_location(location, None)
        run = _create_run(
            instance=self.instance,
            code_location=location,
            remote_repo=repository,
            remote_job=cli_target.get_remote_job_from_remote_repo(repository, job),
            run_config=config_of(plan),
            tags=tags_of(plan, tags),
            op_selection=None,
            run_id=run_id,
        )
        self.instance.submit_run(run.run_id, self._workspace)
        return Launched(run_id, None)


@contextmanager
def queue(instance: dg.DagsterInstance, root: Path | None = None) -> Iterator[Queue]:
    """The queue of a running daemon.

    Raises:
        CannotLaunch: no daemon is running, or there is no workspace here.
    """
    from dagster import __version__
    from dagster._cli.workspace.cli_target import get_workspace_from_cli_opts
    from dagster_shared.cli import WorkspaceOpts

    if not daemon_is_alive(instance):
        raise CannotLaunch(
            "no daemon is running, so nothing would take the run from the queue: start one with "
            "make ui (or dagster dev), or leave out --queue to run it here and now"
        )
    workspace = (root or Path.cwd()) / "workspace.yaml"
    if not workspace.exists():
        raise CannotLaunch(f"there is no {workspace.name} in this folder; go to the project's root")
    with ExitStack() as stack:
        options = WorkspaceOpts(workspace=[str(workspace)])
        opened = get_workspace_from_cli_opts(instance, __version__, options, log_level="ERROR")
        yield Queue(instance, stack.enter_context(opened))


def daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon that takes runs from the queue has given a sign of life of late."""
    from dagster._daemon.controller import get_daemon_statuses
    from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
        QueuedRunCoordinatorDaemon,
    )

    kind = QueuedRunCoordinatorDaemon.daemon_type()
    return bool(get_daemon_statuses(instance, [kind], ignore_errors=True)[kind].healthy)


def _by_own_executor(
    instance: dg.DagsterInstance,
    definition: dg.JobDefinition,
    config: Mapping[str, Any],
    tags: Mapping[str, str],
    run_id: str,
) -> bool:
    """Run a job to its end as its executor does it, which `execute_in_process` does not ask.

    What `dagster job execute` does, with a run id of ours.
    """
    from dagster._core.definitions.reconstruct import ReconstructableRepository
    from dagster._core.execution.api import execute_run

    repository = ReconstructableRepository.for_module("spine_assets.definitions", "defs")
    job = repository.get_reconstructable_job(definition.name)
    run = instance.create_run_for_job(
        job_def=definition,
        run_id=run_id,
        run_config=config,
        tags={**definition.tags, **tags},
        job_code_origin=job.get_python_origin(),
    )
    return bool(execute_run(job, run, instance).success)


def _longest(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> float:
    """Seconds that a run may take; 0 for any."""
    return float(tags.get(MAX_RUNTIME, instance.run_monitoring_max_runtime_seconds))


@contextmanager
def _watched(instance: dg.DagsterInstance, run_id: str, longest: float) -> Iterator[None]:
    """Interrupt this process's run when it is canceled from elsewhere or takes too long."""
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
