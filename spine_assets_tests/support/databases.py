"""The database of people, refreshed and read in tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets.warehouse.database import Refreshed, refresh
from spine_assets.warehouse.database_contents import Contents, DagsterTables, contents_of

MEMORY_BYTES = 10**9


def refreshed(path: Path, lake: Lake, tables: tuple[Table, ...] = TABLES) -> Refreshed:
    """The database of a lake, brought up to date."""
    contents = contents_of(lake) if tables is TABLES else Contents(lake, tables, declared=False)
    return refresh(path, contents, memory_bytes=MEMORY_BYTES, recorded=DagsterTables(CORE_TABLES))


@contextmanager
def opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database, to be read."""
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def rows_of(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """The answer of one query to a database."""
    with opened(path) as connection:
        return connection.execute(sql).fetchall()


def beside(path: Path) -> set[str]:
    """Everything in the folder of a database but itself and its lock."""
    return {item.name for item in path.parent.iterdir()} - {path.name, f".{path.name}.lock"}
