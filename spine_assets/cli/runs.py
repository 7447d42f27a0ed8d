"""Commands about runs: which there were, what one did, ending one, forgetting old ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import click

from spine_assets.cli.shared import COUNT, WeekType, as_json_option, told

if TYPE_CHECKING:
    import dagster as dg

_LISTED = 20  # a screen
_LOG_LINES = 10  # the end of a run; more by --logs
_WAIT_SECONDS = 10.0  # a build looks up between two weeks, which take a second or two each
# Dagster's, written out: importing it would cost `spine --help` its speed. A test compares.
_STATUSES = (
    "queued",
    "not_started",
    "managed",
    "starting",
    "started",
    "suspended",
    "success",
    "failure",
    "canceling",
    "canceled",
)


@click.group(invoke_without_command=True)
@click.option("--limit", type=COUNT, default=_LISTED, show_default=True, help="Newest runs listed.")
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only these.")
@click.option("--pipeline", help="Only runs of this pipeline or job.")
@click.option("--week", type=WeekType(), help="Only runs that were asked for this week.")
@click.option("--tenant", metavar="ID", help="Only runs for this tenant.")
@click.option("--steps", is_flag=True, help="Each run with its steps.")
@as_json_option
@click.pass_context
@told
def runs(
    context: click.Context,
    limit: int,
    status: str | None,
    pipeline: str | None,
    week: date | None,
    tenant: str | None,
    steps: bool,
    as_json: bool,
) -> None:
    """Runs, the newest first: what was asked for, who started it, what came of it.

    With --steps and --json: all columns of x_meta_pipeline_runs, each run with its steps, which
    have all columns of x_meta_step_logs.
    """
    from spine_assets.history import open_instance
    from spine_assets.history.runs import Asked, newest, pipeline_names

    if context.invoked_subcommand is not None:
        return
    with open_instance() as instance:
        found = newest(instance, Asked(status, pipeline, week, tenant), limit)
        if pipeline and not found:
            _require_known(pipeline, pipeline_names(instance))
        show = _with_steps if steps else _lines
        show(instance, found, as_json)


def _lines(instance: dg.DagsterInstance, found: Sequence[dg.RunRecord], as_json: bool) -> None:
    from spine_assets.cli import render_runs
    from spine_assets.history.runs import described

    told = described(instance, found)
    if as_json:
        click.echo(json.dumps([render_runs.line_json(item) for item in told], indent=1))
        return
    render_runs.lines(told)


def _with_steps(instance: dg.DagsterInstance, found: Sequence[dg.RunRecord], as_json: bool) -> None:
    from spine_assets.cli import render_steps
    from spine_assets.history.logged import logged

    told = list(logged(instance, found))
    if as_json:
        shown = [render_steps.run_json(run) for run in told]
        click.echo(json.dumps(shown, indent=1, default=str))
        return
    render_steps.runs(told)


def _require_known(pipeline: str, names: list[str]) -> None:
    """A pipeline that no run ever had is a slip: name the nearest."""
    import difflib

    if pipeline in names:
        return
    near = difflib.get_close_matches(pipeline, names, n=1)
    known = (
        f"did you mean {near[0]}?" if near else f"there are runs of {', '.join(names) or 'none'}"
    )
    raise click.ClickException(f"no run is of a pipeline or job {pipeline!r}; {known}")


@runs.command("show")
@click.argument("run_id", metavar="ID")
@click.option(
    "--logs", type=click.IntRange(min=0), default=_LOG_LINES, show_default=True, help="Last lines."
)
@as_json_option
@told
def runs_show(run_id: str, logs: int, as_json: bool) -> None:
    """One run: parameters, times, rows and shares, checks, error, last log lines.

    The beginning of an ID is enough where no other run has it.
    """
    from spine_assets.cli import render_runs
    from spine_assets.history import open_instance
    from spine_assets.history.one_run import story
    from spine_assets.history.runs import find

    with open_instance() as instance:
        found = story(instance, find(instance, run_id), logs)
    if as_json:
        click.echo(json.dumps(render_runs.story_json(found), indent=1))
        return
    render_runs.story(found)


@runs.command("cancel")
@click.argument("run_id", metavar="ID")
@click.option("--force", is_flag=True, help="Mark it canceled where nothing stops it.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=_WAIT_SECONDS,
    show_default=True,
    help="Seconds to wait until it has stopped.",
)
@as_json_option
@told
def runs_cancel(run_id: str, force: bool, wait: float, as_json: bool) -> None:
    """End a run: take it out of the queue, or have its process stop.

    Exit code 1: it had ended already, or it did not stop. --force then marks it canceled; a
    process that still lives is not stopped by that.
    """
    from spine_assets.cli import render_runs
    from spine_assets.history import open_instance
    from spine_assets.history.cancel import cancel
    from spine_assets.history.runs import find

    with open_instance() as instance:
        run = find(instance, run_id).dagster_run
        ending = cancel(instance, run, force=force, wait_seconds=wait)
    if as_json:
        click.echo(json.dumps({"run_id": run.run_id, **vars(ending)}, indent=1))
    else:
        render_runs.ending(run.run_id, ending)
    if not ending.canceled:
        raise click.exceptions.Exit(1)


@runs.command("prune")
@click.option("--older-than", type=COUNT, required=True, metavar="DAYS", help="Days since its end.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json_option
@told
def runs_prune(older_than: int, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete finished runs of more than DAYS ago that nothing shown comes from.

    Kept is every run that holds the latest materialization of a table's week or the latest
    evaluation of a check, or is the last that failed of a week not built since. So boards,
    statuses, metadata and versions stay as they are; logs of the deleted runs are gone.
    """
    from spine_assets.cli import render, render_runs
    from spine_assets.history import open_instance
    from spine_assets.history.prune import delete, plan

    if as_json and not (yes or dry_run):
        raise click.UsageError("--json cannot ask; give --yes or --dry-run")
    before = datetime.now(UTC) - timedelta(days=older_than)
    with open_instance() as instance:
        found = plan(instance, before)
        if not as_json:
            render_runs.plan(found, before)
        if found.delete and not dry_run:
            if not yes:
                click.confirm(f"Delete {len(found.delete)} runs for good?", abort=True)
            with render.progress("deleting runs", len(found.delete)) as advance:
                for _ in delete(instance, found):
                    advance()
    deleted = 0 if dry_run else len(found.delete)
    if as_json:
        click.echo(json.dumps(render_runs.plan_json(found, before, deleted), indent=1))
    elif not dry_run:
        click.echo(f"deleted {deleted} runs")
