"""Views over the lake answer always, also while files are replaced under them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spine_assets.lake.base import LakeError
from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse import connection as warehouse
from spine_assets.warehouse.connection import answer, connect
from spine_assets.warehouse.views import declared_names
from spine_assets_tests.conftest import (
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


@pytest.mark.parametrize("kept", [0, 3, 0.5, 0.99], ids=["empty", "3 bytes", "half", "end"])
def test_a_damaged_file_is_named_with_what_to_do_and_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: float
) -> None:
    monkeypatch.setattr(warehouse, "_PAUSE_SECONDS", 0.0)
    house = filled(tmp_path / "it's a 'place'")
    for name in ("otc_venue_volume", "otc_raw"):
        (path,) = house.lake.files(name, WEEK)
        content = path.read_bytes()
        path.write_bytes(content[: int(kept) or int(len(content) * kept)])
        with pytest.raises(LakeError) as told, connect(house.lake, TABLES) as connection:
            count(connection, name)
        assert str(told.value).startswith(f"{path} is empty, cut or damaged")
        assert "move it away and build the week again, spine backfill --missing" in str(told.value)
        path.unlink()
        house.built()
        with connect(house.lake, TABLES) as connection:
            assert count(connection, name) == COUNTS[name]


def test_a_damaged_file_of_somebody_else_is_duckdbs_error(house: House, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    other.write_bytes(b"")
    with (
        connect(house.lake, TABLES) as connection,
        pytest.raises(duckdb.InvalidInputException, match="too small"),
    ):
        answer(connection, f"FROM '{other}'")


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
