"""One firm is one venue, by CRD or by name alone: `otc_venues` and the views of venues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spine_assets.otc.delivery import venue_id
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS, statements_in
from spine_assets.warehouse.connection import connect
from spine_assets_tests.support.analysis_lake import (
    BUCKET,
    NON_ATS,
    OTC,
    T1,
    T2,
    Row,
    ask,
    lake_of,
    one,
)
from spine_assets_tests.support.examples import examples

UNATTRIBUTED = "UNATTRIBUTED"
WORDS = st.sampled_from(["", *venue_id.NULL_WORDS])
NAMES = st.one_of(
    WORDS,
    st.sampled_from(["De Minimis Firms", "DE-MINIMIS  FIRM*", "de minimis", "De Minimis Capital"]),
    # Of these two letters the small form depends on what follows, which only Polars minds.
    st.text(st.characters(max_codepoint=0x17FF, exclude_characters="\u0130\u03a3")).map(str.strip),
)
DELIVERED = st.tuples(
    st.sampled_from(["ATS", "NON_ATS"]),
    st.one_of(st.none(), WORDS, st.sampled_from(["UBSA", "CRD1"])),
    st.one_of(st.none(), WORDS, st.from_regex(r"[0-9]{1,7}(\.0{0,2})?", fullmatch=True)),
    NAMES,
)
"""Class, MPID, CRD number and name of a delivered row, as the parser trims them."""
W1, W2, W3 = date(2025, 11, 7), date(2025, 11, 14), date(2025, 11, 21)
ACME, DOWNLOADED = "ACME, L.L.C.", "Acme  L L C"
ROWS = [
    # W1 by download: names alone. W2 by API. W3 has tier 1 by API and the others by download.
    *(Row(W1, tier, "A", f"FIRM:{DOWNLOADED}", "10", name=DOWNLOADED) for tier in (T1, T2, OTC)),
    *(Row(W1, tier, "A", "FIRM:Beta", "30", name="Beta") for tier in (T1, T2, OTC)),
    *(Row(W2, tier, "A", "CRD7", "20", name=ACME) for tier in (T1, T2, OTC)),
    *(Row(W2, tier, "A", "CRD8", "30", name="BETA") for tier in (T1, T2, OTC)),
    Row(W3, T1, "A", "CRD7", "30", name=ACME),
    Row(W3, T1, "A", "CRD8", "40", name="BETA"),
    *(Row(W3, tier, "A", f"FIRM:{DOWNLOADED}", "15", name=DOWNLOADED) for tier in (T2, OTC)),
    *(Row(W3, tier, "A", "FIRM:Beta", "5", name="Beta") for tier in (T2, OTC)),
]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(lake_of(tmp_path_factory.mktemp("venues"), ROWS), TABLES) as connection:
        yield connection


@pytest.fixture(scope="module")
def macros() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE otc_venue_share (week_ending DATE, venue_class VARCHAR)")
        connection.execute("ALTER TABLE otc_venue_share ADD mpid VARCHAR")
        connection.execute("ALTER TABLE otc_venue_share ADD venue_name VARCHAR")
        for statement in (*statements_in("otc_text"), *statements_in("otc_venue_id")):
            connection.execute(statement)
        yield connection


# --- otc_venues


def test_a_venue_has_its_names_crd_and_weeks(opened: duckdb.DuckDBPyConnection) -> None:
    found = ask(opened, "FROM otc_venues ORDER BY venue_id")
    assert [row["venue_id"] for row in found] == ["CRD7", "CRD8"]
    assert found[0] == {
        "venue_id": "CRD7",
        "venue_name": "Acme  L L C",  # the later of its two names in the last week
        "names": [ACME, DOWNLOADED],
        "crd": "7",
        "venue_class": NON_ATS,
        "first_week": W1,
        "last_week": W3,
    }


def test_a_name_of_two_crds_is_neither(tmp_path: Path) -> None:
    rows = [
        Row(W1, T1, "A", "FIRM:Acme", "1", name="Acme"),
        Row(W2, T1, "A", "CRD7", "1", name="ACME"),
        Row(W3, T1, "A", "CRD8", "1", name="acme."),
        Row(W3, T1, "A", "UBSA", "1", name="Acme"),  # an ATS has the name too, in its class
    ]
    with connect(lake_of(tmp_path, rows), TABLES) as connection:
        found = ask(connection, "SELECT venue_id, crd FROM otc_venues ORDER BY ALL")
    assert {row["venue_id"]: row["crd"] for row in found} == {
        "CRD7": "7",
        "CRD8": "8",
        "FIRM:Acme": None,
        "UBSA": None,
    }


def test_a_firm_without_crd_is_the_first_spelling_of_its_name(tmp_path: Path) -> None:
    rows = [
        Row(W1, T1, "A", "FIRM:Gamma, Inc.", "1", name="Gamma, Inc."),
        Row(W2, T1, "A", "FIRM:GAMMA INC", "1", name="GAMMA INC"),
        Row(W2, T1, "A", "FIRM:***", "1", name="***"),  # without letters a name is only itself
        Row(W2, T1, "A", "FIRM:---", "1", name="---"),
        Row(W2, T1, "A", BUCKET, "1", name="De Minimis Firms"),
        Row(W2, T1, "A", UNATTRIBUTED, "1", name=""),
    ]
    with connect(lake_of(tmp_path, rows), TABLES) as connection:
        found = {row["venue_id"]: row for row in ask(connection, "FROM otc_venues")}
    assert set(found) == {"FIRM:Gamma, Inc.", "FIRM:***", "FIRM:---", BUCKET, UNATTRIBUTED}
    gamma = found["FIRM:Gamma, Inc."]
    assert (gamma["first_week"], gamma["last_week"]) == (W1, W2)
    assert (gamma["venue_name"], gamma["names"]) == ("GAMMA INC", ["GAMMA INC", "Gamma, Inc."])
    assert found[UNATTRIBUTED]["venue_name"] == UNATTRIBUTED


# --- the views of venues


def test_a_week_by_name_and_the_next_by_crd_are_one_line(
    opened: duckdb.DuckDBPyConnection,
) -> None:
    trend = ask(opened, "FROM otc_venue_trend ORDER BY week_ending, mpid")
    assert [(row["week_ending"], row["mpid"]) for row in trend] == [
        (week, mpid) for week in (W1, W2, W3) for mpid in ("CRD7", "CRD8")
    ]
    second = one(trend, week_ending=W2, mpid="CRD7")
    # 30 of 120, then 60 of 150.
    assert (second["prior_market_share_pct"], second["market_share_pct"]) == (25.0, 40.0)
    assert second["share_change_points"] == 15.0
    assert (second["is_new"], second["window_weeks_traded"]) == (False, 2)


def test_a_firm_of_one_week_by_crd_and_by_name_counts_once(
    opened: duckdb.DuckDBPyConnection,
) -> None:
    trend = ask(opened, "FROM otc_venue_trend_in($week, $week)", week=W3)
    acme, beta = (one(trend, mpid=mpid) for mpid in ("CRD7", "CRD8"))
    # 30 + 15 + 15 against 40 + 5 + 5: as stored, the 40 of CRD8 would be the largest.
    assert (acme["total_volume"], beta["total_volume"]) == (Decimal(60), Decimal(50))
    assert (acme["rank"], beta["rank"], acme["rank_change"]) == (1, 2, 1)
    assert acme["class_share_pct"] == pytest.approx(6000 / 110)
    assert acme["venue_name"] == ACME  # of the row with its CRD
    assert (acme["avg_6w_class_share_pct"], acme["window_weeks_traded"]) == (
        pytest.approx((25 + 40 + 6000 / 110) / 3),
        3,
    )
    structure = ask(opened, "FROM otc_market_structure_in($week, $week)", week=W3)
    whole = one(structure, tier="ALL")
    assert (whole["venue_count"], whole["top_mpid"], whole["top_venue_name"]) == (2, "CRD7", ACME)
    assert whole["top_share_pct"] == pytest.approx(6000 / 110)
    assert whole["hhi"] == pytest.approx((60**2 + 50**2) / 110**2)
    # A stands in three tiers, on the same two firms.
    assert (whole["symbol_count"], whole["venues_per_symbol"]) == (1, 2.0)
    tiers = ask(opened, "FROM otc_tier_venue_share_in($week, $week)", week=W3)
    assert {(row["tier"], row["mpid"]) for row in tiers} == {
        (tier, mpid) for tier in (T1, T2, OTC) for mpid in ("CRD7", "CRD8")
    }
    otc = one(tiers, tier=OTC, mpid="CRD7")
    # 20 of 50 the week before by CRD, 15 of 20 now by name.
    assert (otc["tier_class_share_change_points"], otc["is_new"]) == (35.0, False)


def test_a_file_that_has_a_firm_both_ways_has_it_once(tmp_path: Path) -> None:
    rows = [
        Row(W1, T1, "A", "CRD7", "10", name="ACME"),
        Row(W1, T1, "A", "FIRM:Acme", "5", name="Acme"),
        Row(W1, T1, "B", "FIRM:Acme", "5", name="Acme"),
        Row(W1, T1, "C", "CRD7", "5", name="ACME"),
        Row(W1, T1, "C", "CRD8", "5", name="Beta"),
    ]
    with connect(lake_of(tmp_path, rows), TABLES) as connection:
        (tier, whole) = ask(connection, "FROM otc_market_structure_all ORDER BY tier = 'ALL', tier")
        venues = ask(connection, "FROM otc_tier_venue_share_all")
    for found in (tier, whole):
        assert found["venue_count"] == 2
        assert found["venues_per_symbol"] == pytest.approx(4 / 3)  # one, one and two
        assert found["single_venue_symbols_pct"] == pytest.approx(200 / 3)
    acme = one(venues, mpid="CRD7")
    assert (acme["symbol_count"], acme["share_volume"], acme["rank"]) == (3, 25, 1)
    assert one(venues, mpid="CRD8")["symbol_count"] == 1


def test_both_buckets_are_in_totals_and_no_venues(tmp_path: Path) -> None:
    rows = [
        Row(W1, T1, "A", "UBSA", "40"),
        Row(W1, T1, "A", UNATTRIBUTED, "50"),
        Row(W1, T1, "A", "CRD7", "4"),
        Row(W1, T1, "A", BUCKET, "6"),
    ]
    with connect(lake_of(tmp_path, rows), TABLES) as connection:
        whole = one(ask(connection, "FROM otc_market_structure_all"), tier="ALL")
        trend = ask(connection, "FROM otc_venue_trend_all")
        shares = ask(connection, "FROM otc_tier_venue_share_all")
    assert (whole["total_volume"], whole["venue_count"], whole["top_mpid"]) == (100, 2, "UBSA")
    assert whole["hhi"] == pytest.approx(0.4**2 + 0.04**2)
    assert whole["hhi_high"] == pytest.approx(0.4**2 + 0.04**2 + 0.5**2 + 0.06**2)
    assert {row["mpid"]: row["rank"] for row in trend} == {
        "UBSA": 1,
        "CRD7": 2,
        UNATTRIBUTED: None,
        BUCKET: None,
    }
    assert one(trend, mpid=UNATTRIBUTED)["market_share_pct"] == 50.0
    assert {row["mpid"]: row["rank"] for row in shares} == {
        "UBSA": 1,
        "CRD7": 1,
        UNATTRIBUTED: None,
        BUCKET: None,
    }


@pytest.mark.parametrize(
    "view",
    [view.name for view in VIEWS if view.by_week],
)
def test_a_week_is_complete_if_each_class_has_all_three_tiers(tmp_path: Path, view: str) -> None:
    ats = [Row(W1, tier, "A", "UBSA", "1") for tier in (T1, T2, OTC)]
    loaded = {
        W1: ats,
        W2: [*ats, Row(W2, T1, "A", "CRD7", "1")],  # of non-ATS only tier 1
        W3: [*ats, *(Row(W3, tier, "A", "CRD7", "1") for tier in (T1, T2, OTC))],
        date(2025, 11, 28): ats[:2],
    }
    rows = [
        Row(week, row.tier, row.symbol, row.mpid, row.shares)
        for week, found in loaded.items()
        for row in found
    ]
    with connect(lake_of(tmp_path, rows), TABLES) as connection:
        found = ask(connection, f"SELECT DISTINCT week_ending, is_complete FROM {view}_all")
    assert {row["week_ending"]: row["is_complete"] for row in found} == dict(
        zip(loaded, (True, False, True, False), strict=True)
    )


# --- the macros


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ACME, L.L.C.", "acme l l c"),
        ("  Hollis & Wren   Brokerage, Inc. ", "hollis wren brokerage inc"),
        ("De-Minimis  Firms*", "de minimis firms"),
        ("Société Générale", "société générale"),
        ("3D\tÆther", "3d æther"),
        ("№ 5", "5"),  # a sign, no letter
        ("***", ""),
        ("", ""),
        (None, None),
    ],
)
def test_names_are_compared_by_letters_and_digits(
    macros: duckdb.DuckDBPyConnection, name: str | None, key: str | None
) -> None:
    assert macros.execute("SELECT otc_name_key(?)", [name]).fetchall() == [(key,)]


@pytest.mark.parametrize(
    ("row", "identity"),
    [
        (("ATS", "UBSA", "7", "x"), "UBSA"),
        (("ATS", " UBSA ", None, None), "UBSA"),
        *((("ATS", mpid, None, "x"), UNATTRIBUTED) for mpid in (BUCKET, "CRD7", "FIRM:x")),
        *((("ATS", mpid, None, "x"), mpid) for mpid in ("CRD7X", "CRD", "FIRM", "DE_MINIMIS1")),
        *((("ATS", blank, "7", "x"), UNATTRIBUTED) for blank in (None, "", " ", "null", "NaN")),
        ((NON_ATS, None, "116797", "x"), "CRD116797"),
        ((NON_ATS, None, "00116797.0", "x"), "CRD116797"),
        ((NON_ATS, None, "100", "x"), "CRD100"),
        ((NON_ATS, "UBSA", "7", "x"), "CRD7"),
        *(((NON_ATS, None, zero, "Firm"), BUCKET) for zero in ("0", "0.0", "000")),
        *(
            ((NON_ATS, None, None, name), BUCKET)
            for name in ("De Minimis Firms", "DE MINIMIS FIRMS*", "De-Minimis  Firms", "de minimis")
        ),
        ((NON_ATS, None, "7", "De Minimis Firm"), BUCKET),
        ((NON_ATS, None, None, "De Minimis Capital"), "FIRM:De Minimis Capital"),
        *(((NON_ATS, None, blank, "Firm"), "FIRM:Firm") for blank in ("", "nan", "None", "N/A")),
        ((NON_ATS, None, "null", "Nan"), "FIRM:Nan"),  # exactly these words are blanks
        *(((NON_ATS, None, None, name), None) for name in ("", " ", "null", "NULL", None)),
    ],
)
def test_the_identity_of_a_delivered_row(
    macros: duckdb.DuckDBPyConnection, row: tuple[str | None, ...], identity: str | None
) -> None:
    assert macros.execute("SELECT otc_venue_id(?, ?, ?, ?)", row).fetchall() == [(identity,)]


@settings(
    max_examples=examples(60),
    deadline=None,  # the machine may be busy
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(DELIVERED, min_size=1, max_size=40))
@example(rows=[("NON_ATS", None, None, "Ærø & Søn, \u2167 ½ 7ª")])
def test_identities_in_sql_are_those_of_python(
    macros: duckdb.DuckDBPyConnection, rows: list[tuple[str | None, ...]]
) -> None:
    names = ("venue_class", "mpid", "firm_crd", "venue_name")
    frame = pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row")
    found = venue_id.identified(frame).with_columns(key=venue_id.name_key(pl.col("venue_name")))
    for row, identity, key in zip(rows, found["venue_id"], found["key"], strict=True):
        asked = macros.execute(
            "SELECT otc_venue_id($1, $2, $3, $4), otc_name_key($4)",
            dict(zip("1234", row, strict=True)),
        )
        assert asked.fetchall() == [(identity, key)], row
