"""Commands about runs: list them, show one, cancel one, delete old ones."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import click
import dagster as dg

from spine_assets.cli.errors import how_to_load, require_data, with_json
from spine_assets.cli.render import runs as render_runs
from spine_assets.cli.render import steps as render_steps
from spine_assets.cli.render.console import progress
from spine_assets.cli.shared import COUNT, WeekType, print_json
from spine_assets.core.settings import load_settings
from spine_assets.core.text import nearest
from spine_assets.orchestration.history import open_instance
from spine_assets.orchestration.history.cancel import cancel
from spine_assets.orchestration.history.prune import delete, plan
from spine_assets.orchestration.history.prune_queries import vacuum
from spine_assets.orchestration.history.run_details import story
from spine_assets.orchestration.history.run_rows import read_runs
from spine_assets.orchestration.history.runs import (
    RunQuery,
    described,
    find,
    newest,
    pipeline_names,
)

_LISTED = 20  # a screen
_LOG_LINES = 10  # the end of a run; --logs prints more
_WAIT_SECONDS = 10.0  # a build checks between two weeks, which take a second or two each
_STATUSES = [status.value.lower() for status in dg.DagsterRunStatus]


@click.group(invoke_without_command=True)
@click.option("--limit", type=COUNT, default=_LISTED, show_default=True, help="Newest runs listed.")
@click.option(
    "--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only runs of this status."
)
@click.option("--pipeline", help="Only runs of this pipeline or job.")
@click.option("--week", type=WeekType(), help="Only runs that were requested for this week.")
@click.option("--tenant", metavar="ID", help="Only runs for this tenant.")
@click.option("--steps", is_flag=True, help="List each run with its steps.")
@with_json
@click.pass_context
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
    """List runs, newest first; show, cancel or delete them.

    With --steps and --json, runs have all columns of x_meta_pipeline_runs, and their steps all
    columns of x_meta_step_logs.
    """
    require_data(load_settings())
    if context.invoked_subcommand is not None:
        return
    asked = RunQuery(status, pipeline, week, tenant)
    with open_instance() as instance:
        found = newest(instance, asked, limit)
        if pipeline and not found and pipeline not in (names := pipeline_names(instance)):
            raise click.ClickException(
                f"there is no run of a pipeline or job {pipeline!r}; {nearest(pipeline, names)}"
            )
        if steps:
            rows = list(read_runs(instance, found))
        else:
            lines = described(instance, found)
    if not found:
        any_run = asked == RunQuery()
        hint = how_to_load() if any_run else "spine runs lists the newest of all"
        click.echo(f"{'no run is recorded yet' if any_run else 'no such run'}: {hint}", err=True)
        if not as_json:
            return
    if steps and as_json:
        shown = [render_steps.run_json(run) for run in rows]
        click.echo(json.dumps(shown, indent=1, default=str))
    elif steps:
        render_steps.runs(rows)
    elif as_json:
        print_json([render_runs.line_json(item) for item in lines])
    else:
        render_runs.lines(lines)


@runs.command("show")
@click.argument("run_id", metavar="ID")
@click.option(
    "--logs", type=click.IntRange(min=0), default=_LOG_LINES, show_default=True, help="Last lines."
)
@with_json
def runs_show(run_id: str, logs: int, as_json: bool) -> None:
    """Show one run: parameters, times, rows, checks, error, log lines.

    The beginning of an ID is enough if no other run has it.
    """
    with open_instance() as instance:
        found = story(instance, find(instance, run_id), logs)
    if as_json:
        print_json(render_runs.story_json(found))
        return
    render_runs.story(found)


@runs.command("cancel")
@click.argument("run_id", metavar="ID")
@click.option("--force", is_flag=True, help="Mark it canceled if nothing stops it.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=_WAIT_SECONDS,
    show_default=True,
    help="Seconds to wait until it has stopped.",
)
@with_json
def runs_cancel(run_id: str, force: bool, wait: float, as_json: bool) -> None:
    """Cancel a run: remove it from the queue, or have its process stop.

    Exit code 1: it had already ended, or it did not stop. --force then marks it canceled, which
    does not stop a process that is still alive.
    """
    with open_instance() as instance:
        run = find(instance, run_id).dagster_run
        ending = cancel(instance, run, force=force, wait_seconds=wait)
    if as_json:
        done = {"run_id": run.run_id, "canceled": ending.canceled}
        print_json(done | {"status": ending.status, "said": ending.reason})
    else:
        render_runs.ending(run.run_id, ending)
    if not ending.canceled:
        raise click.exceptions.Exit(1)


@runs.command("prune")
@click.option("--older-than", type=COUNT, required=True, metavar="DAYS", help="Days since its end.")
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_json
def runs_prune(older_than: int, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete runs of more than DAYS ago that nothing depends on.

    A run is kept if it holds the latest materialization of a table's week or the latest
    evaluation of a check, or is the last failure of a week that was not built since. So boards,
    statuses, metadata and versions do not change; the logs of deleted runs are lost. At the end
    SQLite's files give the space of what was deleted back (VACUUM). The schedule spine_prune_runs
    does the same monthly, once it is switched on.
    """
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json cannot ask; give --yes or --dry-run")
    before = datetime.now(UTC) - timedelta(days=older_than)
    freed: int | None = 0
    with open_instance() as instance:
        found = plan(instance, before)
        if not as_json:
            render_runs.plan(found, before)
        if found.delete and not dry_run:
            if not yes:
                click.confirm(f"Delete {len(found.delete)} runs permanently?", abort=True)
            with progress("deleting runs", len(found.delete)) as advance:
                for _ in delete(instance, found):
                    advance()
            freed = vacuum(instance)
    deleted = 0 if dry_run else len(found.delete)
    if as_json:
        print_json(render_runs.plan_json(found, before, deleted))
    elif not dry_run:
        click.echo(f"deleted {deleted} runs")
        if freed is None:
            click.echo("a database was in use and keeps its size; prune again when it is idle")
