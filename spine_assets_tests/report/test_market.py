"""Venues, concentration and the comparison of two weeks, against figures computed by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from spine_assets.otc.tables.concentration import concentration
from spine_assets.report import market
from spine_assets.report.pair import Pair, Totals, pair

WEEK = date(2025, 11, 21)
BEFORE = WEEK - timedelta(weeks=1)
T1, T2, OTC = "NMS_TIER_1", "NMS_TIER_2", "OTC"
ATS, NON_ATS = "ATS", "NON_ATS"
POOL = "DE_MINIMIS"
Row = tuple[str, str, str, str]


def totals(week: date, *rows: Row) -> Totals:
    """Totals of a week: tier, class, mpid, shares."""
    names = ("tier", "venue_class", "mpid")
    schema = [*((name, pl.String()) for name in names), ("share_volume", pl.Decimal(28, 6))]
    typed = [(tier, cls, mpid, Decimal(shares)) for tier, cls, mpid, shares in rows]
    return Totals(week, pl.DataFrame(typed, schema=schema, orient="row"))


def shares(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Rows of `otc_venue_share` as far as they are told: mpid, class, shares."""
    whole = sum(int(volume) for _, _, volume in rows)
    return pl.DataFrame(
        [(mpid, cls, Decimal(volume), 100 * int(volume) / whole) for mpid, cls, volume in rows],
        schema={
            "mpid": pl.String,
            "venue_class": pl.String,
            "total_volume": pl.Decimal(28, 6),
            "market_share_pct": pl.Float64,
        },
        orient="row",
    )


class TestPair:
    def test_takes_the_nearest_week_that_has_a_tier_and_class_in_common(self) -> None:
        now = totals(WEEK, (T1, ATS, "AAAA", "1"))
        other = totals(BEFORE, (OTC, ATS, "AAAA", "1"))
        like = totals(BEFORE - timedelta(weeks=1), (T1, ATS, "AAAA", "1"))
        assert pair(now, [other, like]).before is like
        assert pair(now, [other]).before is None

    def test_says_what_a_comparison_leaves_out(self) -> None:
        now = totals(WEEK, (T1, ATS, "AAAA", "1"), (OTC, ATS, "AAAA", "1"))
        before = totals(BEFORE, (T1, ATS, "AAAA", "1"), (T1, NON_ATS, "CRD1", "1"))
        found = Pair(now, before)
        assert found.like == {(T1, ATS)}
        assert not found.is_alike
        assert "NMS_TIER_1 ATS alone" in (found.limits or "")
        assert Pair(now, now).limits is None


class TestVenues:
    NOW = totals(
        WEEK,
        (T1, ATS, "AAAA", "60"),
        (T1, ATS, "BBBB", "30"),
        (T1, ATS, "NEWS", "10"),
        (OTC, ATS, "OTCX", "900"),
    )
    THEN = totals(BEFORE, (T1, ATS, "AAAA", "20"), (T1, ATS, "BBBB", "60"), (T1, ATS, "GONE", "20"))
    SHARES = shares(
        ("AAAA", ATS, "60"), ("BBBB", ATS, "30"), ("NEWS", ATS, "10"), ("OTCX", ATS, "900")
    )

    def test_changes_are_taken_over_what_both_weeks_have(self) -> None:
        rows = {
            row["mpid"]: row for row in market.venue_rows(self.SHARES, Pair(self.NOW, self.THEN))
        }
        # Like for like AAAA went from 20 of 100 to 60 of 100, though it is 6% of all of the week.
        assert rows["AAAA"]["change_points"] == pytest.approx(40)
        assert rows["AAAA"]["share_before_pct"] == pytest.approx(20)
        assert rows["AAAA"]["market_share_pct"] == pytest.approx(6)
        assert rows["AAAA"]["rank_change"] == 1
        assert rows["BBBB"]["rank_change"] == -1
        assert rows["NEWS"]["is_new"]
        assert rows["NEWS"]["change_points"] is None
        # Its tier was not loaded then: nothing is known, so it is not new.
        assert not rows["OTCX"]["is_new"]
        assert rows["OTCX"]["change_points"] is None

    def test_stand_in_the_order_of_their_shares(self) -> None:
        rows = market.venue_rows(self.SHARES, Pair(self.NOW, None))
        assert [row["mpid"] for row in rows] == ["OTCX", "AAAA", "BBBB", "NEWS"]
        assert {row["change_points"] for row in rows} == {None}

    def test_without_a_row_now_are_named(self) -> None:
        gone = market.gone(Pair(self.NOW, self.THEN))
        assert [(row["mpid"], row["like_pct"]) for row in gone] == [("GONE", 20.0)]
        assert market.gone(Pair(self.NOW, None)) == []

    def test_volume_changes_like_for_like(self) -> None:
        assert market.change_pct(Pair(self.NOW, self.THEN)) == 0.0
        assert market.change_pct(Pair(self.NOW, None)) is None

    def test_the_bucket_takes_no_rank_from_a_firm(self) -> None:
        now = totals(WEEK, (T1, NON_ATS, POOL, "50"), (T1, NON_ATS, "CRD1", "30"))
        then = totals(BEFORE, (T1, NON_ATS, POOL, "10"), (T1, NON_ATS, "CRD1", "30"))
        rows = market.venue_rows(
            shares((POOL, NON_ATS, "50"), ("CRD1", NON_ATS, "30")), Pair(now, then)
        )
        assert {row["mpid"]: row["rank_change"] for row in rows} == {POOL: None, "CRD1": 0}


class TestConcentration:
    def test_leaves_the_bucket_out_of_the_squares_and_not_of_the_volume(self) -> None:
        found = concentration(
            shares(("AAAA", ATS, "50"), ("BBBB", ATS, "30"), (POOL, NON_ATS, "20"))
        )
        assert found.venues == 2
        assert found.hhi == pytest.approx(0.5**2 + 0.3**2)
        assert found.hhi_high == pytest.approx(0.5**2 + 0.3**2 + 0.2**2)
        assert found.effective_venues == pytest.approx(1 / 0.34)
        assert found.top_mpid == "AAAA"
        assert found.top_share_pct == pytest.approx(50)

    def test_ties_of_the_largest_go_by_mpid_and_the_bucket_is_never_it(self) -> None:
        found = concentration(shares((POOL, NON_ATS, "90"), ("BBBB", ATS, "5"), ("AAAA", ATS, "5")))
        assert found.top_mpid == "AAAA"

    def test_of_nothing_is_not_known(self) -> None:
        zero = totals(WEEK, (T1, ATS, "AAAA", "0")).frame.rename({"share_volume": "total_volume"})
        found = concentration(zero)
        assert (found.hhi, found.top_mpid, found.effective_venues) == (None, None, None)

    def test_is_told_of_all_of_classes_and_of_tiers_that_are_loaded(self) -> None:
        frame = totals(WEEK, (T1, ATS, "AAAA", "1"), (OTC, ATS, "AAAA", "1")).frame
        assert [scope for scope, _ in market.concentrations(frame)] == ["all", ATS, T1, OTC]


class TestClassSplit:
    def test_a_class_that_is_not_loaded_is_unknown_and_not_zero(self) -> None:
        frame = totals(
            WEEK, (T1, ATS, "AAAA", "25"), (T1, NON_ATS, "CRD1", "75"), (OTC, ATS, "OTCX", "10")
        ).frame
        t1, otc, whole = market.class_split(frame)
        assert t1["ats_pct"] == pytest.approx(25)
        assert (otc["ats"], otc["non_ats"], otc["ats_pct"]) == (10, None, None)
        assert (whole["scope"], whole["ats"], whole["ats_pct"]) == ("all", 35, None)

    def test_of_one_tier_is_that_tier_alone(self) -> None:
        frame = totals(WEEK, (T2, ATS, "AAAA", "0"), (T2, NON_ATS, "CRD1", "0")).frame
        (row,) = market.class_split(frame)
        assert (row["ats"], row["ats_pct"]) == (0, None)
