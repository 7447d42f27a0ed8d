"""The queue of a running daemon, which starts a run when the queue's limits allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from spine_assets.orchestration import dagster_private as private
from spine_assets.orchestration.launching.base import config_of, tags_of
from spine_assets.pipelines.catalog import CannotLaunch, RunPlan


class Queue:
    """Puts runs into the queue of the daemon that works on this instance."""

    started_as = "queued as run"

    def __init__(self, instance: dg.DagsterInstance, workspace: Any) -> None:
        self.instance = instance
        self._workspace = workspace

    def launch(self, job: str, plan: RunPlan, tags: Mapping[str, str], run_id: str) -> None:
        """Put a run into the queue."""
        run = create_run(self.instance, self._workspace, job, plan, tags, run_id)
        self.instance.submit_run(run.run_id, self._workspace)

    def is_lost(self, run: dg.DagsterRun) -> bool:
        """Never: the daemon monitors its runs."""
        return False

    def give_up(self, run_ids: Sequence[str]) -> None:
        """Leave the runs to the daemon."""


@contextmanager
def queue(instance: dg.DagsterInstance, root: Path | None = None) -> Iterator[Queue]:
    """The queue of a running daemon.

    Raises:
        CannotLaunch: no daemon is running, or there is no workspace here.
    """
    kind = private.QueuedRunCoordinatorDaemon.daemon_type()
    if not private.get_daemon_statuses(instance, [kind], ignore_errors=True)[kind].healthy:
        raise CannotLaunch(
            "no daemon is running, so nothing would take the run from the queue: start one with "
            "make ui (or dagster dev), or leave out --queue to run it in this process"
        )
    with opened_workspace(instance, root) as workspace:
        yield Queue(instance, workspace)


@contextmanager
def opened_workspace(instance: dg.DagsterInstance, root: Path | None = None) -> Iterator[Any]:
    """Dagster's workspace: the code location that `workspace.yaml` of a folder names.

    Raises:
        CannotLaunch: there is none.
    """
    workspace = (root or Path.cwd()) / "workspace.yaml"
    if not workspace.exists():
        raise CannotLaunch(f"there is no {workspace.name} in this folder; go to the project's root")
    with ExitStack() as stack:
        options = private.WorkspaceOpts(workspace=[str(workspace)])
        opened = private.get_workspace_from_cli_opts(
            instance, dg.__version__, options, log_level="ERROR"
        )
        yield stack.enter_context(opened)


def create_run(
    instance: dg.DagsterInstance,
    workspace: Any,
    job: str,
    plan: RunPlan,
    tags: Mapping[str, str],
    run_id: str,
) -> dg.DagsterRun:
    """A run of the workspace's code, recorded and not started."""
    location = private.get_code_location_from_workspace(workspace, None)
    repository = private.get_remote_repository_from_code_location(location, None)
    run: dg.DagsterRun = private._create_run(
        instance=instance,
        code_location=location,
        remote_repo=repository,
        remote_job=private.get_remote_job_from_remote_repo(repository, job),
        run_config=config_of(plan),
        tags=tags_of(plan, tags),
        op_selection=None,
        run_id=run_id,
    )
    return run
