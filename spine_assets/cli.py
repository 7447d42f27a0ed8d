"""The `spine` command: a thin front over the lake, the warehouse and Dagster's memory.

Heavy modules are imported by the command that needs them, so that `spine --help` answers
at once. Exit codes: 0 done, 1 failed (the message says why), 2 wrong usage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from spine_assets.lake import Lake

_DEFAULT_WEEKS = 12  # about a quarter, which fits a screen
_COUNT = click.IntRange(min=1)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


class WeekType(click.ParamType[date]):
    """A week by its Friday; another day's error names the right one."""

    name = "week"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Read a Friday, or say which Friday was meant."""
        from spine_assets.weeks import WeekError, parse_week

        try:
            return value if isinstance(value, date) else parse_week(value)
        except WeekError as error:
            self.fail(str(error), param, ctx)


def _told(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the errors that users can mend into one line on standard error."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        import logging

        import duckdb
        from pydantic import ValidationError

        from spine_assets.history import NoInstance
        from spine_assets.lake import LakeError
        from spine_assets.settings import load_settings
        from spine_assets.weeks import WeekError

        try:
            logging.basicConfig(format="%(levelname)s %(message)s")  # others: warnings only
            logging.getLogger("spine_assets").setLevel(load_settings().log_level)
            command(*args, **kwargs)
        except ValidationError as error:
            told = [
                f"SPINE_{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}"
                for e in error.errors()
            ]
            raise click.ClickException("; ".join(told)) from error
        except (LakeError, NoInstance, WeekError, OSError, duckdb.Error) as error:
            raise click.ClickException(str(error)) from error

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="spine-assets")
def main() -> None:
    """FINRA weekly OTC Transparency data: look at it, query it, keep it."""


@main.command()
@click.option(
    "--weeks", type=_COUNT, default=_DEFAULT_WEEKS, show_default=True, help="Newest weeks shown."
)
@click.option("--all", "every", is_flag=True, help="Show all weeks.")
@_as_json
@_told
def status(weeks: int, every: bool, as_json: bool) -> None:
    """The arrival board: weeks by tiers and tables, and files that cannot be used."""
    from spine_assets import render
    from spine_assets.history import check_records, open_instance, table_states
    from spine_assets.otc.landing import scan
    from spine_assets.otc.versions import Standing
    from spine_assets.settings import load_settings
    from spine_assets.status import board

    settings = load_settings()
    landing = scan(settings.landing_path, settings.landing_index_path)
    rows = board(_lake(), landing, datetime.now(UTC).date())
    shown = rows if every else rows[-weeks:]
    with open_instance() as instance:
        states = table_states(instance, [row.week_ending for row in shown])
        # What was said of a week that is not in this lake was said of another lake.
        checks = {
            row.week_ending: check_records(instance, row.week_ending)
            if row.tables["otc_raw"] is not Standing.MISSING
            else []
            for row in shown
        }
    if as_json:
        click.echo(json.dumps(render.status_json(shown, states, checks, landing), indent=1))
        return
    render.status(shown, states, checks, landing, hidden=len(rows) - len(shown))


@main.command()
@click.argument("week", type=WeekType(), required=False)
@click.option("--top", type=_COUNT, default=5, show_default=True, help="Venues and symbols listed.")
@_as_json
@_told
def week(week: date | None, top: int, as_json: bool) -> None:
    """One WEEK at a glance: top venues, top symbols, checks. Default: the newest built."""
    from spine_assets import render
    from spine_assets.history import check_records, open_instance
    from spine_assets.otc.tables import TABLES
    from spine_assets.warehouse import connect

    lake = _lake()
    built = lake.weeks("otc_venue_share")
    if not built:
        raise click.ClickException(
            "no week is built yet; drop files into the landing folder and run "
            "dagster asset materialize -m spine_assets.definitions --select 'group:otc' "
            "--partition WEEK"
        )
    chosen = week or built[-1]
    if chosen not in built:
        raise click.ClickException(f"week {chosen} is not built; the newest is {built[-1]}")
    with open_instance() as instance:
        checks = check_records(instance, chosen)
    with connect(lake, TABLES) as warehouse:
        found = render.week_figures(warehouse, chosen, top)
    if as_json:
        click.echo(json.dumps(render.week_json(chosen, found, checks), indent=1))
        return
    render.week(chosen, found, checks)


@main.command()
@click.argument("sql")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@_as_json
@_told
def query(sql: str, as_csv: bool, as_json: bool) -> None:
    r"""Run one SELECT over the tables; nothing is locked and nothing is changed.

    \b
    spine query "FROM otc_venue_share ORDER BY week_ending DESC, rank LIMIT 10"
    """
    from spine_assets import render
    from spine_assets.otc.tables import TABLES
    from spine_assets.warehouse import connect, is_select

    if not is_select(sql):
        raise click.ClickException(
            "give one statement that only reads, such as SELECT or FROM; to change or write "
            "anything open the database with DuckDB itself"
        )
    with connect(_lake(), TABLES) as warehouse:
        cursor = warehouse.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall() if names else []
    if as_json:
        click.echo(json.dumps(render.records(names, rows), indent=1))
    elif as_csv:
        click.echo(render.csv_text(names, rows), nl=False)
    else:
        render.result(names, rows)


@main.command()
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write to; default: landing folder."
)
@click.option(
    "--weeks", type=_COUNT, default=_DEFAULT_WEEKS, show_default=True, help="Number of weeks."
)
@click.option("--ending", type=WeekType(), default="2025-11-21", show_default=True)
@click.option("--rows", type=_COUNT, default=10_000, show_default=True, help="ATS rows a week.")
@click.option("--seed", default=2014, show_default=True, help="Same seed, same bytes.")
@click.option("--non-ats", is_flag=True, help="Write non-ATS files too.")
@_told
def sample(out: Path | None, weeks: int, ending: date, rows: int, seed: int, non_ats: bool) -> None:
    """Write synthetic weekly files of the real shape. They are not FINRA's data."""
    from datetime import timedelta

    from spine_assets import render
    from spine_assets.sample import write_sample
    from spine_assets.settings import load_settings
    from spine_assets.weeks import weeks_between

    folder = out or load_settings().landing_path
    wanted = weeks_between(ending - timedelta(weeks=weeks - 1), ending)
    with render.progress("writing weeks", len(wanted)) as advance:
        written = 0
        for one in wanted:
            written += len(
                write_sample(folder, [one], seed=seed, rows_per_week=rows, include_non_ats=non_ats)
            )
            advance()
    click.echo(f"wrote {written} synthetic files of {len(wanted)} weeks to {folder}")


@main.group(invoke_without_command=True)
@click.option("--week", type=WeekType(), help="Only this week.")
@_as_json
@click.pass_context
@_told
def captures(context: click.Context, week: date | None, as_json: bool) -> None:
    """What arrived when, and which capture of each tier and class counts and why."""
    from spine_assets import render
    from spine_assets.status import arrivals

    if context.invoked_subcommand is not None:
        return
    lake = _lake()
    found = [
        row for one in ([week] if week else lake.weeks("otc_raw")) for row in arrivals(lake, one)
    ]
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        render.captures(found)


@captures.command("use")
@click.argument("capture_id")
@click.option("--release", is_flag=True, help="Take the pin back: the greatest counts again.")
@_told
def captures_use(capture_id: str, release: bool) -> None:
    """Pin CAPTURE_ID: it counts for its week, tier and class, whatever arrives later."""
    from spine_assets.otc import captures as stored
    from spine_assets.otc import pins

    lake = _lake()
    found = stored.find(lake, capture_id)
    if not found:
        raise click.ClickException(f"there is no capture {capture_id}; `spine captures` lists them")
    for item in found:
        chosen = pins.RELEASED if release else capture_id
        pins.add(lake, item.week_ending, item.key, chosen, datetime.now(UTC))
        said = "released" if release else "pinned"
        click.echo(f"{said} for {item.week_ending} {item.tier} {item.venue_class}; build the week:")
        click.echo(
            "dagster asset materialize -m spine_assets.definitions --select 'group:otc' "
            f"--partition {item.week_ending}"
        )


@main.group()
def db() -> None:
    """The DuckDB side: views over the lake, or a database file of tables."""


@db.command("init")
@_told
def db_init() -> None:
    """Make the folders, empty tables and the file of views."""
    from spine_assets.otc.tables import TABLES
    from spine_assets.settings import load_settings
    from spine_assets.warehouse import ensure_view_file

    settings = load_settings()
    settings.landing_path.mkdir(parents=True, exist_ok=True)
    made = ensure_view_file(settings.warehouse_path, _lake(), TABLES)
    click.echo(f"{'made' if made else 'up to date:'} {settings.warehouse_path}")


@db.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_told
def db_reset(yes: bool) -> None:
    """Delete the lake and the views; delivered files and Dagster's history stay.

    Captures of files that are no longer in the landing folder are lost for good.
    """
    from spine_assets.settings import load_settings
    from spine_assets.warehouse import remove_view_file

    settings, lake = load_settings(), _lake()
    if not yes:
        click.confirm(
            f"Delete {lake.root} with {len(lake.weeks('otc_raw'))} weeks of captures?", abort=True
        )
    lake.remove()
    remove_view_file(settings.warehouse_path)
    click.echo(f"deleted {lake.root} and {settings.warehouse_path}")


@db.command("build")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_as_json
@_told
def db_build(file: Path, as_json: bool) -> None:
    """Write a real DuckDB FILE with tables and indexes: a copy of the lake as it is now."""
    from spine_assets.otc.tables import TABLES
    from spine_assets.settings import load_settings
    from spine_assets.warehouse import build_database

    if file.absolute() == load_settings().warehouse_path:
        raise click.ClickException(f"{file} is the file of views; choose another name")
    rows = build_database(file.absolute(), _lake(), TABLES)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for name, count in rows.items():
        click.echo(f"{name:20} {count:>14,} rows")


def _lake() -> Lake:
    from spine_assets.lake import Lake
    from spine_assets.settings import load_settings

    return Lake(load_settings().lake_path)
