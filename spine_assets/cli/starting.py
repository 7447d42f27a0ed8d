"""Starting runs from a command: where they run, how they are followed, how they ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from spine_assets.progress import Progress

if TYPE_CHECKING:
    import dagster as dg

    from spine_assets.history.one_run import RunStory
    from spine_assets.launching import Launcher
    from spine_assets.pipelines import RunPlan

Show = Callable[[Progress | None], None]


@contextmanager
def launcher(
    instance: dg.DagsterInstance, queued: bool, log_level: str | None
) -> Iterator[Launcher]:
    """Where runs are started: the daemon's queue, or this process."""
    from spine_assets import launching

    if not queued:
        yield launching.Here(instance, log_level)
        return
    with launching.queue(instance) as opened:
        yield opened


def start(
    launcher: Launcher,
    job: str,
    plan: RunPlan,
    tags: Mapping[str, str],
    wait: bool,
    show: Show | None,
) -> RunStory:
    """Start one run; with `wait`, follow it to its end.

    Args:
        launcher: Where.
        job: Name of the job.
        plan: Weeks and configuration.
        tags: What the run says of itself.
        wait: Return when it has ended, and not when it is started.
        show: Told how far it has come, about twice a second.
    """
    from dagster import DagsterExecutionInterruptedError

    from spine_assets.following import Follower, followed
    from spine_assets.history.one_run import story
    from spine_assets.history.runs import find
    from spine_assets.launching import new_run_id

    instance, run_id = launcher.instance, new_run_id()
    follower = Follower(instance, run_id)
    show = show or _silent
    with suppress(KeyboardInterrupt, DagsterExecutionInterruptedError), followed(follower, show):
        launched = launcher.launch(job, plan, tags, run_id)
        if launched.success is None:
            click.echo(f"queued as run {run_id} ({plan.said})", err=True)
            if wait:
                follower.until_the_end(show)
    return story(instance, find(instance, run_id), 0)


def follow(instance: dg.DagsterInstance, run_id: str, show: Show) -> RunStory:
    """Follow a run that was started before to its end."""
    from spine_assets.following import Follower
    from spine_assets.history.one_run import story
    from spine_assets.history.runs import find

    Follower(instance, run_id).until_the_end(show)
    return story(instance, find(instance, run_id), 0)


def _silent(_: Progress | None) -> None:
    """Nothing is shown."""
