"""`spine doctor --repair`: Dagster's history is made to follow the lake.

Belongs here: asking, and saying what was done. Does not belong here: what lake and history disagree
on (`orchestration.reconcile`).
"""

from __future__ import annotations

from datetime import date

import click
import dagster as dg

from spine_assets.cli.errors import open_lake, reports_errors
from spine_assets.cli.render.console import progress
from spine_assets.cli.shared import print_json, visible
from spine_assets.lake.base import Lake
from spine_assets.lake.format import lake_id
from spine_assets.orchestration.history import OtherLake, open_instance
from spine_assets.orchestration.history.lake_identity import require_same_lake
from spine_assets.orchestration.reconcile import (
    Differences,
    differences,
    forget_tables,
    record,
    wipe,
)
from spine_assets.otc.tables import raw
from spine_assets.warehouse.views import declared_names

_SHOWN = 6  # weeks named in a line; --json has all


@reports_errors
def repair(*, yes: bool, as_json: bool) -> None:
    """Record what is stored and not recorded; after a question, remove the other records."""
    lake = open_lake()
    with open_instance() as instance:
        removed = _removed_others(instance, lake, yes=yes, as_json=as_json)
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
            {what: {str(week): names for week, names in of.items()} for what, of in shown.items()}
            | {"removed_other_lake": removed},
            None,
        )
        return
    if removed:
        click.echo("removed the records of another lake")
    if not (found or removed):
        click.echo("Dagster's history and the lake agree; nothing to repair")
    for weeks, what in ((recorded, "recorded"), (found.lost, "removed the records of")):
        if weeks:
            click.echo(f"{what} {_many(weeks)}")
    if left:
        click.echo(
            f"{_many(left)} are stale or cannot be read: spine backfill --missing builds them"
        )


def _removed_others(instance: dg.DagsterInstance, lake: Lake, *, yes: bool, as_json: bool) -> bool:
    """Remove all records of the tables, after a question, where they are those of another lake.

    Not where there is no lake: its disk may not be mounted.
    """
    if lake_id(lake) is None:
        return False
    try:
        require_same_lake(instance, lake)
    except OtherLake as error:
        if not yes:
            if as_json:
                raise click.UsageError("--json cannot ask; give --yes to remove records") from error
            click.confirm(
                f"{error}\nRemove all records of that lake, and record the weeks of "
                f"{visible(str(lake.place))}?",
                abort=True,
            )
        forget_tables(instance, declared_names(lake))
        return True
    return False


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
