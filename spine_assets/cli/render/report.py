"""How the path and the headline figures of a report are printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spine_assets.cli.render.console import CONSOLE, text


def printed(place: Path, facts: dict[str, Any]) -> None:
    """Print the headline figures of the page and its path."""
    complete = facts["is_complete"]
    tiers = ", ".join(facts["tiers_in"])
    note = "all three tiers in" if complete else f"INCOMPLETE, only {tiers} in"
    classes = " and ".join(facts["classes_in"])
    note += f"; {classes}" if len(facts["classes_in"]) > 1 else f"; {classes} alone"
    note += "; synthetic sample data" if facts["is_synthetic"] else ""
    change = facts["change_pct"]
    since = "" if change is None else f" ({change:+.1f}% since {facts['against']})"
    CONSOLE.print(f"[bold]Week ending {facts['week_ending']}[/bold] ({note})")
    CONSOLE.print(
        f"{text(facts['shares'])} shares{since}, {text(facts['trades'])} trades, "
        f"{text(facts['symbols'])} symbols, {text(facts['venues'])} venues"
    )
    if facts["top_mpid"]:
        CONSOLE.print(
            f"largest venue {facts['top_mpid']} with {facts['top_share_pct']:.1f}% of reported "
            f"off-exchange shares; HHI {facts['hhi']:.4f}"
        )
    found = facts["checks_warned"] + facts["checks_failed"]
    CONSOLE.print(
        f"checks that found something: {found}; rejects: {text(facts['rejects'])}; "
        f"restatements: {facts['restatements']}"
    )
    # The path has a line of its own, so that it is easy to copy.
    CONSOLE.print(str(place), soft_wrap=True, highlight=False, markup=False)
