"""The command that lists what checks found."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from spine_assets.cli import completion_values
from spine_assets.cli.errors import open_lake, with_json
from spine_assets.cli.nothing_found import nothing_captured
from spine_assets.cli.render import anomalies as render_anomalies
from spine_assets.cli.shared import COUNT, WeekType, print_json
from spine_assets.core.settings import load_settings
from spine_assets.core.text import nearest
from spine_assets.lake.base import Lake
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.tables import raw

if TYPE_CHECKING:
    from spine_assets.orchestration.history import CheckFinding

_LISTED = 50  # a few screens; the rest is counted


@click.command()
@click.option("--week", type=WeekType(), help="Only this week, with sample rows.")
@click.option(
    "--table",
    shell_complete=completion_values.tables,
    help="Only checks of this table; also of a YAML pipeline's, a tenant's as TENANT/TABLE.",
)
@click.option(
    "--severity",
    type=click.Choice(("warn", "error"), case_sensitive=False),
    help="Only findings of this severity.",
)
@click.option("--limit", type=COUNT, default=_LISTED, show_default=True, help="Findings listed.")
@click.option(
    "--fail-on",
    type=click.Choice(("warn", "error"), case_sensitive=False),
    help="Exit code 1 if there is a finding as severe as this.",
)
@click.option("--samples", is_flag=True, help="Show sample rows; default: with --week.")
@with_json
def anomalies(
    week: date | None,
    table: str | None,
    severity: str | None,
    fail_on: str | None,
    limit: int,
    samples: bool,
    as_json: bool,
) -> None:
    """List what checks found, newest week first.

    The latest failure or warning of each check and week is listed. What the code of a YAML pipeline
    recorded is the check `anomalies` of its table. The exit code is 0 whether anything is found or
    not, unless --fail-on is given: `warn` fails on any finding that is chosen, `error` on errors.
    """
    found = _found(table, week)
    if severity:
        found = [item for item in found if item.severity == severity.upper()]
    shown, more = found[:limit], max(0, len(found) - limit)
    if as_json:
        listed = [render_anomalies.as_json(item) for item in shown]
        print_json({"anomalies": listed, "more": more})
    elif found or _is_loaded(lake := open_lake(), week):
        render_anomalies.listed(shown, more, samples=samples or week is not None)
    else:
        click.echo(nothing_captured(lake, week), err=True)
    if fail_on and any(fail_on == "warn" or item.severity == "ERROR" for item in found):
        raise click.exceptions.Exit(1)


def _is_loaded(lake: Lake, week: date | None) -> bool:
    """Whether a week is captured, or any."""
    weeks = lake.weeks(raw.TABLE.name)
    return week in weeks if week else bool(weeks)


def _found(table: str | None, week: date | None) -> list[CheckFinding]:
    """Findings on weeks of this lake: captured in it, or landed here and then failed.

    What earlier versions recorded names no lake; of that, weeks that are not here are left out.

    Raises:
        OtherLake: Dagster's history is that of another lake.
    """
    from spine_assets.orchestration.history import (  # noqa: PLC0415 - Dagster is slow to import
        checked_tables,
        findings,
        open_instance,
        table_states,
    )

    if table and table not in (known_tables := checked_tables()):
        raise click.BadParameter(
            f"there is no table {table}; {nearest(table, known_tables)}", param_hint="'--table'"
        )
    lake = open_lake()
    with open_instance(of=lake) as instance:
        found = findings(instance, table=table, week=week)
        known = set(lake.weeks(raw.TABLE.name))
        others = sorted({item.week_ending for item in found if item.week_ending} - known)
        if others:
            settings = load_settings()
            landed = set(scan(settings.landing_path, settings.landing_index_path).weeks())
            states = table_states(instance, others)
            known |= {w for w in others if w in landed and states[raw.TABLE.name, w] == "failed"}
    return [item for item in found if item.week_ending is None or item.week_ending in known]
