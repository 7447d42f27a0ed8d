"""Which weeks are to be built: those with input, and of them the missing and stale ones."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from enum import StrEnum
from functools import cache, partial

from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pending import uncaptured
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.state.versions import Freshness, build_facts, freshness
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import NAME as REPORT
from spine_assets.report import stored


class Choice(StrEnum):
    """Of the weeks that have input."""

    ALL = "all"
    MISSING = "missing"
    FAILED = "failed"


def with_input(landing: Landing, lake: Lake, first: date, last: date) -> list[date]:
    """Weeks from first to last with a usable file or a capture, oldest first."""
    held = {*landing.weeks(), *lake.weeks(raw.TABLE.name)}
    return sorted(week for week in held if first <= week <= last)


def missing(landing: Landing, lake: Lake, weeks: Collection[date]) -> list[date]:
    """Of some weeks, those with a file that is not captured, or a stale table or report."""
    waiting = {item.week_ending for item in uncaptured(landing, captures.names(lake))}
    derived = [*(table.name for table in TABLES if table.name != raw.TABLE.name), REPORT]
    return sorted((waiting & set(weeks)) | set(stale_weeks(lake, derived, weeks)))


def stale_weeks(
    lake: Lake, tables: Collection[str], weeks: Collection[date] | None = None
) -> list[date]:
    """Captured weeks in which one of the tables is missing or stale, oldest first.

    Args:
        lake: Where.
        tables: Names of derived tables, or of the weekly report.
        weeks: Only these; by default all that are captured.
    """
    held = lake.weeks(raw.TABLE.name)
    chosen = held if weeks is None else sorted(set(held) & set(weeks))
    read = cache(partial(build_facts, lake))  # a report looks at the weeks before its own too
    return [week for week in chosen if is_stale(lake, tables, week, read)]


def is_stale(
    lake: Lake, tables: Collection[str], week: date, facts: stored.Facts | None = None
) -> bool:
    """Whether one of the tables, or the report, is missing or stale in a captured week."""
    known = captures.known_of(lake, week)
    declared = [table.name for table in TABLES if table.name in tables]
    if any(freshness(lake, name, week, known) is not Freshness.FRESH for name in declared):
        return True
    return REPORT in tables and stored.freshness(lake, week, facts) is not Freshness.FRESH
