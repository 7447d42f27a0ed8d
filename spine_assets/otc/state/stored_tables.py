"""The tables of a week that are stored and fresh, as a build that changed nothing describes them.

A run describes each table that it publishes. Whoever has to describe one later, because that run
could not record it, finds the same data version and facts here. Does not belong here: the record
itself (`orchestration.reconcile`), and stale tables, whose versions nobody needs.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from spine_assets.core.tables import Table, exact_total
from spine_assets.core.values import number
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.state.freshness import (
    Freshness,
    build_facts,
    build_hash,
    data_version,
    freshness,
    inputs_of,
    part_of,
)
from spine_assets.otc.state.results import TableBuilt
from spine_assets.otc.tables import consolidated, raw
from spine_assets.otc.tables.registry import TABLES

GIVEN = (pins.TABLE, consolidated.TABLE)
"""Tables of the lake that no build of a week makes: what people decided, and what they gave."""


def stored_tables(lake: Lake, week: date) -> list[TableBuilt]:
    """Each fresh table of a week, in the order of the declarations.

    Raises:
        LakeError: a capture of the week cannot be read.
    """
    known = captures.known_of(lake, week)
    return [
        TableBuilt(
            table.name, data_version(table, known), True, _facts(lake, table.name, week, known)
        )
        for table in TABLES
        if freshness(lake, table.name, week, known) is Freshness.FRESH
    ]


def is_consistent(lake: Lake, week: date) -> bool:
    """Whether a week has all tables, made from its current captures.

    Not while a run publishes them, after it was killed, and where a check keeps the newer ones from
    being published. A week of an early version may lack a table that was added later.

    Raises:
        LakeError: a capture of the week cannot be read.
    """
    known = captures.known_of(lake, week)
    stored = [
        (declared, build_facts(lake, part_of(lake, declared.name, week)))
        for declared in TABLES
        if declared.name != raw.TABLE.name
    ]
    for declared, found in stored:
        made_from = found.get("facts", {}).get("capture_ids")  # lacking in files of early versions
        now = [item.capture_id for item in inputs_of(declared, known)]
        if made_from is not None and sorted(made_from) != sorted(now):
            return False
    if all(found for _, found in stored) or not (known.captures or known.totals):
        return True
    return any(
        found and found.get("build") != build_hash(declared, known) for declared, found in stored
    )


def _facts(lake: Lake, name: str, week: date, known: WeekCaptures) -> dict[str, Any]:
    """The stored facts; of `otc_raw`, which has a file per capture, those of its captures."""
    if name != raw.TABLE.name:
        facts: dict[str, Any] = build_facts(lake, part_of(lake, name, week))["facts"]
        return facts
    return raw_facts(known)


def raw_facts(known: WeekCaptures) -> dict[str, Any]:
    """Of the captures of a week: rows, shares and what they were made from."""
    current = known.current.values()
    return {
        "rows": sum(item.rows for item in current),
        "shares": number(exact_total(item.row_shares for item in current)),
        "parse_rejects": sum(item.reject_lines for item in current),
        "captures": len(known.captures),
        **input_facts(raw.TABLE, known),
    }


def input_facts(declared: Table, known: WeekCaptures) -> dict[str, Any]:
    """What a table is made from; of `otc_venue_share`, which has the tiers of rows, both kinds."""
    made_from = inputs_of(declared, known)
    of_rows = [item for item in made_from if item.grain is Grain.VENUES]
    return {
        "tiers_in": sorted({item.tier.value for item in of_rows or made_from}),
        "files": [item.source_file for item in made_from],
        "capture_ids": [item.capture_id for item in made_from],
        **({"synthetic": True} if known.is_synthetic else {}),
    }
