"""Commands about the lake's files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from spine_assets.cli.errors import open_lake, with_json
from spine_assets.cli.render.console import CONSOLE, grid, progress
from spine_assets.cli.shared import print_json, visible
from spine_assets.core.bucket_url import bucket_name_problem, is_bucket_url, prefix_problem
from spine_assets.core.settings import load_settings
from spine_assets.lake import opening as lakes
from spine_assets.lake.base import Lake
from spine_assets.maintenance.copy_lake import LakeCopy
from spine_assets.maintenance.copy_results import CopyPlan, CopyResult
from spine_assets.maintenance.migrate_lake import MigrationResult, migrate, weeks_of
from spine_assets.otc.delivery.scan import scan

_MB = 1_000_000
_SHOWN = 20  # names per kind; --json has all


@click.group()
def lake() -> None:
    """Copy the lake, compare two lakes, or migrate to today's format."""


@lake.command("migrate")
@click.option("--dry-run", is_flag=True, help="Print what there is to do; change nothing.")
@with_json
def lake_migrate(dry_run: bool, as_json: bool) -> None:
    r"""Bring the lake up to the format of this program.

    \b
    spine lake migrate --dry-run
    spine lake migrate

    Captures get their delivered contents from the landing folder, and files of tables the columns
    that were added since; the number of the format is written last. Each week is changed under its
    lock, so runs may continue. Run it again after an interruption, or when more files are in the
    landing folder. Nothing is deleted. Copy the lake first: an earlier version of the program
    cannot read what this one writes.
    """
    settings, opened = load_settings(), open_lake()
    landing = scan(settings.landing_path, settings.landing_index_path)
    label = "examining weeks" if dry_run else "migrating weeks"
    with progress(label, len(weeks_of(opened))) as advance:
        found = migrate(opened, landing, dry_run=dry_run, advance=advance)
    if as_json:
        print_json(_migration_json(found, dry_run=dry_run), None)
    else:
        _print_migration(found, dry_run=dry_run)


def _migration_json(found: MigrationResult, *, dry_run: bool) -> dict[str, object]:
    without = {str(week): ids for week, ids in found.without_content.items()}
    facts = asdict(found) | {"without_content": without, "seconds": round(found.seconds, 3)}
    return {"dry_run": dry_run, **facts}


def _print_migration(found: MigrationResult, *, dry_run: bool) -> None:
    would = "would be" if dry_run else "was"
    table = grid("weeks", "contents kept", "contents added", "files written again", "seconds")
    table.add_row(
        *(f"{n:,}" for n in (found.weeks, found.kept, found.contents, found.rewritten)),
        f"{found.seconds:.1f}",
    )
    CONSOLE.print(table)
    missing = sum(map(len, found.without_content.values()))
    if missing:
        weeks = [str(week) for week in found.without_content]
        click.echo(
            f"{missing:,} captures of {len(weeks):,} weeks have no content, here or in the landing "
            "folder: new rules cannot reach them"
        )
        for week in weeks[:_SHOWN]:
            click.echo(f"  {week}")
        if len(weeks) > _SHOWN:
            click.echo(f"  and {len(weeks) - _SHOWN:,} more: --json names all")
    if found.before == found.after:
        click.echo(f"the lake has format {found.after} already")
    else:
        click.echo(f"the lake {would} brought from format {found.before} to {found.after}")
    if not dry_run:
        click.echo("spine backfill --missing reads the contents by today's rules")


@lake.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--replace", is_flag=True, help="Also replace tables of TO that differ.")
@click.option("--dry-run", is_flag=True, help="Count what would be copied, by file names.")
@click.option("--verify-only", is_flag=True, help="Copy nothing; compare all files by content.")
@with_json
def lake_copy(
    source: str, target: str, replace: bool, dry_run: bool, verify_only: bool, as_json: bool
) -> None:
    r"""Copy a lake FROM a folder or bucket TO another.

    \b
    spine lake copy data/lake s3://bucket/lake
    spine lake copy data/lake s3://bucket/lake --verify-only

    Copied are all tables, captures, pins and reports. Each file is read back and compared by
    SHA-256. Each week is copied under its lock, so runs may continue; copy again for what they
    changed. Files of TO with equal content are skipped, so an interrupted copy resumes. Nothing is
    deleted, and a delivered content or pin of TO is never replaced.
    Exit code 1: TO does not hold every file of FROM, byte by byte.
    """
    if sum((replace, dry_run, verify_only)) > 1:
        raise click.UsageError("give one of --replace, --dry-run and --verify-only")
    from_lake, to_lake = _open(source), _open(target)
    work = LakeCopy(from_lake, to_lake)
    if dry_run:
        _print_plan(work.plan(), from_lake, to_lake, as_json)
        return
    label = "comparing weeks" if verify_only else "copying weeks"
    with progress(label, work.steps) as advance:
        if verify_only:
            found = work.compare(advance=advance)
        else:
            found = work.copy(replace=replace, advance=advance)
    if as_json:
        print_json(_as_json(found, from_lake, to_lake), None)
    else:
        _print_result(found)
    if not found.is_complete:
        raise click.exceptions.Exit(1)


def _open(place: str) -> Lake:
    """The lake at a folder or URL.

    Raises:
        click.BadParameter: a lake cannot be there.
    """
    if is_bucket_url(place):
        if problem := bucket_name_problem(place) or prefix_problem(place):
            raise click.BadParameter(problem)
        return lakes.open_lake(place)
    if "://" in place:
        raise click.BadParameter(f"{place} is neither a folder nor a bucket (s3://, gs://, az://)")
    return lakes.open_lake(Path(place).absolute())


def _print_plan(planned: CopyPlan, from_lake: Lake, to_lake: Lake, as_json: bool) -> None:
    if as_json:
        print_json(
            {"from": str(from_lake.place), "to": str(to_lake.place), **asdict(planned)}, None
        )
        return
    click.echo(
        f"{planned.files:,} files of {planned.weeks:,} weeks would be copied from "
        f"{from_lake.place} to {to_lake.place}; {planned.there:,} of them exist there by name and "
        "would be compared first"
    )


def _print_result(found: CopyResult) -> None:
    """A table of what was done, and the names of files that are damaged, missing or different."""
    table = grid("files", "MB", "weeks", "written", "equal", "seconds")
    numbers = (found.files, found.bytes / _MB, found.weeks, found.written, found.equal)
    table.add_row(
        *(f"{n:,.1f}" if isinstance(n, float) else f"{n:,}" for n in numbers),
        f"{found.seconds:.1f}",
    )
    CONSOLE.print(table)
    click.echo(f"sha256 of all names and contents: {found.digest}")
    _print_names(
        found.damaged, "at FROM are damaged and were not copied: restore them from a backup"
    )
    _print_names(found.missing, "are not at TO: spine lake copy FROM TO")
    _print_names(
        found.differing,
        "differ at TO and were not replaced: --replace copies FROM's tables; "
        "of delivered contents and pins, find out which is right",
    )
    _print_names(found.extra, "are at TO only, and were kept")


def _print_names(names: list[str], what: str) -> None:
    if not names:
        return
    click.echo(f"{len(names):,} files {what}", err=True)
    for name in names[:_SHOWN]:
        click.echo(f"  {visible(name)}", err=True)
    if len(names) > _SHOWN:
        click.echo(f"  and {len(names) - _SHOWN:,} more: --json names all", err=True)


def _as_json(found: CopyResult, from_lake: Lake, to_lake: Lake) -> dict[str, object]:
    facts = asdict(found) | {"seconds": round(found.seconds, 3), "whole": found.is_complete}
    return {"from": str(from_lake.place), "to": str(to_lake.place), **facts}
