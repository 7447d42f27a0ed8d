"""The command that writes synthetic sample files."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import click

from spine_assets.cli.errors import with_json
from spine_assets.cli.render.console import progress
from spine_assets.cli.shared import COUNT, DEFAULT_WEEKS, WeekType, print_json
from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import weeks_between
from spine_assets.dev.sample import write_sample


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write to; default: landing folder."
)
@click.option(
    "--weeks", type=COUNT, default=DEFAULT_WEEKS, show_default=True, help="Number of weeks."
)
@click.option("--ending", type=WeekType(), default="2025-11-21", show_default=True)
@click.option("--rows", type=COUNT, default=10_000, show_default=True, help="ATS rows per week.")
@click.option("--seed", default=2014, show_default=True, help="Same seed, same bytes.")
@click.option("--non-ats", is_flag=True, help="Write non-ATS files too.")
@with_json
def sample(
    out: Path | None,
    weeks: int,
    ending: date,
    rows: int,
    seed: int,
    non_ats: bool,
    as_json: bool,
) -> None:
    r"""Write synthetic weekly files in FINRA's format. They are not FINRA's data.

    \b
    spine sample --weeks 4 --ending 2025-11-21
    """
    folder = out or load_settings().landing_path
    wanted = weeks_between(ending - timedelta(weeks=weeks - 1), ending)
    with progress("writing weeks", len(wanted)) as advance:
        files = write_sample(
            folder,
            wanted,
            seed=seed,
            rows_per_week=rows,
            include_non_ats=non_ats,
            after_week=advance,
        )
    if as_json:
        weeks_json = list(map(str, wanted))
        print_json({"folder": str(folder), "files": len(files), "weeks": weeks_json}, None)
        return
    click.echo(f"wrote {len(files)} synthetic files of {len(wanted)} weeks to {folder}")
