"""The command that tells what checks found wrong."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import click

from spine_assets.cli.shared import COUNT, TABLE_NAMES, WeekType, as_json_option, open_lake, told

if TYPE_CHECKING:
    from spine_assets.history import Finding

_LISTED = 50  # a few screens; more are counted


@click.command()
@click.option("--week", type=WeekType(), help="Only this week, with sample rows.")
@click.option("--table", type=click.Choice(TABLE_NAMES), help="Only checks of this table.")
@click.option(
    "--severity", type=click.Choice(("warn", "error"), case_sensitive=False), help="Only these."
)
@click.option("--limit", type=COUNT, default=_LISTED, show_default=True, help="Findings listed.")
@click.option("--samples", is_flag=True, help="Show sample rows also where many weeks are told.")
@as_json_option
@told
def anomalies(
    week: date | None,
    table: str | None,
    severity: str | None,
    limit: int,
    samples: bool,
    as_json: bool,
) -> None:
    """What checks found: the latest evaluation of each check and week that failed or warned.

    Newest week first. The exit code is 0 whether anything is found or not.
    """
    from spine_assets.cli import render_anomalies
    from spine_assets.history import findings, open_instance

    with open_instance() as instance:
        found = findings(instance, table=table, week=week)
        found = _of_this_lake(found, instance)
    if severity:
        found = [item for item in found if item.severity == severity.upper()]
    shown, more = found[:limit], max(0, len(found) - limit)
    if as_json:
        listed = [render_anomalies.as_json(item) for item in shown]
        click.echo(json.dumps({"anomalies": listed, "more": more}, indent=1))
        return
    render_anomalies.listed(shown, more, samples=samples or week is not None)


def _of_this_lake(found: list[Finding], instance: object) -> list[Finding]:
    """Findings on weeks of this lake: captured in it, or landed here and then failed.

    Two lakes may share one Dagster: what was said of a week of the other is not told.
    """
    from spine_assets.history import table_states
    from spine_assets.otc.scanning import scan
    from spine_assets.settings import load_settings

    held = set(open_lake().weeks("otc_raw"))
    others = sorted({item.week_ending for item in found} - held)
    if others:
        settings = load_settings()
        landed = set(scan(settings.landing_path, settings.landing_index_path).weeks())
        states = table_states(instance, others)  # type: ignore[arg-type]
        held |= {week for week in others if week in landed and states["otc_raw", week] == "failed"}
    return [item for item in found if item.week_ending in held]
