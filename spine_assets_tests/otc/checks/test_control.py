"""FINRA's control totals: captured, compared, and what is said where they differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.state import control
from spine_assets.otc.state.freshness import build_facts
from spine_assets.otc.state.results import CheckResult, Severity, WeekResult
from spine_assets_tests.conftest import (
    ALL,
    NOW,
    REVISED,
    SHARES,
    SYMBOLS,
    WEEK,
    House,
    built_tables,
    check_of,
)
from spine_assets_tests.support.control_totals import Part, Trade

T1, OTC = Tier.NMS_TIER_1, Tier.OTC
ATS = Part(
    WEEK,
    T1,
    VenueClass.ATS,
    (Trade("AAAA", "UBSA", "100", 2), Trade("AAAA", "SGMT", "50.5"), Trade("BBBB", "UBSA", "7")),
)
# 1,000 shares, of which 400 are pooled: all of the firm 333's, and 100 of the firm 111's.
FIRMS = Part(
    WEEK,
    T1,
    VenueClass.NON_ATS,
    (
        Trade("AAAA", "111", "500", 5),
        Trade("AAAA", "222", "100", 1),
        Trade("AAAA", "333", "300", 3, is_pooled=True),
        Trade("BBBB", "111", "100", 2, is_pooled=True),
    ),
)
TOTALS, FIRM_TOTALS = "otc_control_totals", "otc_firm_totals"
LATER = NOW + timedelta(days=7)


def drop(house: House, *parts: Part, totals: bool = True) -> None:
    for part in parts:
        name = f"{part.tier.value}.class={part.venue_class.value.lower()}"
        house.drop(f"{name}.csv", part.rows().encode())
        if totals:
            house.drop(f"{name}.totals.csv", part.totals_text().encode())


def changed(part: Part, line: int, shares: str) -> str:
    """The totals of a part with another figure on one line."""
    lines = part.totals()
    lines[line][5] = shares
    return part.text(lines)


def checks(result: WeekResult) -> tuple[CheckResult, CheckResult]:
    return check_of(result, SYMBOLS, "control"), check_of(result, SHARES, "control")


def proofs(house: House) -> dict[str, str]:
    facts = build_facts(house.lake, house.lake.part(SHARES, WEEK))["facts"]
    return dict(facts[control.PROOFS])


def test_totals_that_agree_prove_a_tier(house: House) -> None:
    drop(house, ATS, FIRMS)
    symbols, venues = checks(house.built())
    assert symbols.passed
    assert symbols.summary == "4 symbols of 2 tiers and classes agree with FINRA's totals"
    assert symbols.facts == {
        "symbols_compared": 4,
        "tiers_and_classes_compared": 2,
        "differing": 0,
        "explained_by_rejects": 0,
        "not_delivered": "",
    }
    assert venues.passed
    assert venues.summary == "5 venues of 2 tiers and classes agree with FINRA's totals"
    assert proofs(house) == {"NMS_TIER_1": "proven"}


def test_the_tables_hold_finras_totals(house: House) -> None:
    drop(house, ATS, FIRMS)
    house.built()
    found = house.table(TOTALS).select(
        "venue_class", "summary_type", "symbol", "mpid", pl.col("share_volume").cast(pl.Float64)
    )
    assert found.rows() == [
        ("ATS", "FIRM", None, "SGMT", 50.5),
        ("ATS", "FIRM", None, "UBSA", 107),
        ("ATS", "SMBL", "AAAA", None, 150.5),
        ("ATS", "SMBL", "BBBB", None, 7),
        ("ATS", "VOL_STATS", None, None, 157.5),
        ("NON_ATS", "FIRM", None, "CRD111", 600),
        ("NON_ATS", "FIRM", None, "CRD222", 100),
        ("NON_ATS", "FIRM", None, "CRD333", 300),
        ("NON_ATS", "SMBL", "AAAA", None, 900),
        ("NON_ATS", "SMBL", "BBBB", None, 100),
        ("NON_ATS", "VOL_STATS", None, None, 1000),
    ]
    firms = house.table(FIRM_TOTALS).filter(venue_class="NON_ATS")
    assert firms.select(
        "mpid", "total_trades", "class_share_pct", "rank", "is_complete"
    ).rows() == [
        ("CRD111", 7, 60.0, 1, False),
        ("CRD222", 1, 10.0, 3, False),
        ("CRD333", 3, 30.0, 2, False),
    ]
    assert firms["tiers"].to_list() == [["NMS_TIER_1"]] * 3


def test_a_venue_has_its_reported_total_and_the_part_that_rows_name(house: House) -> None:
    """Of 600 shares of the firm 111, 500 are named; the firm 333 is in no row."""
    drop(house, ATS, FIRMS)
    house.built()
    found = house.table(SHARES).select(
        "mpid", pl.col("reported_total_volume").cast(pl.Float64), "attributed_pct", "reported_tiers"
    )
    assert found.rows() == [
        ("CRD111", 600.0, pytest.approx(500 / 6), ["NMS_TIER_1"]),
        ("CRD222", 100.0, 100.0, ["NMS_TIER_1"]),
        ("DE_MINIMIS", None, None, ["NMS_TIER_1"]),
        ("SGMT", 50.5, 100.0, ["NMS_TIER_1"]),
        ("UBSA", 107.0, 100.0, ["NMS_TIER_1"]),
    ]


def test_totals_count_for_the_tiers_for_which_both_are_in(house: House) -> None:
    """The venue has 7 shares more in a tier of which no totals are delivered."""
    drop(house, ATS)
    more = Part(WEEK, OTC, VenueClass.ATS, (Trade("CCCC", "UBSA", "7"),))
    drop(house, more, totals=False)
    symbols, _ = checks(house.built())
    (row,) = house.table(SHARES).filter(mpid="UBSA").to_dicts()
    assert (row["total_volume"], row["reported_total_volume"]) == (114, 107)
    assert (row["attributed_pct"], row["reported_tiers"]) == (100.0, ["NMS_TIER_1"])
    assert row["tiers"] == ["NMS_TIER_1", "OTC"]
    assert symbols.passed
    assert symbols.summary == (
        "2 symbols of 1 tier and class agree with FINRA's totals; "
        "not delivered: FINRA's totals of OTC ATS"
    )
    assert symbols.facts["not_delivered"] == "OTC ATS"
    assert proofs(house) == {"NMS_TIER_1": "proven", "OTC": "not delivered"}


def test_without_totals_nothing_is_claimed(house: House) -> None:
    drop(house, ATS, totals=False)
    for check in checks(house.built()):
        assert check.passed
        assert check.summary == (
            "nothing is compared; not delivered: FINRA's totals of NMS_TIER_1 ATS"
        )
    assert house.table(TOTALS).is_empty()
    assert house.table(FIRM_TOTALS).is_empty()
    row = house.table(SHARES).row(0, named=True)
    assert (row["reported_total_volume"], row["attributed_pct"]) == (None, None)
    assert row["reported_tiers"] == []


def test_a_wrong_total_of_a_symbol_is_an_error_and_the_week_is_published(house: House) -> None:
    drop(house, ATS)
    house.drop("NMS_TIER_1.class=ats.totals.csv", changed(ATS, 0, "160.5").encode())
    result = house.built()
    symbols, venues = checks(result)
    assert (symbols.passed, symbols.severity, symbols.blocking) == (False, Severity.ERROR, False)
    assert symbols.summary == (
        "1 of 3 sums differ from FINRA's totals: NMS_TIER_1 ATS AAAA: FINRA 160.5 shares, our rows "
        "150.5 (difference 10). Fetch rows and totals again: spine fetch --week 2025-11-21"
    )
    assert symbols.samples == [
        {
            "tier": "NMS_TIER_1",
            "venue_class": "ATS",
            "symbol": "AAAA",
            "finra_shares": "160.5",
            "our_shares": "150.5",
            "difference": "10",
            "finra_trades": 3,
            "our_trades": 3,
            "rejected_shares": None,
        }
    ]
    assert venues.passed
    assert [*built_tables(result)] == [*ALL]
    assert proofs(house) == {"NMS_TIER_1": "differs"}


def test_a_cut_file_is_found_by_symbols_and_by_venues(house: House) -> None:
    """The rows lack BBBB: 7 shares of UBSA."""
    drop(house, ATS)
    house.drop("NMS_TIER_1.class=ats.csv", replace(ATS, trades=ATS.trades[:2]).rows().encode())
    symbols, venues = checks(house.built())
    assert symbols.summary.startswith(
        "2 of 3 sums differ from FINRA's totals: "
        "NMS_TIER_1 ATS BBBB: FINRA 7 shares, our rows none (difference 7); "
        "NMS_TIER_1 ATS all: FINRA 157.5 shares, our rows 150.5 (difference 7)."
    )
    assert venues.summary.startswith(
        "2 of 3 sums differ from FINRA's totals: "
        "NMS_TIER_1 ATS UBSA: FINRA 107 shares, our rows 100 (difference 7); "
        "NMS_TIER_1 ATS all: FINRA 157.5 shares, our rows 150.5 (difference 7)."
    )


def test_trades_are_compared_too(house: House) -> None:
    drop(house, ATS)
    lines = ATS.totals()
    lines[1][6] = "9"
    house.drop("NMS_TIER_1.class=ats.totals.csv", ATS.text(lines).encode())
    symbols, _ = checks(house.built())
    assert "NMS_TIER_1 ATS BBBB: FINRA 9 trades, our rows 1" in symbols.summary


def test_a_firm_with_less_than_its_rows_is_an_error(house: House) -> None:
    """600 shares of the firm 111 become 499, less than the 500 that rows name."""
    drop(house, FIRMS)
    lines = FIRMS.totals()
    assert lines[2][:6] == ["", "", "FIRM 111", "111", "FIRM", "600"]
    house.drop("NMS_TIER_1.class=non_ats.totals.csv", changed(FIRMS, 2, "499").encode())
    _, venues = checks(house.built())
    assert not venues.passed
    assert [(row["mpid"], row["venue_name"], row["difference"]) for row in venues.samples] == [
        ("CRD111", "FIRM 111", "-1"),
        (None, None, "-101"),
    ]


def test_a_firm_with_another_total_above_its_rows_shows_in_the_sum_of_all(house: House) -> None:
    drop(house, FIRMS)
    house.drop("NMS_TIER_1.class=non_ats.totals.csv", changed(FIRMS, 2, "599").encode())
    _, venues = checks(house.built())
    assert [(row["mpid"], row["difference"]) for row in venues.samples] == [(None, "-1")]


def test_firms_that_a_download_knows_by_name_are_those_that_totals_know_by_number(
    house: House,
) -> None:
    rows = FIRMS.rows()
    for crd in ("111", "222", "0"):
        rows = rows.replace(f"|{crd}|OTC_W", "||OTC_W")
    house.drop("NMS_TIER_1.class=non_ats.csv", rows.encode())
    house.drop("NMS_TIER_1.class=non_ats.totals.csv", FIRMS.totals_text().encode())
    _, venues = checks(house.built())
    assert venues.passed
    found = house.table(SHARES).filter(pl.col("reported_total_volume").is_not_null())
    assert found.select("mpid", "attributed_pct").rows() == [
        ("FIRM:FIRM 111", pytest.approx(500 / 6)),
        ("FIRM:FIRM 222", 100.0),
    ]


@pytest.mark.parametrize("finra_names_them", [True, False])
def test_unattributed_rows_are_part_of_the_venues_totals_or_of_none(
    house: House, finra_names_them: bool
) -> None:
    """20 shares without MPID: FINRA counts them for UBSA, or leaves them out by firm."""
    named = replace(ATS, trades=(*ATS.trades, Trade("AAAA", "UBSA", "20")))
    unnamed = replace(ATS, trades=(*ATS.trades, Trade("AAAA", "", "20")))
    firms = named if finra_names_them else ATS
    totals = [*named.totals(("SMBL", "VOL_STATS")), *firms.totals(("FIRM",))]
    house.drop("NMS_TIER_1.class=ats.csv", unnamed.rows().encode())
    house.drop("NMS_TIER_1.class=ats.totals.csv", ATS.text(totals).encode())
    assert [check.passed for check in checks(house.built())] == [True, True]


def test_rejected_lines_explain_a_difference(house: House) -> None:
    """The line of BBBB has a count of trades that is no number; its 7 shares are readable."""
    drop(house, ATS)
    rows = ATS.rows().replace("|7|1|", "|7|one|")
    house.drop("NMS_TIER_1.class=ats.csv", rows.encode())
    symbols, venues = checks(house.built())
    assert (symbols.passed, venues.passed) == (True, True)
    assert symbols.summary == (
        "2 symbols of 1 tier and class agree with FINRA's totals; 2 sums lack just the shares of "
        "our rejected lines (NMS_TIER_1 ATS BBBB 7, NMS_TIER_1 ATS all 7)"
    )
    assert symbols.facts["explained_by_rejects"] == 2
    assert [row["rejected_shares"] for row in symbols.samples] == ["7", "7"]
    assert proofs(house) == {"NMS_TIER_1": "proven"}


def test_rejected_lines_do_not_explain_another_difference(house: House) -> None:
    drop(house, ATS)
    rows = ATS.rows().replace("|7|1|", "|6|one|")
    house.drop("NMS_TIER_1.class=ats.csv", rows.encode())
    symbols, _ = checks(house.built())
    assert not symbols.passed
    assert "(difference 7), our rejected lines 6" in symbols.summary


def test_a_blank_symbol_is_explained(house: House) -> None:
    """A line without a symbol is a reject, and FINRA has a total without a symbol."""
    drop(house, replace(ATS, trades=(*ATS.trades, Trade("", "UBSA", "1"))))
    symbols, venues = checks(house.built())
    assert symbols.passed
    assert "NMS_TIER_1 ATS (blank) 1" in symbols.summary
    assert venues.passed


def test_restated_rows_with_old_totals_are_named(house: House) -> None:
    drop(house, ATS)
    house.built()
    revised = date.fromisoformat(REVISED)
    trades = (replace(ATS.trades[0], shares="101"), *ATS.trades[1:])
    restated = replace(ATS, trades=trades, updated=revised)
    house.drop("later.class=ats.csv", restated.rows().encode())
    symbols, _ = checks(house.built(now=LATER))
    assert not symbols.passed
    assert (
        "totals of NMS_TIER_1 ATS are older than the rows (last updated on 2025-12-08, the rows on "
        "2025-12-30)" in symbols.summary
    )
    house.drop("later.class=ats.totals.csv", restated.totals_text().encode())
    symbols, venues = checks(house.built(now=LATER + timedelta(days=1)))
    assert (symbols.passed, venues.passed) == (True, True)
    assert symbols.summary == "2 symbols of 1 tier and class agree with FINRA's totals"
    assert house.table(TOTALS).filter(symbol="AAAA")["share_volume"].to_list() == [Decimal("151.5")]
