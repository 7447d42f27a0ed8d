"""Turns deliveries into captures: which are new, which repeat a content, which are refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import chain

import polars as pl

from spine_assets.core.text import Shown
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import Capture, CapturedFrames, TierClass
from spine_assets.otc.captures.two_parts import two_parts
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
from spine_assets.otc.tables import row_rules


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
    rows_of = _read_once(lake)
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
            made = _with_certain_week(made, item, captured, stored, rows_of)
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
    refused += two_parts([made for made, _ in captured], week, lake)
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
    captured: list[tuple[CapturedFrames, Delivery]],
    stored: list[Capture],
    rows_of: Callable[[Capture], pl.DataFrame],
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
    is_enough = False
    for frame in chain(
        (one.rows for one, _ in captured if one.capture.key == key),
        (rows_of(one) for one in stored if one.key == key),
    ):
        found = compare(made.rows, frame)
        if found.shared and 2 * found.same >= found.shared:
            return made
        is_enough = is_enough or found.is_enough
    if is_enough or item.placement.week_source is WeekSource.PUBLICATION:
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
    found: list[Unusable] = []
    if not any(is_proposed(item) for _, item in captured):
        return found
    own: dict[TierClass, list[KnownFile]] = defaultdict(list)
    for one in _standing(week):
        own[one.key].append(known_file(lake, one))
    new = {id(made): _new_file(made) for made, _ in captured}
    for made, _ in captured:
        own[made.capture.key].append(new[id(made)])
    for made, item in captured:
        if not is_proposed(item):
            continue
        mine = new[id(made)]
        others = (file for file in own[made.capture.key] if file is not mine)
        if contradicted := contradicting(mine, others):
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


def _read_once(lake: Lake) -> Callable[[Capture], pl.DataFrame]:
    """The figures of stored captures, each read at most once."""
    found: dict[tuple[TierClass, str], pl.DataFrame] = {}

    def rows_of(item: Capture) -> pl.DataFrame:
        key = item.key, item.capture_id
        if key not in found:
            found[key] = captures.read_rows(lake, item, [*COLUMNS])
        return found[key]

    return rows_of
