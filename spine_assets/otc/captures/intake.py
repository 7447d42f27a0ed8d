"""Turns deliveries into captures: which are new, which repeat a content, which are refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import combinations

import polars as pl

from spine_assets.core.text import Shown
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures, candidates
from spine_assets.otc.captures.model import Capture, CapturedFrames
from spine_assets.otc.captures.week_evidence import (
    KnownFile,
    WeekEvidence,
    contradicting,
    contradicts,
    is_proposed,
    known_file,
)
from spine_assets.otc.delivery.deliveries import Delivery, Unusable, read_parsed
from spine_assets.otc.delivery.figures import COLUMNS, Sample, compare, sample
from spine_assets.otc.delivery.file_format import ParsedFile
from spine_assets.otc.delivery.parts import named_parts
from spine_assets.otc.delivery.placement import WeekSource
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.delivery.venue_id import with_participants
from spine_assets.otc.tables import row_rules

_IDENTITY = ("symbol", "mpid", "firm_crd", "venue_name")
# As for the current capture: beside a file of this part of all keys, another one waits.
_NEARLY_ALL_TENTHS = 9


@dataclass(frozen=True)
class Intake:
    """New captures, not yet written, and deliveries that were refused."""

    captured: list[CapturedFrames]
    refused: list[Unusable]


def uncaptured(deliveries: list[Delivery], stored: Iterable[Capture]) -> list[Delivery]:
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


def take(
    deliveries: list[Delivery],
    week: WeekCaptures,
    lake: Lake,
    now: datetime,
    evidence: WeekEvidence | None = None,
) -> Intake:
    """Read and parse new deliveries; nothing is written.

    Refused are contents that cannot all be right: two of one tier and class that share no key
    look like one delivery in two parts (taking either would lose the other); one that is
    captured under the other class already; one whose rows or figures speak for another week; one
    that is two versions of a file, joined.

    Args:
        deliveries: What is not captured yet.
        week: The captures and pins of the week.
        lake: Where they are stored.
        now: The time of capture.
        evidence: What is known of other weeks; without it they are not compared.
    """
    by_content = {item.sha256: item for item in week.captures}
    stored = _standing(week)
    captured: list[tuple[CapturedFrames, Delivery]] = []
    refused: list[Unusable] = []
    for item in sorted(
        deliveries, key=lambda delivery: delivery.placement.alternative_week is not None
    ):
        try:
            parsed = read_parsed(item, now.astimezone(UTC).date())
            _require_one_class(parsed, item, by_content.get(item.sha256))
            made = captures.make(parsed, item.placement, item.name, now)
            _require_one_version(made)
            others = [one for one, _ in captured]
            made = _with_certain_week(made, item, others, stored, lake)
            if (
                evidence is not None
                and is_proposed(item)
                and (why := evidence.repeated(made, item))
            ):
                raise FileRefused(why)
            captured.append((made, item))
        except (FileRefused, OSError) as error:  # OSError: removed since the scan
            refused.append(Unusable(item.name, Shown(error), item.placement.week_ending))
    refused += _contradicted(captured, week, lake)
    captured = _without(captured, refused)
    refused += _split_deliveries(captured, week, lake)
    return Intake([made for made, _ in _without(captured, refused)], refused)


def _without(
    captured: list[tuple[CapturedFrames, Delivery]], refused: list[Unusable]
) -> list[tuple[CapturedFrames, Delivery]]:
    """Files of which nothing is refused: of both classes in one file, neither is taken alone."""
    names = {item.name for item in refused}
    return [(made, item) for made, item in captured if item.name not in names]


def take_totals(deliveries: list[Delivery], now: datetime) -> Intake:
    """Read and parse new control totals; nothing is written.

    They have no rules of their own: what is wrong with them shows where they are compared.
    """
    found = Intake([], [])
    for item in deliveries:
        try:
            parsed = read_parsed(item, now.astimezone(UTC).date())
        except (FileRefused, OSError) as error:  # OSError: removed since the scan
            week = item.placement.week_ending
            found.refused.append(Unusable(item.name, Shown(error), week))
        else:
            found.captured.append(captures.make(parsed, item.placement, item.name, now))
    return found


def _require_one_class(parsed: ParsedFile, item: Delivery, captured: Capture | None) -> None:
    """Refuse a content that is captured under the other class, unless its rows name both.

    Raises:
        FileRefused: it has no summary types, and its class is claimed otherwise now.
    """
    if captured is not None and not named_parts(parsed):
        raise FileRefused(
            f"is placed as {item.placement.venue_class}, but the same content is captured "
            f"as {captured.tier} {captured.venue_class} ({captured.capture_id}); "
            "one content is of one class"
        )


def _require_one_version(made: CapturedFrames) -> None:
    """Refuse a content in which many rows have two figures.

    Raises:
        FileRefused: so many are not issues that share a symbol.
    """
    if twice := row_rules.versions_joined(made.rows):
        raise FileRefused(
            f"{twice} symbols and venues are in it twice, some with different figures: it looks "
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
    frames += [captures.read_rows(lake, one, [*COLUMNS]) for one in stored if one.key == key]
    found = [compare(made.rows, frame) for frame in frames]
    if any(one.shared and 2 * one.same >= one.shared for one in found):
        return made
    if any(one.is_enough for one in found) or item.placement.week_source is WeekSource.PUBLICATION:
        raise FileRefused(_misplaced(item, other))
    return replace(made, capture=replace(made.capture, alternative_week=other))


def _misplaced(item: Delivery, other: date) -> str:
    week, tier, _ = item.placement.key
    by = "path" if item.placement.week_source is WeekSource.PATH else "earliest rows"
    return (
        f"would be week ending {week} of {tier} by its {by}, but half of its rows or more were "
        f"updated on the publication day of week ending {other}, and it does not repeat the "
        f"figures of a file of {week}: place it below week_ending={other}/. If FINRA did correct "
        f"that many rows of {week} on that day, deliver it with FINRA's column weekStartDate"
    )


def _contradicted(
    captured: list[tuple[CapturedFrames, Delivery]], week: WeekCaptures, lake: Lake
) -> list[Unusable]:
    """Files whose week is only proposed, and whose figures are not those of its other files."""
    found = []
    for made, item in captured:
        if not is_proposed(item):
            continue
        own = [known_file(lake, one) for one in _standing(week) if one.key == made.capture.key]
        own += [
            _new_file(other)
            for other, _ in captured
            if other is not made and other.capture.key == made.capture.key
        ]
        if contradicted := contradicting(made, own):
            reason = Shown(contradicts(item, *contradicted))
            found.append(Unusable(item.name, reason, item.placement.week_ending))
    return found


def _standing(week: WeekCaptures) -> list[Capture]:
    """The captures that are not retracted."""
    out = pins.retracted(week.pins)
    return [item for item in week.captures if (item.key, item.capture_id) not in out]


def _new_file(made: CapturedFrames) -> KnownFile:
    capture = made.capture
    known = Sample.of_text(capture.sample) or sample(made.rows)
    return KnownFile(capture.source_file, capture.week_ending, known, lambda: made.rows)


def _split_deliveries(
    captured: list[tuple[CapturedFrames, Delivery]], week: WeekCaptures, lake: Lake
) -> list[Unusable]:
    """Files that share no key with another one of their tier and class.

    A file that has too few rows to be current is no part of a delivery: it waits.
    """
    files = [made for made, _ in captured]
    together = (*week.captures, *(made.capture for made in files))
    able = {(item.key, item.capture_id) for item in candidates(together, week.pins)}
    stored = [item for item in week.captures if (item.key, item.capture_id) in able]
    whole = [made for made in files if (made.capture.key, made.capture.capture_id) in able]
    apart: dict[str, tuple[CapturedFrames, str]] = {}
    for one, other in combinations(files, 2):
        if _are_two_parts(one, other):
            apart.setdefault(one.capture.source_file, (one, other.capture.source_file))
            apart.setdefault(other.capture.source_file, (other, one.capture.source_file))
    for made in whole:
        for item in stored:
            same_key = item.key == made.capture.key
            if same_key and _disjoint(made.rows, captures.read_rows(lake, item, [*_IDENTITY])):
                apart.setdefault(made.capture.source_file, (made, item.source_file))
    return [
        Unusable(
            made.capture.source_file,
            Shown(
                f"holds other rows than {other} of the same tier and class: they look like one "
                "delivery in two parts; join them into one file"
            ),
            made.capture.week_ending,
        )
        for made, other in apart.values()
        if any(made is one for one in whole) or not any(_shares_keys(made, one) for one in whole)
    ]


def _are_two_parts(one: CapturedFrames, other: CapturedFrames) -> bool:
    """Whether files of one tier and class share no key, and neither has nearly all of both."""
    most, both = max(one.capture.keys, other.capture.keys), one.capture.keys + other.capture.keys
    same_key = one.capture.key == other.capture.key
    return same_key and 10 * most < _NEARLY_ALL_TENTHS * both and _disjoint(one.rows, other.rows)


def _shares_keys(made: CapturedFrames, other: CapturedFrames) -> bool:
    return made.capture.key == other.capture.key and not _disjoint(made.rows, other.rows)


def _disjoint(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    rows, others = with_participants(one, other)
    return rows.join(others, on=["symbol", "participant"], how="semi").is_empty()
