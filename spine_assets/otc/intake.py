"""Deliveries -> captures: what is new, what is the same again, what cannot both be right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations

import polars as pl

from spine_assets.otc import captures
from spine_assets.otc.captures import Capture, CapturedFrames
from spine_assets.otc.file_format import FileRefused, parse
from spine_assets.otc.landing import Delivery, Unusable, read

_VENUE_KEY = ("symbol", "mpid", "venue_name")


@dataclass(frozen=True)
class Taken:
    """New captures, not yet written, and deliveries that were refused."""

    captured: list[CapturedFrames]
    refused: list[Unusable]


def uncaptured(deliveries: list[Delivery], stored: list[Capture]) -> list[Delivery]:
    """Deliveries whose content is no capture yet; of equal contents the first by name."""
    known = {(item.key, item.sha256) for item in stored}
    found = []
    for item in sorted(deliveries, key=lambda delivery: delivery.name):
        identity = ((item.placement.tier, item.placement.venue_class), item.sha256)
        if identity not in known:
            known.add(identity)
            found.append(item)
    return found


def same_content(deliveries: list[Delivery], known: list[Capture]) -> dict[str, str]:
    """Deliveries that were passed over, by name: the file whose content they repeat."""
    sources = {item.sha256: item.source_file for item in known}
    return {
        item.name: sources[item.sha256]
        for item in sorted(deliveries, key=lambda delivery: delivery.name)
        if sources.get(item.sha256, item.name) != item.name
    }


def take(deliveries: list[Delivery], stored: list[Capture], now: datetime) -> Taken:
    """Read and parse new deliveries; nothing is written.

    Two contents of one tier and class that share no key look like one delivery in two
    parts. Taking either would lose the other, so both are refused. So is a content that is
    captured under the other class already.
    """
    held = {item.sha256: item for item in stored}
    captured: list[CapturedFrames] = []
    refused: list[Unusable] = []
    for item in deliveries:
        if item.sha256 in held:
            refused.append(_held_already(item, held[item.sha256]))
            continue
        try:
            content = read(item)
            parsed = parse(content, now.astimezone(UTC).date())
            captured.append(captures.make(parsed, item.placement, content, item.name, now))
        except (FileRefused, OSError) as error:  # OSError: taken away since the scan
            refused.append(Unusable(item.name, str(error), item.placement.week_ending))
    parts = _split_deliveries(captured)
    refused += [
        Unusable(
            item.capture.source_file,
            f"holds other rows than {other} of the same tier and class: they look like one "
            "delivery in two parts; join them into one file",
            item.capture.week_ending,
        )
        for item, other in parts
    ]
    apart = {item.capture.source_file for item, _ in parts}
    return Taken([item for item in captured if item.capture.source_file not in apart], refused)


def _held_already(item: Delivery, held: Capture) -> Unusable:
    return Unusable(
        item.name,
        f"is placed as {item.placement.venue_class}, but the same content is captured as "
        f"{held.tier} {held.venue_class} ({held.capture_id}); one content is of one class",
        held.week_ending,
    )


def _split_deliveries(captured: list[CapturedFrames]) -> list[tuple[CapturedFrames, str]]:
    """Each capture that shares no key with another of its tier and class, with its name."""
    found = []
    for one, other in combinations(captured, 2):
        if one.capture.key == other.capture.key and _disjoint(one.rows, other.rows):
            found.append((one, other.capture.source_file))
            found.append((other, one.capture.source_file))
    return found


def _disjoint(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    key = list(_VENUE_KEY)
    return one.join(other, on=key, how="semi", nulls_equal=True).is_empty()
