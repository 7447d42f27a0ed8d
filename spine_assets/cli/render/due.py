"""How the `spine` command prints weeks that are due and have not arrived."""

from __future__ import annotations

from datetime import date
from typing import Any

from spine_assets.cli.render.console import CONSOLE, grid
from spine_assets.cli.shared import print_json
from spine_assets.otc.captures.overdue import Overdue


def line(later: list[Overdue]) -> None:
    """Print one line on weeks that are due and of which nothing has arrived."""
    if not later:
        return
    weeks = sorted({item.week_ending for item in later})
    if len(weeks) == 1:
        found = f"1 later week is due and nothing of it has arrived: {weeks[0]}"
    else:
        found = f"{len(weeks)} later weeks are due and nothing of them has arrived: {weeks[0]} …"
    CONSOLE.print(
        f"[red]{found}[/red]; spine status --due lists {'it' if len(weeks) == 1 else 'them'}"
    )


def listed(found: list[Overdue], today: date, as_json: bool) -> None:
    """The weeks with overdue tiers, oldest first."""
    if as_json:
        print_json({"due": json_of(found)})
        return
    if not found:
        CONSOLE.print("Nothing is overdue.")
        return
    table = grid("week ending", "tier", "due", "days ago", title="Overdue tiers")
    table.columns[3].justify = "right"
    for item in found:
        days = (today - item.due).days
        table.add_row(str(item.week_ending), item.tier.description, str(item.due), str(days))
    CONSOLE.print(table)


def json_of(found: list[Overdue]) -> list[dict[str, Any]]:
    """Weeks with their overdue tiers, for programs."""
    weeks: dict[str, dict[str, Any]] = {}
    for item in found:
        weeks.setdefault(str(item.week_ending), {})[item.tier.value] = {"due": str(item.due)}
    return [{"week_ending": week, "tiers": tiers} for week, tiers in weeks.items()]
