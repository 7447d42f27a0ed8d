"""Commands that list pipelines and start their runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from spine_assets.cli.errors import open_lake, with_json
from spine_assets.cli.render import pipelines as render_pipelines
from spine_assets.cli.shared import LANE, max_runtime_option, print_json, require_built
from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane, run_tags
from spine_assets.core.text import nearest
from spine_assets.core.weeks import stretches, weeks_between
from spine_assets.lake.base import Lake
from spine_assets.pipelines.catalog import ParameterError, RunPlan, read_parameters
from spine_assets.pipelines.discovery import discover


@click.command("list")
@with_json
def list_pipelines(as_json: bool) -> None:
    """List the pipelines of all domains, with their parameters."""
    found = list(discover().values())
    if as_json:
        print_json([render_pipelines.pipeline_json(item) for item in found])
    else:
        render_pipelines.pipelines(found)


@click.command()
@click.argument("pipeline_name", metavar="PIPELINE")
@click.option("-p", "--param", "given", multiple=True, metavar="NAME=VALUE", help="Repeatable.")
@click.option("--lane", type=LANE, help="Default: the pipeline's own.")
@click.option("--dry-run", is_flag=True, help="Check parameters and file; start nothing.")
@click.option("--help-params", is_flag=True, help="Show the pipeline's parameters.")
@click.option("--queue", "queued", is_flag=True, help="Queue it for the running daemon.")
@click.option("--wait", is_flag=True, help="With --queue: wait until it has ended.")
@max_runtime_option
@with_json
def run(
    pipeline_name: str,
    given: tuple[str, ...],
    lane: str | None,
    dry_run: bool,
    help_params: bool,
    queued: bool,
    wait: bool,
    max_runtime: int | None,
    as_json: bool,
) -> None:
    r"""Run a PIPELINE here, or in the queue of a running daemon.

    \b
    spine run otc.weekly -p week_ending=2025-11-21 -p file_path=otc.csv
    spine run otc.summarize --dry-run

    `spine list` lists the pipelines. Each run is a Dagster run, with an id, events and metrics.
    Exit code 1: a run failed or was canceled.
    """
    known = discover()
    if pipeline_name not in known:
        hint = nearest(pipeline_name, list(known))
        raise click.UsageError(f"there is no pipeline {pipeline_name}; {hint}")
    pipeline = known[pipeline_name]
    if help_params:
        render_pipelines.parameters(pipeline)
        return
    try:
        values = read_parameters(pipeline, list(given))
    except ParameterError as error:
        raise click.UsageError(f"{error}\n(spine run {pipeline.name} --help-params)") from error
    plan = pipeline.plan(values, dry_run)
    plan = replace(plan, runs=split(plan.runs))
    for note in plan.notes:
        click.echo(note, err=True)
    if dry_run or not plan.runs:
        if as_json:
            print_json(render_pipelines.plan_json(pipeline, plan))
        else:
            render_pipelines.plan(pipeline, plan)
        return
    lake = _lake_of(plan.runs)
    from spine_assets.cli import start_runs  # noqa: PLC0415 - imports Dagster
    from spine_assets.cli.render import runs as render_runs  # noqa: PLC0415 - imports Dagster

    wait = wait or not queued
    tags = run_tags(pipeline.name, Lane(lane) if lane else pipeline.lane, "cli", max_runtime)
    with (
        start_runs.open_instance(of=lake) as instance,
        start_runs.launcher(instance, queued, None) as launcher,
    ):
        stories = start_runs.start_all(
            launcher, pipeline.job, plan.runs, tags, wait, [start_runs.silent] * len(plan.runs)
        )
    if as_json:
        print_json([render_runs.story_json(item) for item in stories])
    else:
        for item in stories:
            render_runs.story(item)
    if wait and any(item.line.status != "success" for item in stories):
        raise click.exceptions.Exit(1)


def _lake_of(plans: Sequence[RunPlan]) -> Lake | None:
    """The lake of runs of weeks, opened before they start: what is refused is refused here."""
    weeks = [plan.first for plan in plans if plan.first is not None]
    if not weeks:
        return None
    require_built(min(weeks), load_settings())
    return open_lake(may_begin=True)


def split(plans: Sequence[RunPlan]) -> list[RunPlan]:
    """Plans for the same weeks in runs of no more than `SPINE_WEEKS_PER_RUN` weeks."""
    most = load_settings().weeks_per_run
    found = []
    for plan in plans:
        if plan.first is None or plan.last is None:
            found.append(plan)
            continue
        parts = stretches(weeks_between(plan.first, plan.last), most)
        found += [replace(plan, first=first, last=last) for first, last in parts]
    return found
