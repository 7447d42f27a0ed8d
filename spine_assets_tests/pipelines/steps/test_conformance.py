"""Rows and earlier files that do not fit a declaration are refused, never bent or mixed."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from spine_assets.otc.state.results import TableBuilt
from spine_assets.pipelines.steps.engine import EngineExecutionError
from spine_assets.pipelines.steps.workspace import Place
from spine_assets_tests.conftest import WEEK, House
from spine_assets_tests.pipelines.places import COLUMNS, built, table_flow

ALL = "SELECT symbol, sum(total_volume)::DECIMAL(38,6) AS total_volume FROM otc_symbol_summary"
QUERY = f"{ALL} WHERE week_ending = {{week_ending}} GROUP BY symbol"
WHOLE = f"{ALL} GROUP BY symbol"
EARLIER = WEEK - timedelta(days=7)


def viewed(house: House, table: str = "volumes") -> list[object]:
    """Volumes as the view of a table shows them."""
    with Place(house.lake.root, house.root).connect() as connection:
        rows = connection.execute(f'SELECT total_volume FROM "{table}" ORDER BY 1').fetchall()
    return [value for (value,) in rows]


def one_value(sql: str, type_: str) -> str:
    columns = f"""
      key: [symbol]
      columns:
        - {{name: symbol, type: VARCHAR, description: Ticker.}}
        - {{name: figure, type: {type_}, description: Figure.}}
"""
    return table_flow(f"SELECT 'A' AS symbol, {sql} AS figure", columns=columns)


@pytest.mark.parametrize(
    ("sql", "type_", "lost"),
    [
        ("2.7::DOUBLE", "BIGINT", "2.7"),
        ("2.7", "BIGINT", "2.7"),
        ("TIMESTAMP '2025-11-21 23:59:00'", "DATE", "2025-11-21 23:59:00"),
        ("5", "BOOLEAN", "5"),
    ],
)
def test_no_cast_loses_a_part_of_a_value(loaded: House, sql: str, type_: str, lost: str) -> None:
    with pytest.raises(EngineExecutionError, match=f"1 values of figure are no .*{lost}; round"):
        built(one_value(sql, type_), loaded)


@pytest.mark.parametrize(
    ("sql", "type_", "stored"),
    [
        ("2.0::DOUBLE", "BIGINT", 2),
        ("NULL::DOUBLE", "BIGINT, nullable: true", None),
        ("9007199254740993::HUGEINT", "BIGINT", 2**53 + 1),
        ("1.0000004::DECIMAL(20,7)", '"DECIMAL(28,6)"', Decimal(1)),
    ],
)
def test_whole_values_and_rounded_decimals_are_taken(
    loaded: House, sql: str, type_: str, stored: object
) -> None:
    built(one_value(sql, type_), loaded)
    assert loaded.lake.read(loaded.lake.part("volumes", WEEK))["figure"].to_list() == [stored]


def test_weeks_and_rows_without_weeks_of_one_table_are_never_mixed(loaded: House) -> None:
    built(table_flow(QUERY), loaded)
    with pytest.raises(EngineExecutionError, match="was made with weeks before, and is without"):
        built(table_flow(WHOLE, partitions="none"), loaded, week=None)
    assert viewed(loaded) == [Decimal(5), Decimal("100.5")]
    whole = table_flow(WHOLE, name="whole", partitions="none")
    built(whole, loaded, week=None)
    with pytest.raises(EngineExecutionError, match="was made with no weeks before"):
        built(table_flow(QUERY, name="whole"), loaded)
    assert viewed(loaded, "whole") == [Decimal(5), Decimal("100.5")]


def test_a_run_that_fails_leaves_the_view_of_the_earlier_rows(loaded: House) -> None:
    built(table_flow(QUERY), loaded)
    more = f"{COLUMNS}        - {{name: more, type: BIGINT, description: More., ge: 1}}\n"
    wrong = table_flow(QUERY.replace("symbol,", "symbol, 0 AS more,", 1), columns=more)
    assert built(wrong, loaded).failed == ("schema",)
    assert viewed(loaded) == [Decimal(5), Decimal("100.5")]


def test_week_ending_may_be_a_column_of_a_table_without_weeks(loaded: House) -> None:
    columns = """
      key: [week_ending]
      columns:
        - {name: week_ending, type: DATE, description: Friday.}
        - {name: total_volume, type: "DECIMAL(38,6)", description: Volume.}
"""
    sql = "SELECT week_ending, sum(total_volume) AS total_volume FROM otc_symbol_summary GROUP BY 1"
    built(table_flow(sql, columns=columns, partitions="none"), loaded, week=None)
    assert viewed(loaded) == [Decimal("105.5")]


def test_the_week_alone_may_be_the_key(loaded: House) -> None:
    columns = """
      key: [week_ending]
      columns: [{name: n, type: BIGINT, description: Count.}]
"""
    assert built(table_flow("SELECT 1 AS n", columns=columns), loaded).failed == ()
    twice = table_flow("SELECT unnest([1, 2]) AS n", columns=columns)
    assert built(twice, loaded).failed == ("schema",)


def test_a_week_that_is_no_date_is_told_so(loaded: House) -> None:
    flow = table_flow("SELECT '2025-11-21' AS week_ending, 'A' AS symbol, 1 AS total_volume")
    with pytest.raises(EngineExecutionError, match="week_ending of the step's answer is String"):
        built(flow, loaded)


def checked(sql: str) -> str:
    return f"{COLUMNS}      checks:\n        - {{name: one, description: One., sql: {sql!r}}}\n"


def test_a_check_does_not_pass_for_want_of_what_it_reads(loaded: House) -> None:
    built(table_flow(QUERY, name="base"), loaded)
    sql = "SELECT n.symbol FROM new_rows n JOIN base b USING (symbol, week_ending) WHERE false"
    assert built(table_flow(QUERY, columns=checked(sql)), loaded).failed == ()
    flow = table_flow("SELECT 'A' AS symbol, 1 AS total_volume", columns=checked(sql))
    with pytest.raises(EngineExecutionError, match=f"week {EARLIER} of base is not built"):
        built(flow, loaded, week=EARLIER)


def test_a_check_may_read_the_earlier_rows_of_its_own_table(loaded: House) -> None:
    sql = "SELECT symbol FROM new_rows JOIN volumes USING (symbol) WHERE false"
    assert built(table_flow(QUERY, columns=checked(sql)), loaded).failed == ()


def test_rows_are_checked_wherever_the_lake_lies(tmp_path_factory: pytest.TempPathFactory) -> None:
    house = House(tmp_path_factory.mktemp("x") / "env=prod" / "[lake]")
    flow = table_flow(
        "SELECT 'A' AS symbol, 1 AS total_volume", columns=checked("SELECT env FROM new_rows")
    )
    with pytest.raises(EngineExecutionError, match=re.escape('column "env" not found')):
        built(flow, house)


def test_a_damaged_file_is_written_again(loaded: House) -> None:
    built(table_flow(QUERY), loaded)
    part = loaded.lake.part("volumes", WEEK)
    whole = part.read_bytes()
    changed = bytearray(whole)
    changed[10] ^= 0xFF
    for damaged in (bytes(changed), whole[:100]):
        part.write_bytes(damaged)
        (event,) = (e for e in built(table_flow(QUERY), loaded).events if isinstance(e, TableBuilt))
        assert not event.unchanged
        assert part.read_bytes() == whole


def test_what_a_killed_step_left_of_a_table_without_weeks_is_removed(loaded: House) -> None:
    if loaded.place is not None:
        pytest.skip("a PUT to a bucket that is broken off leaves nothing")
    flow = table_flow(WHOLE, partitions="none")
    built(flow, loaded, week=None)
    left = loaded.lake.part("volumes", None).with_name(f".data.parquet.{'0' * 32}.tmp")
    left.write_bytes(b"half")
    built(flow, loaded, week=None)
    assert not left.exists()
