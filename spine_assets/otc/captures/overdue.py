"""Which tiers were due by FINRA's publication calendar and have not arrived.

Found by names alone (the lake's capture files, the landing scan), so that the complete history
takes one listing. Does not belong here: the check of one week's tiers (`checks.delivery`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from spine_assets.core.weeks import Tier, publication_day, week_ending_of, weeks_between
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.placement import Grain

DOWNLOAD = (
    "run spine fetch for its week, or download it from https://otctransparency.finra.org and drop "
    "it into the landing folder"
)

HOLDS = (
    "Every tier of every week since the first one held has arrived by the day after FINRA's "
    "publication day (exchange holidays counted)."
)
REMEDY = (
    "`spine status --due` lists the weeks. For each, run `spine fetch --week WEEK`, or download "
    "the tier from https://otctransparency.finra.org and drop it into the landing folder."
)
"""Description and remedy of the check, in Dagster and in `docs/checks.md`."""


@dataclass(frozen=True)
class Overdue:
    """One tier of one week that was due before today and has not arrived."""

    week_ending: date
    tier: Tier
    due: date


def overdue(lake: Lake, landing: Landing, today: date) -> list[Overdue]:
    """Tiers that were due and are in neither lake nor landing, the oldest week first.

    The weeks are those from the first one with a file up to today, so that a feed that has
    stopped is overdue as well. A tier is overdue from the day after its publication day.
    """
    arrived = _captured(lake) | {
        (item.placement.week_ending, item.placement.tier) for item in landing.deliveries
    }
    if not arrived:
        return []
    first = min(week for week, _ in arrived)
    missing = (
        Overdue(week, tier, publication_day(week, tier))
        for week in weeks_between(first, max(first, week_ending_of(today)))
        for tier in Tier
        if (week, tier) not in arrived
    )
    return [item for item in missing if item.due < today]


def _captured(lake: Lake) -> set[tuple[date, Tier]]:
    """Week and tier of each capture."""
    return {
        (week, Tier(tier))
        for week, names in captures.names(lake).items()
        for tier, _, grain, _ in names
        if grain == Grain.VENUES
    }
