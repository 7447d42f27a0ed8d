"""Whether the database holds what the lake does, row by row.

Each week of each table is compared by its number of rows, its sums, its builds and a hash of all
rows, counted in the database and over the lake's files. Belongs here: the comparison. Does not
belong here: bringing the database up to date (`database`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from spine_assets.core.sql import identifier, literal
from spine_assets.core.tables import Table, Type
from spine_assets.warehouse.connection import connect, retry_replaced
from spine_assets.warehouse.database_contents import Contents

_SUMMED = (Type.COUNT, Type.SHARES, Type.SHARES_SUM)


@dataclass(frozen=True)
class Difference:
    """A week of a table that is not the same in both."""

    table: str
    week: date
    reason: str


def compare(
    path: Path, contents: Contents, advance: Callable[[int, int], None] = lambda _done, _all: None
) -> Iterator[Difference]:
    """The weeks that differ, table by table, oldest first.

    Args:
        path: The database.
        contents: What it is to hold.
        advance: Called with the number of tables that are compared, and of all.

    Raises:
        LakeError: the lake cannot be read.
        duckdb.Error: the database cannot be opened.
    """
    tables = contents.stored
    with connect(contents.lake, tables, analysis=False) as connection:
        connection.execute(f"ATTACH {literal(str(path))} AS database (TYPE duckdb, READ_ONLY)")
        for done, table in enumerate(tables, start=1):
            stored, there = (
                _figures(
                    connection, f"{place}.main.{identifier(table.name)}", table, contents.since
                )
                for place in ("database", "memory")
            )
            for week in sorted({*stored, *there}):
                if reason := _reason(table, stored.get(week), there.get(week)):
                    yield Difference(table.name, week, reason)
            advance(done, len(tables))


def _figures(
    connection: duckdb.DuckDBPyConnection, source: str, table: Table, since: date | None
) -> dict[date, tuple[Any, ...]]:
    """Rows, sums, builds and a hash of each week."""
    columns = ", ".join(identifier(column.name) for column in table.columns)
    query = (
        f"SELECT week_ending, {', '.join(_aggregates(table))} "
        f"FROM (SELECT {columns} FROM {source}) AS t "
        f"WHERE week_ending >= DATE '{since or date.min}' GROUP BY week_ending"
    )
    return {row[0]: row[1:] for row in retry_replaced(lambda: connection.execute(query).fetchall())}


def _aggregates(table: Table) -> list[str]:
    sums = [f"sum({identifier(c.name)})" for c in table.columns if c.type in _SUMMED]
    builds = ["min(capture_id)", "max(capture_id)"] if _has_builds(table) else []
    return ["count(*)", *sums, *builds, "bit_xor(hash(t))"]


def _labels(table: Table) -> list[str]:
    sums = [f"sum of {c.name}" for c in table.columns if c.type in _SUMMED]
    builds = ["first build", "last build"] if _has_builds(table) else []
    return ["rows", *sums, *builds, "hash of all rows"]


def _has_builds(table: Table) -> bool:
    return any(column.name == "capture_id" for column in table.columns)


def _reason(
    table: Table, stored: tuple[Any, ...] | None, there: tuple[Any, ...] | None
) -> str | None:
    """What is different; None where nothing is."""
    if stored == there:
        return None
    if stored is None or there is None:
        return "only in the lake" if stored is None else "only in the database"
    pairs = zip(_labels(table), stored, there, strict=True)
    return next(
        f"{label}: {mine} in the database, {its} in the lake"
        for label, mine, its in pairs
        if mine != its
    )
