"""Commands that look at what is there: the arrival board, a week, a query."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import click

from spine_assets.cli.shared import (
    COUNT,
    DEFAULT_WEEKS,
    NEWEST_RUNS,
    WeekType,
    as_json_option,
    nothing_built,
    open_lake,
    told,
)
from spine_assets.core.values import csv_text, records


@click.command()
@click.option(
    "--weeks", type=COUNT, default=DEFAULT_WEEKS, show_default=True, help="Newest weeks shown."
)
@click.option("--all", "every", is_flag=True, help="Show all weeks.")
@click.option("--due", is_flag=True, help="List only the weeks with a tier that is overdue.")
@as_json_option
@told
def status(weeks: int, every: bool, due: bool, as_json: bool) -> None:
    """The arrival board: weeks by tiers and tables, and files that cannot be used.

    A tier is not due, overdue, landed (a file is there), failed (and its run failed), loaded or
    corrected. With --json a check that passed has no summary; `spine week --json` has them.
    """
    from spine_assets.cli import render, render_due
    from spine_assets.history import check_records_of, open_instance, table_states
    from spine_assets.otc.overdue import overdue
    from spine_assets.otc.scanning import scan
    from spine_assets.otc.versions import Freshness
    from spine_assets.settings import load_settings
    from spine_assets.status import (
        Arrival,
        board,
        board_weeks,
        doubtful,
        with_failures,
    )

    settings = load_settings()
    landing, lake, now = (
        scan(settings.landing_path, settings.landing_index_path),
        open_lake(),
        datetime.now(UTC),
    )
    missing = overdue(lake, landing, now.date())
    if due:
        render_due.listed(missing, now.date(), as_json)
        return
    landing = replace(landing, unusable=(*landing.unusable, *doubtful(lake, landing, now)))
    known = board_weeks(lake, landing)
    shown = board(lake, landing, now.date(), known if every else known[-weeks:])
    with open_instance() as instance:
        states = table_states(instance, [row.week_ending for row in shown])
        shown = with_failures(shown, states)
        # What was said of a week that is not in this lake was said of another lake.
        told_here = [
            row.week_ending
            for row in shown
            if row.tables["otc_raw"] is not Freshness.MISSING
            or any(tier.state is Arrival.FAILED for tier in row.tiers.values())
        ]
        said = check_records_of(instance, told_here, passed_summaries=False)
        checks = {row.week_ending: said.get(row.week_ending, []) for row in shown}
    later = [item for item in missing if item.week_ending > known[-1]]
    if as_json:
        found = render.status_json(shown, states, checks, landing)
        # In one line: with indents 650 weeks take half a second to write.
        click.echo(json.dumps(found | {"later_weeks_due": render_due.json_of(later)}))
        return
    render.status(shown, states, checks, landing, hidden=len(known) - len(shown))
    render_due.line(later)


@click.command()
@click.argument("week", type=WeekType(), required=False)
@click.option("--top", type=COUNT, default=5, show_default=True, help="Venues and symbols listed.")
@as_json_option
@told
def week(week: date | None, top: int, as_json: bool) -> None:
    """One WEEK at a glance: top venues, top symbols, restatements, checks.

    Default: the newest that is built.
    """
    from spine_assets.cli import render, render_restated
    from spine_assets.history import check_records, open_instance
    from spine_assets.otc.tables import TABLES
    from spine_assets.warehouse import connect

    lake = open_lake()
    built = lake.weeks("otc_venue_share")
    if not built:
        raise nothing_built()
    chosen = week or built[-1]
    if chosen not in built:
        raise click.ClickException(f"week {chosen} is not built; the newest is {built[-1]}")
    with open_instance() as instance:
        checks = check_records(instance, chosen)
    with connect(lake, TABLES, analysis=False) as warehouse:
        found = render.week_figures(warehouse, chosen, top)
        restated = render_restated.restatements(warehouse, chosen)
    if as_json:
        whole = render.week_json(chosen, found, checks) | {"restatements": restated}
        click.echo(json.dumps(whole, indent=1))
        return
    render.week(chosen, found, checks)
    render_restated.printed(chosen, restated)


@click.command()
@click.argument("sql")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--parquet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the rows, however many, to a Parquet FILE.",
)
@click.option(
    "--runs",
    "newest",
    type=COUNT,
    default=NEWEST_RUNS,
    show_default=True,
    help="Newest runs that the x_meta tables hold.",
)
@click.option("--tenant", help="Ask as this tenant: what is shared, and its own tables and runs.")
@as_json_option
@told
def query(
    sql: str, as_csv: bool, parquet: Path | None, newest: int, tenant: str | None, as_json: bool
) -> None:
    r"""Run one SELECT over the tables; nothing is locked and nothing is changed.

    \b
    spine query "FROM otc_venue_share ORDER BY week_ending DESC, rank LIMIT 10"
    spine query "FROM otc_venue_volume" --parquet volume.parquet

    Runs and their steps are tables too, read from Dagster when a query names them:

    \b
    spine query "FROM x_meta_pipeline_runs WHERE status = 'FAILED'"

    With --parquet, --json tells what was written. With --tenant no other file can be opened,
    whatever the query says.
    """
    from spine_assets.cli import render, run_logs
    from spine_assets.cli.asking import warehouse_of
    from spine_assets.query_file import write_answer
    from spine_assets.warehouse import answer, is_select

    if parquet and as_csv:
        raise click.UsageError("--csv prints and --parquet writes a file; give one of them")
    if parquet and tenant:
        raise click.UsageError("with --tenant no file can be written; print --csv, or export it")
    if not is_select(sql):
        raise click.ClickException(
            "give one statement that only reads, such as SELECT or FROM; to change or write "
            "anything open the database with DuckDB itself"
        )
    with warehouse_of(sql, tenant) as warehouse:
        run_logs.add_named(warehouse, sql, newest, tenant)
        if parquet:
            written = write_answer(warehouse, sql, parquet)
            done = json.dumps({"file": str(parquet), "rows": written})
            click.echo(done if as_json else f"wrote {written:,} rows to {parquet}", err=not as_json)
            return
        names, rows = answer(warehouse, sql)
    if as_json:
        click.echo(json.dumps(records(names, rows), indent=1))
    elif as_csv:
        click.echo(csv_text(names, rows), nl=False, color=True)  # nothing is stripped
    else:
        render.result(names, rows)
