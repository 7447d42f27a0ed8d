"""Causes that stand until somebody mends them: unusable files and overdue tiers."""

from __future__ import annotations

from datetime import date

from spine_assets.alerts.alert import Kind
from spine_assets.alerts.finding import Finding
from spine_assets.otc.landing import STILL_WRITTEN, Unusable
from spine_assets.otc.overdue import DOWNLOAD, Overdue

FILES = "finra_otc_files"
ARRIVED = "tiers_arrived"
# Each is remembered by a hash of its name; who has more than these has read of the first.
_MOST_FILES = 400


def unusable_files(items: list[Unusable]) -> list[Finding]:
    """A finding a file, the first 400 by name; one that is still being written is none."""
    named = {item.name: item for item in items if item.reason != STILL_WRITTEN}
    return [
        Finding(Kind.UNUSABLE_FILE, item.reason, thing=name, table=FILES)
        for name, item in sorted(named.items())[:_MOST_FILES]
    ]


def overdue_tiers(items: list[Overdue], today: date) -> list[Finding]:
    """A finding a tier and week; the weeks of a tier are one cause."""
    return [
        Finding(
            Kind.TIER_OVERDUE,
            f"{item.tier} was due by FINRA's publication calendar and is in neither the lake "
            f"nor the landing folder; {DOWNLOAD}",
            item.week_ending,
            table=FILES,
            check=ARRIVED,
            about=item.tier.value,
            numbers={"due": str(item.due), "days_overdue": (today - item.due).days},
        )
        for item in items
    ]
