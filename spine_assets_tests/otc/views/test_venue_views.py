"""`otc_venue_trend`, `otc_market_structure` and `otc_tier_venue_share` by hand-made figures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.support.analysis_lake import (
    ATS,
    BUCKET,
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

V1, V2, V3, V4, V6, V7, V8, V9 = (
    *(date(2025, 10, 3), date(2025, 10, 10), date(2025, 10, 17), date(2025, 10, 24)),
    *(date(2025, 11, 7), date(2025, 11, 14), date(2025, 11, 21), date(2025, 11, 28)),
)
"""No week between V4 and V6; V9 has four trading days."""
VENUES = {
    V1: {"UBSA": 60, "INCR": 40},
    V2: {"UBSA": 30, "INCR": 60, "JPMX": 10},
    V3: {"UBSA": 50, "INCR": 30, "CRD1": 20},
    V4: {"UBSA": 90, "INCR": 10},
    V6: {"UBSA": 50, "INCR": 50},
}
S1, S2, S3, S4, S5 = (
    *(date(2025, 9, 5), date(2025, 9, 12), date(2025, 9, 19)),
    *(date(2025, 9, 26), date(2025, 10, 3)),
)
STRUCTURE = [
    Row(S1, T1, "AAA", "UBSA", "600", 6),
    Row(S1, T1, "AAA", "INCR", "300", 3),
    Row(S1, T1, "AAA", BUCKET, "100", 10),
    Row(S1, T1, "BBB", "UBSA", "500", 4),
    Row(S1, T1, "BBB", "INCR", "500", 5),
    Row(S1, T1, "CCC", "INCR", "200", 0),
    Row(S1, OTC, "AAA", "CRD123", "250.5", 1),
    Row(S1, OTC, "AAA", "CRD9", "749.5", 2),
    Row(S1, OTC, "POOL", BUCKET, "40", 4),
    *(Row(S2, tier, "ZERO", "UBSA", "0", 0) for tier in (T1, T2, OTC)),
    *(
        Row(S3, tier, "AAA", mpid, shares)
        for tier, ats, other in ((T1, "30", "10"), (T2, "10", "10"), (OTC, "20", "20"))
        for mpid, shares in (("UBSA", ats), ("CRD1", other))
    ),
    Row(S4, T1, "POOL", BUCKET, "5"),
    Row(S5, T1, "A", "UBSA", "5", name="Old", updated=date(2025, 12, 22)),
    Row(S5, T1, "B", "UBSA", "5", name="New", updated=date(2025, 12, 30)),
    Row(S5, T1, "A", "INCR", "10"),
    Row(S5, T1, "A", "JPMX", "5"),
    Row(S5, T1, "A", BUCKET, "10"),
    Row(S5, T1, "A", "CRD1", "3"),
]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    rows = []
    for week, shares in VENUES.items():
        rows += [Row(week, tier, "A", "UBSA", "1") for tier in (T2, OTC)]
        rows += [
            Row(week, T1, "A", mpid, str(volume - 2 if mpid == "UBSA" else volume))
            for mpid, volume in shares.items()
        ]
    rows.append(Row(V7, T1, "A", "UBSA", "0", 0))
    rows += [Row(V8, T1, "A", "UBSA", "10"), Row(V8, T1, "A", BUCKET, "30")]
    rows += [Row(V9, T1, "A", "UBSA", "10"), Row(V9, T1, "A", BUCKET, "10")]
    with connect(lake_of(tmp_path_factory.mktemp("venues"), rows), TABLES) as connection:
        yield connection


@pytest.fixture(scope="module")
def trend(opened: duckdb.DuckDBPyConnection) -> Answer:
    return ask(opened, "FROM otc_venue_trend_all")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(lake_of(tmp_path_factory.mktemp("structure"), STRUCTURE), TABLES) as connection:
        yield connection


@pytest.fixture(scope="module")
def structure(other: duckdb.DuckDBPyConnection) -> Answer:
    return ask(other, "FROM otc_market_structure_all")


@pytest.fixture(scope="module")
def shares(other: duckdb.DuckDBPyConnection) -> Answer:
    return ask(other, "FROM otc_tier_venue_share_all")


# --- otc_venue_trend


def test_a_venue_is_told_against_the_prior_week(trend: Answer) -> None:
    assert one(trend, week_ending=V2, mpid="UBSA") == {
        "week_ending": V2,
        "mpid": "UBSA",
        "venue_class": ATS,
        "venue_name": "Venue",
        "total_volume": Decimal(30),
        "market_share_pct": 30.0,
        "class_share_pct": 30.0,
        "rank": 2,
        "reported_total_volume": None,
        "class_rank": 2,
        "class_rank_basis": "rows",
        "prior_week_ending": V1,
        "prior_market_share_pct": 60.0,
        "prior_class_share_pct": 60.0,
        "prior_rank": 1,
        "share_change_points": -30.0,
        "class_share_change_points": -30.0,
        "rank_change": -1,
        "window_weeks_loaded": 2,
        "window_weeks_traded": 2,
        "avg_6w_class_share_pct": 45.0,
        "is_new": False,
        "is_comparable": True,
        "trading_days": 5,
        "is_complete": True,
    }
    assert one(trend, week_ending=V2, mpid="INCR")["rank_change"] == 1  # moved up


def test_a_venue_without_a_row_in_the_prior_week_is_new(trend: Answer) -> None:
    found = one(trend, week_ending=V2, mpid="JPMX")
    assert (found["is_new"], found["prior_week_ending"], found["prior_rank"]) == (True, V1, None)
    assert (found["share_change_points"], found["rank_change"]) == (None, None)
    assert (found["window_weeks_loaded"], found["window_weeks_traded"]) == (2, 1)


def test_a_week_with_another_class_is_not_compared(trend: Answer) -> None:
    for week, prior in ((V3, V2), (V4, V3)):
        found = one(trend, week_ending=week, mpid="UBSA")
        assert (found["prior_week_ending"], found["is_comparable"]) == (prior, False)
        assert (found["prior_market_share_pct"], found["is_new"]) == (None, None)
    assert one(trend, week_ending=V3, mpid="UBSA")["class_share_pct"] == 62.5


def test_the_window_holds_weeks_of_the_same_scope_alone(trend: Answer) -> None:
    after = one(trend, week_ending=V4, mpid="UBSA")
    assert (after["window_weeks_loaded"], after["avg_6w_class_share_pct"]) == (3, 60.0)
    apart = one(trend, week_ending=V3, mpid="UBSA")
    assert (apart["window_weeks_loaded"], apart["avg_6w_class_share_pct"]) == (1, 62.5)


def test_the_prior_week_is_the_nearest_one_loaded(trend: Answer) -> None:
    found = one(trend, week_ending=V6, mpid="INCR")
    assert (found["prior_week_ending"], found["share_change_points"]) == (V4, 40.0)
    assert (found["rank"], found["rank_change"]) == (1, 1)  # a tie is of the first rank
    assert one(trend, week_ending=V6, mpid="UBSA")["avg_6w_class_share_pct"] == 57.5


def test_of_a_week_without_volume_shares_are_unknown(trend: Answer) -> None:
    found = one(trend, week_ending=V7, mpid="UBSA")
    assert (found["market_share_pct"], found["avg_6w_class_share_pct"]) == (None, None)
    assert (found["is_comparable"], found["is_complete"]) == (False, False)


def test_the_bucket_has_a_share_and_no_rank(trend: Answer) -> None:
    found = one(trend, week_ending=V9, mpid=BUCKET)
    assert (found["rank"], found["prior_rank"], found["rank_change"]) == (None, None, None)
    assert (found["share_change_points"], found["trading_days"]) == (-25.0, 4)


# --- otc_market_structure


def test_structure_of_a_tier_with_both_classes_and_a_bucket(structure: Answer) -> None:
    assert one(structure, week_ending=S1, tier=T1) == {
        "week_ending": S1,
        "tier": T1,
        "total_volume": Decimal(2200),
        "total_trades": 28,
        "ats_volume": Decimal(2100),
        "non_ats_volume": Decimal(100),
        "ats_share_pct": pytest.approx(2100 / 22),
        "classes": [ATS, NON_ATS],
        "venue_count": 2,
        "symbol_count": 3,
        "hhi": pytest.approx(221 / 484),
        "hhi_high": pytest.approx(222 / 484),
        "effective_venues": pytest.approx(484 / 221),
        "venues_per_symbol": pytest.approx(5 / 3),
        "single_venue_symbols_pct": pytest.approx(100 / 3),
        "top_mpid": "UBSA",
        "top_venue_name": "Venue",
        "top_share_pct": 50.0,
        "avg_trade_size": pytest.approx(2200 / 28),
        "trading_days": 4,  # Labor Day
        "is_complete": False,
    }


def test_structure_of_a_tier_without_ats_has_no_ats_figures(structure: Answer) -> None:
    found = one(structure, week_ending=S1, tier=OTC)
    assert (found["ats_volume"], found["ats_share_pct"]) == (None, None)
    assert (found["non_ats_volume"], found["classes"]) == (1040, [NON_ATS])
    assert (found["symbol_count"], found["venues_per_symbol"]) == (2, 1.0)
    assert found["single_venue_symbols_pct"] == 0.0
    assert found["hhi"] == pytest.approx((250.5**2 + 749.5**2) / 1040**2)


def test_structure_of_all_tiers_counts_each_venue_and_symbol_once(structure: Answer) -> None:
    found = one(structure, week_ending=S1, tier="ALL")
    assert (found["total_volume"], found["total_trades"]) == (3240, 35)
    assert (found["ats_volume"], found["non_ats_volume"]) == (2100, 1140)
    assert (found["classes"], found["ats_share_pct"]) == ([NON_ATS], None)
    assert (found["venue_count"], found["symbol_count"]) == (4, 4)
    assert found["venues_per_symbol"] == 7 / 4  # AAA on four, BBB two, CCC one, POOL none
    assert found["single_venue_symbols_pct"] == 25.0
    assert found["top_share_pct"] == pytest.approx(110000 / 3240)
    same = one(structure, week_ending=S3, tier="ALL")
    assert (same["symbol_count"], same["venues_per_symbol"]) == (1, 2.0)
    assert (same["ats_share_pct"], same["classes"]) == (60.0, [ATS, NON_ATS])
    assert (same["hhi"], same["is_complete"]) == (pytest.approx(0.52), True)


def test_of_nothing_no_share_is_known(structure: Answer) -> None:
    for tier in (T1, "ALL"):
        found = one(structure, week_ending=S2, tier=tier)
        assert found["total_volume"] == 0
        unknown = ("ats_share_pct", "hhi", "hhi_high", "effective_venues", "top_share_pct")
        assert {found[name] for name in (*unknown, "avg_trade_size")} == {None}
        assert (found["top_mpid"], found["is_complete"]) == ("UBSA", True)


def test_a_bucket_alone_is_no_venue(structure: Answer) -> None:
    found = one(structure, week_ending=S4, tier="ALL")
    assert (found["venue_count"], found["top_mpid"], found["top_share_pct"]) == (0, None, None)
    assert (found["hhi"], found["hhi_high"], found["effective_venues"]) == (0.0, 1.0, None)


def test_the_top_venue_of_a_tie_is_the_first_by_name(structure: Answer) -> None:
    assert one(structure, week_ending=S5, tier=T1)["top_mpid"] == "INCR"


# --- otc_tier_venue_share


def test_a_venue_of_a_tier(shares: Answer) -> None:
    assert one(shares, week_ending=S1, tier=T1, mpid="UBSA") == {
        "week_ending": S1,
        "tier": T1,
        "venue_class": ATS,
        "mpid": "UBSA",
        "venue_name": "Venue",
        "share_volume": Decimal(1100),
        "trade_count": 10,
        "symbol_count": 2,
        "tier_class_share_pct": pytest.approx(1100 / 21),
        "tier_share_pct": 50.0,
        "rank": 1,
        "avg_trade_size": 110.0,
        "prior_week_ending": None,
        "prior_tier_class_share_pct": None,
        "prior_rank": None,
        "tier_class_share_change_points": None,
        "rank_change": None,
        "is_new": None,
        "is_comparable": False,
        "trading_days": 4,
        "is_complete": False,
    }


def test_a_venue_of_a_tier_is_told_against_the_prior_week(
    opened: duckdb.DuckDBPyConnection,
) -> None:
    answer = ask(opened, "FROM otc_tier_venue_share_all")
    # Tier 1 has 58 UBSA and 40 INCR in V1, then 28, 60 and 10 JPMX in V2.
    lost = one(answer, week_ending=V2, tier=T1, mpid="UBSA")
    assert (lost["prior_week_ending"], lost["is_comparable"]) == (V1, True)
    assert lost["prior_tier_class_share_pct"] == pytest.approx(5800 / 98)
    assert lost["tier_class_share_change_points"] == pytest.approx(-3000 / 98)
    assert (lost["prior_rank"], lost["rank"], lost["rank_change"]) == (1, 2, -1)
    gained = one(answer, week_ending=V2, tier=T1, mpid="INCR")
    assert gained["tier_class_share_change_points"] == pytest.approx(2000 / 98)
    assert (gained["rank_change"], gained["is_new"]) == (1, False)
    new = one(answer, week_ending=V2, tier=T1, mpid="JPMX")
    assert (new["is_new"], new["prior_week_ending"], new["is_comparable"]) == (True, V1, True)
    changes = ("prior_tier_class_share_pct", "prior_rank", "tier_class_share_change_points")
    assert {new[name] for name in (*changes, "rank_change")} == {None}


def test_a_tier_and_class_is_compared_whatever_the_other_class_is(
    opened: duckdb.DuckDBPyConnection,
) -> None:
    answer = ask(opened, "FROM otc_tier_venue_share_all")
    ats = one(answer, week_ending=V3, tier=T1, mpid="INCR")  # 60 of 98, then 30 of 78
    assert (ats["prior_week_ending"], ats["is_comparable"]) == (V2, True)
    assert ats["tier_class_share_change_points"] == pytest.approx(3000 / 78 - 6000 / 98)
    firm = one(answer, week_ending=V3, tier=T1, mpid="CRD1")  # the first week of its class
    assert (firm["prior_week_ending"], firm["is_comparable"], firm["is_new"]) == (None, False, None)


def test_the_prior_week_of_a_tier_and_class_is_within_four_weeks(
    opened: duckdb.DuckDBPyConnection,
) -> None:
    answer = ask(opened, "FROM otc_tier_venue_share_all")
    later = one(answer, week_ending=V6, tier=T1, mpid="INCR")  # 10 of 98, then 50 of 98
    assert later["prior_week_ending"] == V4
    assert later["tier_class_share_change_points"] == pytest.approx(4000 / 98)
    # CRD1 was in V3; the next week of its class is V8, with the bucket alone, five weeks later.
    bucket = one(answer, week_ending=V8, tier=T1, mpid=BUCKET)
    assert (bucket["prior_week_ending"], bucket["is_comparable"]) == (None, False)
    assert bucket["is_new"] is None
    after = one(answer, week_ending=V9, tier=T1, mpid=BUCKET)
    assert (after["prior_rank"], after["tier_class_share_change_points"]) == (None, 0.0)
    without = one(answer, week_ending=V8, tier=T1, mpid="UBSA")  # of V7's 0 no share is known
    assert (without["prior_week_ending"], without["is_new"]) == (V7, False)
    assert without["tier_class_share_change_points"] is None


def test_four_weeks_before_is_compared_and_the_venues_other_tier_is_not(tmp_path: Path) -> None:
    rows = [Row(V4, T1, "A", "UBSA", "1"), Row(V4, T2, "A", "INCR", "1")]
    rows += [Row(V8, T1, "A", "UBSA", "1"), Row(V8, T1, "A", "INCR", "3")]
    with connect(lake_of(tmp_path, rows), TABLES) as connection:
        answer = ask(connection, "FROM otc_tier_venue_share_all")
    found = one(answer, week_ending=V8, mpid="UBSA")
    assert (found["prior_week_ending"], found["tier_class_share_change_points"]) == (V4, -75.0)
    assert one(answer, week_ending=V8, mpid="INCR")["is_new"] is True


def test_ranks_are_of_the_class_in_the_tier_and_the_bucket_takes_none(shares: Answer) -> None:
    ranks = {row["mpid"]: row["rank"] for row in shares if row["week_ending"] == S5}
    assert ranks == {"UBSA": 1, "INCR": 1, "JPMX": 3, "CRD1": 1, BUCKET: None}
    assert one(shares, week_ending=S1, tier=T1, mpid=BUCKET)["tier_class_share_pct"] == 100.0


def test_the_latest_name_stands(shares: Answer) -> None:
    assert one(shares, week_ending=S5, mpid="UBSA")["venue_name"] == "New"


def test_shares_without_volume_or_trades_are_unknown(shares: Answer) -> None:
    found = one(shares, week_ending=S2, tier=T2)
    assert (found["tier_class_share_pct"], found["tier_share_pct"]) == (None, None)
    assert (found["avg_trade_size"], found["rank"]) == (None, 1)


@pytest.mark.parametrize("view", ["otc_market_structure", "otc_tier_venue_share"])
def test_the_plain_view_has_the_complete_weeks_alone(
    other: duckdb.DuckDBPyConnection, view: str
) -> None:
    weeks = ask(other, f"SELECT DISTINCT week_ending FROM {view} ORDER BY ALL")
    assert [row["week_ending"] for row in weeks] == [S2, S3]


@pytest.mark.parametrize(("view", "count"), [("otc_venue_trend", 4), ("otc_tier_venue_share", 8)])
def test_a_range_of_weeks_has_the_rows_of_all(
    opened: duckdb.DuckDBPyConnection, view: str, count: int
) -> None:
    part = ask(opened, f"FROM {view}_in($first, $last) ORDER BY ALL", first=V4, last=V6)
    everything = ask(
        opened, f"FROM {view}_all WHERE week_ending BETWEEN '{V4}' AND '{V6}' ORDER BY ALL"
    )
    assert part == everything
    assert len(part) == count
