"""The command that builds a range of weeks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from spine_assets.cli.errors import open_lake, with_json
from spine_assets.cli.shared import (
    COUNT,
    LANE,
    WeekRange,
    max_runtime_option,
    print_json,
    require_built,
)
from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane, run_tags
from spine_assets.core.weeks import stretches
from spine_assets.otc.delivery.scan import scan
from spine_assets.pipelines import weeks_to_build
from spine_assets.pipelines.catalog import RunPlan

if TYPE_CHECKING:
    from spine_assets.orchestration.reconcile import Differences


@click.command()
@click.argument("weeks", type=WeekRange(), required=False, metavar="[FROM..TO]")
@click.option("--missing", is_flag=True, help="Only weeks that are not built, or stale.")
@click.option("--failed", is_flag=True, help="Only weeks whose last run failed.")
@click.option("--dry-run", is_flag=True, help="List weeks and runs; start nothing.")
@click.option("--force", is_flag=True, help="Also build weeks that are unchanged.")
@click.option(
    "--weeks-per-run",
    type=COUNT,
    help="Most weeks per run; default: SPINE_WEEKS_PER_RUN, else each range without gaps.",
)
@click.option("--lane", type=LANE, default=Lane.BACKFILL.value, show_default=True)
@click.option("--queue", "queued", is_flag=True, help="Hand the runs to the running daemon.")
@click.option("--wait", is_flag=True, help="With --queue: follow them to their end.")
@max_runtime_option
@click.option("--verbose", is_flag=True, help="Show the runs' log lines, and no progress bar.")
@with_json
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
    r"""Build the weeks FROM..TO that have input, or all weeks.

    \b
    spine backfill 2024-01-05..2024-12-27
    spine backfill --missing --dry-run

    Weeks without a file or capture are skipped, and so are unchanged tables. A week is missing if
    the lake lacks one of its tables, or Dagster the record of it. A week that fails
    does not stop the others; one whose files are all refused fails. Exit code 1: a week failed.
    """
    from spine_assets.cli import start_runs  # noqa: PLC0415 - imports Dagster
    from spine_assets.cli.render import backfill as render_backfill  # noqa: PLC0415 - imports Dagster

    most = weeks_per_run or load_settings().weeks_per_run
    config = {"ops": {"otc_week": {"config": {"force": True}}}} if force else {}
    with start_runs.open_instance(of=open_lake(may_begin=True)) as instance:
        chosen, passed_over = _choose(
            weeks,
            missing,
            failed,
            partial(start_runs.table_states, instance),
            partial(start_runs.differences, instance),
        )
        plans = [RunPlan(*part, config) for part in stretches(chosen, most)]
        if not dry_run and plans:
            tags = run_tags("otc.weekly", Lane(lane), "cli", max_runtime)
            shown = (wait or not queued) and not verbose
            level = None if verbose else "CRITICAL"  # failures are printed at the end, in full
            with (
                start_runs.launcher(instance, queued, level) as launcher,
                render_backfill.bar(len(chosen), shown=shown) as shows,
            ):
                stories = start_runs.start_all(
                    launcher,
                    "otc_weekly",
                    plans,
                    tags,
                    wait or not queued,
                    [next(shows) for _ in plans],
                )
        else:
            stories = []
    ended = not queued or wait
    if as_json:
        print_json(render_backfill.as_json(chosen, passed_over, plans, stories, dry_run))
    else:
        render_backfill.show(chosen, passed_over, plans, stories, dry_run=dry_run, ended=ended)
    if ended and any(item.line.status != "success" for item in stories):
        raise click.exceptions.Exit(1)


def _choose(
    weeks: tuple[date, date] | None,
    missing: bool,
    failed: bool,
    states_of: Callable[[list[date]], dict[tuple[str, date], str | None]],
    differences: Callable[..., Differences],
) -> tuple[list[date], int]:
    """Weeks to build, and how many weeks with input the options exclude."""
    settings, lake = load_settings(), open_lake(may_begin=True)
    first, last = weeks or (settings.first_week, datetime.now(UTC).date())
    require_built(first, settings)
    landing = scan(settings.landing_path, settings.landing_index_path)
    with_input = weeks_to_build.with_input(landing, lake, first, last)
    if not missing and not failed:
        return with_input, 0
    chosen: set[date] = set()
    if missing:
        chosen |= set(weeks_to_build.missing(landing, lake, with_input))
        others = {*with_input} - chosen
        chosen |= differences(lake, others, versions=others).weeks
    if failed:
        chosen |= {week for (_, week), state in states_of(with_input).items() if state == "failed"}
    return sorted(chosen), len(with_input) - len(chosen)
