"""Which stored rows the lines of a symbol are part of, and whether sums agree.

Figures are read from the tables as they are stored. Sums are made of exact decimals, and only to
compare them with what is stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from spine_assets.core.tables import exact_total
from spine_assets.lake.base import Lake
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.state import freshness as versions
from spine_assets.otc.state.freshness import Freshness
from spine_assets.otc.state.venue_totals import COLUMNS, totals
from spine_assets.otc.tables import (
    control_totals,
    restatements,
    symbol_summary,
    venue_share,
    venue_volume,
)
from spine_assets.otc.tables.control_totals import SummaryType
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.trace.model import (
    Contribution,
    FinraFigure,
    Line,
    LinePart,
    TierSum,
    percent_of,
)

_Row = dict[str, Any]
_Venue = tuple[str, str]  # class, mpid
_KEY = ("tier", "symbol", "venue_class", "mpid", "step")
"""What identifies a row within its week, where its table has the column."""


def freshness(lake: Lake, week: date, known: WeekCaptures) -> dict[str, Freshness]:
    """Whether each derived table is fresh, stale or missing."""
    derived = [table.name for table in TABLES if table.deps]
    return {name: versions.freshness(lake, name, week, known) for name in derived}


def sums(lake: Lake, week: date, symbol: str, counted: Iterable[Line]) -> tuple[TierSum, ...]:
    """By tier: the lines that count against `otc_symbol_summary`."""
    found: dict[str, list[Decimal]] = defaultdict(list)
    for line in counted:
        found[line.tier].append(line.share_volume)
    rows = _stored(lake, symbol_summary.TABLE.name, week, pl.col("symbol") == symbol)
    stored = {row["tier"]: row["total_volume"] for row in rows}
    return tuple(
        TierSum(tier, len(found[tier]), exact_total(found[tier]), stored.get(tier))
        for tier in sorted({*found, *stored})
    )


def reported(lake: Lake, week: date, symbol: str, lines: Sequence[Line]) -> tuple[FinraFigure, ...]:
    """FINRA's totals of a symbol, and of the venues of its lines, beside the sums of our rows."""
    found = []
    tiers = {line.tier for line in lines}
    rows = _stored(lake, venue_volume.TABLE.name, week, pl.col("symbol") == symbol)
    is_total = pl.col("summary_type") == SummaryType.SYMBOL.value
    for total in _stored(
        lake, control_totals.TABLE.name, week, is_total & (pl.col("symbol") == symbol)
    ):
        if total["tier"] in tiers:
            key = {name: total[name] for name in ("tier", "symbol", "venue_class")}
            ours = exact_total(
                row["share_volume"] for row in rows if all(row[name] == key[name] for name in key)
            )
            found.append(FinraFigure(symbol_summary.TABLE.name, key, total["share_volume"], ours))
    venues = {(line.venue_class, line.mpid) for line in lines if line.counts}
    for row in _stored(lake, venue_share.TABLE.name, week, pl.lit(True)):
        # A file of an earlier version has no such column.
        is_reported = row.get("reported_total_volume") is not None
        if is_reported and (row["venue_class"], row["mpid"]) in venues:
            key = {name: row[name] for name in ("venue_class", "mpid")}
            volumes = _venue_volumes(lake, week, row["reported_tiers"])
            ours = volumes.get((row["venue_class"], row["mpid"]), Decimal(0))
            found.append(
                FinraFigure(venue_share.TABLE.name, key, row["reported_total_volume"], ours)
            )
    return tuple(found)


def of_lines(
    lake: Lake, week: date, symbol: str, lines: Sequence[Line]
) -> tuple[Contribution, ...]:
    """Every stored figure that the lines are part of, summaries first."""
    accepted = [line for line in lines if line.accepted]
    tiers = {line.tier for line in accepted}
    venues = {(line.venue_class, line.mpid) for line in accepted}
    counted = {(line.venue_class, line.mpid) for line in accepted if line.counts}
    classes = {(line.tier, line.venue_class) for line in accepted}
    of_symbol, every = pl.col("symbol") == symbol, pl.lit(True)
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
        for row in _stored(lake, venue_share.TABLE.name, week, every)
        if (row["venue_class"], row["mpid"]) in counted
    ]
    volumes = _venue_volumes(lake, week) if shares else {}
    found += sorted((_share(row, lines, volumes) for row in shares), key=lambda i: -i.shares)
    for row in _stored(lake, restatements.TABLE.name, week, every):
        if (row["tier"], row["venue_class"]) in classes:
            found += _restated(row, lines)
    return tuple(found)


def _summary(lake: Lake, week: date, row: _Row, lines: Sequence[Line]) -> Contribution:
    same = (pl.col("symbol") == row["symbol"]) & (pl.col("tier") == row["tier"])
    venues = _stored(lake, venue_volume.TABLE.name, week, same)
    agrees = exact_total(item["share_volume"] for item in venues) == row["total_volume"]
    parts = _counted(lines, row, "tier")
    return _figure(symbol_summary.TABLE.name, row, "total_volume", parts, agrees)


def _venue_row(row: _Row, lines: Sequence[Line]) -> Contribution:
    parts = _counted(lines, row, "tier", "venue_class", "mpid")
    # Two issues of a symbol are two lines of one row, which has the hash of one of them.
    shares = exact_total(line.share_volume for line in parts.values())
    hashes = {line.record_hash for line in parts.values()}
    agrees = shares == row["share_volume"] and row["record_hash"] in hashes
    return _figure(venue_volume.TABLE.name, row, "share_volume", parts, agrees)


def _share(row: _Row, lines: Sequence[Line], volumes: dict[_Venue, Decimal]) -> Contribution:
    agrees = volumes.get((row["venue_class"], row["mpid"])) == row["total_volume"]
    parts = _counted(lines, row, "venue_class", "mpid")
    return _figure(venue_share.TABLE.name, row, "total_volume", parts, agrees)


def _restated(row: _Row, lines: Sequence[Line]) -> list[Contribution]:
    """Both sides of a step: the lines of the capture that went and of the one that came."""
    alike = _alike(lines, row, "tier", "venue_class")
    accepted = {place: line for place, line in alike.items() if line.accepted}
    found = []
    for figure, side in (("shares_before", "from"), ("shares_after", "to")):
        capture = row[f"{side}_capture_id"]
        parts = {n: line for n, line in accepted.items() if line.capture_id == capture}
        if parts:
            found.append(_figure(restatements.TABLE.name, row, figure, parts, None))
    return found


def _alike(lines: Sequence[Line], row: _Row, *names: str) -> dict[int, Line]:
    """Lines, by their place, that have the same values as a row under these names."""
    return {
        place: line
        for place, line in enumerate(lines)
        if all(getattr(line, name) == row[name] for name in names)
    }


def _counted(lines: Sequence[Line], row: _Row, *names: str) -> dict[int, Line]:
    alike = _alike(lines, row, *names)
    return {place: line for place, line in alike.items() if line.counts}


def _figure(
    table: str, row: _Row, figure: str, parts: dict[int, Line], agrees: bool | None
) -> Contribution:
    key = {name: row[name] for name in _KEY if name in row}
    value: Decimal | None = row[figure]
    shares = tuple(
        LinePart(place, line.share_volume, percent_of(line.share_volume, value))
        for place, line in parts.items()
    )
    return Contribution(table, key, figure, value, shares, row["capture_id"], agrees)


def _venue_volumes(
    lake: Lake, week: date, tiers: Collection[str] | None = None
) -> dict[_Venue, Decimal]:
    """Shares of each venue over all tiers, or some, as `otc_venue_volume` is stored."""
    part = lake.part(venue_volume.TABLE.name, week)
    if not part.exists():
        return {}
    found: dict[_Venue, list[Decimal]] = defaultdict(list)
    for tier, venue_class, mpid, _, shares in totals(lake.read(part, COLUMNS)).iter_rows():
        if tiers is None or tier in tiers:
            found[venue_class, mpid].append(shares)
    return {place: exact_total(shares) for place, shares in found.items()}


def _stored(lake: Lake, table: str, week: date, where: pl.Expr) -> list[_Row]:
    """Rows of a derived table's week as it is stored; none where it is not built."""
    part = lake.part(table, week)
    return lake.read(part, where=where).to_dicts() if part.exists() else []
