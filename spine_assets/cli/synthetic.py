"""Commands about synthetic data: writing files of it, and taking it out of a data folder."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import click

from spine_assets.alerts.ongoing import FILES
from spine_assets.cli.database import refresh_database
from spine_assets.cli.errors import open_lake, with_json
from spine_assets.cli.render.console import progress
from spine_assets.cli.shared import COUNT, DEFAULT_WEEKS, WeekType, print_json, visible
from spine_assets.core.settings import load_settings
from spine_assets.core.text import counted
from spine_assets.core.weeks import weeks_between
from spine_assets.dev.sample import write_sample
from spine_assets.lake import atomic_write
from spine_assets.lake.base import Lake
from spine_assets.maintenance import remove_sample
from spine_assets.otc.delivery.scan import scan
from spine_assets.pipelines.steps.workspace import tenant_lake, tenants_in
from spine_assets.warehouse.database import differing_weeks
from spine_assets.warehouse.database_contents import contents_of
from spine_assets.warehouse.views import declared_names


@click.group()
def sample() -> None:
    """Write synthetic weekly files, or remove synthetic data."""


@sample.command("write")
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
def sample_write(
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
    spine sample write --weeks 4 --ending 2025-11-21

    Each name in them ends with (synthetic). A data folder holds either such files or FINRA's.
    """
    folder = out or load_settings().landing_path
    wanted = weeks_between(ending - timedelta(weeks=weeks - 1), ending)
    with atomic_write.locked(folder), progress("writing weeks", len(wanted)) as advance:
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


@sample.command("remove")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_json
def sample_remove(yes: bool, as_json: bool) -> None:
    """Remove synthetic files and all that was built of them.

    FINRA's files and what was built of them stay, as do tables without weeks and exports. Dagster
    lists the weeks no more; the database is refreshed.
    """
    if as_json and not yes:
        raise click.UsageError("--json cannot ask; give --yes to remove the synthetic data")
    settings, lake = load_settings(), open_lake()
    landing = scan(settings.landing_path, settings.landing_index_path)
    found = remove_sample.find(lake, landing, settings.landing_path)
    place = visible(str(settings.data_dir))
    named = f"{counted(len(found.files), 'file')} and {counted(len(found.weeks), 'week')}"
    if found and not yes:
        click.confirm(f"Remove {named} of synthetic data from {place}?", abort=True)
    if found:
        remove_sample.remove_files(found, settings.landing_path)
        with progress("removing weeks", len(found.weeks)) as advance:
            remove_sample.remove_weeks(found, lake, advance)
        _forget(lake, found.weeks)
    remove_sample.write_index(lake)  # also where a removal was killed before it came to this
    database = settings.warehouse_path
    if database.exists() and (
        found or differing_weeks(database, contents_of(lake, settings.database_tables))
    ):
        refresh_database(settings)
    if as_json:
        print_json(
            {
                "data_dir": str(settings.data_dir),
                "files": [str(path) for path in found.files],
                "weeks": [str(week) for week in found.weeks],
                "left": [str(path) for path in found.left],
            }
        )
        return
    for path in found.left:
        click.echo(f"{visible(str(path))} stays: it also holds what is not synthetic", err=True)
    click.echo(f"removed {named} of synthetic data" if found else f"no synthetic data in {place}")


def _forget(lake: Lake, weeks: list[date]) -> None:
    """Let Dagster forget what it recorded of weeks; without a storage there is nothing to do."""
    from spine_assets.orchestration import history, reconcile  # noqa: PLC0415 - imports Dagster

    names = [FILES, *declared_names(lake)]
    for tenant in tenants_in(lake):
        names += [f"{tenant}/{name}" for name in declared_names(tenant_lake(lake, tenant))]
    with suppress(history.NoInstance), history.open_instance() as instance:
        reconcile.reconcile(instance, lake, weeks)
        reconcile.forget_weeks(instance, names, weeks)
