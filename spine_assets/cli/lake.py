"""Commands of the lake's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spine_assets.cli.shared import as_json_option, told, visible
from spine_assets.core.bucket_url import bucket_name_problem, is_bucket_url, prefix_problem

if TYPE_CHECKING:
    from spine_assets.lake import Lake
    from spine_assets.lake_copied import Copied, Planned

_MB = 1_000_000
_SHOWN = 20  # names of a kind; --json has all


@click.group()
def lake() -> None:
    """The lake's files: copy them to another place, compare two places."""


@lake.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--replace", is_flag=True, help="Also replace built files of TO that are other.")
@click.option("--dry-run", is_flag=True, help="Tell what would be copied, by names alone.")
@click.option("--verify-only", is_flag=True, help="Copy nothing; compare all files by content.")
@as_json_option
@told
def lake_copy(
    source: str, target: str, replace: bool, dry_run: bool, verify_only: bool, as_json: bool
) -> None:
    r"""Copy a lake FROM a folder or bucket TO another: all tables, captures, pins and reports.

    \b
    spine lake copy data/lake s3://bucket/lake
    spine lake copy data/lake s3://bucket/lake --verify-only

    Each file is read back and compared by SHA-256. Each week is copied under its lock, so runs may
    go on; run it again for what they changed. What is there with equal content is left as it is,
    so a copy that was broken off goes on. Nothing is deleted. Ends with 1 where TO does not hold
    every file of FROM, byte by byte; a capture or pin of TO is never replaced.
    """
    from spine_assets.cli import render
    from spine_assets.lake_copy import LakeCopy

    if sum((replace, dry_run, verify_only)) > 1:
        raise click.UsageError("give one of --replace, --dry-run and --verify-only")
    here, there = _opened(source), _opened(target)
    work = LakeCopy(here, there)
    if dry_run:
        _tell_plan(work.plan(), here, there, as_json)
        return
    label = "comparing weeks" if verify_only else "copying weeks"
    with render.progress(label, work.steps) as advance:
        if verify_only:
            found = work.compare(advance=advance)
        else:
            found = work.copy(replace=replace, advance=advance)
    if as_json:
        click.echo(json.dumps(_as_json(found, here, there)))
    else:
        _tell(found)
    if not found.is_whole:
        raise click.exceptions.Exit(1)


def _opened(place: str) -> Lake:
    """The lake at a folder or URL.

    Raises:
        click.BadParameter: it is no place of a lake.
    """
    from spine_assets import lakes

    if is_bucket_url(place):
        if problem := bucket_name_problem(place) or prefix_problem(place):
            raise click.BadParameter(problem)
        return lakes.open_lake(place)
    if "://" in place:
        raise click.BadParameter(f"{place} is neither a folder nor a bucket (s3://, gs://, az://)")
    return lakes.open_lake(Path(place).absolute())


def _tell_plan(planned: Planned, here: Lake, there: Lake, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        click.echo(json.dumps({"from": str(here.place), "to": str(there.place), **asdict(planned)}))
        return
    click.echo(
        f"{planned.files:,} files of {planned.weeks:,} weeks would be copied from {here.place} to "
        f"{there.place}; {planned.there:,} of them are there by name and would be compared first"
    )


def _tell(found: Copied) -> None:
    """A table of what was done, and the names of what is wrong."""
    from spine_assets.cli.render import CONSOLE, grid

    table = grid("files", "MB", "weeks", "written", "equal", "seconds")
    numbers = (found.files, found.bytes / _MB, found.weeks, found.written, found.equal)
    table.add_row(
        *(f"{n:,.1f}" if isinstance(n, float) else f"{n:,}" for n in numbers),
        f"{found.seconds:.1f}",
    )
    CONSOLE.print(table)
    click.echo(f"sha256 of all names and contents: {found.digest}")
    _tell_names(found.damaged, "at FROM are damaged and were left out: restore them from a backup")
    _tell_names(found.missing, "are not at TO: spine lake copy FROM TO")
    _tell_names(
        found.differing,
        "are at TO with other content, which was left: --replace puts FROM's built files there; "
        "captures and pins stay, look which of both is right",
    )
    _tell_names(found.extra, "are at TO alone, and stay")


def _tell_names(names: list[str], what: str) -> None:
    if not names:
        return
    click.echo(f"{len(names):,} files {what}", err=True)
    for name in names[:_SHOWN]:
        click.echo(f"  {visible(name)}", err=True)
    if len(names) > _SHOWN:
        click.echo(f"  and {len(names) - _SHOWN:,} more: --json names all", err=True)


def _as_json(found: Copied, here: Lake, there: Lake) -> dict[str, object]:
    from dataclasses import asdict

    told = asdict(found) | {"seconds": round(found.seconds, 3), "whole": found.is_whole}
    return {"from": str(here.place), "to": str(there.place), **told}
