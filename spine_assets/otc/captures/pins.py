"""Pins: a person's choice of the current capture, with its time.

Pins are append-only like captures: releasing a pin is one more record, so it is known which
capture was current at any earlier time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from spine_assets.core.table_schema import conform
from spine_assets.core.tables import Column, Table, Type
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.base import Lake
from spine_assets.otc.tables import columns as c

RELEASED = ""
"""Instead of a capture id: the pin is released."""

TABLE = Table(
    name="otc_pins",
    description="Which capture a person chose for a week, tier and class, and when. The latest "
    "pin counts; a blank capture_id releases it and the greatest capture counts again.",
    grain="one pin",
    key=("week_ending", "tier", "venue_class", "pinned_at"),
    code_version="1",
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.VENUE_CLASS,
        Column("capture_id", Type.TEXT, "The chosen capture, blank for a release"),
        Column("pinned_at", Type.TIMESTAMP, "When it was pinned", "UTC"),
    ),
)


@dataclass(frozen=True)
class Pin:
    """One pin, or the release of one."""

    week_ending: date
    tier: Tier
    venue_class: VenueClass
    capture_id: str
    pinned_at: datetime

    @property
    def key(self) -> tuple[Tier, VenueClass]:
        """Tier and class."""
        return self.tier, self.venue_class


def stored(lake: Lake, week: date) -> list[Pin]:
    """Pins of a week, the earliest first."""
    found = [
        Pin(**{**row, "tier": Tier(row["tier"]), "venue_class": VenueClass(row["venue_class"])})
        for path in lake.files(TABLE.name, week)
        for row in lake.read(path).iter_rows(named=True)
    ]
    return sorted(found, key=lambda pin: (pin.pinned_at, pin.capture_id))


def chosen(pins: Iterable[Pin]) -> dict[tuple[Tier, VenueClass], str]:
    """The capture id that is pinned for each tier and class, releases left out."""
    latest = {pin.key: pin.capture_id for pin in pins}
    return {key: capture_id for key, capture_id in latest.items() if capture_id != RELEASED}


def add(
    lake: Lake, week: date, key: tuple[Tier, VenueClass], capture_id: str, now: datetime
) -> None:
    """Record a pin; the next build of the week applies it."""
    pinned_at = now.astimezone(UTC).replace(tzinfo=None)
    frame = pl.DataFrame(
        {
            "week_ending": [week],
            "tier": [key[0].value],
            "venue_class": [key[1].value],
            "capture_id": [capture_id],
            "pinned_at": [pinned_at],
        }
    )
    name = f"{pinned_at:%Y%m%dT%H%M%S%fZ}.{key[0]}.{key[1]}.parquet"
    target = lake.folder(TABLE.name, week) / name
    with lake.lock(week):
        lake.append(lake.stage(conform(frame, TABLE), target, {}), target)
