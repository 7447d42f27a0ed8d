"""The command that builds many weeks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from spine_assets.cli.shared import (
    COUNT,
    LANE,
    WeekRange,
    as_json_option,
    max_runtime_option,
    told,
)

if TYPE_CHECKING:
    from spine_assets.cli.starting import Show
    from spine_assets.history.one_run import RunStory
    from spine_assets.pipelines import RunPlan


@click.command()
@click.argument("weeks", type=WeekRange(), required=False, metavar="[FROM..TO]")
@click.option("--missing", is_flag=True, help="Only weeks not built, or behind their inputs.")
@click.option("--failed", is_flag=True, help="Only weeks whose last run failed.")
@click.option("--dry-run", is_flag=True, help="Say which weeks and runs; start nothing.")
@click.option("--force", is_flag=True, help="Build also weeks that are unchanged.")
@click.option(
    "--weeks-per-run",
    type=COUNT,
    help="Most weeks of one run; default: SPINE_WEEKS_PER_RUN, else all that adjoin.",
)
@click.option("--lane", type=LANE, default="backfill", show_default=True)
@click.option("--queue", "queued", is_flag=True, help="Hand the runs to the running daemon.")
@click.option("--wait", is_flag=True, help="With --queue: follow them to their end.")
@max_runtime_option
@click.option("--verbose", is_flag=True, help="Show the runs' log lines, and no progress bar.")
@as_json_option
@told
def backfill(
    weeks: tuple[date, date] | None,
    missing: bool,
    failed: bool,
    dry_run: bool,
    force: bool,
    weeks_per_run: int | None,
    lane: str,
    queued: bool,
    wait: bool,
    max_runtime: int | None,
    verbose: bool,
    as_json: bool,
) -> None:
    r"""Build the weeks FROM..TO that have input; without them, all weeks.

    \b
    spine backfill 2024-01-05..2024-12-27
    spine backfill --missing --dry-run

    A week without a file or capture is passed over. A bad week stops itself and no other.
    What is unchanged stays as it is. Exit code 1: a week failed.
    """
    from spine_assets.cli import render_backfill
    from spine_assets.history import open_instance
    from spine_assets.pipelines import RunPlan
    from spine_assets.settings import load_settings
    from spine_assets.tags import Lane, run_tags
    from spine_assets.weeks import stretches

    most = weeks_per_run or load_settings().weeks_per_run
    config = {"ops": {"otc_week": {"config": {"force": True}}}} if force else {}
    with open_instance() as instance:
        chosen, passed_over = _choose(instance, weeks, missing, failed)
        plans = [RunPlan(*part, config) for part in stretches(chosen, most)]
        if not dry_run and plans:
            tags = run_tags("otc.weekly", Lane(lane), "cli", max_runtime)
            stories = _run(instance, plans, len(chosen), tags, queued, wait, verbose)
        else:
            stories = []
    ended = not queued or wait
    if as_json:
        told_of = render_backfill.as_json(chosen, passed_over, plans, stories, dry_run)
        click.echo(json.dumps(told_of, indent=1))
    else:
        render_backfill.show(chosen, passed_over, plans, stories, dry_run=dry_run, ended=ended)
    if ended and any(item.line.status != "success" for item in stories):
        raise click.exceptions.Exit(1)


def _choose(
    instance: Any, asked: tuple[date, date] | None, missing: bool, failed: bool
) -> tuple[list[date], int]:
    """Weeks to build, and how many with input are passed over because of the options."""
    from spine_assets.cli.shared import open_lake
    from spine_assets.history import table_states
    from spine_assets.otc import choosing
    from spine_assets.otc.scanning import scan
    from spine_assets.settings import load_settings
    from spine_assets.weeks import FIRST_WEEK

    settings, lake = load_settings(), open_lake()
    first, last = asked or (FIRST_WEEK, datetime.now(UTC).date())
    landing = scan(settings.landing_path, settings.landing_index_path)
    held = choosing.with_input(landing, lake, first, last)
    if not missing and not failed:
        return held, 0
    chosen: set[date] = set()
    if missing:
        chosen |= set(choosing.missing(landing, lake, held))
    if failed:
        states = table_states(instance, held)
        chosen |= {week for (_, week), state in states.items() if state == "failed"}
    return sorted(chosen), len(held) - len(chosen)


def _run(
    instance: Any,
    plans: list[RunPlan],
    total: int,
    tags: dict[str, str],
    queued: bool,
    wait: bool,
    verbose: bool,
) -> list[RunStory]:
    from spine_assets.cli import starting

    level = None if verbose else "CRITICAL"  # failures are told at the end, in full
    wait = wait or not queued
    with (
        starting.launcher(instance, queued, level) as launcher,
        _bar(total, shown=wait and not verbose) as shows,
    ):
        of_each = [next(shows) for _ in plans]
        return starting.start_all(launcher, "otc_weekly", plans, tags, wait, of_each)


@contextmanager
def _bar(total: int, *, shown: bool) -> Iterator[Iterator[Show]]:
    """A progress bar over all weeks; each run is given its own way to move it."""
    from rich.console import Console

    from spine_assets.cli import render_backfill

    # Dagster takes standard error for its own log while a run is in this process.
    with os.fdopen(os.dup(2), "w") as screen:
        console = Console(file=screen, quiet=not shown)
        with render_backfill.bar(console, total) as shows:
            yield shows
