"""Storage of captures: every content ever delivered for a (week, tier, class), append-only.

A capture is one Parquet file of `otc_raw` and one of parse rejects. The rejects are
written first, so the raw file is the commit. Belongs here: making, writing, listing and
reading captures. Does not belong here: what a capture is and which one is current
(`captures.model`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from spine_assets.core.tables import exact_sum
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.base import FileT, Lake, LakeError, LakeFile
from spine_assets.otc.captures import pins
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import (
    Capture,
    CapturedFrames,
    CaptureName,
    CaptureNames,
    TierClass,
)
from spine_assets.otc.delivery.file_format import ParsedFile
from spine_assets.otc.delivery.line_schema import DATES
from spine_assets.otc.delivery.placement import Placement
from spine_assets.otc.tables import raw, rejects

_HASH_DIGITS = 12
_NAME_PARTS = 3  # tier, class and id
_STORED_ALTERNATIVE = "or_week"  # the name of `alternative_week` in metadata of files


def make(
    parsed: ParsedFile, placement: Placement, source_file: str, now: datetime
) -> CapturedFrames:
    """Turn a parsed file into a capture; nothing is written."""
    captured_at = now.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    capture_id = f"{captured_at:%Y%m%dT%H%M%SZ}-{parsed.sha256[:_HASH_DIGITS]}"
    stamp = {
        "capture_id": capture_id,
        "week_ending": placement.week_ending,
        "tier_name": placement.tier.value,
        "source_file": source_file,
        "captured_at": captured_at,
    }
    rows = raw.build(parsed.rows, placement.venue_class, stamp)
    reject_rows = rejects.from_parse(parsed.rejects, stamp)
    counts = parsed.rejects.group_by("reason").len().sort("reason").iter_rows()
    capture = Capture(
        capture_id=capture_id,
        week_ending=placement.week_ending,
        tier=placement.tier,
        venue_class=placement.venue_class,
        sha256=parsed.sha256,
        captured_at=captured_at,
        last_update_date=rows["last_update_date"].max(),  # type: ignore[arg-type]
        source_file=source_file,
        week_source=placement.week_source.value,
        rows=rows.height,
        row_shares=exact_sum(rows["share_volume"]),
        reject_shares=exact_sum(parsed.rejects["share_volume"]),
        file_shares=parsed.shares,
        lines_counted=parsed.lines_counted,
        blank_lines=parsed.blank_lines,
        ends_mid_line=parsed.ends_mid_line,
        ends_with_date=parsed.header[-1] in DATES,
        rejects=dict(counts),
    )
    return CapturedFrames(capture, rows, reject_rows)


def raw_path(lake: Lake[FileT], capture: Capture) -> FileT:
    """File of a capture's accepted lines."""
    return lake.folder(raw.TABLE.name, capture.week_ending) / capture.file_name


def rejects_path(lake: Lake[FileT], capture: Capture) -> FileT:
    """File of a capture's parse rejects."""
    return lake.folder(rejects.TABLE.name, capture.week_ending) / f"parse.{capture.file_name}"


def commit(lake: Lake, captured: CapturedFrames) -> None:
    """Write a capture: rejects first, raw last."""
    facts = {"capture": _facts(captured.capture)}
    for frame, target in (
        (captured.rejects, rejects_path(lake, captured.capture)),
        (captured.rows, raw_path(lake, captured.capture)),
    ):
        lake.append(lake.stage(frame, target, facts), target)


def stored(lake: Lake, week: date) -> list[Capture]:
    """All committed captures of a week, the earliest first."""
    found = [_read(lake, path) for path in lake.files(raw.TABLE.name, week)]
    return sorted(found, key=lambda capture: (capture.captured_at, capture.sha256))


def name_of(tier: Tier, venue_class: VenueClass, sha256: str) -> CaptureName:
    """The name of a capture of that content."""
    return tier.value, venue_class.value, sha256[:_HASH_DIGITS]


def names(lake: Lake) -> CaptureNames:
    """What is captured, by week, from file names alone: no file is opened."""
    return {
        week: {_name_in(lake, week, file_name) for file_name in files}
        for week, files in lake.names(raw.TABLE.name).items()
    }


def _name_in(lake: Lake, week: date, file_name: str) -> CaptureName:
    parts = file_name.removesuffix(".parquet").split(".")
    if len(parts) != _NAME_PARTS:
        path = lake.folder(raw.TABLE.name, week) / file_name
        raise LakeError(f"{path} is not named like a capture; move it away")
    tier, venue_class, capture_id = parts
    return tier, venue_class, capture_id.rpartition("-")[2]


def remove_uncommitted(lake: Lake, week: date) -> int:
    """Delete parse rejects whose raw file was never written; hold the week's lock."""
    committed = {f"parse.{path.name}" for path in lake.files(raw.TABLE.name, week)}
    orphans = [
        path
        for path in lake.files(rejects.TABLE.name, week)
        if path.name.startswith("parse.") and path.name not in committed
    ]
    for path in orphans:
        path.unlink()
    return len(orphans)


def known_of(lake: Lake, week: date, moment: datetime | None = None) -> WeekCaptures:
    """Captures and pins of a stored week, all or those made until a moment."""
    found, pinned = stored(lake, week), pins.stored(lake, week)
    if moment is not None:
        until = moment.astimezone(UTC).replace(tzinfo=None)
        found = [item for item in found if item.captured_at <= until]
        pinned = [pin for pin in pinned if pin.pinned_at <= until]
    return WeekCaptures(tuple(found), tuple(pinned))


def current_of(lake: Lake, week: date, moment: datetime | None = None) -> dict[TierClass, Capture]:
    """The captures of a stored week that are current now, or were at a moment."""
    return known_of(lake, week, moment).current


def find(lake: Lake, capture_id: str) -> list[Capture]:
    """The captures of that id: one, or one per key where a content was delivered for several."""
    weeks = [
        week
        for week, files in lake.names(raw.TABLE.name).items()
        if any(name.endswith(f".{capture_id}.parquet") for name in files)
    ]
    return [item for week in weeks for item in stored(lake, week) if item.capture_id == capture_id]


def _read(lake: Lake, path: LakeFile) -> Capture:
    facts = lake.metadata(path).get("capture")
    if facts is None:
        raise LakeError(
            f"{path} is not a capture: it was not written by this program; move it away"
        )
    try:
        return _from_facts(facts)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise LakeError(
            f"{path} is damaged: its metadata cannot be read ({error!r}); restore it from a copy"
        ) from error


def _facts(capture: Capture) -> dict[str, Any]:
    """The metadata of a capture's files; stored names never change."""
    facts = asdict(capture)
    facts[_STORED_ALTERNATIVE] = facts.pop("alternative_week")
    return facts


def _from_facts(facts: dict[str, Any]) -> Capture:
    """Read a capture back from file metadata (JSON)."""
    facts = dict(facts)
    alternative = facts.pop(_STORED_ALTERNATIVE, None)
    return Capture(
        **{
            **facts,
            "week_ending": date.fromisoformat(facts["week_ending"]),
            "tier": Tier(facts["tier"]),
            "venue_class": VenueClass(facts["venue_class"]),
            "captured_at": datetime.fromisoformat(facts["captured_at"]),
            "last_update_date": date.fromisoformat(facts["last_update_date"]),
            "alternative_week": date.fromisoformat(alternative) if alternative else None,
            **{
                name: Decimal(facts[name])
                for name in ("row_shares", "reject_shares", "file_shares")
            },
        }
    )
