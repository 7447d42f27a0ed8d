"""`otc_symbol_trend` and `otc_movers` against figures computed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.support.analysis_lake import (
    ATS,
    NON_ATS,
    OTC,
    T1,
    T2,
    Answer,
    Row,
    ask,
    lake_of,
    one,
)

OLDEST = date(2014, 5, 16)  # FINRA's first week
AUGUST = date(2025, 8, 22)  # five weeks before W0, so not its prior week
W0, W1, W2, W3, W4, W5, W6, W7, W8, W9 = (
    *(date(2025, 9, 26), date(2025, 10, 3), date(2025, 10, 10), date(2025, 10, 17)),
    *(date(2025, 10, 24), date(2025, 10, 31), date(2025, 11, 7), date(2025, 11, 14)),
    *(date(2025, 11, 21), date(2025, 11, 28)),
)
"""W7 is not loaded; in W9 the exchanges were closed on Thanksgiving Day."""
TO_W6 = (W1, W2, W3, W4, W5, W6)
VOLUMES = {  # tier OTC on one ATS
    "A": dict(zip(TO_W6, ("100", "100", "100", "100", "100", "110"), strict=True))
    | {W8: "1000", W9: "200"},
    "B": dict(zip(TO_W6, ("100", "100", "100", "100", "100", "111"), strict=True)),
    "C": dict(zip(TO_W6, ("100", "100", "100", "100", "100", "89"), strict=True)),
    "D": {W1: "30", W4: "60", W6: "45", W9: "45"},
    "E": {W6: "7"},
    "F": {W5: "12.5", W6: "12.25"},
    "Z": dict(zip(TO_W6, ("0", "0", "0", "0", "0", "5"), strict=True)),
}
TIER_1 = {
    AUGUST: {"K": "1"},
    W0: {"K": "1"},
    W1: {"K": "1"},
    W5: {"K": "1"},
    W8: {"K": "500", "L": "100", "M": "50", "G": "30", "Q": "0"},
    W9: {"K": "300", "L": "200", "M": "50", "N": "70", "Q": "10"},
}
TIER_2 = {W1: "10", W5: "20", W8: "20"}  # 28 days, then 21; W9 has no tier 2
LATER = date(2025, 12, 30)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    rows = [
        Row(week, OTC, symbol, "OTCX", shares, trades=3)
        for symbol, by_week in VOLUMES.items()
        for week, shares in by_week.items()
    ]
    rows.append(Row(W8, OTC, "A", "CRD1", "5"))  # a class that no other week of the tier has
    rows.append(Row(W8, OTC, "ATS alone", "OTCX", "3"))
    rows += [
        Row(week, T1, symbol, "UBSA", shares, issue=f"{symbol} Old")
        for week, by_symbol in TIER_1.items()
        for symbol, shares in by_symbol.items()
    ]
    rows.append(Row(W9, T1, "K", "INCR", "100", issue="K New", updated=LATER))
    rows += [Row(week, T2, "P", "UBSA", shares) for week, shares in TIER_2.items()]
    rows.append(Row(OLDEST, T1, "A", "UBSA", "1"))
    with connect(lake_of(tmp_path_factory.mktemp("symbols"), rows), TABLES) as connection:
        yield connection


@pytest.fixture(scope="module")
def trend(opened: duckdb.DuckDBPyConnection) -> Answer:
    return ask(opened, "FROM otc_symbol_trend_all")


@pytest.fixture(scope="module")
def movers(opened: duckdb.DuckDBPyConnection) -> Answer:
    return ask(opened, "FROM otc_movers_all")


def test_a_window_of_six_like_weeks_is_complete(trend: Answer) -> None:
    assert one(trend, week_ending=W6, tier=OTC, symbol="D") == {
        "week_ending": W6,
        "tier": OTC,
        "symbol": "D",
        "total_volume": Decimal(45),
        "total_trades": 3,
        "ats_volume": Decimal(45),
        "non_ats_volume": None,
        "classes": [ATS],
        "window_weeks_loaded": 6,
        "window_weeks_traded": 3,
        "avg_6w_volume": 45.0,
        "min_6w_volume": Decimal(30),
        "max_6w_volume": Decimal(60),
        "avg_6w_trades": 3.0,
        "trend": "FLAT",
        "volume_vs_avg_pct": 0.0,
        "is_complete_window": True,
        "missing_weeks": [],
        "absent_weeks": [W2, W3, W5],
        "holiday_weeks": [],
        "trading_days": 5,
        "is_complete": False,
    }


@pytest.mark.parametrize(
    ("symbol", "percent", "trend_is", "mean"),
    [
        ("A", 10.0, "FLAT", 610 / 6),  # ten percent itself is flat
        ("B", 11.0, "UP", 611 / 6),
        ("C", -11.0, "DOWN", 589 / 6),
        ("E", None, None, 7.0),  # no other week
        ("F", -2.0, "FLAT", 12.375),
        ("Z", None, None, 5 / 6),  # the mean of the others is 0
    ],
)
def test_trend_is_the_week_against_the_mean_of_the_others(
    trend: Answer, symbol: str, percent: float | None, trend_is: str | None, mean: float
) -> None:
    found = one(trend, week_ending=W6, symbol=symbol)
    assert (found["volume_vs_avg_pct"], found["trend"]) == (percent, trend_is)
    assert found["avg_6w_volume"] == pytest.approx(mean, rel=1e-15)


def test_weeks_that_are_missing_or_of_other_classes_are_not_in_the_window(trend: Answer) -> None:
    found = one(trend, week_ending=W9, symbol="A")
    assert (found["window_weeks_loaded"], found["window_weeks_traded"]) == (4, 4)
    assert found["missing_weeks"] == [W7, W8]
    assert found["avg_6w_volume"] == 127.5  # of 100, 100, 110 and 200
    assert (found["min_6w_volume"], found["max_6w_volume"]) == (100, 200)
    assert found["volume_vs_avg_pct"] == pytest.approx(100 * (200 - 310 / 3) / (310 / 3))
    assert found["trend"] is None
    assert not found["is_complete_window"]
    alone = one(trend, week_ending=W8, symbol="A")
    assert alone["missing_weeks"] == [W3, W4, W5, W6, W7]
    assert (alone["window_weeks_loaded"], alone["total_volume"]) == (1, 1005)


def test_the_part_of_a_class_that_is_not_loaded_is_unknown_and_without_rows_zero(
    trend: Answer,
) -> None:
    def parts(week: date, tier: str, symbol: str) -> tuple[Any, ...]:
        found = one(trend, week_ending=week, tier=tier, symbol=symbol)
        return (found["ats_volume"], found["non_ats_volume"], found["classes"])

    assert parts(W8, OTC, "A") == (1000, 5, [ATS, NON_ATS])
    assert parts(W9, OTC, "A") == (200, None, [ATS])
    assert parts(W8, T1, "K") == (500, None, [ATS])
    assert parts(W8, OTC, "ATS alone") == (3, 0, [ATS, NON_ATS])


def test_a_week_that_is_loaded_without_the_symbol_is_absent_and_no_zero(trend: Answer) -> None:
    found = one(trend, week_ending=W9, symbol="D")
    assert found["absent_weeks"] == [W5]
    assert (found["window_weeks_traded"], found["avg_6w_volume"]) == (3, 50.0)


def test_holiday_weeks_are_marked_whether_loaded_or_not(trend: Answer) -> None:
    thanksgiving = one(trend, week_ending=W9, symbol="A")
    assert (thanksgiving["holiday_weeks"], thanksgiving["trading_days"]) == ([W9], 4)
    labor_day = one(trend, week_ending=W1, symbol="A")
    assert (labor_day["holiday_weeks"], labor_day["trading_days"]) == ([date(2025, 9, 5)], 5)


def test_weeks_before_the_first_published_one_are_not_missing(trend: Answer) -> None:
    found = one(trend, week_ending=OLDEST, symbol="A")
    assert (found["missing_weeks"], found["is_complete_window"]) == ([], False)


def test_movers_compare_with_the_prior_week(movers: Answer) -> None:
    assert one(movers, week_ending=W9, tier=T1, symbol="K") == {
        "week_ending": W9,
        "tier": T1,
        "symbol": "K",
        "issue_name": "K New",
        "total_volume": Decimal(400),
        "prior_week_ending": W8,
        "prior_volume": Decimal(500),
        "volume_change": Decimal(-100),
        "volume_change_pct": -20.0,
        "kind": "DOWN",
        "mover_rank": 1,
        "trading_days": 4,
        "prior_trading_days": 5,
        "volume_change_per_day_pct": 0.0,  # 100 a day in both
        "is_comparable": True,
        "is_complete": False,
    }


@pytest.mark.parametrize(
    ("symbol", "kind", "change", "rank", "percent", "per_day"),
    [
        ("L", "UP", 100, 1, 100.0, 150.0),  # shares the first rank
        ("Q", "UP", 10, 3, None, None),  # from 0
        ("M", "SAME", 0, 4, 0.0, 25.0),
        ("N", "NEW", None, None, None, None),
        ("G", "GONE", None, None, None, None),
    ],
)
def test_movers_tell_kind_and_rank(
    movers: Answer,
    symbol: str,
    kind: str,
    change: int | None,
    rank: int | None,
    percent: float | None,
    per_day: float | None,
) -> None:
    found = one(movers, week_ending=W9, symbol=symbol)
    assert (found["kind"], found["volume_change"], found["mover_rank"]) == (kind, change, rank)
    assert (found["volume_change_pct"], found["volume_change_per_day_pct"]) == (percent, per_day)


def test_a_symbol_that_came_or_went_has_one_of_the_two_volumes(movers: Answer) -> None:
    def volumes(symbol: str) -> tuple[Any, ...]:
        found = one(movers, week_ending=W9, symbol=symbol)
        return (found["total_volume"], found["prior_volume"], found["issue_name"])

    assert volumes("N") == (70, None, "N Old")
    assert volumes("G") == (None, 30, "G Old")


def test_the_prior_week_is_at_most_four_weeks_before(movers: Answer) -> None:
    four_weeks = one(movers, week_ending=W5, tier=T2)
    assert (four_weeks["prior_week_ending"], four_weeks["kind"]) == (W1, "UP")
    five_weeks = one(movers, week_ending=W0, tier=T1)
    assert (five_weeks["prior_week_ending"], five_weeks["is_comparable"]) == (None, False)
    assert (five_weeks["kind"], five_weeks["prior_trading_days"]) == (None, None)


def test_weeks_of_other_classes_are_named_and_not_compared(movers: Answer) -> None:
    found = [row for row in movers if row["week_ending"] == W9 and row["tier"] == OTC]
    assert {row["symbol"] for row in found} == {"A", "D"}  # nobody is gone
    for row in found:
        assert (row["prior_week_ending"], row["is_comparable"]) == (W8, False)
        assert (row["prior_volume"], row["kind"], row["mover_rank"]) == (None, None, None)


@pytest.mark.parametrize("view", ["otc_symbol_trend", "otc_movers"])
def test_the_plain_view_has_the_complete_weeks_alone(
    opened: duckdb.DuckDBPyConnection, view: str
) -> None:
    weeks = ask(opened, f"SELECT DISTINCT week_ending FROM {view} ORDER BY ALL")
    # W8 has all three tiers of ATSs, and the other class of tier OTC alone.
    assert [row["week_ending"] for row in weeks] == [W1, W5]


@pytest.mark.parametrize("view", ["otc_symbol_trend", "otc_movers"])
def test_a_range_of_weeks_has_the_rows_of_all(opened: duckdb.DuckDBPyConnection, view: str) -> None:
    """Looking back does not end where the range begins."""
    everything = ask(
        opened,
        f"FROM {view}_all WHERE week_ending BETWEEN $1 AND $2 ORDER BY ALL",
        **{"1": W6, "2": W9},
    )
    assert len(everything) > 10
    part = ask(opened, f"FROM {view}_in($first, $last) ORDER BY ALL", first=W6, last=W9)
    assert part == everything


def test_a_week_whose_symbols_are_not_built_yet_makes_nobody_absent(tmp_path: Path) -> None:
    """Tables of a week are published one after the other."""
    half = lake_of(tmp_path, [Row(W1, T1, "A", "UBSA", "1"), Row(W2, T1, "A", "UBSA", "2")])
    half.part("otc_symbol_summary", W2).unlink()
    with connect(half, TABLES) as connection:
        for view in ("otc_movers_all", "otc_symbol_trend_all"):
            assert [row["week_ending"] for row in ask(connection, f"FROM {view}")] == [W1]
