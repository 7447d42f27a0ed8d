"""What a reader sees of the tables, in a form that can be compared.

Two builds are equal when all columns but the volatile ones are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import polars.selectors as cs

from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.support.databases import opened

VOLATILE = (
    *("captured_at", "capture_id", "build_id"),
    *("input_min_capture_id", "input_max_capture_id"),
)
"""Columns that tell when and from which captures a row was built, and not what it says."""


@dataclass(frozen=True, order=True)
class Unit:
    """What is replaced or added at once: a table's week, or one capture of it."""

    table: str
    week: date
    part: str


@dataclass(frozen=True)
class Sight:
    """A unit as seen: rows, capture ids among them (where that is told) and their hash."""

    rows: int
    captures: int
    digest: int


Seen = dict[Unit, Sight]

_PARTS = {
    "otc_raw": "source_file",
    "otc_raw_current": "'tier ' || regexp_extract(tier, '[12]')",
    "otc_rejects": "CASE WHEN stage = 'parse' THEN source_file ELSE 'rule' END",
}
# What a table tells of history depends on the order in which files were captured, and when.
_TIMELESS = tuple(table for table in TABLES if not table.depends_on_history)
VIEWS = (*(table.name for table in _TIMELESS), "otc_raw_current")


def look(connection: duckdb.DuckDBPyConnection, view: str) -> Seen:
    """All units of one view, as one query sees them."""
    declared = next(t for t in _TIMELESS if t.name == view.removesuffix("_current"))
    columns = ", ".join(f'"{c.name}"' for c in declared.columns if c.name not in VOLATILE)
    by_capture = view in ("otc_raw", "otc_raw_current")
    part = _PARTS.get(view, "'all'")
    rows = connection.execute(
        f"SELECT week_ending, {part} AS part, count(*), "
        f"{'count(DISTINCT capture_id)' if by_capture else '1'}, "
        f"sum(hash({columns})::HUGEINT) FROM {view} GROUP BY ALL"
    ).fetchall()
    return {Unit(view, week, part): Sight(*sight) for week, part, *sight in rows}


def look_at_all(lake: LocalLake) -> Seen:
    """All units of all views of a lake at rest."""
    with connect(lake, TABLES) as connection:
        return {unit: sight for view in VIEWS for unit, sight in look(connection, view).items()}


def look_at_database(path: Path) -> Seen:
    """All units of a database, as one client sees them."""
    with opened(path) as connection:
        connection.execute("SET threads = 1")
        return {unit: sight for view in VIEWS for unit, sight in look(connection, view).items()}


def is_declared(lake: LocalLake) -> bool:
    """Whether the lake has its empty tables, so that looking at it writes nothing."""
    return all(lake.empty_part(table.name).exists() for table in TABLES)


def differences(lake: LocalLake, other: LocalLake) -> tuple[list[str], int]:
    """Where the stored tables of two lakes differ, floats bit by bit; and rows compared."""
    found, rows = [], 0
    for table in _TIMELESS:
        weeks = {*lake.weeks(table.name), *other.weeks(table.name)}
        for week in sorted(weeks):
            frames = [_stored(each, table.name, week) for each in (lake, other)]
            rows += frames[0].height
            if not frames[0].equals(frames[1]):
                heights = " and ".join(str(frame.height) for frame in frames)
                found.append(f"{table.name} of week {week} differs ({heights} rows)")
    return found, rows


def _stored(lake: LocalLake, table: str, week: date) -> pl.DataFrame:
    files = lake.files(table, week)
    if not files:
        return pl.DataFrame()
    frame = pl.concat(_bits(path) for path in files)
    # Files of captures are named by their time; all others stand in their own order.
    order = [name for name in ("stage", "source_file", "source_line") if name in frame.columns]
    return frame.sort(order, maintain_order=True) if order else frame


def _bits(path: Path) -> pl.DataFrame:
    frame = pl.read_parquet(path, hive_partitioning=False)
    frame = frame.drop(name for name in VOLATILE if name in frame.columns)
    return frame.with_columns(cs.float().reinterpret(signed=False))
