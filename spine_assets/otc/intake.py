"""Deliveries -> captures: what is new, what is the same again, what cannot both be right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import combinations

import polars as pl

from spine_assets.lake import Lake
from spine_assets.otc import captures, raw
from spine_assets.otc.captures import Capture, CapturedFrames
from spine_assets.otc.file_format import FileRefused, parse
from spine_assets.otc.landing import Delivery, Unusable, read
from spine_assets.otc.placement import WeekSource

# A correction changes few figures; another week's file has nearly none in common.
_MOST_OF_SHARED = 0.5
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


def take(deliveries: list[Delivery], stored: list[Capture], lake: Lake, now: datetime) -> Taken:
    """Read and parse new deliveries; nothing is written.

    Refused are contents that cannot all be right: two of one tier and class that share no key
    look like one delivery in two parts (taking either would lose the other); one that is
    captured under the other class already; one whose rows speak for another week and which
    does not repeat a capture of this one.
    """
    held = {item.sha256: item for item in stored}
    captured: list[CapturedFrames] = []
    refused: list[Unusable] = []
    for item in sorted(deliveries, key=lambda delivery: delivery.placement.or_week is not None):
        try:
            if item.sha256 in held:
                raise FileRefused(_held_already(item, held[item.sha256]))
            content = read(item)
            parsed = parse(content, now.astimezone(UTC).date())
            made = captures.make(parsed, item.placement, content, item.name, now)
            if item.placement.or_week and not _repeats_any(made, captured, stored, lake):
                raise FileRefused(_misplaced(item, item.placement.or_week))
            captured.append(made)
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


def _held_already(item: Delivery, held: Capture) -> str:
    return (
        f"is placed as {item.placement.venue_class}, but the same content is captured as "
        f"{held.tier} {held.venue_class} ({held.capture_id}); one content is of one class"
    )


def _misplaced(item: Delivery, other: date) -> str:
    week, tier, _ = item.placement.key
    return (
        f"would be week ending {week} of {tier} by its "
        f"{'path' if item.placement.week_source is WeekSource.PATH else 'earliest rows'}, but half "
        f"of its rows or more were updated on the publication day of week ending {other}, and it "
        f"does not repeat the figures of a file of {week}: place it below week_ending={other}/. "
        f"If FINRA did correct that many rows of {week} on that day, deliver it with FINRA's "
        "column weekStartDate"
    )


def _repeats_any(
    made: CapturedFrames, captured: list[CapturedFrames], stored: list[Capture], lake: Lake
) -> bool:
    """Whether most rows that it shares with some capture of its key have the same figures."""
    frames = [item.rows for item in captured if item.capture.key == made.capture.key]
    frames += [
        lake.read(captures.raw_path(lake, item)) for item in stored if item.key == made.capture.key
    ]
    return any(_repeats(made.rows, frame) for frame in frames)


def _repeats(rows: pl.DataFrame, others: pl.DataFrame) -> bool:
    key, figures = ["symbol", "venue"], ["share_volume", "trade_count"]
    one, other = (
        frame.select("symbol", *figures, venue=raw.venue()).unique() for frame in (rows, others)
    )
    shared = one.join(other, on=key, how="semi").height
    same = one.join(other, on=[*key, *figures], how="semi").height
    return shared > 0 and same >= _MOST_OF_SHARED * shared


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
