"""Commands about the DuckDB views and database files."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from datetime import date
from pathlib import Path

import click

from spine_assets.cli import run_logs
from spine_assets.cli.errors import open_lake, with_json
from spine_assets.cli.render.console import progress
from spine_assets.cli.shared import COUNT, NameChoice, WeekType, print_json
from spine_assets.core.settings import load_settings
from spine_assets.otc.tables import raw, rejects
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.steps.workspace import tenant_lake, tenants_in
from spine_assets.report import NAME as REPORT
from spine_assets.warehouse.database_file import BuiltDatabase, build_database, copy_steps
from spine_assets.warehouse.view_file import ensure_view_file, remove_view_file
from spine_assets.warehouse.views import declared_names

_TABLE_NAMES = [table.name for table in TABLES]
_AS_DELIVERED = (raw.TABLE.name, rejects.TABLE.name)
_MB = 1_000_000


@click.group()
def db() -> None:
    """Create the DuckDB views over the lake, or a database file of tables."""


@db.command("init")
@with_json
def db_init(as_json: bool) -> None:
    """Create the folders, empty tables and the file of views."""
    settings = load_settings()
    settings.landing_path.mkdir(parents=True, exist_ok=True)
    made = ensure_view_file(settings.warehouse_path, open_lake(), TABLES)
    if as_json:
        places = {"landing": settings.landing_path, "lake": settings.lake_place}
        shown = {name: str(path) for name, path in places.items()}
        print_json({"file": str(settings.warehouse_path), "made": made} | shown, None)
        return
    click.echo(f"{'created' if made else 'up to date:'} {settings.warehouse_path}")


@db.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_json
def db_reset(yes: bool, as_json: bool) -> None:
    """Delete the lake and the views; keep delivered files, and Dagster's runs with their logs.

    Captures of files that are no longer in the landing folder are lost. Dagster lists the tables'
    weeks no more.
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
    lake.remove()
    remove_view_file(settings.warehouse_path)
    _wipe(names)
    if as_json:
        deleted = [str(lake.root), str(settings.warehouse_path)]
        print_json({"deleted": deleted, "weeks": weeks}, None)
        return
    click.echo(f"deleted {lake.root} and {settings.warehouse_path}")


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
    r"""Write a DuckDB database FILE: a copy of the lake's tables, sorted for fast queries.

    \b
    spine db build data/otc.duckdb --since 2024-01-05

    An earlier FILE of this command is replaced once the new one is complete; readers that have
    it open keep the old content. Its table spine_build lists which builds of which weeks it
    holds. Without --table it also has what Dagster recorded: all runs and their steps, as
    x_meta_pipeline_runs and x_meta_step_logs, core_manifest and core_anomalies.
    """
    if names and every:
        raise click.UsageError("give --table or --all, not both")
    if file.resolve() == load_settings().warehouse_path.resolve():
        raise click.ClickException(f"{file} is the file of views; give another name")
    wanted = names or [name for name in _TABLE_NAMES if every or name not in _AS_DELIVERED]
    tables = tuple(table for table in TABLES if table.name in wanted)
    lake = open_lake()
    steps = len(copy_steps(lake, tables, since))
    with (
        nullcontext() if names else run_logs.all_pages() as logged,
        progress("copying years", steps) as advance,
    ):
        built = build_database(
            file, lake, tables, since=since, memory_gb=memory, runs=logged, advance=advance
        )
    if as_json:
        print_json(_built_json(built, since), None)
        return
    for name, rows in built.rows.items():
        click.echo(f"{name:20} {rows:>14,} rows {built.weeks[name]:>6,} weeks")
    for name, rows in built.logged.items():
        click.echo(f"{name:20} {rows:>14,} rows")
    click.echo(f"wrote {file}: {built.size / _MB:,.1f} MB in {built.seconds:.1f} s", err=True)


def _built_json(built: BuiltDatabase, since: date | None) -> dict[str, object]:
    """What was written, for programs."""
    return {
        "file": str(built.file),
        "bytes": built.size,
        "seconds": round(built.seconds, 3),
        "since": since and str(since),
        "tables": {
            name: {"rows": rows, "weeks": built.weeks[name]} for name, rows in built.rows.items()
        },
        "run_log": built.logged,
    }
