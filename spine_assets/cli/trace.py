"""The command that traces a number back to its delivered lines, and forward."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from spine_assets.cli.errors import open_lake, with_json
from spine_assets.cli.render import trace as render_trace
from spine_assets.cli.shared import COUNT, NameChoice, WeekType, print_json
from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import Tier
from spine_assets.otc.trace.model import Line, Reject, Trace
from spine_assets.otc.trace.trace import trace as traced

if TYPE_CHECKING:
    from spine_assets.orchestration.history.origins import Origin


@click.command()
@click.argument("symbol")
@click.argument("week", type=WeekType())
@click.option("--mpid", help="Only this venue, by its mpid in otc_venue_volume.")
@click.option("--tier", type=NameChoice([tier.value for tier in Tier]), help="Only this tier.")
@click.option(
    "--limit",
    type=COUNT,
    default=5,
    show_default=True,
    help="Lines listed, and rows listed per table.",
)
@with_json
def trace(
    symbol: str, week: date, mpid: str | None, tier: str | None, limit: int, as_json: bool
) -> None:
    r"""Trace the numbers of SYMBOL in WEEK to lines of files.

    \b
    spine trace PMCY 2025-11-21
    spine trace PMCY 2025-11-21 --mpid UBSA

    Back: file, line and delivered text, capture and run. Forward: every row that includes them,
    their share of it, and whether sums agree. Symbols are case-sensitive. With --json all lines
    and rows are listed.
    """
    landing = load_settings().landing_path
    found = traced(open_lake(), landing, symbol, week, mpid, Tier(tier) if tier else None)
    captured, built = _runs(found)
    if as_json:
        print_json(render_trace.as_json(found, captured, built))
        return
    render_trace.printed(found, captured, built, limit)


def _runs(
    found: Trace,
) -> tuple[dict[str, Origin | None], dict[tuple[str, str], Origin | None]]:
    """The runs that captured and built what was traced; None without a Dagster storage."""
    from spine_assets.orchestration.history import (  # noqa: PLC0415 - Dagster is slow to import
        NoInstance,
        open_instance,
        origins,
    )

    every: list[Line | Reject] = [*found.lines, *found.rejects]
    times = {item.capture_id: item.captured_at for item in every}
    builds = {(item.table, item.capture_id) for item in found.contributions}
    try:
        with open_instance() as instance:
            week = found.week_ending
            captured = origins.captured_by(instance, week, times)
            return captured, origins.built_by(instance, week, builds)
    except NoInstance:
        return dict.fromkeys(times), dict.fromkeys(builds)
