"""Storage of captures: every content ever delivered for a (week, tier, class), append-only.

A capture is its delivered content (`captures.delivered`), one Parquet file of its rows and one of
parse rejects. They are written in the order content, rejects, rows, so the raw file is the commit.
Rows by venue are `otc_raw`; FINRA's control totals, of the same columns, are in `otc_control_raw`.
Rows and rejects are what was read from the content, and are replaced when it is read again.
Belongs here: making, writing, listing and reading captures. Does not belong here: what a capture is
and which one is current (`captures.model`), and when one is read again (`captures.reading`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from spine_assets.core.table_schema import completed
from spine_assets.core.tables import exact_sum
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.base import FileT, Lake, LakeError, LakeFile
from spine_assets.otc.captures import delivered, pins
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
from spine_assets.otc.delivery.placement import Grain, Placement
from spine_assets.otc.delivery.provenance import Provenance
from spine_assets.otc.tables import raw, rejects

CONTROL_RAW = "otc_control_raw"
"""Captured control totals: a folder beside the tables, without a view (`otc_control_totals`)."""
FOLDERS = {Grain.VENUES: raw.TABLE.name, Grain.TOTALS: CONTROL_RAW}
"""Where the rows of captures are, by grain."""

_HASH_DIGITS = 12
_STORED_ALTERNATIVE = "or_week"  # the name of `alternative_week` in metadata of files
_STAMP = ("capture_id", "week_ending", "source_file", "captured_at")
_OF_DELIVERY = (*_STAMP, "tier", "venue_class", "sha256", "week_source", "grain")


def make(
    parsed: ParsedFile, placement: Placement, source_file: str, now: datetime
) -> CapturedFrames:
    """Turn a parsed file into a capture; nothing is written."""
    captured_at = now.astimezone(UTC).replace(tzinfo=None)
    capture_id = f"{captured_at:%Y%m%dT%H%M%SZ}-{short_hash(parsed.sha256)}"
    delivery = {
        "capture_id": capture_id + _part(parsed, placement),
        "week_ending": placement.week_ending,
        "tier": placement.tier,
        "venue_class": placement.venue_class,
        "sha256": parsed.sha256,
        "captured_at": captured_at,
        "source_file": source_file,
        "week_source": placement.week_source.value,
        "grain": placement.grain,
    }
    return _as_read(parsed, delivery)


def _part(parsed: ParsedFile, placement: Placement) -> str:
    """What sets the capture of a part apart from those of the other parts of its content."""
    return f"-{placement.venue_class.lower()}-{placement.grain}" if parsed.other_lines else ""


def again(capture: Capture, parsed: ParsedFile) -> CapturedFrames:
    """A stored capture whose content was parsed again: what was delivered, and when, stays."""
    kept = {
        name: getattr(capture, name)
        for name in (*_OF_DELIVERY, "alternative_week", "last_update_date")
    }
    return replace(_as_read(parsed, kept), is_again=True)


def _as_read(parsed: ParsedFile, known: dict[str, Any]) -> CapturedFrames:
    """The capture and frames of a parsed content.

    Args:
        parsed: The content.
        known: What does not depend on how it is read (`_OF_DELIVERY`). A `last_update_date` in it
            counts where no row has one.
    """
    stamp = {name: known[name] for name in _STAMP}
    rows = raw.build(parsed.rows, known["tier"], known["venue_class"], stamp)
    counts = parsed.rejects.group_by("reason").len().sort("reason").iter_rows()
    latest = rows["last_update_date"].max()
    figures = parsed.sample
    read = {
        "rows": rows.height,
        "keys": figures.keys,
        "sample": figures.text(),
        "row_shares": exact_sum(rows["share_volume"]),
        "reject_shares": exact_sum(parsed.rejects["share_volume"]),
        "file_shares": parsed.shares,
        "lines_counted": parsed.lines_counted,
        "blank_lines": parsed.blank_lines,
        "ends_mid_line": parsed.ends_mid_line,
        "ends_with_date": parsed.header[-1] in DATES,
        "rejects": dict(counts),
        "parser": raw.TABLE.code_version,
        "judge_again_on": parsed.judge_again_on,
        "other_lines": parsed.other_lines,
        "provenance": parsed.provenance,
        **({} if latest is None else {"last_update_date": latest}),
    }
    capture = Capture(**(known | read))
    return CapturedFrames(capture, rows, rejects.from_parse(parsed.rejects, stamp), parsed.content)


def raw_path(lake: Lake[FileT], capture: Capture) -> FileT:
    """File of a capture's accepted lines."""
    return lake.folder(FOLDERS[capture.grain], capture.week_ending) / capture.file_name


def rejects_path(lake: Lake[FileT], capture: Capture) -> FileT:
    """File of a capture's parse rejects."""
    return lake.folder(rejects.TABLE.name, capture.week_ending) / f"parse.{capture.file_name}"


def commit(lake: Lake, captured: CapturedFrames) -> None:
    """Write a capture: content first, raw last.

    A process that is killed in between leaves no capture, or, of one that is read again, the
    earlier raw file, which shows that it is still to be read again.
    """
    capture = captured.capture
    delivered.store(lake, capture.week_ending, capture.sha256, captured.content)
    facts = {"capture": _facts(capture)}
    write = lake.publish if captured.is_again else lake.append
    for frame, target in (
        (captured.rejects, rejects_path(lake, capture)),
        (captured.rows, raw_path(lake, capture)),
    ):
        write(lake.stage(frame, target, facts), target)


def read_rows(
    lake: Lake, capture: Capture, columns: list[str] | None = None, where: pl.Expr | None = None
) -> pl.DataFrame:
    """The stored rows of a capture, or those that meet a condition, with all columns of today.

    Args:
        lake: Where it is stored.
        capture: The capture.
        columns: Only these.
        where: A condition on columns that every file has.

    Raises:
        LakeError: its file cannot be read.
    """
    path = raw_path(lake, capture)
    if capture.parser == raw.TABLE.code_version:
        return lake.read(path, columns, where)
    rows = completed(lake.read(path, where=where), raw.TABLE, tier_name=capture.tier.value)
    return rows.select(columns) if columns else rows


def read_rejects(lake: Lake, capture: Capture) -> pl.DataFrame:
    """The stored parse rejects of a capture; raises as `read_rows`."""
    return lake.read(rejects_path(lake, capture))


def stored(
    lake: Lake, week: date, grain: Grain = Grain.VENUES, key: TierClass | None = None
) -> list[Capture]:
    """All committed captures of a week and grain, or of a tier and class, the earliest first."""
    found = each_stored(lake, week, grain, key)
    return sorted(found, key=lambda capture: (capture.captured_at, capture.sha256))


def each_stored(
    lake: Lake, week: date, grain: Grain = Grain.VENUES, key: TierClass | None = None
) -> Iterator[Capture]:
    """The same in the order of file names, each read when it is asked for."""
    begin = f"{key[0]}.{key[1]}." if key else ""
    files = (path for path in lake.files(FOLDERS[grain], week) if path.name.startswith(begin))
    return (_read(lake, path) for path in files)


def name_of(
    tier: Tier, venue_class: VenueClass, sha256: str, grain: Grain = Grain.VENUES
) -> CaptureName:
    """The name of a capture of that content."""
    return tier.value, venue_class.value, grain.value, short_hash(sha256)


def short_hash(sha256: str) -> str:
    """The digits of a content's hash that are in a capture's id."""
    return sha256[:_HASH_DIGITS]


def names(lake: Lake) -> CaptureNames:
    """What is captured, by week, from file names alone: no file is opened."""
    found: dict[date, set[CaptureName]] = {}
    for grain, folder in FOLDERS.items():
        for week, files in lake.names(folder).items():
            found.setdefault(week, set()).update(_parsed_name(name, grain) for name in files)
    return found


def names_of_week(lake: Lake, week: date) -> set[CaptureName]:
    """The same of one week."""
    return {
        _parsed_name(path.name, grain)
        for grain, folder in FOLDERS.items()
        for path in lake.files(folder, week)
    }


def _parsed_name(file_name: str, grain: Grain) -> CaptureName:
    tier, venue_class, _ = file_name.split(".", 2)
    return tier, venue_class, grain.value, _content_in(file_name)


def _content_in(file_name: str) -> str:
    """The first digits of the content's hash in the name of a raw file."""
    return file_name.removesuffix(".parquet").partition("-")[2].partition("-")[0]


def _strange_names(lake: Lake, week: date) -> str:
    """All names in the folders of a week's captures, also those that are none of ours."""
    folders = (lake.entries(folder, f"week_ending={week}") for folder in FOLDERS.values())
    return " ".join(name for names in folders for name in names)


def remove_uncommitted(lake: Lake, week: date) -> int:
    """Delete contents and parse rejects whose raw file was never written; hold the week's lock."""
    committed = [path.name for folder in FOLDERS.values() for path in lake.files(folder, week)]
    beside = {f"parse.{name}" for name in committed}
    orphans = [
        path
        for path in lake.files(rejects.TABLE.name, week)
        if path.name.startswith("parse.") and path.name not in beside
    ]
    contents = {_content_in(name) for name in committed}
    alone = [
        path
        for path in lake.files(delivered.FOLDER, week, delivered.SUFFIX)
        if short_hash(path.name) not in contents
    ]
    # A capture whose name this version does not know is one all the same.
    others = _strange_names(lake, week) if alone else ""
    orphans += [path for path in alone if short_hash(path.name) not in others]
    for path in orphans:
        path.unlink()
    return len(orphans)


def known_of(lake: Lake, week: date, moment: datetime | None = None) -> WeekCaptures:
    """Captures and pins of a stored week, all or those made until a moment."""
    found, pinned = stored(lake, week), pins.stored(lake, week)
    totals = stored(lake, week, Grain.TOTALS)
    if moment is not None:
        until = moment.astimezone(UTC).replace(tzinfo=None)
        found, totals = (
            [item for item in items if item.captured_at <= until] for items in (found, totals)
        )
        pinned = [pin for pin in pinned if pin.pinned_at <= until]
    return WeekCaptures(tuple(found), tuple(pinned), tuple(totals))


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
    alternative, judge_again_on = facts.pop(_STORED_ALTERNATIVE, None), facts.get("judge_again_on")
    return Capture(
        **{
            **facts,
            "week_ending": date.fromisoformat(facts["week_ending"]),
            "tier": Tier(facts["tier"]),
            "venue_class": VenueClass(facts["venue_class"]),
            "grain": Grain(facts.get("grain", Grain.VENUES)),
            "keys": facts.get("keys", facts["rows"]),
            # What was stored before rows had a mark counts as FINRA's.
            "provenance": tuple(map(Provenance, facts.get("provenance", [Provenance.FINRA]))),
            "captured_at": datetime.fromisoformat(facts["captured_at"]),
            "last_update_date": date.fromisoformat(facts["last_update_date"]),
            "alternative_week": date.fromisoformat(alternative) if alternative else None,
            "judge_again_on": date.fromisoformat(judge_again_on) if judge_again_on else None,
            **{
                name: Decimal(facts[name])
                for name in ("row_shares", "reject_shares", "file_shares")
            },
        }
    )
