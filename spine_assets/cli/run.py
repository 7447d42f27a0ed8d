"""Commands that start runs of pipelines, and list what can be started."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from spine_assets.cli.shared import LANE, as_json_option, max_runtime_option, told
from spine_assets.core.text import nearest

if TYPE_CHECKING:
    from spine_assets.pipelines import Pipeline


@click.command("list")
@as_json_option
@told
def list_pipelines(as_json: bool) -> None:
    """The pipelines of all domains, with their parameters."""
    from spine_assets.cli import render_pipelines
    from spine_assets.pipelines_discovery import discover

    found = list(discover().values())
    if as_json:
        click.echo(json.dumps([render_pipelines.pipeline_json(item) for item in found], indent=1))
    else:
        render_pipelines.pipelines(found)


@click.command()
@click.argument("pipeline_name", metavar="PIPELINE")
@click.option("-p", "--param", "given", multiple=True, metavar="NAME=VALUE", help="Repeatable.")
@click.option("--lane", type=LANE, help="Default: the pipeline's own.")
@click.option("--dry-run", is_flag=True, help="Check parameters and file; start nothing.")
@click.option("--help-params", is_flag=True, help="Show the pipeline's parameters.")
@click.option("--queue", "queued", is_flag=True, help="Hand it to the running daemon.")
@click.option("--wait", is_flag=True, help="With --queue: follow it to its end.")
@max_runtime_option
@as_json_option
@told
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
    r"""Run a PIPELINE: here and now, or in the queue of a running daemon.

    \b
    spine run otc.weekly -p week_ending=2025-11-21 -p file_path=otc.csv
    spine run otc.summarize --dry-run

    `spine list` names the pipelines. Each run is Dagster's, with an id, events and metrics.
    Exit code 1: a run failed or was canceled.
    """
    from spine_assets.cli import render_pipelines, starting
    from spine_assets.pipelines import ParameterError, read_parameters
    from spine_assets.tags import Lane

    pipeline = _named(pipeline_name)
    if help_params:
        render_pipelines.parameters(pipeline)
        return
    try:
        values = read_parameters(pipeline, list(given))
    except ParameterError as error:
        raise click.UsageError(f"{error}\n(spine run {pipeline.name} --help-params)") from error
    plan = pipeline.plan(values, dry_run)
    plan = replace(plan, runs=starting.split(plan.runs))
    for note in plan.notes:
        click.echo(note, err=True)
    if dry_run or not plan.runs:
        if as_json:
            click.echo(json.dumps(render_pipelines.plan_json(pipeline, plan), indent=1))
        else:
            render_pipelines.plan(pipeline, plan)
        return
    chosen = Lane(lane) if lane else pipeline.lane
    _launch(pipeline, plan.runs, chosen, max_runtime, queued, wait or not queued, as_json)


def _named(name: str) -> Pipeline:
    from spine_assets.pipelines_discovery import discover

    known = discover()
    if name not in known:
        raise click.UsageError(f"there is no pipeline {name}; {nearest(name, list(known))}")
    return known[name]


def _launch(
    pipeline: Pipeline,
    runs: list[Any],
    lane: Any,
    max_runtime: int | None,
    queued: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Start the runs and say what became of each."""
    from spine_assets.cli import render_runs, starting
    from spine_assets.history import open_instance
    from spine_assets.tags import run_tags

    tags = run_tags(pipeline.name, lane, "cli", max_runtime)
    with open_instance() as instance, starting.launcher(instance, queued, None) as launcher:
        stories = starting.start_all(
            launcher, pipeline.job, runs, tags, wait, [starting.silent] * len(runs)
        )
    if as_json:
        click.echo(json.dumps([render_runs.story_json(item) for item in stories], indent=1))
    else:
        for item in stories:
            render_runs.story(item)
    if wait and any(item.line.status != "success" for item in stories):
        raise click.exceptions.Exit(1)
