"""The command that shows a week's report, after making it where it is missing or behind."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spine_assets.cli.shared import WeekType, as_json_option, nothing_built, open_lake, told
from spine_assets.report import NAME as REPORT

if TYPE_CHECKING:
    from spine_assets.lake import Lake, LakeFile


@click.command()
@click.argument("week", type=WeekType(), required=False)
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
@click.option("--index", is_flag=True, help="The index of all weeks instead of a week.")
@as_json_option
@told
def report(week: date | None, opened: bool, index: bool, as_json: bool) -> None:
    r"""The report of a WEEK: one HTML page with charts, checks and caveats, and its place.

    \b
    spine report --open
    spine report 2025-10-17 --json

    Default: the newest complete week, or the newest where none is complete. A report that is
    missing or behind its tables is made first, by a Dagster run; `spine backfill --missing` makes
    all of them. Exit code 1: it could not be made.
    """
    import webbrowser

    from spine_assets.cli import render_report
    from spine_assets.report import stored

    lake = open_lake()
    chosen = week or _newest(lake)
    _make_fresh(lake, chosen)
    page, stamp = (
        stored.page_path(lake, chosen),
        stored.stamp_of(lake, stored.page_path(lake, chosen)),
    )
    if stamp is None:
        raise click.ClickException(f"{page} is gone again; run spine report {chosen} once more")
    shown = _viewable(lake, stored.index_path(lake) if index else page)
    if as_json:
        places = {"report": str(page), "index": str(stored.index_path(lake))}
        click.echo(json.dumps({**places, **stamp.facts}, indent=1))
    elif index:
        click.echo(shown)
    else:
        render_report.printed(shown, stamp.facts)
    where = shown.resolve().as_uri()
    if opened and not webbrowser.open(where):
        click.echo(f"no browser could be started; open {where}", err=True)


def _viewable(lake: Lake, page: LakeFile) -> Path:
    """A page as a local file; of a lake in a bucket a copy in the data folder."""
    from spine_assets.settings import load_settings

    if isinstance(page, Path):
        return page
    copies = load_settings().data_dir.absolute() / "reports"
    copy = copies / str(page).removeprefix(f"{lake.root / REPORT}/")
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(page.read_bytes())
    return copy


def _newest(lake: Lake) -> date:
    """The newest week whose three tiers are in, else the newest that is built."""
    from spine_assets.status import newest_complete

    built = lake.weeks("otc_venue_share")
    if not built:
        raise nothing_built()
    return newest_complete(lake) or built[-1]


def _make_fresh(lake: Lake, week: date) -> None:
    """Make the report by a run, unless it stands and tells what the tables hold."""
    from spine_assets.cli import render_runs, starting
    from spine_assets.history import open_instance
    from spine_assets.otc.versions import Freshness
    from spine_assets.pipelines import RunPlan
    from spine_assets.report import stored
    from spine_assets.tags import Lane, run_tags

    if stored.freshness(lake, week) is Freshness.FRESH:
        return
    if not lake.files("otc_venue_share", week):
        raise click.ClickException(
            f"week {week} is not built; spine status tells which are, and "
            f"spine run otc.weekly -p week_ending={week} builds it where its files are here"
        )
    click.echo(f"making the report of {week}", err=True)
    tags = run_tags("otc.report", Lane.NORMAL, "cli")
    with open_instance() as instance, starting.launcher(instance, False, None) as launcher:
        plan = RunPlan(week, week, {})
        story = starting.start(launcher, "otc_report", plan, tags, wait=True, show=None)
    if story.line.status != "success":
        render_runs.story(story)
        raise click.exceptions.Exit(1)
