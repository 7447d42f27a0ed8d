"""Builders of the derived tables against hand-computed figures and exact fractions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from spine_assets.core.pandera_schema import pandera_schema
from spine_assets.core.table_schema import conform, polars_schema
from spine_assets.otc.delivery.venue_id import BUCKETS
from spine_assets.otc.tables import raw, row_rules, symbol_summary, venue_share, venue_volume
from spine_assets.otc.tables.concentration import concentration
from spine_assets_tests.conftest import NOW, WEEK
from spine_assets_tests.support.examples import examples

BUILD = "20260120T120000Z-0123456789ab"
DAY = date(2025, 12, 22)
T1, T2, OTC = "NMS_TIER_1", "NMS_TIER_2", "OTC"

# tier, symbol, class, mpid, shares, trades
Venue = tuple[str, str, str, str, str, int]
WEEK_ROWS: list[Venue] = [
    (T1, "AAA", "ATS", "UBSA", "600", 6),
    (T1, "AAA", "ATS", "INCR", "300", 3),
    (T1, "AAA", "NON_ATS", "DE_MINIMIS", "100", 10),
    (T1, "BBB", "ATS", "UBSA", "500", 4),
    (T1, "BBB", "ATS", "INCR", "500", 5),
    (T1, "CCC", "ATS", "INCR", "300", 0),
    (OTC, "AAA", "NON_ATS", "CRD123", "250.5", 1),
    (OTC, "AAA", "NON_ATS", "FIRM:ACME LLC", "751.5", 2),
    (OTC, "ZERO", "ATS", "OTCX", "0", 0),
    (OTC, "POOL", "NON_ATS", "DE_MINIMIS", "40", 4),
]
INPUTS = pl.DataFrame(
    [
        (T1, "ATS", "c3"),
        (T1, "NON_ATS", "c1"),
        (T2, "ATS", "c0"),
        (T2, "NON_ATS", "c9"),
        (OTC, "ATS", "c2"),
        (OTC, "NON_ATS", "c4"),
    ],
    schema=["tier", "venue_class", "input_capture_id"],
    orient="row",
)
Builder = Callable[[pl.DataFrame, pl.DataFrame, str], pl.DataFrame]


def venues_of(rows: list[Venue], names: dict[str, str] | None = None) -> pl.DataFrame:
    """`otc_venue_volume` rows of a week, as they are stored."""
    frame = pl.DataFrame(
        [
            {
                "week_ending": WEEK,
                "tier": tier,
                "symbol": symbol,
                "venue_class": venue_class,
                "mpid": mpid,
                "venue_name": (names or {}).get(mpid, f"Name of {mpid}"),
                "issue_name": symbol,
                "share_volume": Decimal(shares),
                "trade_count": trades,
                "avg_trade_size": None,
                "issue_count": 1,
                "last_update_date": DAY,
                "record_hash": "",
                "capture_id": BUILD,
                "build_id": BUILD,
            }
            for tier, symbol, venue_class, mpid, shares, trades in rows
        ],
        schema=polars_schema(venue_volume.TABLE),
        orient="row",
    )
    return conform(frame, venue_volume.TABLE)


def summary_of(rows: list[Venue]) -> dict[tuple[str, str], dict[str, Any]]:
    frame = symbol_summary.build(venues_of(rows), INPUTS, BUILD)
    return {(row["tier"], row["symbol"]): row for row in frame.to_dicts()}


def shares_of(rows: list[Venue]) -> dict[str, dict[str, Any]]:
    frame = venue_share.build(venues_of(rows), INPUTS, BUILD)
    return {row["mpid"]: row for row in frame.to_dicts()}


# --- otc_venue_volume


def accepted(**changes: Any) -> pl.DataFrame:
    row: dict[str, Any] = dict.fromkeys(polars_schema(raw.TABLE))
    row |= {
        "week_ending": WEEK,
        "tier": "OTC",
        "tier_name": "OTC",
        "symbol": "ABRpD",
        "issue_name": "Alpha Corp",
        "venue_name": "OTCX OTC LINK ECN ATS",
        "mpid": "OTCX",
        "venue_class": "ATS",
        "share_volume": Decimal("12.5"),
        "trade_count": 4,
        "last_update_date": DAY,
        "record_hash": "h",
        "capture_id": "c",
        "source_file": "a.csv",
        "source_line": 2,
        "captured_at": NOW.replace(tzinfo=None),
    }
    frame = pl.DataFrame([row | changes], schema=polars_schema(raw.TABLE), orient="row")
    return row_rules.split(frame)[0]


def test_a_venue_row_keeps_figures_and_symbol_as_delivered() -> None:
    assert venue_volume.build(accepted(), BUILD).to_dicts() == [
        {
            "week_ending": WEEK,
            "tier": "OTC",
            "symbol": "ABRpD",
            "venue_class": "ATS",
            "mpid": "OTCX",
            "venue_name": "OTC LINK ECN ATS",
            "issue_name": "Alpha Corp",
            "share_volume": Decimal("12.5"),
            "trade_count": 4,
            "avg_trade_size": 3.125,
            "issue_count": 1,
            "last_update_date": DAY,
            "record_hash": "h",
            "capture_id": BUILD,
            "build_id": BUILD,
        }
    ]


FIRM = {"venue_class": "NON_ATS", "mpid": None}


@pytest.mark.parametrize(
    ("changes", "mpid", "name"),
    [
        ({"venue_name": "OTCX"}, "OTCX", "OTCX"),
        ({"venue_name": "OTCX  Two Spaces"}, "OTCX", "Two Spaces"),
        ({"venue_name": "OTCXY OTHER"}, "OTCX", "OTCXY OTHER"),
        ({"venue_name": "LINK OTCX"}, "OTCX", "LINK OTCX"),
        (FIRM | {"venue_name": "ACME LLC"}, "FIRM:ACME LLC", "ACME LLC"),
        (FIRM | {"venue_name": "ACME LLC", "firm_crd": "7059"}, "CRD7059", "ACME LLC"),
        (FIRM | {"venue_name": "De Minimis Firms"}, "DE_MINIMIS", "De Minimis Firms"),
    ],
)
def test_venue_identity_and_name(changes: dict[str, Any], mpid: str, name: str) -> None:
    (row,) = venue_volume.build(accepted(**changes), BUILD).to_dicts()
    assert (row["mpid"], row["venue_name"]) == (mpid, name)


def test_average_trade_size_is_null_without_trades() -> None:
    (row,) = venue_volume.build(accepted(trade_count=0), BUILD).to_dicts()
    assert row["avg_trade_size"] is None


# --- otc_symbol_summary


def test_symbol_summary_of_a_week_computed_by_hand() -> None:
    found = summary_of(WEEK_ROWS)
    names = (
        "total_volume",
        "total_trades",
        "venue_count",
        "ats_volume",
        "non_ats_volume",
        "top_mpid",
        "input_min_capture_id",
        "input_max_capture_id",
    )
    assert {key: tuple(row[name] for name in names) for key, row in found.items()} == {
        (T1, "AAA"): (1000, 19, 2, 900, 100, "UBSA", "c1", "c3"),
        (T1, "BBB"): (1000, 9, 2, 1000, 0, "INCR", "c3", "c3"),
        (T1, "CCC"): (300, 0, 1, 300, 0, "INCR", "c3", "c3"),
        (OTC, "AAA"): (1002, 3, 2, 0, 1002, "FIRM:ACME LLC", "c4", "c4"),
        (OTC, "ZERO"): (0, 0, 1, 0, 0, "OTCX", "c2", "c2"),
        (OTC, "POOL"): (40, 4, 0, 0, 40, None, "c4", "c4"),
    }
    assert {row["capture_id"] for row in found.values()} == {BUILD}
    assert {row["week_ending"] for row in found.values()} == {WEEK}


def test_concentration_of_a_week_computed_by_hand() -> None:
    names = ("hhi", "hhi_high", "top_share_pct", "avg_trade_size")
    found = {key: tuple(row[n] for n in names) for key, row in summary_of(WEEK_ROWS).items()}
    assert found == {
        (T1, "AAA"): pytest.approx((0.45, 0.46, 60.0, 1000 / 19), abs=1e-12),
        (T1, "BBB"): pytest.approx((0.5, 0.5, 50.0, 1000 / 9), abs=1e-12),
        (T1, "CCC"): (1.0, 1.0, 100.0, None),
        (OTC, "AAA"): pytest.approx((0.625, 0.625, 75.0, 334.0), abs=1e-12),
        (OTC, "ZERO"): (None, None, None, None),
        (OTC, "POOL"): (0.0, 1.0, None, 10.0),
    }


def test_symbols_that_differ_by_case_are_two() -> None:
    rows = [(OTC, "ABRpD", "ATS", "OTCX", "1", 1), (OTC, "ABRPD", "ATS", "OTCX", "2", 1)]
    assert {key[1]: row["total_volume"] for key, row in summary_of(rows).items()} == {
        "ABRpD": 1,
        "ABRPD": 2,
    }


@pytest.mark.parametrize("order", [1, -1])
def test_ties_of_the_top_venue_go_to_the_first_mpid(order: int) -> None:
    rows = [(OTC, "A", "ATS", mpid, "5", 1) for mpid in ("AAAA", "BBBB", "CCCC")][::order]
    rows.append((OTC, "A", "NON_ATS", "DE_MINIMIS", "50", 1))
    (row,) = summary_of(rows).values()
    assert row["top_mpid"] == "AAAA"
    assert row["top_share_pct"] == pytest.approx(100 * 5 / 65)


def test_the_top_venue_of_all_is_the_first_mpid_of_a_tie_too() -> None:
    mpids = ["DE_MINIMIS", "BBBB", "AAAA", "CCCC"]
    found = concentration(
        pl.DataFrame({"mpid": mpids, "total_volume": [Decimal(number) for number in (9, 5, 5, 1)]})
    )
    assert (found.top_mpid, found.venues, found.shares) == ("AAAA", 3, Decimal(20))
    assert found.top_share_pct == pytest.approx(25)
    assert found.hhi == pytest.approx((25 + 25 + 1) / 400)
    assert found.hhi_high == pytest.approx((81 + 25 + 25 + 1) / 400)


# --- otc_venue_share


def test_venue_share_of_a_week_computed_by_hand() -> None:
    names = (
        "venue_class",
        "total_volume",
        "total_trades",
        "symbol_count",
        "rank",
        "input_min_capture_id",
        "input_max_capture_id",
    )
    found = shares_of(WEEK_ROWS)
    assert {mpid: tuple(row[name] for name in names) for mpid, row in found.items()} == {
        "UBSA": ("ATS", 1100, 10, 2, 1, "c3", "c3"),
        "INCR": ("ATS", 1100, 8, 3, 1, "c3", "c3"),
        "FIRM:ACME LLC": ("NON_ATS", Decimal("751.5"), 2, 1, 3, "c4", "c4"),
        "CRD123": ("NON_ATS", Decimal("250.5"), 1, 1, 4, "c4", "c4"),
        "DE_MINIMIS": ("NON_ATS", 140, 14, 2, None, "c1", "c4"),
        "OTCX": ("ATS", 0, 0, 1, 5, "c2", "c2"),
    }
    assert all(row["tiers"] == [T1, OTC] for row in found.values())
    assert {row["is_complete"] for row in found.values()} == {False}


def test_percentages_of_a_week_computed_by_hand() -> None:
    found = {
        mpid: (row["market_share_pct"], row["class_share_pct"])
        for mpid, row in shares_of(WEEK_ROWS).items()
    }
    assert found == {  # 3342 shares, 2200 on ATSs and 1142 outside
        "UBSA": pytest.approx((110_000 / 3342, 50.0)),
        "INCR": pytest.approx((110_000 / 3342, 50.0)),
        "FIRM:ACME LLC": pytest.approx((75_150 / 3342, 75_150 / 1142)),
        "CRD123": pytest.approx((25_050 / 3342, 25_050 / 1142)),
        "DE_MINIMIS": pytest.approx((14_000 / 3342, 14_000 / 1142)),
        "OTCX": (0.0, 0.0),
    }


def test_a_week_is_complete_with_all_three_tiers_of_each_class_that_is_in() -> None:
    ats = [(tier, "A", "ATS", "OTCX", "5", 1) for tier in (T1, T2, OTC)]
    firms = [(tier, "A", "NON_ATS", "CRD1", "5", 1) for tier in (T1, T2, OTC)]
    for rows, classes, complete in (
        (ats, ["ATS"], True),
        (ats + firms[:1], ["ATS", "NON_ATS"], False),
        (ats + firms, ["ATS", "NON_ATS"], True),
        (ats[:2] + firms, ["ATS", "NON_ATS"], False),
    ):
        row = shares_of(rows)["OTCX"]
        assert (row["classes"], row["is_complete"]) == (classes, complete)


def test_a_class_that_is_not_loaded_is_unknown_and_not_zero() -> None:
    found = summary_of(
        [
            (T1, "A", "ATS", "UBSA", "5", 1),
            (OTC, "A", "ATS", "OTCX", "7", 1),
            (OTC, "B", "NON_ATS", "CRD1", "9", 1),
        ]
    )
    parts = {key: (row["ats_volume"], row["non_ats_volume"]) for key, row in found.items()}
    assert parts == {(T1, "A"): (5, None), (OTC, "A"): (7, 0), (OTC, "B"): (0, 9)}


def test_unattributed_volume_is_in_totals_and_no_venue() -> None:
    rows = [(OTC, "A", "ATS", m, v, 1) for m, v in (("UNATTRIBUTED", "30"), ("OTCX", "10"))]
    row = summary_of(rows)[OTC, "A"]
    assert (row["total_volume"], row["venue_count"], row["top_mpid"]) == (40, 1, "OTCX")
    assert (row["hhi"], row["hhi_high"]) == (0.0625, 0.625)
    assert shares_of(rows)["UNATTRIBUTED"]["rank"] is None
    assert shares_of(rows)["OTCX"]["rank"] == 1


@pytest.mark.parametrize(
    ("tiers", "complete"),
    [([T1], False), ([OTC, T2], False), ([OTC, T1, T2], True)],
)
def test_a_week_is_complete_with_all_three_tiers(tiers: list[str], complete: bool) -> None:
    (row,) = shares_of([(tier, "A", "ATS", "OTCX", "5", 1) for tier in tiers]).values()
    assert (row["tiers"], row["is_complete"]) == (sorted(tiers), complete)
    assert row["symbol_count"] == 1  # one symbol, though in several tiers


def test_shares_of_nothing_are_null_and_ranks_stand() -> None:
    found = shares_of([(OTC, "A", "ATS", mpid, "0", 0) for mpid in ("AAAA", "BBBB")])
    assert {
        mpid: (row["market_share_pct"], row["class_share_pct"], row["rank"])
        for mpid, row in found.items()
    } == {"AAAA": (None, None, 1), "BBBB": (None, None, 1)}


def test_a_class_of_nothing_has_null_shares_beside_one_that_trades() -> None:
    found = shares_of([(OTC, "A", "ATS", "AAAA", "0", 0), (OTC, "A", "NON_ATS", "CRD1", "5", 1)])
    assert (found["AAAA"]["market_share_pct"], found["AAAA"]["class_share_pct"]) == (0.0, None)
    assert (found["CRD1"]["market_share_pct"], found["CRD1"]["class_share_pct"]) == (100.0, 100.0)


def test_the_bucket_takes_no_rank_away() -> None:
    found = shares_of(
        [(OTC, "A", "NON_ATS", m, v, 1) for m, v in (("DE_MINIMIS", "9"), ("CRD1", "2"))]
    )
    assert {mpid: row["rank"] for mpid, row in found.items()} == {"DE_MINIMIS": None, "CRD1": 1}


def test_the_latest_name_of_a_venue_stands() -> None:
    later = venues_of([(OTC, "B", "ATS", "OTCX", "1", 1)], {"OTCX": "A New Name"}).with_columns(
        last_update_date=pl.lit(date(2025, 12, 30))
    )
    rows = pl.concat([later, venues_of([(OTC, "A", "ATS", "OTCX", "1", 1)], {"OTCX": "Z Old"})])
    assert venue_share.build(rows, INPUTS, BUILD)["venue_name"].to_list() == ["A New Name"]


@pytest.mark.parametrize("table", [symbol_summary, venue_share], ids=["symbols", "venues"])
def test_no_rows_give_an_empty_table(table: Any) -> None:
    frame = table.build(venues_of([]), INPUTS, BUILD)
    assert frame.schema == polars_schema(table.TABLE)
    assert frame.is_empty()


# --- properties

VENUE = st.sampled_from(
    [
        ("ATS", "AAAA"),
        ("ATS", "BBBB"),
        ("ATS", "CCCC"),
        ("ATS", "UNATTRIBUTED"),
        ("NON_ATS", "CRD1"),
        ("NON_ATS", "FIRM:ACME"),
        ("NON_ATS", "DE_MINIMIS"),
    ]
)
VOLUME = st.one_of(
    st.integers(0, 12).map(str),
    st.integers(0, 10**15).map(str),
    st.decimals(0, 10**6, places=6).map(str),
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from([T1, T2, OTC]),
        st.sampled_from(["A", "a", "B.C"]),
        VENUE,
        VOLUME,
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda row: (row[0], row[1], row[2]),
).map(lambda rows: [(tier, symbol, *venue, shares, n) for tier, symbol, venue, shares, n in rows])


def exact_summary(rows: list[Venue]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Total, venues, top, hhi and hhi_high by plain fractions."""
    groups: dict[tuple[str, str], list[tuple[str, Fraction]]] = defaultdict(list)
    for tier, symbol, _, mpid, shares, _ in rows:
        groups[tier, symbol].append((mpid, Fraction(shares)))
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for key, parts in groups.items():
        total = sum((volume for _, volume in parts), Fraction(0))
        named = sorted((-volume, mpid) for mpid, volume in parts if mpid not in BUCKETS)
        low = sum((volume**2 for volume, _ in named), Fraction(0))
        high = sum((volume**2 for _, volume in parts), Fraction(0))
        top = named[0][1] if named else None
        hhis = (float(low / total**2), float(high / total**2)) if total else (None, None)
        found[key] = (total, len(named), top, *hhis)
    return found


@given(ROWS)
@settings(max_examples=examples(100), deadline=None)
def test_symbol_summary_equals_exact_fractions(rows: list[Venue]) -> None:
    found = summary_of(rows)
    expected = exact_summary(rows)
    assert found.keys() == expected.keys()
    for key, (total, venues, top, low, high) in expected.items():
        row = found[key]
        assert Fraction(row["total_volume"]) == total
        assert (row["venue_count"], row["top_mpid"]) == (venues, top)
        assert row["hhi"] == (None if low is None else pytest.approx(low, rel=1e-9, abs=1e-15))
        assert row["hhi_high"] == (None if high is None else pytest.approx(high, rel=1e-9))
        for column, cls in (("ats_volume", "ATS"), ("non_ats_volume", "NON_ATS")):
            of_class = [Decimal(r[4]) for r in rows if (r[0], r[1], r[2]) == (*key, cls)]
            is_loaded = any((r[0], r[2]) == (key[0], cls) for r in rows)
            assert row[column] == (sum(of_class) if is_loaded else None)
            assert (cls in row["classes"]) == is_loaded


@given(ROWS)
@settings(max_examples=examples(100), deadline=None)
def test_venue_share_equals_exact_fractions(rows: list[Venue]) -> None:
    totals: dict[str, Fraction] = defaultdict(Fraction)
    for _, _, _, mpid, shares, _ in rows:
        totals[mpid] += Fraction(shares)
    named = [volume for mpid, volume in totals.items() if mpid not in BUCKETS]
    everything = sum(totals.values(), Fraction(0))
    found = shares_of(rows)
    assert {mpid: Fraction(row["total_volume"]) for mpid, row in found.items()} == totals
    for mpid, volume in totals.items():
        larger = 1 + sum(other > volume for other in named)
        assert found[mpid]["rank"] == (None if mpid in BUCKETS else larger)
        part = None if everything == 0 else pytest.approx(float(100 * volume / everything))
        assert found[mpid]["market_share_pct"] == part


@given(ROWS)
@settings(max_examples=examples(40), deadline=None)
def test_built_tables_satisfy_their_declarations(rows: list[Venue]) -> None:
    for table in (symbol_summary, venue_share):
        frame = table.build(venues_of(rows), INPUTS, BUILD)
        pandera_schema(table.TABLE).validate(frame)
        assert frame.height > 0


@given(ROWS, st.randoms())
@settings(max_examples=examples(60), deadline=None)
def test_the_order_of_rows_decides_nothing(rows: list[Venue], random: Any) -> None:
    venues = venues_of(rows)
    order = list(range(venues.height))
    random.shuffle(order)
    builders: tuple[Builder, ...] = (symbol_summary.build, venue_share.build)
    for build in builders:
        stored = conform(venues[order], venue_volume.TABLE)
        one, other = (build(frame, INPUTS, BUILD) for frame in (venues, stored))
        assert_frame_equal(one, other, check_exact=True)


_DIGEST = """
import hashlib
import polars as pl
from spine_assets.otc.tables import symbol_summary, venue_share
from spine_assets_tests.otc.tables.test_registry import BUILD, INPUTS, many_venues
print(pl.thread_pool_size())
for build in (symbol_summary.build, venue_share.build):
    text = build(many_venues(), INPUTS, BUILD).write_ndjson()
    print(hashlib.sha256(text.encode()).hexdigest())
"""


def many_venues() -> pl.DataFrame:
    """Thousands of symbols on up to 40 venues, by plain arithmetic."""
    rows = [
        (T1, f"S{n}", "ATS", f"M{m:03}", str(1 + n * 7919 * (m + 1) % 100_003), 1 + m)
        for n in range(3_000)
        for m in range(1 + n % 40)
    ]
    return venues_of(rows)


@pytest.mark.long
def test_the_number_of_threads_decides_nothing() -> None:
    told = []
    for threads in ("1", "4"):
        done = subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env=os.environ | {"POLARS_MAX_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(done.stdout.split())
    assert [lines[0] for lines in told] == ["1", "4"]
    assert told[0][1:] == told[1][1:]
    assert len(told[0]) == 3
