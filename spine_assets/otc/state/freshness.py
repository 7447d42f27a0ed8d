"""Versions of built weeks: what a stored table was made from, and whether it is still fresh.

Both follow from the lake alone: a file's metadata has the inputs and code versions of its build.
A build is stale where its declaration or the code of a check has changed, since its rows were held
to other rules; its data version changes only where its rows may.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from spine_assets.core.tables import Table
from spine_assets.lake.base import FileT, Lake, LakeFile
from spine_assets.lake.replace import stored_metadata
from spine_assets.otc.captures import reading
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.tables import raw, rejects
from spine_assets.otc.tables.registry import grains_of, table, upstream

RULE_PART = "rule.parquet"
"""The rule rejects of a week; parse rejects are beside it, one file per capture."""

_HASH_DIGITS = 12
_CODE = (".py", ".sql")
_COMMENTS = ("#", "--")


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


def code_version(declared: Table) -> str:
    """The version of a table's code: that of its rows, its declaration, and the checks' code."""
    return f"{declared.code_version}-{declared.declaration_hash}-{_check_code()}"


def build_hash(declared: Table, known: WeekCaptures) -> str:
    """12 hex of the captures and how each was read, pins where they are input, and the code."""
    if not declared.depends_on_history:
        ids = sorted(f"{item.capture_id}:{item.reading}" for item in inputs_of(declared, known))
        return _digest([ids, _codes(declared, code_version)])
    pins = [[*pin.key, pin.capture_id, pin.action, pin.pinned_at.isoformat()] for pin in known.pins]
    ids = sorted(
        f"{'.'.join(item.key)}={item.capture_id}:{item.reading}" for item in known.captures
    )
    return _digest([ids, pins, _codes(declared, code_version)])


def data_version(declared: Table, known: WeekCaptures) -> str:
    """12 hex of delivered content, how it was read, and code versions.

    The same files, read by the same rules, give the same value in any lake and at any time; of a
    table that depends on history, the same files and pins in the same order.
    """
    if not declared.depends_on_history:
        inputs = sorted(
            f"{'.'.join(item.key)}={_as_read(item)}" for item in inputs_of(declared, known)
        )
        return _digest([inputs, _codes(declared, _of_rows)])
    content = {(item.key, item.capture_id): _as_read(item) for item in known.captures}
    events: list[tuple[datetime, int, list[str]]] = [
        (item.captured_at, 0, [*item.key, _as_read(item)])
        for item in sorted(known.captures, key=lambda item: (item.key, item.rank))
    ]
    events += [
        (pin.pinned_at, 1, [*pin.key, pin.action, content.get((pin.key, pin.capture_id), "")])
        for pin in known.pins
    ]
    history = [[kind, *values] for _, kind, values in sorted(events, key=lambda item: item[:2])]
    return _digest([history, _codes(declared, _of_rows)])


def freshness(
    lake: Lake, name: str, week: date, known: WeekCaptures, today: date | None = None
) -> Freshness:
    """Whether a stored week is there and made from the current inputs by the current code.

    Args:
        lake: Where it is stored.
        name: The table.
        week: Week ending.
        known: The week's captures and pins.
        today: `otc_raw` is stale where a capture would be read again on this day; by default it
            is fresh as it is.
    """
    if name == raw.TABLE.name:
        if not known.captures:
            return Freshness.MISSING
        every = (*known.captures, *known.totals)
        again = today is not None and reading.outdated(lake, week, every, today)
        return Freshness.STALE if again else Freshness.FRESH
    stored = stored_metadata(lake, part_of(lake, name, week))
    if stored is None:
        return Freshness.MISSING
    is_fresh = stored.get("build") == build_hash(table(name), known)
    return Freshness.FRESH if is_fresh else Freshness.STALE


def build_facts(lake: Lake, part: LakeFile) -> dict[str, Any]:
    """The metadata of a built file; empty where it is missing or damaged.

    A damaged file of a derived table is as good as none: it is built again.

    Raises:
        LakeUnavailable: the lake does not answer, which says nothing about the file.
    """
    return stored_metadata(lake, part) or {}


def inputs_of(declared: Table, known: WeekCaptures) -> list[Capture]:
    """The captures that a table is made from, where it does not depend on history."""
    grains = grains_of(declared.name)
    rows = [*known.current.values()] if Grain.VENUES in grains else []
    return [*rows, *(known.ranked_totals if Grain.TOTALS in grains else ())]


def _as_read(item: Capture) -> str:
    return f"{item.sha256}:{item.reading}"


def _codes(declared: Table, version: Callable[[Table], str]) -> list[str]:
    """The versions of a table and of all that it is made from."""
    before = [table(name) for name in upstream(declared.name)]
    return [f"{item.name}={version(item)}" for item in (*before, declared)]


def _of_rows(declared: Table) -> str:
    return declared.code_version


@cache
def _check_code() -> str:
    """6 hex of the code of all checks, without lines that are comments."""
    own, core = resources.files("spine_assets.otc.checks"), resources.files("spine_assets.core")
    files = [*own.iterdir(), *own.joinpath("sql").iterdir(), core.joinpath("pandera_schema.py")]
    texts = {item.name: item.read_text("utf-8") for item in files if item.name.endswith(_CODE)}
    lines = [
        [name, *(line for line in text.splitlines() if not line.lstrip().startswith(_COMMENTS))]
        for name, text in sorted(texts.items())
    ]
    return _digest(lines)[:6]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:_HASH_DIGITS]
