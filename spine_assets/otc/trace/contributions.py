"""Which stored rows the lines of a symbol are part of, and whether sums agree.

Figures are read from the tables as they are stored and never computed here but to be
compared: exact decimals on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from spine_assets.core.tables import exact_total
from spine_assets.lake.base import Lake
from spine_assets.otc.captures.model import WeekCaptures
from spine_assets.otc.state import versions
from spine_assets.otc.state.venue_totals import COLUMNS, totals
from spine_assets.otc.state.versions import Freshness
from spine_assets.otc.tables import restatements, symbol_summary, venue_share, venue_volume
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.trace.model import Contribution, Line, LinePart, TierSum, percent_of


def freshness(lake: Lake, week: date, known: WeekCaptures) -> dict[str, Freshness]:
    """Whether each derived table is fresh, stale or missing."""
    derived = [table.name for table in TABLES if table.deps]
    return {name: versions.freshness(lake, name, week, known) for name in derived}


def sums(lake: Lake, week: date, symbol: str, counted: Iterable[Line]) -> tuple[TierSum, ...]:
    """By tier: the lines that count against `otc_symbol_summary`."""
    found: dict[str, list[Decimal]] = {}
    for line in counted:
        found.setdefault(line.tier, []).append(line.share_volume)
    rows = _stored(lake, symbol_summary.TABLE.name, week, pl.col("symbol") == symbol)
    stored = {row["tier"]: row["total_volume"] for row in rows}
    return tuple(
        TierSum(
            tier,
            len(found.get(tier, ())),
            exact_total(found.get(tier, ())),
            stored.get(tier),
        )
        for tier in sorted({*found, *stored})
    )


def of_lines(
    lake: Lake, week: date, symbol: str, lines: Sequence[Line]
) -> tuple[Contribution, ...]:
    """Every stored figure that the lines are part of, summaries first."""
    fed = [line for line in lines if line.accepted]
    counted = {(line.venue_class, line.mpid) for line in fed if line.counts}
    tiers = {line.tier for line in fed}
    venues = {(line.venue_class, line.mpid) for line in fed}
    of_symbol = pl.col("symbol") == symbol
    found = [
        _summary(lake, week, row, lines)
        for row in _stored(lake, symbol_summary.TABLE.name, week, of_symbol)
        if row["tier"] in tiers
    ]
    rows = [
        _venue_row(row, lines)
        for row in _stored(lake, venue_volume.TABLE.name, week, of_symbol)
        if row["tier"] in tiers and (row["venue_class"], row["mpid"]) in venues
    ]
    found += sorted(rows, key=lambda item: -item.shares)
    shares = [
        row
        for row in _stored(lake, venue_share.TABLE.name, week, pl.lit(True))
        if (row["venue_class"], row["mpid"]) in counted
    ]
    made_of = _totals(lake, week) if shares else {}
    found += sorted((_share(row, lines, made_of) for row in shares), key=lambda i: -i.shares)
    keys = {(line.tier, line.venue_class) for line in fed}
    for row in _stored(lake, restatements.TABLE.name, week, pl.lit(True)):
        if (row["tier"], row["venue_class"]) in keys:
            found += _restated(row, lines)
    return tuple(found)


def _summary(lake: Lake, week: date, row: dict[str, Any], lines: Sequence[Line]) -> Contribution:
    key = {"tier": row["tier"], "symbol": row["symbol"]}
    same = (pl.col("symbol") == row["symbol"]) & (pl.col("tier") == row["tier"])
    held = _stored(lake, venue_volume.TABLE.name, week, same)
    total = exact_total(item["share_volume"] for item in held)
    return _contribution(
        symbol_summary.TABLE.name,
        key,
        "total_volume",
        row,
        _parts(lines, row["total_volume"], lambda line: line.counts and line.tier == row["tier"]),
        total == row["total_volume"],
    )


def _venue_row(row: dict[str, Any], lines: Sequence[Line]) -> Contribution:
    names = ("tier", "symbol", "venue_class", "mpid")

    def is_it(line: Line) -> bool:
        place = (line.tier, line.venue_class, line.mpid)
        return line.counts and place == (row["tier"], row["venue_class"], row["mpid"])

    parts = _parts(lines, row["share_volume"], is_it)
    figures = [(lines[part.line].share_volume, lines[part.line].record_hash) for part in parts]
    agrees = figures == [(row["share_volume"], row["record_hash"])]
    key = {name: row[name] for name in names}
    return _contribution(venue_volume.TABLE.name, key, "share_volume", row, parts, agrees)


def _share(
    row: dict[str, Any], lines: Sequence[Line], made_of: dict[tuple[str, str], Decimal]
) -> Contribution:
    place = (row["venue_class"], row["mpid"])
    parts = _parts(
        lines,
        row["total_volume"],
        lambda line: line.counts and (line.venue_class, line.mpid) == place,
    )
    agrees = made_of.get(place) == row["total_volume"]
    key = {"venue_class": row["venue_class"], "mpid": row["mpid"]}
    return _contribution(venue_share.TABLE.name, key, "total_volume", row, parts, agrees)


def _restated(row: dict[str, Any], lines: Sequence[Line]) -> list[Contribution]:
    """Both sides of a step: the lines of the capture that went and of the one that came."""
    place = (row["tier"], row["venue_class"])
    key = {"tier": row["tier"], "venue_class": row["venue_class"], "step": row["step"]}
    found = []
    for figure, capture in (
        ("shares_before", row["from_capture_id"]),
        ("shares_after", row["to_capture_id"]),
    ):
        parts = _parts(
            lines,
            row[figure],
            lambda line, capture=capture: (  # type: ignore[misc]
                line.accepted
                and (line.tier, line.venue_class) == place
                and line.capture_id == capture
            ),
        )
        if parts:
            found.append(_contribution(restatements.TABLE.name, key, figure, row, parts, None))
    return found


def _parts(
    lines: Sequence[Line], value: Decimal | None, is_part: Callable[[Line], bool]
) -> tuple[LinePart, ...]:
    return tuple(
        LinePart(place, line.share_volume, percent_of(line.share_volume, value))
        for place, line in enumerate(lines)
        if is_part(line)
    )


def _contribution(
    table: str,
    key: dict[str, str | int],
    figure: str,
    row: dict[str, Any],
    parts: tuple[LinePart, ...],
    agrees: bool | None,
) -> Contribution:
    return Contribution(table, key, figure, row[figure], parts, row["capture_id"], agrees)


def _totals(lake: Lake, week: date) -> dict[tuple[str, str], Decimal]:
    """Shares of each venue over all tiers, as `otc_venue_volume` is stored."""
    part = lake.part(venue_volume.TABLE.name, week)
    if not part.exists():
        return {}
    found: dict[tuple[str, str], list[Decimal]] = {}
    for _, venue_class, mpid, shares in totals(lake.read(part, COLUMNS)).iter_rows():
        found.setdefault((venue_class, mpid), []).append(shares)
    return {place: exact_total(shares) for place, shares in found.items()}


def _stored(lake: Lake, table: str, week: date, where: pl.Expr) -> list[dict[str, Any]]:
    """Rows of a derived table's week as it is stored; none where it is not built."""
    part = lake.part(table, week)
    return lake.read(part, where=where).to_dicts() if part.exists() else []
