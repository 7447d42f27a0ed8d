"""Weeks whose tables or report are behind: never built, or built from other inputs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from functools import cache, partial

from spine_assets.lake import Lake
from spine_assets.otc import captures
from spine_assets.otc.tables import TABLES
from spine_assets.otc.versions import Standing, build_facts, standing
from spine_assets.report import NAME as REPORT
from spine_assets.report import stored


def behind(
    lake: Lake, tables: Collection[str], weeks: Collection[date] | None = None
) -> list[date]:
    """Captured weeks in which one of the tables is missing or stale, oldest first.

    Args:
        lake: Where.
        tables: Names of derived tables, or of the weekly report.
        weeks: Only these; by default all that are captured.
    """
    held = lake.weeks("otc_raw")
    chosen = held if weeks is None else sorted(set(held) & set(weeks))
    read = cache(partial(build_facts, lake))  # a report looks at the weeks before its own too
    return [week for week in chosen if is_behind(lake, tables, week, read)]


def is_behind(
    lake: Lake, tables: Collection[str], week: date, facts: stored.Facts | None = None
) -> bool:
    """Whether one of the tables, or the report, is missing or stale in a captured week."""
    known = captures.known_of(lake, week)
    declared = [table.name for table in TABLES if table.name in tables]
    if any(standing(lake, name, week, known) is not Standing.FRESH for name in declared):
        return True
    return REPORT in tables and stored.standing(lake, week, facts) is not Standing.FRESH
