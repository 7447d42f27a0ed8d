"""Starting runs from a command: where they run, how they are followed, how they ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from spine_assets.progress import Progress

if TYPE_CHECKING:
    import dagster as dg

    from spine_assets.history.one_run import RunStory
    from spine_assets.launching import Elsewhere, Here
    from spine_assets.pipelines import RunPlan

Show = Callable[[Progress | None], None]


@contextmanager
def launcher(
    instance: dg.DagsterInstance, queued: bool, log_level: str | None
) -> Iterator[Here | Elsewhere]:
    """Where runs are started: the daemon's queue, or what `SPINE_BACKEND` says."""
    from spine_assets import launching
    from spine_assets.settings import load_settings

    if queued:
        with launching.queue(instance) as opened:
            yield opened
    elif load_settings().backend == "celery":
        with launching.workers(instance) as there:
            yield there
    else:
        yield launching.Here(instance, log_level)


def split(plans: Sequence[RunPlan]) -> list[RunPlan]:
    """The same weeks in runs of no more than `SPINE_WEEKS_PER_RUN` weeks."""
    from spine_assets.settings import load_settings
    from spine_assets.weeks import stretches, weeks_between

    most = load_settings().weeks_per_run
    found = []
    for plan in plans:
        if plan.first is None or plan.last is None:
            found.append(plan)
            continue
        parts = stretches(weeks_between(plan.first, plan.last), most)
        found += [replace(plan, first=first, last=last) for first, last in parts]
    return found


def start(
    launcher: Here | Elsewhere,
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
    return start_all(launcher, job, [plan], tags, wait, [show or silent])[0]


def start_all(
    launcher: Here | Elsewhere,
    job: str,
    plans: Sequence[RunPlan],
    tags: Mapping[str, str],
    wait: bool,
    shows: Sequence[Show],
) -> list[RunStory]:
    """Start runs: one after another where they run here, else all at once.

    Args:
        launcher: Where.
        job: Name of the job.
        plans: Weeks and configuration of each.
        tags: What the runs say of themselves.
        wait: Return when they have ended, and not when they are started.
        shows: For each, what is told how far it has come, about twice a second.

    Returns:
        A story for each that was started: after one that was interrupted none is.
    """
    from spine_assets.launching import Here

    if not isinstance(launcher, Here):
        return _elsewhere(launcher, job, plans, tags, wait, shows)
    stories = []
    for plan, show in zip(plans, shows, strict=True):
        stories.append(_here(launcher, job, plan, tags, show))
        if stories[-1].line.status == "canceled":
            break
    return stories


def _here(launcher: Here, job: str, plan: RunPlan, tags: Mapping[str, str], show: Show) -> RunStory:
    from dagster import DagsterExecutionInterruptedError

    from spine_assets.following import Follower, followed
    from spine_assets.launching import new_run_id

    run_id = new_run_id()
    follower = Follower(launcher.instance, run_id)
    with suppress(KeyboardInterrupt, DagsterExecutionInterruptedError), followed(follower, show):
        launcher.launch(job, plan, tags, run_id)
    return _story(launcher.instance, run_id)


def _elsewhere(
    launcher: Elsewhere,
    job: str,
    plans: Sequence[RunPlan],
    tags: Mapping[str, str],
    wait: bool,
    shows: Sequence[Show],
) -> list[RunStory]:
    from spine_assets.following import Follower, all_until_the_end
    from spine_assets.launching import new_run_id

    instance, ids = launcher.instance, []
    try:
        for plan in plans:
            ids.append(new_run_id())
            launcher.launch(job, plan, tags, ids[-1])
            click.echo(f"{launcher.handed} {ids[-1]} ({plan.said})", err=True)
        if wait:
            followers = [Follower(instance, run_id) for run_id in ids]
            all_until_the_end(followers, shows, launcher.is_lost)
    except KeyboardInterrupt:
        launcher.give_up(ids)
    recorded = (run_id for run_id in ids if instance.get_run_by_id(run_id) is not None)
    return [_story(instance, run_id) for run_id in recorded]


def _story(instance: dg.DagsterInstance, run_id: str) -> RunStory:
    from spine_assets.history.one_run import story
    from spine_assets.history.runs import find

    return story(instance, find(instance, run_id), 0)


def silent(_: Progress | None) -> None:
    """Nothing is shown."""
