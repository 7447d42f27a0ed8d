"""How the restatements of a week are printed."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb

from spine_assets.cli.render.console import CONSOLE, text
from spine_assets.core.values import records
from spine_assets.warehouse.connection import answer

_RESTATED = """
    SELECT
        tier, venue_class, step, displaced_at, from_capture_id, to_capture_id, rows_before,
        rows_after, rows_added, rows_removed, rows_changed, rows_relabelled, shares_before,
        shares_after, share_change_pct, last_update_date
    FROM otc_restatements WHERE week_ending = $week ORDER BY displaced_at, tier, venue_class, step
"""
_COUNTED = ("added", "removed", "changed")


def restatements(warehouse: duckdb.DuckDBPyConnection, week: date) -> list[dict[str, Any]]:
    """When and by how much a week was restated, as JSON holds it; the earliest first."""
    return records(*answer(warehouse, _RESTATED, {"week": week}))


def printed(week: date, found: list[dict[str, Any]]) -> None:
    """Print one line per restatement, and the command that lists its rows."""
    for row in found:
        CONSOLE.print(_line(row), soft_wrap=True)
    if found:
        CONSOLE.print(f"`spine diff {week}` lists the rows.")


def _line(row: dict[str, Any]) -> str:
    change = row["share_change_pct"]
    by = "" if change is None else f" ({change:+.2f}%)"
    counts = ", ".join(f"{text(row[f'rows_{kind}'])} {kind}" for kind in _COUNTED)
    return (
        f"Restated: {row['tier']} {row['venue_class']} on {row['displaced_at'][:16]} UTC, from "
        f"{text(row['shares_before'])} to {text(row['shares_after'])} shares{by}; rows: {counts}"
    )
