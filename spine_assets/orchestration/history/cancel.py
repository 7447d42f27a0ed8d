"""Canceling a run, whichever way it was started.

A queued run is removed from the queue. A run of a code server is ended by that server. A run in a
`spine` process of its own is set to CANCELING: that process watches its run and stops. Success is
read from the run's status: a live process sets it to CANCELED, and so does `run_locks` where the
process was killed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import dagster as dg

from spine_assets.core.tags import FRONT, SHORT_ID
from spine_assets.core.text import first_line
from spine_assets.orchestration import run_locks
from spine_assets.orchestration.dagster_private import GRPC_INFO_TAG
from spine_assets.orchestration.launching import celery_workers

OF_A_PROCESS = "cli"
"""Value of the tag `FRONT` on runs that a `spine` process of its own executes."""

_LOOK_SECONDS = 0.2  # a run ends between two polls or not soon


@dataclass(frozen=True)
class CancelResult:
    """The result of canceling a run; `reason` explains it."""

    canceled: bool
    status: str
    reason: str


def cancel(
    instance: dg.DagsterInstance, run: dg.DagsterRun, *, force: bool, wait_seconds: float
) -> CancelResult:
    """Cancel a run.

    Args:
        instance: Dagster's instance.
        run: The run.
        force: Mark the run canceled if nothing ends it; a process that still lives continues.
        wait_seconds: How long its process may take.
    """
    if run.is_finished:
        return _result(instance, run, "it has already ended; there is nothing to cancel")
    if run.status is dg.DagsterRunStatus.QUEUED and instance.run_coordinator.cancel_run(run.run_id):
        return _result(instance, run, "removed from the queue")
    problem = _request_end(instance, run)
    if problem is None and _ended_within(instance, run, wait_seconds):
        return _result(instance, run, "its process has stopped")
    problem = problem or (
        f"asked to stop, but it has not within {wait_seconds:g} s: it is in a long step, or its "
        "process has ended"
    )
    if not force:
        again = f"spine runs cancel {run.run_id[:SHORT_ID]} --force"
        return _result(instance, run, f"{problem}. `{again}` marks it canceled in any case")
    now = instance.get_run_by_id(run.run_id)
    if now is not None and not now.is_finished:
        instance.report_run_canceled(now, message="Marked canceled by `spine runs cancel --force`.")
    return _result(instance, run, f"marked canceled ({problem})")


def _request_end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Ask the run's process to stop; return why that is impossible, or None."""
    if run.tags.get(FRONT) == OF_A_PROCESS:
        instance.report_run_canceling(run)
        return None
    launcher = instance.run_launcher
    if isinstance(launcher, dg.DefaultRunLauncher) and GRPC_INFO_TAG not in run.tags:
        if run.status is dg.DagsterRunStatus.NOT_STARTED:
            return "it was created but never queued or started"
        return (
            "it runs in a process that cannot be reached from here (such as `dagster asset "
            "materialize`): stop it there with Ctrl-C, unless that process has ended"
        )
    try:
        if celery_workers.is_on_workers(instance):
            is_asked = celery_workers.ask_to_end(instance, run)
        else:
            is_asked = launcher.terminate(run.run_id)
        if is_asked:
            return None
    except dg.DagsterError as error:
        return f"no code server answers for it ({first_line(error)}): its process has ended"
    return "its code server was restarted and does not know it: its process has ended"


def _ended_within(instance: dg.DagsterInstance, run: dg.DagsterRun, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while True:
        run_locks.report_lost(instance)
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK_SECONDS)


def _result(instance: dg.DagsterInstance, run: dg.DagsterRun, reason: str) -> CancelResult:
    now = instance.get_run_by_id(run.run_id)
    status = (now.status if now else run.status).value.lower()
    changed = status != run.status.value.lower()
    return CancelResult(changed and status == "canceled", status, reason)
