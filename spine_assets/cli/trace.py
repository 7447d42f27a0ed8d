"""The command that goes from a number back to its delivered line, and forward."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import click

from spine_assets.cli.shared import COUNT, NameChoice, WeekType, as_json_option, open_lake, told

if TYPE_CHECKING:
    from spine_assets.history.origins import Origin
    from spine_assets.otc.trace_model import Line, Reject, Trace

# Written out: importing the declarations would cost `spine --help` its speed. A test compares.
TIERS = ("NMS_TIER_1", "NMS_TIER_2", "OTC")


@click.command()
@click.argument("symbol")
@click.argument("week", type=WeekType())
@click.option("--mpid", help="Only this venue, as otc_venue_volume names it.")
@click.option("--tier", type=NameChoice(TIERS), help="Only this tier.")
@click.option(
    "--limit",
    type=COUNT,
    default=5,
    show_default=True,
    help="Lines listed, and rows listed of each table.",
)
@as_json_option
@told
def trace(
    symbol: str, week: date, mpid: str | None, tier: str | None, limit: int, as_json: bool
) -> None:
    r"""Where the numbers of SYMBOL in WEEK come from, and all that they feed.

    \b
    spine trace PMCY 2025-11-21
    spine trace PMCY 2025-11-21 --mpid UBSA

    Back: file, line and delivered text, capture and run. Forward: every row that counts them,
    their part of it, and whether sums agree. Symbols are case-significant. With --json all lines
    and rows are listed.
    """
    from spine_assets.cli import render_trace
    from spine_assets.otc.trace import trace as traced
    from spine_assets.settings import load_settings
    from spine_assets.weeks import Tier

    landing = load_settings().landing_path
    found = traced(open_lake(), landing, symbol, week, mpid, Tier(tier) if tier else None)
    captured, built = _runs(found)
    if as_json:
        click.echo(json.dumps(render_trace.as_json(found, captured, built), indent=1))
        return
    render_trace.printed(found, captured, built, limit)


def _runs(
    found: Trace,
) -> tuple[dict[str, Origin | None], dict[tuple[str, str], Origin | None]]:
    """The runs behind a trace; none where there is no Dagster to ask."""
    from spine_assets.history import NoInstance, open_instance
    from spine_assets.history.origins import built_by, captured_by

    every: list[Line | Reject] = [*found.lines, *found.rejects]
    times = {item.capture_id: item.captured_at for item in every}
    builds = {(item.table, item.capture_id) for item in found.contributions}
    try:
        with open_instance() as instance:
            week = found.week_ending
            return captured_by(instance, week, times), built_by(instance, week, builds)
    except NoInstance:
        return dict.fromkeys(times), dict.fromkeys(builds)
