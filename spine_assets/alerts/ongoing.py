"""Problems that last until somebody solves them: files not used or waiting, and overdue tiers."""

from __future__ import annotations

from datetime import date

from spine_assets.alerts.alert import AlertKind
from spine_assets.alerts.problem import Problem
from spine_assets.otc.captures.overdue import DOWNLOAD, Overdue
from spine_assets.otc.captures.waiting import Waiting
from spine_assets.otc.delivery.deliveries import STILL_WRITTEN, Unusable
from spine_assets.otc.tables import raw

FILES = "finra_otc_files"
ARRIVED = "tiers_arrived"
USABLE = "usable"
# Each is stored by a hash of its name; beyond these the first ones have been reported anyway.
_MOST_FILES = 400


def unusable_files(items: list[Unusable]) -> list[Problem]:
    """One problem per file, the first 400 by name; a file that is still being written is none."""
    named = {item.name: item for item in items if item.reason != STILL_WRITTEN}
    return [
        Problem(AlertKind.UNUSABLE_FILE, item.reason, thing=name, table=FILES)
        for name, item in sorted(named.items())[:_MOST_FILES]
    ]


def overdue_tiers(items: list[Overdue], today: date) -> list[Problem]:
    """One problem per tier and week; the weeks of a tier are one cause."""
    return [
        Problem(
            AlertKind.TIER_OVERDUE,
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


def waiting_captures(items: list[Waiting]) -> list[Problem]:
    """One problem per capture that waits; those of a tier and class are one cause."""
    return [
        Problem(
            AlertKind.CAPTURE_WAITING,
            f"captured, and not in the tables: {item.why}. `spine captures use "
            f"{item.capture.capture_id}` chooses it in spite of that, `spine captures retract` "
            "takes it out",
            item.capture.week_ending,
            thing=item.capture.source_file,
            table=raw.TABLE.name,
            about=f"{item.capture.tier} {item.capture.venue_class}",
            numbers={"rows": item.capture.rows, "keys": item.capture.keys},
        )
        for item in items
    ]
