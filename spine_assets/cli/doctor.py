"""The command that examines an installation."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from spine_assets.cli.shared import (
    as_json_option,
    print_json,
    visible,
)
from spine_assets.maintenance.doctor import Outcome, examine

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@as_json_option
def doctor(as_json: bool) -> None:
    r"""Examine this installation and list its problems with their remedies.

    \b
    spine doctor
    spine doctor --json

    Nothing is changed. Exit code 1: an examination failed. A warning may be intended.
    """
    logging.disable(logging.CRITICAL)  # what libraries would log is a finding here
    try:
        found = []
        for item in examine(Path.cwd()):
            found.append(item)
            if not as_json:
                _show(item.name, item.finding.outcome, item.finding.found, item.finding.mend)
    finally:
        logging.disable(logging.NOTSET)
    counts = {kind: sum(item.finding.outcome is kind for item in found) for kind in Outcome}
    if as_json:
        print_json([item.as_json() for item in found])
    else:
        click.echo(", ".join(f"{number} {kind}" for kind, number in counts.items()))
    if counts[Outcome.FAIL]:
        raise click.exceptions.Exit(1)


def _show(name: str, outcome: str, found: str, mend: str | None) -> None:
    mark = click.style(f"{outcome:5}", fg=_COLOURS[outcome])
    click.echo(f"{mark} {name:17} {visible(found)}")
    if mend:
        click.echo(f"{'':5} {'':17} mend: {visible(mend)}")
