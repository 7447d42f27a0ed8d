"""Commands about DuckDB databases of tables."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import asdict
from datetime import date
from pathlib import Path

import click

from spine_assets.cli import run_logs
from spine_assets.cli.errors import open_lake, with_json
from spine_assets.cli.render.console import progress_of
from spine_assets.cli.shared import COUNT, NameChoice, WeekType, print_json
from spine_assets.core.settings import Settings, load_settings
from spine_assets.lake.format import empty
from spine_assets.otc.tables import raw, rejects
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.steps.workspace import tenant_lake, tenants_in
from spine_assets.report import NAME as REPORT
from spine_assets.warehouse.core_tables import CORE_TABLES, DAGSTER_TABLES
from spine_assets.warehouse.database import Refreshed, other_lake, refresh
from spine_assets.warehouse.database_check import compare
from spine_assets.warehouse.database_contents import Contents, DagsterTables, contents_of
from spine_assets.warehouse.views import declared_names

_TABLE_NAMES = [table.name for table in TABLES]
_AS_DELIVERED = (raw.TABLE.name, rejects.TABLE.name)
_MB = 1_000_000


@click.group()
def db() -> None:
    """Refresh, check or sort the DuckDB database, or write another."""


@db.command("init")
@with_json
def db_init(as_json: bool) -> None:
    """Make the folders, the lake's empty tables and the database."""
    settings = load_settings()
    made = not settings.warehouse_path.exists()
    refresh_database(settings)
    settings.landing_path.mkdir(parents=True, exist_ok=True)
    if as_json:
        places = {"landing": settings.landing_path, "lake": settings.lake_place}
        shown = {name: str(path) for name, path in places.items()}
        print_json({"file": str(settings.warehouse_path), "made": made} | shown, None)
        return
    click.echo(f"{'created' if made else 'up to date:'} {settings.warehouse_path}")


@db.command("refresh")
@with_json
def db_refresh(as_json: bool) -> None:
    """Bring the database up to date with the lake, as each run does.

    Weeks whose files in the lake changed are loaded again, and Dagster's record too. Whoever has
    the database open keeps the earlier state until they open it again. A database that another
    process has open for writing stays as it is.
    """
    _show(refresh_database(load_settings()), as_json=as_json)


@db.command("optimize")
@with_json
def db_optimize(as_json: bool) -> None:
    """Refresh the database, and sort it so that queries are quick.

    Each year that had weeks appended is sorted. A year that is over is sorted by itself.
    """
    _show(refresh_database(load_settings(), sort=True), as_json=as_json)


@db.command("check")
@with_json
def db_check(as_json: bool) -> None:
    """Compare each week of each table with the lake.

    Compared are rows, sums, builds and a hash of the rows. Exit code 1: a week differs. `spine db
    refresh` loads it.
    """
    settings = load_settings()
    contents = contents_of(open_lake(), settings.database_tables)
    if not settings.warehouse_path.exists():
        raise click.ClickException(
            f"there is no {settings.warehouse_path}; spine db refresh makes it"
        )
    if problem := other_lake(settings.warehouse_path, contents.lake):
        raise click.ClickException(problem)
    with progress_of("comparing tables") as advance:
        found = [*compare(settings.warehouse_path, contents, advance)]
    if as_json:
        print_json([asdict(item) for item in found])
    for item in () if as_json else found:
        click.echo(f"{item.table:20} {item.week}  {item.reason}")
    if found:
        raise click.exceptions.Exit(1)
    if not as_json:
        click.echo(f"{settings.warehouse_path} holds what the lake does")


def refresh_database(settings: Settings, *, sort: bool = False) -> Refreshed:
    """Bring the project's database up to date, with a progress bar."""
    with run_logs.log_pages() as read, progress_of("loading weeks") as advance:
        return refresh(
            settings.warehouse_path,
            contents_of(open_lake(may_begin=True), settings.database_tables),
            memory_bytes=settings.memory_limit,
            recorded=DagsterTables(CORE_TABLES, read),
            sort=sort,
            advance=advance,
        )


def _show(found: Refreshed, *, as_json: bool, since: date | None = None) -> None:
    """What a database holds and what was done to it."""
    if as_json:
        print_json(_as_json(found, since), None)
        return
    for name, rows in found.rows.items():
        loaded = len(found.loaded.get(name, ()))
        done = f"  {loaded:,} loaded" if loaded else ""
        click.echo(f"{name:20} {rows:>14,} rows {found.weeks[name]:>6,} weeks{done}")
    for name, rows in found.logged.items():
        click.echo(f"{name:20} {rows:>14,} rows")
    for week, reason in found.left.items():
        click.echo(f"{week} keeps its earlier state: {reason}", err=True)
    click.echo(f"{found.path}: {found.size / _MB:,.1f} MB in {found.seconds:.1f} s", err=True)


@db.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_json
def db_reset(yes: bool, as_json: bool) -> None:
    """Delete the lake and the tables of the database.

    Delivered files and Dagster's runs are kept. Captures of files that are no longer in the landing
    folder are lost. Dagster lists the tables' weeks no more.
    """
    if as_json and not yes:
        raise click.UsageError("--json cannot ask; give --yes to delete the lake")
    settings, lake = load_settings(), open_lake()
    weeks = len(lake.weeks(raw.TABLE.name))
    if not yes:
        click.confirm(f"Delete {lake.root} with {weeks} weeks of captures?", abort=True)
    names = [*_TABLE_NAMES, REPORT, *declared_names(lake)]
    for tenant in tenants_in(lake):
        of_tenant = tenant_lake(lake, tenant)
        names += [f"{tenant}/{name}" for name in declared_names(of_tenant)]
        of_tenant.remove()
    empty(lake)
    _wipe(names)
    if settings.warehouse_path.exists():
        refresh_database(settings)
    if as_json:
        print_json({"deleted": [str(lake.root)], "weeks": weeks}, None)
        return
    click.echo(f"deleted {lake.root}; the tables of {settings.warehouse_path} are empty")


def _wipe(names: list[str]) -> None:
    """Let Dagster forget the weeks of tables; without a Dagster storage there is nothing to do."""
    from spine_assets.orchestration import history  # noqa: PLC0415 - imports Dagster

    with suppress(history.NoInstance), history.open_instance() as instance:
        known = instance.all_asset_keys()
        instance.wipe_assets([key for key in known if key.to_user_string() in names])


@db.command("build")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--table",
    "names",
    type=NameChoice(_TABLE_NAMES),
    multiple=True,
    help=f"Only this table; repeatable. Default: all but {' and '.join(_AS_DELIVERED)}.",
)
@click.option("--all", "every", is_flag=True, help="All tables: twice the size and time.")
@click.option("--since", type=WeekType(), metavar="WEEK", help="First week; default: all.")
@click.option(
    "--memory",
    type=COUNT,
    default=1,
    show_default=True,
    metavar="GB",
    help="Memory for sorting; what exceeds it goes to disk, beside FILE.",
)
@with_json
def db_build(
    file: Path, names: tuple[str, ...], every: bool, since: date | None, memory: int, as_json: bool
) -> None:
    r"""Write another DuckDB database FILE, sorted for quick queries.

    \b
    spine db build data/otc.duckdb --since 2024-01-05

    It is refreshed as `spine db refresh` refreshes the database of the project: only weeks that
    changed are loaded again. Without --table it also has what Dagster recorded: all runs and their
    steps, as x_meta_pipeline_runs and x_meta_step_logs, core_manifest and core_anomalies.
    """
    if names and every:
        raise click.UsageError("give --table or --all, not both")
    if file.resolve() == load_settings().warehouse_path.resolve():
        raise click.ClickException(f"{file} is the database of the project: spine db refresh")
    lake = open_lake()
    wanted = names or [name for name in _TABLE_NAMES if every or name not in _AS_DELIVERED]
    tables = tuple(table for table in TABLES if table.name in wanted)
    with (
        nullcontext() if names else run_logs.log_pages(runs=True) as read,
        progress_of("loading weeks") as advance,
    ):
        found = refresh(
            file,
            Contents(lake, tables, since=since, declared=False),
            memory_bytes=memory * 10**9,
            recorded=DagsterTables(DAGSTER_TABLES, read) if read else DagsterTables(),
            advance=advance,
        )
    _show(found, as_json=as_json, since=since)


def _as_json(found: Refreshed, since: date | None) -> dict[str, object]:
    """What a database holds and what was done to it, for programs."""
    return {
        "file": str(found.path),
        "bytes": found.size,
        "seconds": round(found.seconds, 3),
        "since": since and str(since),
        "tables": {
            name: {
                "rows": rows,
                "weeks": found.weeks[name],
                "loaded": [week and str(week) for week in found.loaded.get(name, [])],
            }
            for name, rows in found.rows.items()
        },
        "left": {str(week): reason for week, reason in found.left.items()},
        "run_log": found.logged,
    }
