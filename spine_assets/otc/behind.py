"""Weeks whose tables are behind their captures: never built, or built from other inputs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from spine_assets.lake import Lake
from spine_assets.otc import captures
from spine_assets.otc.tables import TABLES
from spine_assets.otc.versions import Standing, standing


def behind(
    lake: Lake, tables: Collection[str], weeks: Collection[date] | None = None
) -> list[date]:
    """Captured weeks in which one of the tables is missing or stale, oldest first.

    Args:
        lake: Where.
        tables: Names of derived tables.
        weeks: Only these; by default all that are captured.
    """
    held = lake.weeks("otc_raw")
    asked = [table.name for table in TABLES if table.name in tables]
    return [
        week
        for week in (held if weeks is None else sorted(set(held) & set(weeks)))
        if is_behind(lake, asked, week)
    ]


def is_behind(lake: Lake, tables: Collection[str], week: date) -> bool:
    """Whether one of the tables is missing or stale in a captured week."""
    known = captures.known_of(lake, week)
    return any(standing(lake, name, week, known) is not Standing.FRESH for name in tables)
