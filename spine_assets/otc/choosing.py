"""Which weeks a backfill takes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from enum import StrEnum

from spine_assets.lake import Lake
from spine_assets.otc import captures
from spine_assets.otc.arrivals import uncaptured
from spine_assets.otc.behind import behind
from spine_assets.otc.landing import Landing
from spine_assets.otc.tables import TABLES
from spine_assets.report import NAME as REPORT


class Choice(StrEnum):
    """Of the weeks that have input."""

    ALL = "all"
    MISSING = "missing"
    FAILED = "failed"


def with_input(landing: Landing, lake: Lake, first: date, last: date) -> list[date]:
    """Weeks from first to last with a usable file or a capture, oldest first."""
    held = {*landing.weeks(), *lake.weeks("otc_raw")}
    return sorted(week for week in held if first <= week <= last)


def missing(landing: Landing, lake: Lake, weeks: Collection[date]) -> list[date]:
    """Of some weeks, those with a file that is not captured, or a table or report behind."""
    waiting = {item.week_ending for item in uncaptured(landing, captures.names(lake))}
    derived = [*(table.name for table in TABLES if table.name != "otc_raw"), REPORT]
    return sorted((waiting & set(weeks)) | set(behind(lake, derived, weeks)))
