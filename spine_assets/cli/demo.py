"""The command that loads the synthetic sample into a place of its own, and shows it.

Belongs here: the steps of `make demo`, which is this command after an installation. Does not belong
here: the files of the sample (`dev.sample`).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from spine_assets.cli.errors import with_json
from spine_assets.cli.shared import is_place_chosen, print_json, visible
from spine_assets.cli.status import status, week
from spine_assets.core.project_root import NO_PROJECT, anchored, has_project, project_root
from spine_assets.core.settings import Settings, load_settings
from spine_assets.dev.sample import COMMITTED_WEEKS, write_committed_sample
from spine_assets.lake.opening import open_lake
from spine_assets.otc.tables import raw

PLACE = Path("data", "demo")
"""Where the sample is loaded, below the project's root."""
_CHOICE = f"SPINE_DATA_DIR={PLACE}"
_WEEKS = f"{COMMITTED_WEEKS[0]}...{COMMITTED_WEEKS[-1]}"
_MATERIALIZE = (
    *("asset", "materialize", "-m", "spine_assets.definitions"),
    *("--select", "group:otc", "--partition-range", _WEEKS),
)
_MATERIALIZED = f"dagster asset materialize --select 'group:otc' --partition-range {_WEEKS}"
_SHOWN = "where each command here looks."
_NOT_SHOWN = f"and your settings are left as they are: with {_CHOICE} in .env commands show it."
_LOG_LINES = 40  # the end of a failed command's log, which has the error
_NEXT = (
    ("spine ui", "the Dagster UI on http://127.0.0.1:3000"),
    ("spine report --open", "the newest complete week as a page"),
    ("spine trace PMCY 2025-10-17 --mpid XSTM", "from a number to its line in the file"),
    ("spine diff 2025-10-17", "what the corrected file changed"),
    (
        "spine query 'SELECT week_ending, rank, mpid, total_volume FROM otc_venue_share "
        "ORDER BY ALL LIMIT 9'",
        "",
    ),
)


@click.command()
@click.pass_context
@with_json
def demo(ctx: click.Context, as_json: bool) -> None:
    """Load twelve synthetic weeks into data/demo, and show them.

    The sample is made by our own generator; it is not FINRA's. Your own data is not touched. Where
    the project has no .env file and no data yet, .env is written, so that commands and Dagster show
    the demo.
    """
    if not has_project():
        raise click.ClickException(NO_PROJECT)
    place = anchored(PLACE)
    is_chosen = choose_place()
    landing = place / "landing"
    report = partial(click.echo, err=as_json)
    with TemporaryDirectory() as folder, _environment(_place_settings(place)):
        write_committed_sample(Path(folder))
        report(f"1/4  landing the sample in {PLACE}: 12 weeks as they first arrived")
        shutil.copytree(Path(folder, "first"), landing, dirs_exist_ok=True)
        report(f"2/4  {_MATERIALIZED}")
        _materialize(place)
        report("3/4  a late tier and a corrected file arrive; the same command again")
        shutil.copytree(Path(folder, "later"), landing, dirs_exist_ok=True)
        _materialize(place)
        if as_json:
            weeks = list(map(str, COMMITTED_WEEKS))
            print_json({"place": str(place), "chosen": is_chosen, "weeks": weeks}, None)
            return
        report("4/4  what was made")
        ctx.invoke(status)
        report(f"(the sample ends with {COMMITTED_WEEKS[-1]}: later weeks are due and not here)")
        ctx.invoke(week, top=5)
    _show_next(place)


def choose_place() -> bool:
    """Write `.env`, which chooses the demo's place, where no place was chosen and none is used.

    Returns:
        Whether it was written.
    """
    own = load_settings()
    usual = anchored(Settings.model_fields["data_dir"].default)
    if is_place_chosen() or own.data_dir != usual:
        return False
    if any(path.is_file() for path in own.landing_path.rglob("*")):
        return False
    if open_lake(own.lake_place).names(raw.TABLE.name):
        return False
    try:
        with (project_root() / ".env").open("x", encoding="utf-8") as file:
            file.write(f"{_CHOICE}\n")
    except FileExistsError:
        return False
    return True


def _place_settings(place: Path) -> dict[str, str]:
    """Settings of the demo, whatever `.env` and the environment say."""
    return {
        "DAGSTER_HOME": str(project_root()),
        "SPINE_DATA_DIR": str(place),
        "SPINE_LAKE": str(place / "lake"),
        "SPINE_DATABASE_PATH": str(place / "spine.duckdb"),
    }


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _materialize(place: Path) -> None:
    """Let Dagster build the weeks; its log is shown only where it fails.

    It is started in the demo's place, since Dagster lets an `.env` file of its working folder
    overrule the environment.
    """
    log = place / "demo.log"
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(  # noqa: S603 - words of our own
            [sys.executable, "-m", "dagster", *_MATERIALIZE],
            cwd=place,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        lines = log.read_text("utf-8").splitlines()[-_LOG_LINES:]
        click.echo("\n".join(map(visible, lines)), err=True)
        raise click.ClickException(f"it failed; the whole log is {visible(str(log))}")


def _show_next(place: Path) -> None:
    """Commands to go on with, as they are typed in this folder."""
    own = load_settings()
    is_shown = (own.data_dir, Path(own.lake_place)) == (place, place / "lake")
    programs, here = Path(sys.executable).parent, Path.cwd()
    inside = programs.is_relative_to(here)  # as in a clone whose environment is not activated
    folder = f"{shlex.quote(str(programs.relative_to(here)))}/" if inside else ""
    click.echo(f"\nThe tables are in {PLACE / 'spine.duckdb'}, for any DuckDB client (read-only).")
    click.echo(f"All of it is in {PLACE}, {_SHOWN if is_shown else _NOT_SHOWN} Next:")
    for command, what in _NEXT:
        click.echo(f"  {folder}{command}{f'   # {what}' if what else ''}")
    if is_shown:
        click.echo("For FINRA's own files, a place of its own:")
        click.echo("  echo SPINE_DATA_DIR=data > .env   # drop them into data/landing: spine ui")
        click.echo(f"  {folder}spine backfill --missing   # builds them, and so does this")
