"""The command that says what a file is, and what the next run would do with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from spine_assets.cli.errors import with_json
from spine_assets.cli.render import check_file as render
from spine_assets.cli.shared import print_json
from spine_assets.core.settings import load_settings
from spine_assets.lake.opening import open_lake
from spine_assets.otc.captures.file_check import check_file as checked


@click.command("check-file")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@with_json
def check_file(files: tuple[Path, ...], as_json: bool) -> None:
    r"""Say what each FILE is and what a run would do with it.

    \b
    spine check-file ~/Downloads/finra_otc_weekly_otc_20251222.csv
    spine check-file week_ending=2025-11-21/otc.csv

    Nothing is loaded. FILE is any file, or its path below the landing folder. Shown are its form,
    week, tier and class, its rows, the lines that would be rejected, and whether its content is
    captured already. Exit code 1: something of it would be refused.
    """
    settings, now = load_settings(), datetime.now(UTC)
    landing, lake = settings.landing_path, open_lake(settings.lake_place)  # also in no project
    found = [checked(file, landing, lake, now) for file in files]
    if as_json:
        print_json([render.as_json(item) for item in found])
    else:
        for item in found:
            render.printed(item)
    if not all(item.usable for item in found):
        raise click.exceptions.Exit(1)
