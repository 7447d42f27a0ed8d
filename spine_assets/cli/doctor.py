"""The command that examines an installation."""

from __future__ import annotations

import logging
from dataclasses import asdict

import click

from spine_assets.cli.shared import as_json_option, print_json, visible
from spine_assets.core.project_root import project_root
from spine_assets.maintenance.doctor import Diagnosis, Health, examine

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--repair", is_flag=True, help="Let Dagster's history follow the lake.")
@click.option("--yes", is_flag=True, help="With --repair: do not ask.")
@as_json_option
def doctor(repair: bool, yes: bool, as_json: bool) -> None:
    r"""Examine this installation; list problems and their remedies.

    \b
    spine doctor
    spine doctor --json
    spine doctor --repair

    Without --repair nothing is changed. With it, only what the examination `record` compares is
    examined and mended: tables that are stored and fresh are recorded, and the records of tables
    of which no file is left are removed. Exit code 1: an examination failed. A warning may be
    intended.
    """
    if repair:
        from spine_assets.cli import repair_record  # noqa: PLC0415 - its packages may be missing

        repair_record.repair(yes=yes, as_json=as_json)
        return
    logging.disable(logging.CRITICAL)  # what libraries would log is a finding here
    try:
        found = []
        for name, diagnosis in examine(project_root()):
            found.append({"name": name, **asdict(diagnosis)})
            if not as_json:
                _show(name, diagnosis)
    finally:
        logging.disable(logging.NOTSET)
    counts = {kind: sum(item["outcome"] is kind for item in found) for kind in Health}
    if as_json:
        print_json(found)
    else:
        click.echo(", ".join(f"{number} {kind}" for kind, number in counts.items()))
    if counts[Health.FAIL]:
        raise click.exceptions.Exit(1)


def _show(name: str, diagnosis: Diagnosis) -> None:
    mark = click.style(f"{diagnosis.outcome:5}", fg=_COLOURS[diagnosis.outcome])
    click.echo(f"{mark} {name:17} {visible(diagnosis.found)}")
    if diagnosis.mend:
        click.echo(f"{'':5} {'':17} remedy: {visible(diagnosis.mend)}")
