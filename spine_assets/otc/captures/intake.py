"""Turns deliveries into captures: which are new, which repeat a content, which are refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import combinations

import polars as pl

from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.model import Capture, CapturedFrames
from spine_assets.otc.delivery.deliveries import Delivery, Unusable, read_parsed
from spine_assets.otc.delivery.placement import WeekSource
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.delivery.venue_id import with_participants
from spine_assets.otc.tables import row_rules

# A correction changes few figures; another week's file has nearly none in common.
_MOST_OF_SHARED = 0.5
_ENOUGH_SHARED = 20  # rows of which so few agree only by another week; fewer may be chance


@dataclass(frozen=True)
class Intake:
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


def take(deliveries: list[Delivery], stored: list[Capture], lake: Lake, now: datetime) -> Intake:
    """Read and parse new deliveries; nothing is written.

    Refused are contents that cannot all be right: two of one tier and class that share no key
    look like one delivery in two parts (taking either would lose the other); one that is
    captured under the other class already; one whose rows speak for another week; one that is two
    versions of a file, joined.
    """
    by_content = {item.sha256: item for item in stored}
    captured: list[CapturedFrames] = []
    refused: list[Unusable] = []
    for item in sorted(
        deliveries, key=lambda delivery: delivery.placement.alternative_week is not None
    ):
        try:
            if item.sha256 in by_content:
                first = by_content[item.sha256]
                raise FileRefused(
                    f"is placed as {item.placement.venue_class}, but the same content is captured "
                    f"as {first.tier} {first.venue_class} ({first.capture_id}); "
                    "one content is of one class"
                )
            parsed = read_parsed(item, now.astimezone(UTC).date())
            made = captures.make(parsed, item.placement, item.name, now)
            _require_one_version(made)
            captured.append(_with_certain_week(made, item, captured, stored, lake))
        except (FileRefused, OSError) as error:  # OSError: removed since the scan
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
    return Intake([item for item in captured if item.capture.source_file not in apart], refused)


def _require_one_version(made: CapturedFrames) -> None:
    """Refuse a content in which many rows have two figures.

    Raises:
        FileRefused: so many are not issues that share a symbol.
    """
    if twice := row_rules.versions_joined(made.rows):
        raise FileRefused(
            f"{twice} symbols and venues stand in it twice, some with different figures: it looks "
            "like two versions of one file, joined; deliver them as two files"
        )


def _with_certain_week(
    made: CapturedFrames,
    item: Delivery,
    captured: list[CapturedFrames],
    stored: list[Capture],
    lake: Lake,
) -> CapturedFrames:
    """A capture whose week is certain, or doubtful, which the check `delivery` reports.

    Its rows are compared with other captures of its tier and class. A path is trusted unless they
    contradict it; rows of two weeks are trusted only where they repeat one.

    Raises:
        FileRefused: it is more likely another week's file.
    """
    other = item.placement.alternative_week
    if other is None:
        return made
    key = made.capture.key
    frames = [one.rows for one in captured if one.capture.key == key]
    frames += [captures.read_rows(lake, one) for one in stored if one.key == key]
    alike = [_alike(made.rows, frame) for frame in frames]
    if any(shared and same >= _MOST_OF_SHARED * shared for shared, same in alike):
        return made
    contradicted = any(shared >= _ENOUGH_SHARED for shared, _ in alike)
    if contradicted or item.placement.week_source is WeekSource.PUBLICATION:
        raise FileRefused(_misplaced(item, other))
    return replace(made, capture=replace(made.capture, alternative_week=other))


def _alike(rows: pl.DataFrame, others: pl.DataFrame) -> tuple[int, int]:
    """How many symbols and participants two files share, and how many with the same figures."""
    key, figures = ["symbol", "participant"], ["share_volume", "trade_count"]
    one, other = (
        frame.select(*key, *figures).unique() for frame in with_participants(rows, others)
    )
    shared = one.join(other, on=key, how="semi").height
    return shared, one.join(other, on=[*key, *figures], how="semi").height


def _misplaced(item: Delivery, other: date) -> str:
    week, tier, _ = item.placement.key
    by = "path" if item.placement.week_source is WeekSource.PATH else "earliest rows"
    return (
        f"would be week ending {week} of {tier} by its {by}, but half of its rows or more were "
        f"updated on the publication day of week ending {other}, and it does not repeat the "
        f"figures of a file of {week}: place it below week_ending={other}/. If FINRA did correct "
        f"that many rows of {week} on that day, deliver it with FINRA's column weekStartDate"
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
    rows, others = with_participants(one, other)
    return rows.join(others, on=["symbol", "participant"], how="semi").is_empty()
