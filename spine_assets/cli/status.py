"""Commands that show how far the weeks are: the arrival board, and one week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import click

from spine_assets.cli.errors import no_week_built, note_synthetic, open_lake, with_json
from spine_assets.cli.render import restated as render_restated
from spine_assets.cli.render import status as render_status
from spine_assets.cli.shared import COUNT, DEFAULT_WEEKS, WeekType, print_json
from spine_assets.core.settings import load_settings
from spine_assets.core.text import MOST_NAMED
from spine_assets.otc.captures.overdue import overdue
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.state.freshness import Freshness
from spine_assets.otc.status import (
    Arrival,
    WeekStatus,
    board,
    board_weeks,
    doubtful,
    with_failures,
)
from spine_assets.otc.tables import raw, venue_share
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect


@click.command()
@click.option(
    "--weeks", type=COUNT, default=DEFAULT_WEEKS, show_default=True, help="Newest weeks shown."
)
@click.option("--all", "every", is_flag=True, help="Show all weeks and unusable files.")
@click.option("--due", is_flag=True, help="List only the weeks with a tier that is overdue.")
@click.option("--exit-code", is_flag=True, help="Exit code 1 if something shown is not done.")
@with_json
def status(weeks: int, every: bool, due: bool, exit_code: bool, as_json: bool) -> None:
    """Show which weeks are loaded, missing or failed.

    This is the arrival board: weeks by tiers and tables, and unusable files. A tier is not due,
    overdue, landed (a file is there), failed (and its run failed), loaded or corrected. It is
    proven where FINRA's own totals of it agree with its rows, and differs where they do not. With
    --json a check that passed has no summary; `spine week --json` has them.

    Not done, for --exit-code, is a tier that is overdue, landed or failed, a table that is missing
    or stale in the lake or not materialized in Dagster, and a file that cannot be used; with --due,
    what it lists.
    """
    from spine_assets.orchestration.history import (  # noqa: PLC0415 - Dagster is slow to import
        check_records_of,
        open_instance,
        table_states,
    )

    settings = load_settings()
    landing = scan(settings.landing_path, settings.landing_index_path)
    lake, now = open_lake(), datetime.now(UTC)
    missing = overdue(lake, landing, now.date())
    if due:
        render_status.due(missing, now.date(), as_json)
        _exit(exit_code and bool(missing))
        return
    synthetic = note_synthetic(lake, quiet=as_json)
    landing = replace(landing, unusable=(*landing.unusable, *doubtful(lake, landing, now)))
    known = board_weeks(lake, landing)
    shown = board(lake, landing, now.date(), known if every else known[-weeks:])
    with open_instance(of=lake) as instance:
        states = table_states(instance, [row.week_ending for row in shown])
        shown = with_failures(shown, states)
        # A week that is not in this lake is one that another lake's earlier version recorded.
        weeks_here = [
            row.week_ending
            for row in shown
            if row.tables[raw.TABLE.name] is not Freshness.MISSING
            or any(tier.state is Arrival.FAILED for tier in row.tiers.values())
        ]
        records_of = check_records_of(instance, weeks_here, passed_summaries=False)
        checks = {row.week_ending: records_of.get(row.week_ending, []) for row in shown}
    later = [item for item in missing if item.week_ending > known[-1]]
    if as_json:
        found = render_status.status_json(shown, states, checks, landing)
        # On one line: indenting 650 weeks takes half a second.
        also = {"later_weeks_due": render_status.due_json(later), "synthetic": synthetic}
        print_json(found | also, None)
    else:
        most = None if every else MOST_NAMED
        hidden = len(known) - len(shown)
        render_status.status(shown, states, checks, landing, hidden, most)
        render_status.due_line(later)
    _exit(exit_code and bool(later or landing.unusable or not all_done(shown, states)))


def _exit(is_failure: bool) -> None:
    if is_failure:
        raise click.exceptions.Exit(1)


def all_done(shown: Sequence[WeekStatus], states: Mapping[tuple[str, date], str | None]) -> bool:
    """Whether all that is due of these weeks is here, built and recorded."""
    fine = (Arrival.NOT_DUE, Arrival.LOADED, Arrival.CORRECTED)
    return all(
        all(tier.state in fine for tier in row.tiers.values())
        and all(
            state is Freshness.FRESH and states[table, row.week_ending] == "materialized"
            for table, state in row.tables.items()
        )
        for row in shown
    )


@click.command()
@click.argument("week", type=WeekType(), required=False)
@click.option("--top", type=COUNT, default=5, show_default=True, help="Venues and symbols listed.")
@with_json
def week(week: date | None, top: int, as_json: bool) -> None:
    """Summarize a WEEK: top venues and symbols, restatements, checks.

    Default: the newest week that is built.
    """
    from spine_assets.orchestration.history import check_records, open_instance  # noqa: PLC0415 - Dagster is slow to import

    lake = open_lake()
    built = lake.weeks(venue_share.TABLE.name)
    if not built:
        raise no_week_built()
    chosen = week or built[-1]
    if chosen not in built:
        raise click.ClickException(f"week {chosen} is not built; the newest is {built[-1]}")
    with open_instance(of=lake) as instance:
        checks = check_records(instance, chosen)
    with connect(lake, TABLES, analysis=False) as warehouse:
        found = render_status.week_figures(warehouse, chosen, top)
        restated = render_restated.restatements(warehouse, chosen)
    synthetic = note_synthetic(lake, quiet=as_json)
    if as_json:
        shown = render_status.week_json(chosen, found, checks)
        print_json(shown | {"restatements": restated, "synthetic": synthetic})
        return
    render_status.week(chosen, found, checks)
    render_restated.printed(chosen, restated)
