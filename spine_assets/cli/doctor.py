"""The command that says what is wrong with an installation."""

from __future__ import annotations

import json
from pathlib import Path

import click

from spine_assets.cli.shared import as_json_option, visible

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@as_json_option
def doctor(as_json: bool) -> None:
    r"""Say what is wrong with this installation, and how to mend it; nothing is changed.

    \b
    spine doctor
    spine doctor --json

    Exit code 1: an examination failed. Warnings may be meant so.
    """
    import logging

    logging.disable(logging.CRITICAL)  # what libraries would log is told as a finding
    try:
        from spine_assets.doctor import Outcome, examine

        found = []
        for item in examine(Path.cwd()):
            found.append(item)
            if not as_json:
                _show(item.name, item.finding.outcome, item.finding.found, item.finding.mend)
    finally:
        logging.disable(logging.NOTSET)
    counts = {kind: sum(item.finding.outcome is kind for item in found) for kind in Outcome}
    if as_json:
        click.echo(json.dumps([item.as_json() for item in found], indent=1))
    else:
        click.echo(", ".join(f"{number} {kind}" for kind, number in counts.items()))
    if counts[Outcome.FAIL]:
        raise click.exceptions.Exit(1)


def _show(name: str, outcome: str, found: str, mend: str | None) -> None:
    mark = click.style(f"{outcome:5}", fg=_COLOURS[outcome])
    click.echo(f"{mark} {name:17} {visible(found)}")
    if mend:
        click.echo(f"{'':5} {'':17} mend: {visible(mend)}")
