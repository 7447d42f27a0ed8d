"""Commands of the DuckDB side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from spine_assets.cli.shared import as_json_option, open_lake, told


@click.group()
def db() -> None:
    """The DuckDB side: views over the lake, or a database file of tables."""


@db.command("init")
@as_json_option
@told
def db_init(as_json: bool) -> None:
    """Make the folders, empty tables and the file of views."""
    from spine_assets.otc.tables import TABLES
    from spine_assets.settings import load_settings
    from spine_assets.warehouse import ensure_view_file

    settings = load_settings()
    settings.landing_path.mkdir(parents=True, exist_ok=True)
    made = ensure_view_file(settings.warehouse_path, open_lake(), TABLES)
    if as_json:
        places = {"landing": settings.landing_path, "lake": settings.lake_path}
        shown = {name: str(path) for name, path in places.items()}
        click.echo(json.dumps({"file": str(settings.warehouse_path), "made": made} | shown))
        return
    click.echo(f"{'made' if made else 'up to date:'} {settings.warehouse_path}")


@db.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json_option
@told
def db_reset(yes: bool, as_json: bool) -> None:
    """Delete the lake and the views; delivered files and Dagster's history stay.

    Captures of files that are no longer in the landing folder are lost for good.
    """
    from spine_assets.settings import load_settings
    from spine_assets.warehouse import remove_view_file

    if as_json and not yes:
        raise click.UsageError("with --json nothing can be asked; say --yes to delete the lake")
    settings, lake = load_settings(), open_lake()
    weeks = len(lake.weeks("otc_raw"))
    if not yes:
        click.confirm(f"Delete {lake.root} with {weeks} weeks of captures?", abort=True)
    lake.remove()
    remove_view_file(settings.warehouse_path)
    if as_json:
        deleted = [str(lake.root), str(settings.warehouse_path)]
        click.echo(json.dumps({"deleted": deleted, "weeks": weeks}))
        return
    click.echo(f"deleted {lake.root} and {settings.warehouse_path}")


@db.command("build")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@as_json_option
@told
def db_build(file: Path, as_json: bool) -> None:
    """Write a real DuckDB FILE with tables and indexes: a copy of the lake as it is now."""
    from spine_assets.otc.tables import TABLES
    from spine_assets.settings import load_settings
    from spine_assets.warehouse import build_database

    if file.absolute() == load_settings().warehouse_path:
        raise click.ClickException(f"{file} is the file of views; choose another name")
    rows = build_database(file.absolute(), open_lake(), TABLES)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for name, count in rows.items():
        click.echo(f"{name:20} {count:>14,} rows")
