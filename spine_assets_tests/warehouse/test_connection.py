"""Views over the lake answer always, and nobody who holds their file disturbs a run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse import connection as warehouse
from spine_assets.warehouse.connection import answer, connect, is_select
from spine_assets.warehouse.view_file import ensure_view_file, remove_view_file
from spine_assets.warehouse.views import declared_names
from spine_assets_tests.conftest import (
    ALL,
    PUBLISHED_TIER_1,
    REVISED,
    WEEK,
    House,
    delivered,
    line,
)

VIEWS = {table.name: [column.name for column in table.columns] for table in TABLES}


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    found = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    assert found is not None
    return int(found[0])


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {
        name: type_
        for name, type_, *_ in connection.execute(f'DESCRIBE SELECT * FROM "{table}"').fetchall()
    }


def filled(root: Path) -> House:
    """Two weeks of three rows, one parse reject and one rule reject in the later."""
    house = House(root)
    house.drop("otc.csv", delivered(line("AAAA"), line("", shares="3"), line("C", shares="x")))
    house.drop("earlier.csv", delivered(line("AAAA", updated="2025-12-15")))
    house.built()
    assert house.build(week=WEEK.replace(day=14)).error is None
    return house


COUNTS = {
    "otc_raw": 3,
    "otc_rejects": 2,
    "otc_venue_volume": 2,
    "otc_symbol_summary": 2,
    "otc_venue_share": 2,
    "otc_restatements": 0,
}


def test_views_of_an_empty_lake_answer_with_their_columns_and_types(tmp_path: Path) -> None:
    with connect(LocalLake(tmp_path / "lake"), TABLES) as connection:
        for table in TABLES:
            assert count(connection, table.name) == 0
            assert columns_of(connection, table.name) == {
                column.name: column.type.value for column in table.columns
            }
        assert count(connection, "otc_raw_current") == 0
        assert list(columns_of(connection, "otc_raw_current")) == VIEWS["otc_raw"]


@pytest.mark.parametrize(
    "name",
    [
        "lake",
        "it's a 'lake'",
        'double "quotes"',
        "brackets [a-z] {x,y}",
        "star * and ?",
        "semi;colon -- comment",
        "Größe 株",
        "symbol=XXXX",
        "week_ending=2020-01-03",
        "new\nline",
    ],
)
def test_a_lake_may_have_any_path(tmp_path: Path, name: str) -> None:
    house = filled(tmp_path / name)
    with connect(house.lake, TABLES) as connection:
        assert {table: count(connection, table) for table in COUNTS} == COUNTS
        row = connection.execute(
            "SELECT symbol, week_ending, share_volume FROM otc_venue_volume ORDER BY week_ending"
        ).fetchall()
    assert row == [
        ("AAAA", WEEK.replace(day=14), Decimal(100)),
        ("AAAA", WEEK, Decimal(100)),
    ]


def test_views_show_every_capture_and_the_current_one_alone(house: House) -> None:
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB")))
    house.drop("tier1.csv", delivered(line(tier="NMS Tier 1", updated=PUBLISHED_TIER_1)))
    house.built()
    house.drop("later.csv", delivered(line("AAAA", shares="7", updated=REVISED), line("CCCC")))
    house.built()
    with connect(house.lake, TABLES) as connection:
        assert count(connection, "otc_raw") == 5
        rows = connection.execute(
            "SELECT tier, symbol, share_volume FROM otc_raw_current ORDER BY ALL"
        ).fetchall()
    assert rows == [
        ("NMS Tier 1", "AAAA", Decimal(100)),
        ("OTC", "AAAA", Decimal(7)),
        ("OTC", "CCCC", Decimal(100)),
    ]


def test_the_current_view_knows_a_tier_however_it_is_spelled(house: House) -> None:
    house.drop("otc.csv", delivered(line("AAAA")))
    house.built()
    corrected = line("AAAA", shares="7", updated=REVISED, tier="otc")
    house.drop("week_ending=2025-11-21/later.csv", delivered(corrected))
    house.built()
    assert house.table("otc_venue_volume")["share_volume"].to_list() == [Decimal(7)]
    with connect(house.lake, TABLES) as connection:
        rows = connection.execute("SELECT symbol, share_volume FROM otc_raw_current").fetchall()
    assert rows == [("AAAA", Decimal(7))]


def test_the_view_file_answers_and_is_left_alone_while_it_is_up_to_date(tmp_path: Path) -> None:
    house = filled(tmp_path)
    path = tmp_path / "views" / "spine.duckdb"
    assert ensure_view_file(path, house.lake, TABLES)
    before = path.stat()
    assert not ensure_view_file(path, house.lake, TABLES)
    assert path.stat() == before
    with duckdb.connect(str(path), read_only=True) as connection:
        assert {table: count(connection, table) for table in COUNTS} == COUNTS
        found = connection.execute("SELECT table_type FROM information_schema.tables").fetchall()
        assert {kind for (kind,) in found} == {"VIEW"}
    assert not list(path.parent.glob("*.tmp"))


def test_the_view_file_is_replaced_when_a_definition_changes(tmp_path: Path) -> None:
    lake, path = LocalLake(tmp_path / "lake"), tmp_path / "spine.duckdb"
    assert ensure_view_file(path, lake, TABLES)
    fewer = (replace(TABLES[0], grain="something else"), *TABLES[1:])
    assert ensure_view_file(path, lake, fewer)
    assert not ensure_view_file(path, lake, fewer)
    with duckdb.connect(str(path), read_only=True) as connection:
        comments = connection.execute(
            "SELECT comment FROM duckdb_views() WHERE view_name = 'otc_raw'"
        ).fetchall()
    assert comments == [("something else",)]


def test_the_view_file_follows_the_lake_and_is_made_again_when_it_is_gone(tmp_path: Path) -> None:
    here, path = filled(tmp_path / "here"), tmp_path / "spine.duckdb"
    assert ensure_view_file(path, LocalLake(tmp_path / "elsewhere"), TABLES)
    assert ensure_view_file(path, here.lake, TABLES)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert count(connection, "otc_raw") == COUNTS["otc_raw"]
    path.unlink()
    assert ensure_view_file(path, here.lake, TABLES)
    remove_view_file(path)
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        ".spine.duckdb.lock",  # another process may wait for it
        "elsewhere",
        "here",
    ]
    remove_view_file(path)


_HOLD = """
import sys
import duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE mine AS SELECT 1 AS n")
print("open", flush=True)
sys.stdin.readline()
print(connection.execute("SELECT count(*) FROM otc_raw").fetchone()[0], flush=True)
connection.execute("INSERT INTO mine VALUES (2)")
connection.close()
"""


@contextmanager
def held_open(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the file open for writing, and has written."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_somebody_who_holds_the_view_file_does_not_disturb_a_run(tmp_path: Path) -> None:
    house, path = House(tmp_path), tmp_path / "spine.duckdb"
    house.drop("otc.csv", delivered(line()))
    assert ensure_view_file(path, house.lake, TABLES)
    with held_open(path) as process:
        with pytest.raises(duckdb.IOException):
            duckdb.connect(str(path), read_only=True)
        assert not ensure_view_file(path, house.lake, TABLES)
        house.built(ALL)
        assert ensure_view_file(path, LocalLake(tmp_path / "other"), TABLES)
        with duckdb.connect(str(path), read_only=True) as connection:
            assert count(connection, "otc_raw") == 0
        answer, _ = process.communicate("go\n", timeout=20)
        assert answer == "1\n"  # the old session goes on with the old file, new rows included
    with duckdb.connect(str(path), read_only=True) as connection:
        assert count(connection, "otc_raw") == 0
        tables = connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone()
    assert tables == (0,)


class _Replaced:
    """A connection whose file is replaced under its first queries."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, times: int) -> None:
        self._connection, self._times = connection, times

    def execute(self, *args: Any) -> duckdb.DuckDBPyConnection:
        self._times -= 1
        if self._times >= 0:
            raise duckdb.InvalidInputException("TProtocolException: Invalid data")
        return self._connection.execute(*args)


@pytest.mark.parametrize(("times", "answers"), [(0, True), (7, True), (8, False)])
def test_a_query_is_asked_again_where_a_file_was_replaced_under_it(
    times: int, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse, "_PAUSE_SECONDS", 0.0)
    with duckdb.connect(":memory:") as connection:
        replaced: Any = _Replaced(connection, times)
        if answers:
            assert answer(replaced, "SELECT 1 AS one") == (["one"], [(1,)])
        else:
            with pytest.raises(duckdb.InvalidInputException):
                answer(replaced, "SELECT 1 AS one")


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("FROM otc_raw", True),
        ("EXPLAIN SELECT 1", True),
        ("SELECT 1;", True),
        ("SELECT 1; SELECT 2", False),
        ("CREATE TABLE mine AS SELECT 1", False),
    ],
)
def test_one_statement_that_reads_is_a_query(sql: str, reads: bool) -> None:
    assert is_select(sql) is reads


def test_a_table_that_was_put_aside_is_no_view(tmp_path: Path) -> None:
    """Names with an underscore in front are ours, such as those of locks, or put aside."""
    lake = LocalLake(tmp_path / "lake")
    lake.declare((replace(TABLES[0], name="mine"), replace(TABLES[0], name="other")))
    assert declared_names(lake) == ["mine", "other"]
    (lake.root / "other").rename(lake.root / "_other")
    assert declared_names(lake) == ["mine"]


def test_a_query_that_is_wrong_is_not_asked_again() -> None:
    with duckdb.connect(":memory:") as connection, pytest.raises(duckdb.CatalogException):
        answer(connection, "FROM nowhere")
