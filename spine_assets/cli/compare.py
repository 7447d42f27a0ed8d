"""The command that compares the backends on the same weeks."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from spine_assets.cli.errors import with_json
from spine_assets.cli.render import compare as render_compare
from spine_assets.cli.shared import COUNT, WeekType, print_json
from spine_assets.core.settings import load_settings
from spine_assets.dev.compare_backends import sides
from spine_assets.dev.compare_backends.sides import BACKENDS, missing
from spine_assets.otc.delivery.scan import scan

_WEEKS = 4  # a minute per backend, and enough weeks to show a cost per week


class BackendsType(click.ParamType[tuple[str, ...]]):
    """Names of backends, separated by commas."""

    name = "backends"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Parse the names."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(part.strip() for part in str(value).split(",")))
        if unknown := [name for name in names if name not in BACKENDS]:
            self.fail(f"there is no {unknown[0]!r}; known: {', '.join(BACKENDS)}", param, ctx)
        return names


@click.command()
@click.option("--first", type=WeekType(), help="First week; with --last.")
@click.option("--last", type=WeekType(), help="Last week.")
@click.option("--weeks", type=COUNT, help=f"Newest weeks with files; default: {_WEEKS}.")
@click.option("--backends", type=BackendsType(), metavar="A,B", help="Default: all that can run.")
@click.option(
    "--repeat",
    type=COUNT,
    default=1,
    show_default=True,
    help="Runs per backend; medians are reported.",
)
@click.option("--workers", type=COUNT, default=1, show_default=True, help="Celery workers.")
@with_json
def compare(
    first: date | None,
    last: date | None,
    weeks: int | None,
    backends: tuple[str, ...] | None,
    repeat: int,
    workers: int,
    as_json: bool,
) -> None:
    r"""Build the same weeks on each backend and compare them.

    \b
    spine compare --weeks 4
    spine compare --first 2025-10-03 --last 2025-11-21 --backends in_process,celery

    It reports status, time and overhead, and whether the tables are equal. Each backend builds
    into its own lake and Dagster storage in a temporary folder, which is deleted; your lake and
    history are not changed. Exit code 1: a backend failed, its tables differ, or one that was
    named is not available.
    """
    if weeks and (first or last):
        raise click.UsageError("give --weeks, or --first and --last")
    if (first is None) != (last is None):
        raise click.UsageError("--first and --last go together")
    absent = {name: why for name in backends or BACKENDS if (why := missing(name))}
    if backends and absent:
        raise click.ClickException("; ".join(f"{name}: {why}" for name, why in absent.items()))
    settings = load_settings()
    chosen = _chosen(first, last, weeks or _WEEKS)
    wanted = [name for name in backends or BACKENDS if name not in absent]
    with tempfile.TemporaryDirectory(prefix="spine-compare-") as name:
        found = sides.measured(
            wanted,
            chosen,
            settings,
            Path(name),
            repeat=repeat,
            workers=workers,
            report=lambda text: click.echo(text, err=True),
        )
    if as_json:
        print_json(render_compare.as_json(chosen, found, absent))
    else:
        render_compare.show(chosen, found, absent)
    if not all(side.is_ok and side.is_equal for side in found):
        raise click.exceptions.Exit(1)


def _chosen(first: date | None, last: date | None, newest: int) -> Sequence[date]:
    """Weeks with files: from first to last, or the newest."""
    settings = load_settings()
    landed = scan(settings.landing_path, settings.landing_index_path).weeks()
    if first is not None and last is not None:
        found = [week for week in landed if first <= week <= last]
        where = f"of the weeks {first}..{last}"
    else:
        found, where = landed[-newest:], "here"
    if not found:
        raise click.ClickException(
            f"there is no file {where} to compare with in {settings.landing_path}: deliver some, "
            "or write synthetic ones with spine sample write"
        )
    return found
