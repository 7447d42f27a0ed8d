"""Starting runs from a command: where they run, how they are followed, how they ended.

It imports Dagster. Commands that start runs import it in the function that does so; that they
need the history too, `open_instance`, `table_states` and `differences` come with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import click
import dagster as dg
from dagster import DagsterExecutionInterruptedError

from spine_assets.core.progress import Progress
from spine_assets.core.settings import load_settings
from spine_assets.definitions import defs
from spine_assets.orchestration.history import open_instance, table_states
from spine_assets.orchestration.history.run_details import RunStory, story
from spine_assets.orchestration.history.runs import find
from spine_assets.orchestration.launching import celery_workers, queue
from spine_assets.orchestration.launching.base import RemoteLauncher, new_run_id
from spine_assets.orchestration.launching.in_process import InProcessLauncher
from spine_assets.orchestration.launching.progress_follower import (
    Follower,
    all_until_the_end,
    followed,
)
from spine_assets.orchestration.reconcile import differences
from spine_assets.pipelines.catalog import RunPlan

__all__ = [
    "Show",
    "differences",
    "launcher",
    "open_instance",
    "silent",
    "start_all",
    "table_states",
]

Show = Callable[[Progress | None], None]


@contextmanager
def launcher(
    instance: dg.DagsterInstance, queued: bool, log_level: str | None
) -> Iterator[InProcessLauncher | RemoteLauncher]:
    """Where runs are started: the daemon's queue, or the backend of `SPINE_BACKEND`."""
    if queued:
        with queue.queue(instance, defs) as remote:
            yield remote
    elif load_settings().backend == "celery":
        with celery_workers.workers(instance, defs) as remote:
            yield remote
    else:
        yield InProcessLauncher(instance, defs(), log_level)


def start_all(
    launcher: InProcessLauncher | RemoteLauncher,
    job: str,
    plans: Sequence[RunPlan],
    tags: Mapping[str, str],
    wait: bool,
    shows: Sequence[Show],
) -> list[RunStory]:
    """Start runs: one after another in this process, else all at once.

    Args:
        launcher: Where.
        job: Name of the job.
        plans: Weeks and configuration of each.
        tags: Tags of the runs.
        wait: Return when they have ended instead of when they have started.
        shows: For each, a function that is called with its progress, about twice a second.

    Returns:
        A story for each that was started; none is started after an interrupted one.
    """
    if not isinstance(launcher, InProcessLauncher):
        return _start_remote(launcher, job, plans, tags, wait, shows)
    stories = []
    for plan, show in zip(plans, shows, strict=True):
        stories.append(_start_here(launcher, job, plan, tags, show))
        if stories[-1].line.status == "canceled":
            break
    return stories


def _start_here(
    launcher: InProcessLauncher, job: str, plan: RunPlan, tags: Mapping[str, str], show: Show
) -> RunStory:
    run_id = new_run_id()
    follower = Follower(launcher.instance, run_id)
    with suppress(KeyboardInterrupt, DagsterExecutionInterruptedError), followed(follower, show):
        launcher.launch(job, plan, tags, run_id)
    return _story(launcher.instance, run_id)


def _start_remote(
    launcher: RemoteLauncher,
    job: str,
    plans: Sequence[RunPlan],
    tags: Mapping[str, str],
    wait: bool,
    shows: Sequence[Show],
) -> list[RunStory]:
    instance, ids = launcher.instance, []
    try:
        for plan in plans:
            ids.append(new_run_id())
            launcher.launch(job, plan, tags, ids[-1])
            click.echo(f"{launcher.started_as} {ids[-1]} ({plan.weeks})", err=True)
        if wait:
            followers = [Follower(instance, run_id) for run_id in ids]
            all_until_the_end(followers, shows, launcher.is_lost)
    except KeyboardInterrupt:
        launcher.give_up(ids)
    recorded = (run_id for run_id in ids if instance.get_run_by_id(run_id) is not None)
    return [_story(instance, run_id) for run_id in recorded]


def _story(instance: dg.DagsterInstance, run_id: str) -> RunStory:
    return story(instance, find(instance, run_id), 0)


def silent(_: Progress | None) -> None:
    """Show no progress."""
