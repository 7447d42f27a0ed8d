"""FINRA's control totals: captured, compared, and what is said where they differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pending import uncaptured
from spine_assets.otc.past.as_of import table_as_of
from spine_assets.otc.state import control
from spine_assets.otc.state.freshness import build_facts
from spine_assets.otc.state.results import CheckResult, NoInput, Severity, WeekResult
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import (
    ALL,
    NOW,
    REVISED,
    SHARES,
    SYMBOLS,
    VENUES,
    WEEK,
    House,
    built_tables,
    check_of,
)
from spine_assets_tests.support import other_version
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
        "2 symbols of 1 tier and class agree with FINRA's totals once our rejected lines are "
        "added; 2 sums lack exactly the shares of rejected lines (NMS_TIER_1 ATS BBBB 7, "
        "NMS_TIER_1 ATS all 7)"
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


# --- when totals arrive


def test_totals_that_come_later_leave_other_tables_unchanged(house: House) -> None:
    drop(house, ATS, totals=False)
    before = {name: item.data_version for name, item in built_tables(house.built()).items()}
    house.drop("late.class=ats.totals.csv", ATS.totals_text().encode())
    result = built_tables(house.built(now=LATER))
    assert {name for name, item in result.items() if not item.unchanged} == {
        TOTALS,
        FIRM_TOTALS,
        SHARES,
    }
    assert {name for name, item in result.items() if item.data_version != before[name]} == {
        TOTALS,
        FIRM_TOTALS,
        SHARES,
    }
    assert all(item.unchanged for item in built_tables(house.built(now=LATER)).values())


def test_totals_wait_for_the_rows_that_they_are_of(house: House) -> None:
    house.drop("early.class=ats.totals.csv", ATS.totals_text().encode())
    assert uncaptured(house.scan(), captures.names(house.lake)) == []
    result = house.build()
    assert isinstance(result.error, NoInput)
    assert "control totals wait for the rows that they are of: early.class=ats.totals.csv" in str(
        result.error
    )
    assert captures.names(house.lake) == {}
    drop(house, ATS, totals=False)
    (waiting,) = uncaptured(house.scan(), captures.names(house.lake))
    assert waiting.week_ending == WEEK
    symbols, _ = checks(house.built())
    assert symbols.passed
    assert uncaptured(house.scan(), captures.names(house.lake)) == []


def test_late_totals_are_pending(house: House) -> None:
    drop(house, ATS, totals=False)
    house.built()
    assert uncaptured(house.scan(), captures.names(house.lake)) == []
    house.drop("late.class=ats.totals.csv", ATS.totals_text().encode())
    (found,) = uncaptured(house.scan(), captures.names(house.lake))
    assert found.week_ending == WEEK
    house.built()
    assert uncaptured(house.scan(), captures.names(house.lake)) == []


def test_a_table_that_uses_totals_is_not_built_without_capturing_them(house: House) -> None:
    drop(house, ATS, totals=False)
    house.built()
    house.drop("late.class=ats.totals.csv", ATS.totals_text().encode())
    refused = house.build([SHARES])
    assert "otc_raw is older than its files (late.class=ats.totals.csv)" in str(refused.error)
    assert house.build([VENUES]).error is None
    assert house.build([SYMBOLS]).error is None


def test_a_table_that_uses_totals_needs_no_stored_ones(house: House) -> None:
    """The names that people know are enough to build a week."""
    drop(house, ATS)
    house.built(["otc_raw", "otc_rejects", VENUES, SYMBOLS, SHARES])
    assert house.table(SHARES)["attributed_pct"].to_list() == [100.0, 100.0]
    assert house.lake.files(TOTALS, WEEK) == []


def test_summary_types_in_several_files_are_taken_together(house: House) -> None:
    drop(house, ATS, totals=False)
    for kind in ("SMBL", "FIRM", "VOL_STATS"):
        text = ATS.text(ATS.totals((kind,)))
        house.drop(f"{kind}.class=ats.csv", text.encode())
    symbols, venues = checks(house.built())
    assert (symbols.passed, venues.passed) == (True, True)
    assert house.table(TOTALS).height == 5
    assert proofs(house) == {"NMS_TIER_1": "proven"}


def test_rows_and_totals_of_both_classes_may_be_one_file(house: House) -> None:
    texts = [part.rows() for part in (ATS, FIRMS)] + [part.totals_text() for part in (ATS, FIRMS)]
    header = texts[0].split("\n", 1)[0]
    house.drop("all.csv", "\n".join([header, *(t.split("\n", 1)[1] for t in texts)]).encode())
    result = house.built()
    assert [check.passed for check in checks(result)] == [True, True]
    assert check_of(result, SYMBOLS, "control").facts["tiers_and_classes_compared"] == 2
    assert len(house.lake.files("otc_delivered", WEEK, ".zst")) == 1
    assert check_of(result, "otc_raw", "conservation").passed


def test_an_unreadable_line_of_totals_is_named(house: House) -> None:
    drop(house, ATS)
    house.drop("NMS_TIER_1.class=ats.totals.csv", changed(ATS, 1, "seven").encode())
    symbols, _ = checks(house.built())
    assert not symbols.passed
    assert "NMS_TIER_1 ATS BBBB: FINRA none shares, our rows 7 (difference -7)" in symbols.summary
    assert (
        "lines of NMS_TIER_1.class=ats.totals.csv cannot be read (NOT_A_NUMBER 1)"
        in symbols.summary
    )


def test_the_past_has_the_totals_that_were_known(house: House) -> None:
    drop(house, ATS, totals=False)
    house.built()
    house.drop("late.class=ats.totals.csv", changed(ATS, 2, "1000").encode())
    house.built(now=LATER)
    last = LATER + timedelta(days=1)
    lines = ATS.totals()
    newer = replace(ATS, updated=date.fromisoformat(REVISED))
    house.drop("last.class=ats.totals.csv", newer.text(lines).encode())
    house.built(now=last)

    def reported(moment: datetime) -> list[Decimal | None]:
        frame = table_as_of(house.lake, SHARES, WEEK, moment)
        return frame["reported_total_volume"].to_list()

    assert reported(NOW) == [None, None]
    assert reported(LATER) == [Decimal("50.5"), Decimal(1000)]
    assert reported(last) == [Decimal("50.5"), Decimal(107)]
    assert table_as_of(house.lake, TOTALS, WEEK, NOW).is_empty()
    assert house.table(SHARES)["reported_total_volume"].to_list() == reported(last)


def test_captured_totals_are_read_again_by_a_new_version(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other version takes counts of three digits at most: the total of 1,000 is unreadable."""
    many = replace(ATS, trades=(*ATS.trades[:2], Trade("BBBB", "UBSA", "7", 999)))
    drop(house, many)
    lines = many.totals()
    lines[1][6] = "1000"
    house.drop("NMS_TIER_1.class=ats.totals.csv", many.text(lines).encode())
    assert "FINRA 1,000 trades, our rows 999" in checks(house.built())[0].summary
    other_version.upgrade(monkeypatch)
    symbols, _ = checks(house.built(now=LATER))
    assert "NMS_TIER_1 ATS BBBB: FINRA none shares" in symbols.summary
    (stored,) = captures.known_of(house.lake, WEEK).totals
    assert (stored.parser, stored.rejects) == (other_version.PARSER, {"OUT_OF_RANGE": 3})


# --- any week

SYMBOL, MPID, CRD = (
    st.sampled_from(texts) for texts in (["A", "B", "Cp"], ["UB", "SG"], ["1", "2"])
)
SHARE = st.decimals("0.000001", 10**9, places=6).map(lambda value: f"{value:f}")


@st.composite
def parts(draw: st.DrawFn) -> Part:
    venue_class = draw(st.sampled_from(VenueClass))
    is_ats = venue_class is VenueClass.ATS
    trade = st.builds(
        Trade,
        SYMBOL,
        MPID if is_ats else CRD,
        SHARE,
        st.integers(1, 10**6),
        st.just(False) if is_ats else st.booleans(),
    )
    trades = draw(st.lists(trade, min_size=1, max_size=12))
    return Part(WEEK, draw(st.sampled_from(Tier)), venue_class, tuple(trades))


def built(folder: Path, rows: Part, totals: str) -> tuple[CheckResult, CheckResult]:
    house = House(folder)
    drop(house, rows, totals=False)
    house.drop(f"totals.class={rows.venue_class.value.lower()}.csv", totals.encode())
    return checks(house.built())


@given(st.data())
def test_any_week_agrees_with_its_totals_and_with_no_other(data: st.DataObject) -> None:
    """Totals summed up in plain Python agree; with any one figure changed they do not.

    Of a pooled firm FINRA's total may be any above its rows, so there the sum of all shows it.
    """
    part = data.draw(parts())
    lines = part.totals()
    line = data.draw(st.integers(0, len(lines) - 1))
    figure = data.draw(st.sampled_from([5, 6]))
    wrong = [list(item) for item in lines]
    change = data.draw(st.sampled_from([1, -1])) if int(Decimal(wrong[line][figure])) else 1
    wrong[line][figure] = str(Decimal(wrong[line][figure]) + change)
    with TemporaryDirectory() as folder:
        right, other = Path(folder, "right"), Path(folder, "wrong")
        assert [check.passed for check in built(right, part, part.totals_text())] == [True, True]
        symbols, venues = built(other, part, part.text(wrong))
    is_firm = wrong[line][4] == "FIRM"
    assert (symbols.passed, venues.passed) == (is_firm, not is_firm)


# --- ranks


def ranked(house: House) -> list[tuple[str, int | None, str]]:
    """class_rank and its basis in the view, by venue."""
    with connect(house.lake, TABLES) as connection:
        return connection.execute(
            "SELECT mpid, class_rank, class_rank_basis FROM otc_venue_trend_all ORDER BY mpid"
        ).fetchall()


# By rows the firm 222 leads with 200 of 290 shares; by FINRA's totals it is third.
POOLED = Part(
    WEEK,
    T1,
    VenueClass.NON_ATS,
    (
        Trade("AAAA", "111", "90"),
        Trade("AAAA", "222", "200"),
        Trade("BBBB", "111", "310", is_pooled=True),
        Trade("BBBB", "333", "300", is_pooled=True),
    ),
)


def test_views_rank_firms_by_finras_totals_where_they_are_in(house: House) -> None:
    drop(house, POOLED, totals=False)
    house.built()
    assert ranked(house) == [
        ("CRD111", 2, "rows"),
        ("CRD222", 1, "rows"),
        ("DE_MINIMIS", None, "rows"),
    ]
    drop(house, POOLED)
    house.built()
    assert ranked(house) == [
        ("CRD111", 1, "FINRA"),
        ("CRD222", 3, "FINRA"),
        ("DE_MINIMIS", None, "FINRA"),
    ]


def test_views_rank_by_rows_while_a_tier_lacks_finras_totals(house: House) -> None:
    drop(house, POOLED)
    drop(house, replace(POOLED, tier=OTC), totals=False)
    house.built()
    assert {basis for *_, basis in ranked(house)} == {"rows"}
