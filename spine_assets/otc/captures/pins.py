"""Pins: what a person decided about captures, each decision with its time.

A capture is pinned (it is current, whatever arrives later) or retracted (it never is); a pin can be
released, and pinning a retracted capture takes that back. Decisions are append-only like captures,
so it is known which capture was current at any earlier time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import polars as pl

from spine_assets.core.table_schema import conform
from spine_assets.core.tables import Column, Table, Type
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.base import Lake
from spine_assets.otc.captures.model import TierClass, moment_after
from spine_assets.otc.tables import columns as c

RELEASED = ""
"""Instead of a capture id: the pin is released."""


class PinAction(StrEnum):
    """What a person decided."""

    PIN = "pin"
    RELEASE = "release"
    RETRACT = "retract"


TABLE = Table(
    name="otc_pins",
    description="What a person decided about captures of a week, tier and class, and when. The "
    "latest pin counts until it is released; a retracted capture is never current, unless it is "
    "pinned later.",
    grain="one decision",
    key=("week_ending", "tier", "venue_class", "pinned_at"),
    code_version="2",
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.VENUE_CLASS,
        Column("capture_id", Type.TEXT, "The chosen or retracted capture, blank for a release"),
        Column("pinned_at", Type.TIMESTAMP, "When it was decided", "UTC"),
        Column(
            "action",
            Type.TEXT,
            "`pin`, `release` or `retract`; null, of earlier versions, is a pin or release",
            nullable=True,
        ),
    ),
)


@dataclass(frozen=True)
class Pin:
    """One decision: a pin, the release of one, or a retraction."""

    week_ending: date
    tier: Tier
    venue_class: VenueClass
    capture_id: str
    pinned_at: datetime
    action: PinAction = PinAction.PIN

    @property
    def key(self) -> TierClass:
        """Tier and class."""
        return self.tier, self.venue_class


def stored(lake: Lake, week: date) -> list[Pin]:
    """Decisions of a week, the earliest first."""
    found = [
        _pin(row)
        for path in lake.files(TABLE.name, week)
        for row in lake.read(path).iter_rows(named=True)
    ]
    return in_order(found)


def in_order(pins: Iterable[Pin]) -> list[Pin]:
    """Decisions, the earliest first; of one moment a pin comes last."""

    def order(pin: Pin) -> tuple[datetime, bool, str]:
        return pin.pinned_at, pin.action is PinAction.PIN, pin.capture_id

    return sorted(pins, key=order)


def _pin(row: dict[str, Any]) -> Pin:
    """A stored decision; pins of earlier versions have no action."""
    before = PinAction.PIN if row["capture_id"] else PinAction.RELEASE
    return Pin(
        row["week_ending"],
        Tier(row["tier"]),
        VenueClass(row["venue_class"]),
        row["capture_id"],
        row["pinned_at"],
        PinAction(row.get("action") or before),
    )


def chosen(pins: Iterable[Pin]) -> dict[TierClass, str]:
    """The capture id that is pinned for each tier and class, releases left out."""
    latest: dict[TierClass, str] = {}
    for pin in in_order(pins):
        if pin.action is PinAction.PIN and pin.capture_id:
            latest[pin.key] = pin.capture_id
        elif pin.action is not PinAction.RETRACT or latest.get(pin.key) == pin.capture_id:
            latest.pop(pin.key, None)
    return latest


def retracted(pins: Iterable[Pin]) -> set[tuple[TierClass, str]]:
    """The captures that are retracted, by tier, class and id."""
    out: set[tuple[TierClass, str]] = set()
    for pin in in_order(pins):
        if pin.action is PinAction.RETRACT:
            out.add((pin.key, pin.capture_id))
        else:
            out.discard((pin.key, pin.capture_id))
    return out


def add(
    lake: Lake,
    week: date,
    key: TierClass,
    capture_id: str,
    now: datetime,
    action: PinAction = PinAction.PIN,
) -> None:
    """Record a decision; the next build of the week applies it."""
    if not capture_id:
        action = PinAction.RELEASE
    with lake.lock(week):
        moment = moment_after((pin.pinned_at for pin in stored(lake, week)), now)
        pinned_at = moment.astimezone(UTC).replace(tzinfo=None)
        frame = pl.DataFrame(
            {
                "week_ending": [week],
                "tier": [key[0].value],
                "venue_class": [key[1].value],
                "capture_id": [capture_id],
                "pinned_at": [pinned_at],
                "action": [action.value],
            }
        )
        name = f"{pinned_at:%Y%m%dT%H%M%S%fZ}.{key[0]}.{key[1]}.parquet"
        target = lake.folder(TABLE.name, week) / name
        lake.append(lake.stage(conform(frame, TABLE), target, {}), target)
