"""The command that copies history and lake while runs go on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import click

from spine_assets.cli.errors import open_lake, with_json
from spine_assets.cli.render.console import progress
from spine_assets.cli.shared import print_json, visible
from spine_assets.core.project_root import CONFIG, project_root
from spine_assets.lake import atomic_write
from spine_assets.lake import opening as lakes
from spine_assets.lake.base import Lake
from spine_assets.maintenance.backup import HISTORY, LAKE, copy_history, files_of
from spine_assets.maintenance.copy_lake import LakeCopy, begin
from spine_assets.maintenance.doctor.configuration import sqlite_folder


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@with_json
def backup(folder: Path, as_json: bool) -> None:
    r"""Copy history and lake to DIR, while daemon and runs go on.

    \b
    spine backup /backups/spine

    DIR/dagster has the history: each SQLite database as it was at one moment, and the logs.
    DIR/lake has the lake, each week copied under its lock. Only what changed since the last backup
    to DIR is copied; nothing of DIR is deleted. A history in PostgreSQL is left to pg_dump, and
    files in the landing folder that are not captured yet to you. To restore, copy both folders to
    their places and run spine doctor --repair. Exit code 1: a file of the lake is damaged.
    """
    lake, history = open_lake(), sqlite_folder(project_root())
    target = folder.absolute()
    for place in (history, lake.place):
        if isinstance(place, Path) and target.resolve().is_relative_to(place.resolve()):
            raise click.UsageError(f"{visible(str(target))} is in {place}, which is copied")
    with atomic_write.locked(target):
        _back_up(lake, history, target, as_json=as_json)


def _back_up(lake: Lake, history: Path | None, target: Path, *, as_json: bool) -> None:
    """Copy both, and say what was copied; under the lock of the target."""
    copied = equal = 0
    to_lake = lakes.open_lake(target / LAKE)
    begin(lake, to_lake)
    if history is not None and history.is_dir():
        try:
            with progress("copying history", len(files_of(history))) as advance:
                copied, equal = copy_history(history, target / HISTORY, advance=advance)
        except sqlite3.Error as error:
            raise click.ClickException(
                f"a database of {history} cannot be copied ({error}); spine doctor examines it"
            ) from error
        config = target / HISTORY / CONFIG
        atomic_write.remove_leftovers(config)
        atomic_write.write(config, (project_root() / CONFIG).read_bytes())
    work = LakeCopy(lake, to_lake)
    with progress("copying weeks", work.steps) as advance:
        found = work.copy(replace=True, advance=advance)
    if as_json:
        print_json(
            {
                "history": history and {"from": str(history), "copied": copied, "equal": equal},
                "lake": {
                    "from": str(lake.place),
                    "copied": found.written,
                    "equal": found.equal,
                    "damaged": found.damaged,
                    "differing": found.differing,
                },
                "to": str(target),
            },
            None,
        )
    else:
        if history is None:
            click.echo("the history is not in SQLite and is not copied; pg_dump makes a backup")
        else:
            click.echo(f"history: {copied:,} files copied, {equal:,} unchanged")
        click.echo(f"lake: {found.written:,} files copied, {found.equal:,} unchanged")
        for names, what in (
            (found.damaged, "are damaged and were not copied: spine doctor names them"),
            (found.differing, "differ in DIR, where such files never change: take a new DIR"),
        ):
            if names:
                click.echo(f"{len(names):,} files {what}: {', '.join(map(visible, names[:3]))}")
        click.echo(f"wrote {visible(str(target))}", err=True)
    if not found.is_complete:
        raise click.exceptions.Exit(1)
