"""The command that shows a week's report, after building it if it is missing or stale."""

from __future__ import annotations

import difflib
import webbrowser
from datetime import date
from pathlib import Path
from typing import Any

import click

from spine_assets.cli.errors import no_week_built, open_lake, with_json
from spine_assets.cli.render.console import CONSOLE, text
from spine_assets.cli.shared import WeekType, print_json
from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane, run_tags
from spine_assets.lake.base import Lake, LakeFile
from spine_assets.otc.state.freshness import Freshness
from spine_assets.otc.status import newest_complete
from spine_assets.otc.tables import venue_share
from spine_assets.pipelines.catalog import RunPlan
from spine_assets.questions.otc import open_data
from spine_assets.report import NAME as REPORT
from spine_assets.report import browse, stored
from spine_assets.report import index as index_page


@click.command()
@click.argument("week", type=WeekType(), required=False)
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
@click.option("--index", is_flag=True, help="The index of all weeks, with a search, instead.")
@click.option("--symbol", help="The page of a symbol instead.")
@click.option("--venue", help="The page of a venue instead: its MPID, or CRD and number.")
@with_json
def report(
    week: date | None,
    opened: bool,
    index: bool,
    symbol: str | None,
    venue: str | None,
    as_json: bool,
) -> None:
    r"""Show the report of a WEEK, an HTML page with charts and checks.

    \b
    spine report --open
    spine report 2025-10-17 --json
    spine report --symbol PMCY --open

    Default: the newest complete week, or the newest if none is complete. A report that is missing
    or stale is built first, by a Dagster run; `spine backfill --missing` builds all of them.
    Exit code 1: the report could not be built.
    """
    lake = open_lake()
    if symbol is not None or venue is not None:
        if week is not None or index or (symbol is not None and venue is not None):
            raise click.UsageError("give one of WEEK, --index, --symbol and --venue")
        place = _browse(lake, symbol, venue)
        print_json({"page": str(place)}) if as_json else click.echo(place)
        _open(place, opened)
        return
    chosen = week or _newest(lake)
    _make_fresh(lake, chosen)
    page = stored.page_path(lake, chosen)
    stamp = stored.stamp_of(lake, page)
    if stamp is None:
        raise click.ClickException(f"{page} was removed meanwhile; run spine report {chosen} again")
    shown = _viewable(lake, stored.index_path(lake) if index else page)
    if as_json:
        places = {"report": str(page), "index": str(stored.index_path(lake))}
        print_json({**places, **stamp.facts})
    elif index:
        click.echo(shown)
    else:
        _print(shown, stamp.facts)
    _open(shown, opened)


def _open(page: Path, opened: bool) -> None:
    where = page.resolve().as_uri()
    if opened and not webbrowser.open(where):
        click.echo(f"no browser could be started; open {where}", err=True)


def _browse(lake: Lake, symbol: str | None, venue: str | None) -> Path:
    """Write the pages of symbols and venues, this symbol's too, and return the one asked for."""
    folder = lake.root / REPORT if isinstance(lake.root, Path) else _copies()
    asked = browse.symbol_path(folder, symbol) if symbol else browse.venue_path(folder, str(venue))
    if asked.exists() and browse.is_fresh(lake, folder):
        return asked
    found = browse.write(lake, folder, open_data(), more=[symbol] if symbol else [])
    if isinstance(lake.root, Path):
        index_page.write(lake)
    if symbol is None and venue not in found.venues:
        near = difflib.get_close_matches(str(venue).upper(), found.venues, 3)
        raise click.ClickException(
            f"{venue} has no row in the newest complete week"
            + (f"; did you mean {' or '.join(near)}?" if near else "; spine venue lists its venues")
        )
    return asked


def _print(place: Path, facts: dict[str, Any]) -> None:
    """Print the headline figures of the page and its path."""
    complete = facts["is_complete"]
    note = (
        "all three tiers in"
        if complete
        else f"INCOMPLETE, without {', '.join(facts['tiers_missing'])}"
    )
    classes = " and ".join(facts["classes_in"])
    note += f"; {classes}" if len(facts["classes_in"]) > 1 else f"; {classes} alone"
    note += "; synthetic sample data" if facts["is_synthetic"] else ""
    change = facts["change_pct"]
    since = "" if change is None else f" ({change:+.1f}% since {facts['against']})"
    CONSOLE.print(f"[bold]Week ending {facts['week_ending']}[/bold] ({note})")
    CONSOLE.print(
        f"{text(facts['shares'])} shares{since}, {text(facts['trades'])} trades, "
        f"{text(facts['symbols'])} symbols, {text(facts['venues'])} venues"
    )
    if facts["top_mpid"]:
        CONSOLE.print(
            f"largest venue {facts['top_venue']} ({facts['top_mpid']}) with "
            f"{facts['top_share_pct']:.1f}% of reported off-exchange volume; HHI {facts['hhi']:.4f}"
        )
    found = facts["checks_warned"] + facts["checks_failed"]
    CONSOLE.print(
        f"checks that found something: {found}; rejects: {text(facts['rejects'])}; "
        f"restatements: {facts['restatements']}"
    )
    # The path has a line of its own, so that it is easy to copy.
    CONSOLE.print(str(place), soft_wrap=True, highlight=False, markup=False)


def _viewable(lake: Lake, page: LakeFile) -> Path:
    """A page as a local file; from a bucket, a copy in the data folder."""
    if isinstance(page, Path):
        return page
    copy = _copies() / str(page).removeprefix(f"{lake.root / REPORT}/")
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(page.read_bytes())
    return copy


def _copies() -> Path:
    """Where pages of a lake in a bucket are kept."""
    return load_settings().data_dir / "reports"


def _newest(lake: Lake) -> date:
    """The newest week that has all three tiers, else the newest that is built."""
    built = lake.weeks(venue_share.TABLE.name)
    if not built:
        raise no_week_built()
    return newest_complete(lake) or built[-1]


def _make_fresh(lake: Lake, week: date) -> None:
    """Build the report by a run, unless it is fresh."""
    from spine_assets.cli import start_runs  # noqa: PLC0415 - imports Dagster
    from spine_assets.cli.render import runs as render_runs  # noqa: PLC0415 - imports Dagster

    if stored.freshness(lake, week) is Freshness.FRESH:
        return
    if not lake.files(venue_share.TABLE.name, week):
        raise click.ClickException(
            f"week {week} is not built; spine status lists those that are, and "
            f"spine run otc.weekly -p week_ending={week} builds it if its files are here"
        )
    click.echo(f"building the report of {week}", err=True)
    tags = run_tags("otc.report", Lane.NORMAL, "cli")
    with (
        start_runs.open_instance() as instance,
        start_runs.launcher(instance, False, None) as launcher,
    ):
        plan = RunPlan(week, week, {})
        (story,) = start_runs.start_all(
            launcher, "otc_report", [plan], tags, wait=True, shows=[start_runs.silent]
        )
    if story.line.status != "success":
        render_runs.story(story)
        raise click.exceptions.Exit(1)
