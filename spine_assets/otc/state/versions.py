"""Versions of built weeks: what a stored table was made from, and whether that still holds.

Judged from the lake alone: the inputs and code versions of a build stand in the metadata
of its file.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from spine_assets.core.tables import Table
from spine_assets.lake.base import FileT, Lake, LakeError, LakeFile, LakeMissing, LakeUnavailable
from spine_assets.otc.captures.model import WeekCaptures
from spine_assets.otc.tables import raw, rejects
from spine_assets.otc.tables.registry import table, upstream

RULE_PART = "rule.parquet"
"""The rule rejects of a week; parse rejects stand beside it, a file a capture."""

_HASH_DIGITS = 12


class Freshness(StrEnum):
    """How a stored week of a table relates to its inputs."""

    FRESH = "fresh"
    STALE = "stale"
    MISSING = "missing"


def part_of(lake: Lake[FileT], name: str, week: date) -> FileT:
    """The file that a build of a derived table's week replaces."""
    if name == rejects.TABLE.name:
        return lake.folder(name, week) / RULE_PART
    return lake.part(name, week)


def build_hash(declared: Table, known: WeekCaptures) -> str:
    """12 hex of the sorted input capture ids, the pins where they are input, and the code."""
    if not declared.depends_on_history:
        ids = sorted(item.capture_id for item in known.current.values())
        return _digest([ids, _codes(declared)])
    said = [[*pin.key, pin.capture_id, pin.pinned_at.isoformat()] for pin in known.pins]
    ids = sorted(f"{'.'.join(item.key)}={item.capture_id}" for item in known.captures)
    return _digest([ids, said, _codes(declared)])


def data_version(declared: Table, known: WeekCaptures) -> str:
    """12 hex of delivered content and code versions.

    The same files give the same value in any lake and at any time; of a table that
    depends on history, the same files and pins in the same order.
    """
    if not declared.depends_on_history:
        inputs = sorted(f"{'.'.join(key)}={item.sha256}" for key, item in known.current.items())
        return _digest([inputs, _codes(declared)])
    content = {(item.key, item.capture_id): item.sha256 for item in known.captures}
    events: list[tuple[datetime, int, list[str]]] = [
        (item.captured_at, 0, [*item.key, item.sha256])
        for item in sorted(known.captures, key=lambda item: (item.key, item.rank))
    ]
    events += [
        (pin.pinned_at, 1, [*pin.key, content.get((pin.key, pin.capture_id), "")])
        for pin in known.pins
    ]
    told = [[kind, *said] for _, kind, said in sorted(events, key=lambda item: item[:2])]
    return _digest([told, _codes(declared)])


def freshness(lake: Lake, name: str, week: date, known: WeekCaptures) -> Freshness:
    """Whether a stored week is there and made from what is known now, by today's code."""
    if name == raw.TABLE.name:
        return Freshness.FRESH if known.current else Freshness.MISSING
    try:
        held = _told(lake, part_of(lake, name, week)).get("build")
    except LakeMissing:
        return Freshness.MISSING
    return Freshness.FRESH if held == build_hash(table(name), known) else Freshness.STALE


def build_facts(lake: Lake, part: LakeFile) -> dict[str, Any]:
    """What a built file says of itself; nothing where it is missing or damaged.

    A damaged file of a derived table is as good as none: it is built again.

    Raises:
        LakeUnavailable: the lake does not answer, which says nothing of the file.
    """
    try:
        return _told(lake, part)
    except LakeMissing:
        return {}


def _told(lake: Lake, part: LakeFile) -> dict[str, Any]:
    """What a file says of itself, by one request; nothing where it is damaged."""
    try:
        return lake.metadata(part)
    except LakeUnavailable:
        raise
    except LakeError:
        return {}


def _codes(declared: Table) -> list[str]:
    names = [*upstream(declared.name), declared.name]
    return [f"{name}={table(name).code_version}" for name in names]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:_HASH_DIGITS]
