"""Which weeks have to be built: those with input that are missing or stale."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from functools import cache, partial

from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pending import uncaptured
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.state.freshness import Freshness, build_facts, freshness
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import NAME as REPORT
from spine_assets.report import stored


def with_input(landing: Landing, lake: Lake, first: date, last: date) -> list[date]:
    """Weeks from first to last with a capture or a file, be it a refused one, oldest first.

    A week of which all files are refused fails in each run until somebody does what is advised.
    """
    weeks = {*landing.weeks(), *landing.refused_weeks(), *lake.weeks(raw.TABLE.name)}
    return sorted(week for week in weeks if first <= week <= last)


def missing(landing: Landing, lake: Lake, weeks: Collection[date]) -> list[date]:
    """Of some weeks, those with a file that is not captured, or a stale table or report.

    Refused files count where the week has no capture: then it is not built.
    """
    captured = captures.names(lake)
    waiting = {item.week_ending for item in uncaptured(landing, captured)}
    waiting |= {*landing.refused_weeks()} - {*captured}
    every = [*(table.name for table in TABLES), REPORT]
    return sorted((waiting & set(weeks)) | set(stale_weeks(lake, every, weeks)))


def stale_weeks(
    lake: Lake, tables: Collection[str], weeks: Collection[date] | None = None
) -> list[date]:
    """Captured weeks in which one of the tables is missing or stale, oldest first.

    Args:
        lake: The lake that holds them.
        tables: Names of tables, or of the weekly report.
        weeks: Look only at these; default: all captured weeks.
    """
    captured = lake.weeks(raw.TABLE.name)
    chosen = captured if weeks is None else sorted(set(captured) & set(weeks))
    read = cache(partial(build_facts, lake))  # a report reads the weeks before its own too
    return [week for week in chosen if is_stale(lake, tables, week, read)]


def is_stale(
    lake: Lake, tables: Collection[str], week: date, facts: stored.Facts | None = None
) -> bool:
    """Whether one of the tables, or the report, is missing or stale in a captured week."""
    known, today = captures.known_of(lake, week), datetime.now(UTC).date()
    declared = [table.name for table in TABLES if table.name in tables]
    if any(freshness(lake, name, week, known, today) is not Freshness.FRESH for name in declared):
        return True
    return REPORT in tables and stored.freshness(lake, week, facts) is not Freshness.FRESH
