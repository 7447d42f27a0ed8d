"""`spine doctor --repair`: Dagster's history is made to follow the lake.

Belongs here: asking, and saying what was done. Does not belong here: what lake and history disagree
on (`orchestration.reconcile`).
"""

from __future__ import annotations

from datetime import date

import click

from spine_assets.cli.errors import open_lake, reports_errors
from spine_assets.cli.render.console import progress
from spine_assets.cli.shared import print_json, visible
from spine_assets.orchestration.history import open_instance
from spine_assets.orchestration.reconcile import Differences, differences, record, wipe
from spine_assets.otc.tables import raw

_SHOWN = 6  # weeks named in a line; --json has all


@reports_errors
def repair(*, yes: bool, as_json: bool) -> None:
    """Record what is stored and not recorded; after a question, remove the other records."""
    lake = open_lake()
    with open_instance() as instance:
        found = differences(instance, lake, versions=lake.weeks(raw.TABLE.name))
        if found.lost and not yes:
            if as_json:
                raise click.UsageError("--json cannot ask; give --yes to remove records")
            click.confirm(
                f"Remove the records of {_many(found.lost)} of which {visible(str(lake.place))} "
                "has no file?",
                abort=True,
            )
        recorded: dict[date, list[str]] = {}
        with progress("recording weeks", len(found.unrecorded)) as advance:
            for week, names in record(instance, lake, found):
                recorded |= {week: names} if names else {}
                advance()
        wipe(instance, found)
    left = _without(found, recorded)
    if as_json:
        shown = {"recorded": recorded, "removed": found.lost, "left": left}
        print_json(
            {what: {str(week): names for week, names in of.items()} for what, of in shown.items()},
            None,
        )
        return
    if not found:
        click.echo("Dagster's history and the lake agree; nothing to repair")
    for weeks, what in ((recorded, "recorded"), (found.lost, "removed the records of")):
        if weeks:
            click.echo(f"{what} {_many(weeks)}")
    if left:
        click.echo(
            f"{_many(left)} are stale or cannot be read: spine backfill --missing builds them"
        )


def _many(weeks: dict[date, list[str]]) -> str:
    """How many tables of which weeks."""
    names = [str(week) for week in sorted(weeks)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    tables = sum(map(len, weeks.values()))
    return f"{tables} tables of {len(names)} weeks ({', '.join(names[:_SHOWN])}{more})"


def _without(found: Differences, recorded: dict[date, list[str]]) -> dict[date, list[str]]:
    """What is stored, and was not recorded, because it is not fresh."""
    left = {
        week: [name for name in names if name not in recorded.get(week, ())]
        for week, names in found.unrecorded.items()
    }
    return {week: names for week, names in left.items() if names}
