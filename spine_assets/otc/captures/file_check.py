"""What a file is, and what the next run would do with it; nothing is loaded or written.

The answer comes from what a run does itself: examining, placing, and making captures. Does not
belong here: how it is shown (`cli.render.check_file`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path

import polars as pl

from spine_assets.core.text import Shown
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import intake, storage
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import CapturedFrames
from spine_assets.otc.captures.provenance import clash, telling_capture
from spine_assets.otc.captures.week_evidence import KnownFiles, WeekEvidence
from spine_assets.otc.delivery.archives import packing_of, read_contents
from spine_assets.otc.delivery.deliveries import Delivery, Landing, full_name
from spine_assets.otc.delivery.file_format import ParsedFile, parse
from spine_assets.otc.delivery.listing import is_listed_name
from spine_assets.otc.delivery.parts import part_of, placements
from spine_assets.otc.delivery.placement import Grain, WeekSource
from spine_assets.otc.delivery.reasons import FileRefused
from spine_assets.otc.tables import row_rules

_FIRST_LINES = 5  # of each reason


class Outcome(StrEnum):
    """What the next run would do with a part of a content."""

    NEW = "would be captured"
    SAME = "its content is captured already"
    REFUSED = "would be refused"


@dataclass(frozen=True)
class Rejects:
    """Lines that are rejected for one reason: how many, and the first of them."""

    reason: str
    lines: int
    first: tuple[int, ...]


@dataclass(frozen=True)
class PartCheck:
    """One part of a content.

    `why` says more of the outcome: the reason of a refusal, the capture that has the content, or
    whether a new capture would be current.
    """

    tier: Tier
    venue_class: VenueClass
    grain: Grain
    rows: int
    rejects: tuple[Rejects, ...]
    notes: dict[str, int]
    outcome: Outcome
    why: Shown


@dataclass(frozen=True)
class ContentCheck:
    """One content of a file: the file itself, or a member of an archive.

    `refused` is why nothing of it can be used.
    """

    name: str
    refused: Shown | None = None
    form: str | None = None
    encoding: str | None = None
    lines: int = 0
    week_ending: date | None = None
    week_source: WeekSource | None = None
    parts: tuple[PartCheck, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether every part of it is captured, or would be."""
        return self.refused is None and all(
            part.outcome is not Outcome.REFUSED for part in self.parts
        )


@dataclass(frozen=True)
class FileCheck:
    """One file: where it is, how it is packed, and its contents."""

    path: Path
    packing: str | None = None
    contents: tuple[ContentCheck, ...] = field(default=())

    @property
    def usable(self) -> bool:
        """Whether all of its contents are."""
        return all(content.usable for content in self.contents)


def check_file(file: Path, landing: Path, lake: Lake, now: datetime) -> FileCheck:
    """Look at a file as the next run would, if it lay in the landing folder.

    Args:
        file: A file anywhere, or its path below the landing folder.
        landing: The landing folder.
        lake: Where captures are looked for.
        now: The time of the run.

    Raises:
        OSError: it cannot be read.
        LakeError: a stored capture cannot be read.
    """
    path = file if file.exists() or not (landing / file).exists() else landing / file
    root, real = landing.resolve(), path.resolve()
    name = real.relative_to(root).as_posix() if real.is_relative_to(root) else path.name
    packing = packing_of(path)
    if not is_listed_name(path.name):
        reason = Shown(
            "a file of this name is passed over in the landing folder; give it an ending such as "
            ".csv, and no dot, ~ or _ first"
        )
        return FileCheck(path, packing, (ContentCheck(full_name(name, None), reason),))
    found: list[ContentCheck] = []
    try:
        for member, content in read_contents(path):
            full = full_name(name, member)
            found.append(_content(full, path, member, content, lake, now))
    except FileRefused as refused:
        found = [ContentCheck(full_name(name, None), Shown(refused))]
    return FileCheck(path, packing, tuple(found))


def _content(
    name: str,
    path: Path,
    member: str | None,
    content: bytes | FileRefused,
    lake: Lake,
    now: datetime,
) -> ContentCheck:
    if isinstance(content, FileRefused):
        return ContentCheck(name, Shown(content))
    try:
        parsed = parse(content, now.astimezone(UTC).date())
    except FileRefused as refused:
        return ContentCheck(name, Shown(refused))
    form, encoding, lines = parsed.form.value, parsed.encoding.value, parsed.lines
    try:
        placed = placements(parsed, name)
    except FileRefused as refused:
        return ContentCheck(name, Shown(refused), form, encoding, lines)
    week, source = placed[0].week_ending, placed[0].week_source
    known = storage.known_of(lake, week)
    parts = (
        _part(
            Delivery(name, path, member, parsed.sha256, place, parsed=parsed),
            parsed,
            known,
            lake,
            now,
        )
        for place in placed
    )
    return ContentCheck(name, None, form, encoding, lines, week, source, tuple(parts))


def _part(
    item: Delivery, whole: ParsedFile, known: WeekCaptures, lake: Lake, now: datetime
) -> PartCheck:
    place = item.placement
    part = part_of(whole, place.venue_class, place.grain)
    made = storage.make(part, place, item.name, now)
    outcome, why = _outcome(item, made, known, lake, now)
    rejects = [*_counted(part.rejects)]
    if place.grain is Grain.VENUES:
        rejects += _counted(row_rules.split(made.rows)[1])
    notes = made.rows.select(pl.col("notes").drop_nulls().str.split("; ").explode())
    return PartCheck(
        place.tier,
        place.venue_class,
        place.grain,
        part.rows.height,
        tuple(rejects),
        dict(notes.group_by("notes").len().sort("notes").iter_rows()),
        outcome,
        Shown(why),
    )


def _counted(rejected: pl.DataFrame) -> Iterator[Rejects]:
    for (reason,), lines in rejected.sort("reason", "source_line").group_by(
        "reason", maintain_order=True
    ):
        numbers = lines["source_line"]
        yield Rejects(str(reason), lines.height, tuple(numbers.head(_FIRST_LINES).to_list()))


def _outcome(
    item: Delivery, made: CapturedFrames, known: WeekCaptures, lake: Lake, now: datetime
) -> tuple[Outcome, str]:
    place = item.placement
    stored = [*(known.captures if place.grain is Grain.VENUES else known.totals)]
    for capture in stored:
        if (capture.key, capture.sha256) == (made.capture.key, item.sha256):
            return Outcome.SAME, f"{capture.capture_id}, from {capture.source_file}"
    if why := clash(made.capture.provenance, telling_capture(lake)):
        return Outcome.REFUSED, why
    if place.grain is Grain.TOTALS:
        return Outcome.NEW, "FINRA's control totals"
    today = now.astimezone(UTC).date()
    evidence = WeekEvidence(lake, Landing((), ()), KnownFiles(), today)
    if refused := intake.take([item], known, lake, now, evidence).refused:
        return Outcome.REFUSED, refused[0].reason
    return Outcome.NEW, would_be(made, known)


def would_be(made: CapturedFrames, known: WeekCaptures) -> str:
    """What a capture would be beside those of its week (`captures.current`), and why."""
    with_it = replace(known, captures=(*known.captures, made.capture))
    state, why = with_it.state(made.capture)
    return f"{state}: {why}"
