"""How the `spine` command prints weeks that are due and have not arrived."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import click

from spine_assets.cli.render import CONSOLE, grid
from spine_assets.status import OverdueWeek


def line(later: list[OverdueWeek]) -> None:
    """One line under the board on weeks of which nothing has arrived."""
    if not later:
        return
    first = str(later[0].week_ending)
    if len(later) == 1:
        said = f"1 later week is due and nothing of it has arrived: {first}"
    else:
        said = f"{len(later)} later weeks are due and nothing of them has arrived: {first} …"
    CONSOLE.print(
        f"[red]{said}[/red]; spine status --due lists {'it' if len(later) == 1 else 'them'}"
    )


def listed(found: list[OverdueWeek], today: date, as_json: bool) -> None:
    """The weeks with overdue tiers, oldest first."""
    if as_json:
        click.echo(json.dumps({"due": json_of(found)}, indent=1))
        return
    if not found:
        CONSOLE.print("Nothing is overdue.")
        return
    table = grid("week ending", "tier", "due", "days ago", title="Overdue tiers")
    table.columns[3].justify = "right"
    for item in found:
        for tier, due in item.tiers.items():
            week = str(item.week_ending)
            table.add_row(week, tier.description, str(due), str((today - due).days))
    CONSOLE.print(table)


def json_of(found: list[OverdueWeek]) -> list[dict[str, Any]]:
    """Weeks with their overdue tiers, for programs."""
    return [
        {
            "week_ending": str(item.week_ending),
            "tiers": {tier.value: {"due": str(due)} for tier, due in item.tiers.items()},
        }
        for item in found
    ]
