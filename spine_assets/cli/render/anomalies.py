"""Printing the findings of checks."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from spine_assets.cli.render.console import CONSOLE, grid, result, safe, styled, text
from spine_assets.core.tags import SHORT_ID
from spine_assets.core.values import plain

if TYPE_CHECKING:
    from spine_assets.orchestration.history import CheckFinding

_SHOWN_SAMPLES = 5  # in the terminal; --json has all that the check recorded


def as_json(item: CheckFinding) -> dict[str, Any]:
    """A finding for programs, with all its sample rows."""
    found = asdict(item)
    return found | {
        "week_ending": str(item.week_ending) if item.week_ending else None,
        "facts": {
            name: value if isinstance(value, (dict, list)) else plain(value)
            for name, value in item.facts.items()
        },
        "at": item.at.isoformat(),
    }


def listed(found: list[CheckFinding], more: int, *, samples: bool) -> None:
    """Findings as a table, or one by one with their sample rows."""
    if not found:
        CONSOLE.print("No check of any week failed or warned at its latest evaluation.")
        return
    if samples:
        for item in found:
            _one(item)
    else:
        table = grid("week ending", "severity", "check", "what it found", "run")
        for item in found:
            table.add_row(
                _week(item),
                styled(item.severity),
                f"{item.table} {item.check}",
                safe(item.summary),
                item.run_id[:SHORT_ID],
            )
        CONSOLE.print(table)
    if more:
        CONSOLE.print(f"{more} more; --limit shows them, --week one week's with sample rows.")


def _week(item: CheckFinding) -> str:
    return str(item.week_ending) if item.week_ending else "no week"


def _fact(value: Any) -> str:
    return safe(json.dumps(value)) if isinstance(value, (dict, list)) else text(value)


def _one(item: CheckFinding) -> None:
    CONSOLE.print(
        f"\n[bold]{_week(item)} {item.table} {item.check}[/bold] "
        f"{styled(item.severity)} at {item.at:%Y-%m-%d %H:%M:%S} UTC, "
        f"run {item.run_id[:SHORT_ID]}"
    )
    CONSOLE.print(f"  {safe(item.summary)}", soft_wrap=True)
    if item.facts:
        facts = ", ".join(f"{safe(name)} {_fact(value)}" for name, value in item.facts.items())
        CONSOLE.print(f"  {facts}", soft_wrap=True)
    shown = item.samples[:_SHOWN_SAMPLES]
    if shown:
        names = list(dict.fromkeys(name for row in shown for name in row))
        rows = [tuple(row.get(name) for name in names) for row in shown]
        result(names, rows, f"{len(shown)} of {len(item.samples)} sample rows")
