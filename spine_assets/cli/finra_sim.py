"""The command that simulates FINRA's query API."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import click

from spine_assets.cli.errors import with_json
from spine_assets.cli.shared import COUNT, print_json
from spine_assets.core.weeks import Tier
from spine_assets.dev.finra_sim import SimOptions, SimServer, serving
from spine_assets.dev.finra_sim.archive import newest_week
from spine_assets.dev.finra_sim.faults import USUAL_FAULTS
from spine_assets.dev.finra_sim.options import CLIENT_ID, CLIENT_SECRET

_PORT = 8713  # not used by a well-known service


class AnyDayType(click.ParamType[date]):
    """Any day, also a future one, as YYYY-MM-DD."""

    name = "date"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Parse a day."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date; write it like 2025-12-29", param, ctx)


@click.command("finra-sim")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=_PORT,
    show_default=True,
    help="Loopback port; 0: a free one.",
)
@click.option(
    "--today", type=AnyDayType(), help="The simulated day; default: today. See /sim/clock."
)
@click.option("--rows", type=COUNT, default=10_000, show_default=True, help="ATS rows per week.")
@click.option("--seed", default=2014, show_default=True, help="Same seed, same rows.")
@click.option("--weeks", type=COUNT, default=52, show_default=True, help="Weeks in weeklySummary.")
@click.option("--faults", is_flag=True, help="Fail now and then, as a real service does.")
@click.option("--require-auth", is_flag=True, help="Require a token.")
@click.option("--log", is_flag=True, help="Print one line per request.")
@with_json
def finra_sim(
    port: int,
    today: date | None,
    rows: int,
    seed: int,
    weeks: int,
    faults: bool,
    require_auth: bool,
    log: bool,
    as_json: bool,
) -> None:
    r"""Serve synthetic weeks as FINRA's query API does.

    \b
    spine finra-sim --today 2025-12-29

    It runs until Ctrl-C. With --json it prints its address and what it serves as one JSON object.
    """
    options = SimOptions(rows=rows, seed=seed, weeks=weeks, require_auth=require_auth)
    options = replace(options, today=today) if today else options
    try:
        with serving(
            options, port=port, log=partial(click.echo, err=True) if log else None
        ) as server:
            if faults:
                server.sim.faults.add(*USUAL_FAULTS)
            if as_json:
                print_json(_facts(server), None)
            else:
                click.echo(_greeting(server))
            _wait()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    except OSError as error:
        raise click.ClickException(
            f"port {port} cannot be used ({error.strerror}); try spine finra-sim --port 0"
        ) from error


def _wait() -> None:
    """Wait for Ctrl-C or a service manager's SIGTERM, also where a shell has SIGINT ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    threading.Event().wait()


def _facts(server: SimServer) -> dict[str, object]:
    """Address and content, for programs."""
    sim = server.sim
    newest = newest_week(sim.today, Tier)
    return {
        "url": server.url,
        "today": str(sim.today),
        "newest_complete_week": str(newest) if newest else None,
        "partitions": {
            name: len(sim.partitions(name)) for name in ("weeklySummary", "weeklySummaryHistoric")
        },
    }


def _greeting(server: SimServer) -> str:
    sim, facts = server.sim, _facts(server)
    counts = ", ".join(f"{name} {count}" for name, count in facts["partitions"].items())  # type: ignore[attr-defined]
    lines = [
        f"simulated FINRA on {server.url}, as of {sim.today}",
        "synthetic data from our own seeded generator, not from FINRA",
        f"partitions (week and tier): {counts}",
        f"change its day, faults and restatements at {server.url}/sim (docs/commands.md)",
    ]
    if sim.options.require_auth:
        lines.append(f"client id {CLIENT_ID}, secret {CLIENT_SECRET}")
    if week := facts["newest_complete_week"]:
        lines.append(f"next: SPINE_FINRA_URL={server.url} spine fetch --week {week}")
    return "\n".join([*lines, "Ctrl-C stops it"])
