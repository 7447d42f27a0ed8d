"""Builds are equal where all but the marks of the build is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from spine_assets.dev.compare_backends.equality import differences
from spine_assets_tests.conftest import NOW, SHARES, VENUES, WEEK, House, delivered, line

LINES = (line(), line("BBBB", shares="7"), line("BBBB", "OTCN", shares="30"))


@pytest.fixture
def houses(tmp_path: Path) -> tuple[House, House]:
    """Two that built the same file a minute apart."""
    made = (House(tmp_path / "one"), House(tmp_path / "other"))
    for number, house in enumerate(made):
        house.drop("otc.csv", delivered(*LINES))
        house.built(now=NOW + timedelta(minutes=number))
    return made


def change(house: House, table: str, **columns: pl.Expr) -> None:
    """Write other values into a table's week."""
    (path,) = house.lake.files(table, WEEK)
    pl.read_parquet(path).with_columns(**columns).write_parquet(path)


def test_builds_of_different_times_are_equal(houses: tuple[House, House]) -> None:
    one, other = houses
    assert one.table(VENUES)["capture_id"][0] != other.table(VENUES)["capture_id"][0]
    assert differences(one.lake, other.lake, [WEEK]) == []


def test_another_order_of_rows_is_no_difference(houses: tuple[House, House]) -> None:
    one, other = houses
    (path,) = other.lake.files(VENUES, WEEK)
    pl.read_parquet(path).reverse().write_parquet(path)
    assert differences(one.lake, other.lake, [WEEK]) == []


def test_the_last_digit_of_a_sum_is_no_difference_and_a_percent_is(
    houses: tuple[House, House],
) -> None:
    one, other = houses
    change(other, SHARES, market_share_pct=pl.col("market_share_pct") * (1 + 1e-12))
    assert differences(one.lake, other.lake, [WEEK]) == []
    change(other, SHARES, market_share_pct=pl.col("market_share_pct") * 1.01)
    (said,) = differences(one.lake, other.lake, [WEEK])
    assert said.startswith(f"{SHARES} {WEEK}: ")


def test_a_share_more_is_told_with_its_table_and_week(houses: tuple[House, House]) -> None:
    one, other = houses
    change(other, VENUES, share_volume=pl.col("share_volume") + 1)
    (said,) = differences(one.lake, other.lake, [WEEK])
    assert said.startswith(f"{VENUES} {WEEK}: ")


def test_a_week_that_only_one_has_is_told(houses: tuple[House, House]) -> None:
    one, other = houses
    for path in other.lake.files(VENUES, WEEK):
        path.unlink()
    assert differences(one.lake, other.lake, [WEEK]) == [f"{VENUES} {WEEK}: 3 and no rows"]
