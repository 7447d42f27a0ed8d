"""DuckDB knows how large our tables are, so that it makes its hash table of the small side.

It takes a view over files for as long as the first file is, times their number. When the empty file
came first it took each table for empty, and a join with three symbols filled memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from spine_assets.core.sql import without_rows
from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.tables.venue_volume import TABLE
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.database import refresh
from spine_assets.warehouse.database_contents import contents_of
from spine_assets.warehouse.reading import nodes
from spine_assets_tests.support.analysis_lake import OTC, Row, lake_of
from spine_assets_tests.support.databases import MEMORY_BYTES, opened

WEEKS = [date(2025, 10, 3) + timedelta(weeks=number) for number in range(6)]
SYMBOLS = 200
ROWS = SYMBOLS * len(WEEKS)
BY_SYMBOL = {
    "a table": "SELECT * FROM otc_venue_volume JOIN wanted USING (symbol)",
    "a list": "SELECT v.* FROM otc_venue_volume AS v "
    "JOIN (VALUES ('S1'), ('S2'), ('S3')) AS wanted(symbol) USING (symbol)",
}
BY_WEEK = """
    SELECT * FROM otc_venue_volume WHERE week_ending IN (
        SELECT week_ending FROM otc_venue_share ORDER BY week_ending DESC LIMIT 2)
"""
BY_WEEKS_OF_FILES = {
    "weeks of another table": "week_ending IN "
    "(SELECT week_ending FROM otc_venue_share ORDER BY week_ending DESC LIMIT 2)",
    "the newest week": "week_ending = (SELECT max(week_ending) FROM otc_venue_share)",
    "a list": "week_ending IN (SELECT unnest([DATE '2025-10-10', DATE '2025-10-24']))",
}
Open = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    rows = [
        Row(week, OTC, f"S{number}", "EBXL", "100") for week in WEEKS for number in range(SYMBOLS)
    ]
    return lake_of(tmp_path_factory.mktemp("lake"), rows)


@pytest.fixture(scope="module", params=["views", "tables", "views in the database"])
def warehouse(
    request: pytest.FixtureRequest, lake: LocalLake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Views over the lake, the database with its tables, and with views in their place."""
    if request.param == "views":
        place: AbstractContextManager[duckdb.DuckDBPyConnection] = connect(lake, TABLES)
    else:
        path = tmp_path_factory.mktemp("database") / "spine.duckdb"
        stored = "all" if request.param == "tables" else "none"
        refresh(path, contents_of(lake, stored), memory_bytes=MEMORY_BYTES)
        place = opened(path)
    with place as connection:
        connection.execute(
            "CREATE TEMP TABLE wanted AS SELECT 'S' || i AS symbol FROM range(3) AS n(i)"
        )
        yield connection


def joined(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, int]:
    """Rows that DuckDB expects of the side that it goes through, and of the side that it keeps."""
    ((_, text),) = connection.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()
    (join,) = [node for node in _nodes(json.loads(text)) if node["name"] == "HASH_JOIN"]
    through, kept = (_expected(child) for child in join["children"])
    return through, kept


def _nodes(plans: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for plan in plans:
        yield plan
        yield from _nodes(plan["children"])


def _expected(plan: dict[str, Any]) -> int:
    return int(plan["extra_info"]["Estimated Cardinality"])


@pytest.mark.parametrize("kind", BY_SYMBOL)
def test_a_list_of_symbols_is_kept_and_the_table_goes_through(
    warehouse: duckdb.DuckDBPyConnection, kind: str
) -> None:
    assert len(warehouse.execute(BY_SYMBOL[kind]).fetchall()) == 3 * len(WEEKS)
    through, kept = joined(warehouse, BY_SYMBOL[kind])
    assert kept == 3
    assert ROWS / 2 <= through <= ROWS * 2


def test_a_list_of_weeks_is_kept_and_the_table_goes_through(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert len(warehouse.execute(BY_WEEK).fetchall()) == 2 * SYMBOLS
    through, kept = joined(warehouse, BY_WEEK)
    assert kept == 2
    assert ROWS / 2 <= through <= ROWS * 2


def test_the_rows_of_each_table_are_estimated_within_ten_times(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    checked = 0
    for table in TABLES:
        ((rows,),) = warehouse.execute(f"SELECT count(*) FROM {table.name}").fetchall()
        ((_, text),) = warehouse.execute(f"EXPLAIN (FORMAT json) FROM {table.name}").fetchall()
        (expected, *_) = [_expected(node) for node in _nodes(json.loads(text))]
        if rows:
            assert rows / 10 <= expected <= rows * 10, table.name
            checked += 1
    assert checked >= 3


@pytest.mark.parametrize("kind", BY_WEEKS_OF_FILES)
def test_weeks_that_a_query_finds_are_the_only_ones_whose_files_are_read(
    lake: LocalLake, kind: str
) -> None:
    where = BY_WEEKS_OF_FILES[kind]
    join = f"JOIN (SELECT DISTINCT week_ending FROM otc_weeks_calendar WHERE {where}) AS w"
    for sql in (f"WHERE {where}", f"AS v {join} USING (week_ending)"):
        with connect(lake, TABLES) as connection:
            ((_, text),) = connection.execute(
                f"EXPLAIN (ANALYZE, FORMAT json) SELECT symbol FROM {TABLE.name} {sql}"
            ).fetchall()
        read = [
            int(scan["Total Files Read"])
            for scan in nodes(json.loads(text))
            if f"/{TABLE.name}/" in scan.get("Filename(s)", "")
        ]
        assert read == [1 if kind == "the newest week" else 2], sql


def test_an_empty_table_in_front_would_be_kept(lake: LocalLake) -> None:
    """What the other tests would find: the view as it was, with its columns before its files."""
    files = f"{lake.root}/{TABLE.name}/*/*.parquet"
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"COPY ({without_rows(TABLE.columns)}) TO '{lake.root}/empty.parquet'")
        connection.execute(
            "CREATE VIEW otc_venue_volume AS FROM read_parquet("
            f"['{lake.root}/empty.parquet', '{files}'], hive_partitioning = false)"
        )
        connection.execute("CREATE TABLE wanted AS SELECT 'S' || i AS symbol FROM range(3) AS n(i)")
        _, kept = joined(connection, BY_SYMBOL["a table"])
    assert kept != 3
