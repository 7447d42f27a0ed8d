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
@told
def db_init() -> None:
    """Make the folders, empty tables and the file of views."""
    from spine_assets.otc.tables import TABLES
    from spine_assets.settings import load_settings
    from spine_assets.warehouse import ensure_view_file

    settings = load_settings()
    settings.landing_path.mkdir(parents=True, exist_ok=True)
    made = ensure_view_file(settings.warehouse_path, open_lake(), TABLES)
    click.echo(f"{'made' if made else 'up to date:'} {settings.warehouse_path}")


@db.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@told
def db_reset(yes: bool) -> None:
    """Delete the lake and the views; delivered files and Dagster's history stay.

    Captures of files that are no longer in the landing folder are lost for good.
    """
    from spine_assets.settings import load_settings
    from spine_assets.warehouse import remove_view_file

    settings, lake = load_settings(), open_lake()
    if not yes:
        click.confirm(
            f"Delete {lake.root} with {len(lake.weeks('otc_raw'))} weeks of captures?", abort=True
        )
    lake.remove()
    remove_view_file(settings.warehouse_path)
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
