"""Ending a run, whichever way it was started.

A queued run is taken out of the queue. A run of a code server is ended by that server. A run
in a `spine` process of its own is asked to end: that process watches its run and stops when it
stands at CANCELING. Whether any of it worked is read from the run's status, since only a
process that lives sets it to CANCELED.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import dagster as dg

from spine_assets.core.tags import FRONT, SHORT_ID
from spine_assets.core.text import first_line
from spine_assets.orchestration.history.storage import GRPC_INFO_TAG
from spine_assets.orchestration.launching import celery_workers

OF_A_PROCESS = "cli"
"""Value of the tag `spine/front` on runs that a `spine` process of its own executes."""

_LOOK_SECONDS = 0.2  # a run ends between two looks or is not about to


@dataclass(frozen=True)
class Ending:
    """What came of the wish to end a run."""

    canceled: bool
    status: str
    said: str


def cancel(
    instance: dg.DagsterInstance, run: dg.DagsterRun, *, force: bool, wait_seconds: float
) -> Ending:
    """End a run.

    Args:
        instance: Dagster's instance.
        run: The run.
        force: Mark the run canceled where nothing ends it; a process that still lives goes on.
        wait_seconds: How long its process may take.
    """
    if run.is_finished:
        return _ending(instance, run, "it has ended already; there is nothing to cancel")
    if run.status is dg.DagsterRunStatus.QUEUED and instance.run_coordinator.cancel_run(run.run_id):
        return _ending(instance, run, "taken out of the queue")
    trouble = _ask(instance, run)
    if trouble is None and _ended_within(instance, run, wait_seconds):
        return _ending(instance, run, "its process has stopped")
    trouble = trouble or (
        f"asked to stop, but it has not within {wait_seconds:g} s: it is at a long step, or its "
        "process is gone"
    )
    if not force:
        again = f"spine runs cancel {run.run_id[:SHORT_ID]} --force"
        return _ending(instance, run, f"{trouble}. `{again}` marks it canceled in any case")
    now = instance.get_run_by_id(run.run_id)
    if now is not None and not now.is_finished:
        instance.report_run_canceled(now, message="Marked canceled by `spine runs cancel --force`.")
    return _ending(instance, run, f"marked canceled ({trouble})")


def _ask(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Ask the run's process to stop; why it cannot be asked, or None."""
    if run.tags.get(FRONT) == OF_A_PROCESS:
        instance.report_run_canceling(run)
        return None
    launcher = instance.run_launcher
    if isinstance(launcher, dg.DefaultRunLauncher) and GRPC_INFO_TAG not in run.tags:
        if run.status is dg.DagsterRunStatus.NOT_STARTED:
            return "it was made but never queued or started"
        return (
            "it runs in a process that takes no word from here (such as `dagster asset "
            "materialize`): stop it there with Ctrl-C, or it is gone"
        )
    try:
        if celery_workers.is_on_workers(instance):
            is_told = celery_workers.ask_to_end(instance, run)
        else:
            is_told = launcher.terminate(run.run_id)
        if is_told:
            return None
    except dg.DagsterError as error:
        return f"no code server answers for it ({first_line(error)}): its process is gone"
    return "its code server does not know it (it was started again since): its process is gone"


def _ended_within(instance: dg.DagsterInstance, run: dg.DagsterRun, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while True:
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK_SECONDS)


def _ending(instance: dg.DagsterInstance, run: dg.DagsterRun, said: str) -> Ending:
    now = instance.get_run_by_id(run.run_id)
    status = (now.status if now else run.status).value.lower()
    changed = status != run.status.value.lower()
    return Ending(changed and status == "canceled", status, said)
