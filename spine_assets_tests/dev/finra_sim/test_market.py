"""The rows of a week: summaries, firms, fractions, memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from spine_assets.core.weeks import Tier, VenueClass, weeks_between
from spine_assets.dev.finra_sim import Simulator, WrongTotal
from spine_assets.dev.finra_sim.archive import FrameCache, Partition
from spine_assets.dev.finra_sim.dataset import FIELDS
from spine_assets.dev.finra_sim.wrong_totals import CannotMisstate
from spine_assets_tests.dev.finra_sim.conftest import OPTIONS, WEEK

SHARES, TRADES, NOTIONAL = (
    "totalWeeklyShareQuantity",
    "totalWeeklyTradeCount",
    "totalNotionalSum",
)
KINDS = ("SMBL", "SMBL_FIRM", "FIRM", "VOL_STATS")


@pytest.fixture(scope="module")
def sim() -> Simulator:
    return Simulator(OPTIONS)


@pytest.mark.parametrize("tier", Tier)
def test_summaries_hold_the_same_shares_again(sim: Simulator, tier: Tier) -> None:
    rows = sim.rows(WEEK, tier)
    sums = rows.group_by("summaryTypeCode").agg(
        pl.col(SHARES, TRADES).sum(), pl.col(NOTIONAL).sum().round(2)
    )
    found = {code: figures for code, *figures in sums.rows()}
    assert set(found) == {f"{prefix}_W_{kind}" for prefix in ("ATS", "OTC") for kind in KINDS}
    for prefix in ("ATS", "OTC"):
        assert len({tuple(found[f"{prefix}_W_{kind}"]) for kind in KINDS}) == 1


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("SMBL", ["issueSymbolIdentifier", "issueName"]),
        ("SMBL_FIRM", ["issueSymbolIdentifier", "marketParticipantName"]),
        ("FIRM", ["marketParticipantName"]),
        ("VOL_STATS", []),
    ],
)
def test_a_summary_has_one_row_for_each_of_its_keys(
    sim: Simulator, kind: str, key: list[str]
) -> None:
    for prefix in ("ATS", "OTC"):
        rows = sim.rows(WEEK, Tier.NMS_TIER_1, f"{prefix}_W_{kind}")
        assert rows.unique(["summaryTypeCode", *key]).height == rows.height > 0
        blank = {"issueSymbolIdentifier", "marketParticipantName"} - set(key)
        assert all(rows[name].null_count() == rows.height for name in blank)


def test_a_control_total_is_some_shares_off_or_missing() -> None:
    sim = Simulator(OPTIONS)
    right = sim.rows(WEEK, Tier.NMS_TIER_1, "ATS_W_FIRM")
    venue, shares = right.sort(SHARES, "MPID").select("MPID", SHARES).row(0)
    largest = right.sort(SHARES)["MPID"][-1]
    off = WrongTotal(WEEK, Tier.NMS_TIER_1, VenueClass.ATS, "FIRM", venue, -7)
    gone = WrongTotal(WEEK, Tier.NMS_TIER_1, VenueClass.ATS, "FIRM")
    sim.archive.misstate(off, gone)
    wrong = sim.rows(WEEK, Tier.NMS_TIER_1, "ATS_W_FIRM")
    assert wrong.filter(MPID=venue)[SHARES].to_list() == [shares - 7]
    assert set(right["MPID"]) - set(wrong["MPID"]) == {largest}
    assert wrong.height == right.height - 1
    for code in ("ATS_W_SMBL_FIRM", "ATS_W_SMBL", "ATS_W_VOL_STATS", "OTC_W_FIRM"):
        rows = sim.rows(WEEK, Tier.NMS_TIER_1, code)
        assert rows.equals(Simulator(OPTIONS).rows(WEEK, Tier.NMS_TIER_1, code))
    with pytest.raises(CannotMisstate, match="no total SMBL of NONE"):
        sim.archive.misstate(WrongTotal(WEEK, Tier.OTC, VenueClass.ATS, "SMBL", "NONE", 1))


def test_venues_have_an_mpid_and_firms_a_crd_number_or_are_pooled(sim: Simulator) -> None:
    venues = sim.rows(WEEK, Tier.OTC, "ATS_W_SMBL_FIRM")
    assert venues["MPID"].null_count() == 0
    assert venues["firmCRDNumber"].null_count() == 0
    firms = sim.rows(WEEK, Tier.OTC, "OTC_W_SMBL_FIRM")
    assert firms["MPID"].null_count() == firms.height
    pooled = firms.filter(pl.col("firmCRDNumber") == 0)
    assert set(pooled["marketParticipantName"]) == {"De Minimis Firms"}


def test_rows_have_all_fields_of_finra_and_none_else(sim: Simulator) -> None:
    rows = sim.rows(WEEK, Tier.NMS_TIER_2)
    assert rows.columns == list(FIELDS)
    always = ["tierIdentifier", "tierDescription", "summaryTypeCode", SHARES, TRADES, NOTIONAL]
    always += [name for name in FIELDS if name.endswith("Date")]
    assert all(rows[name].null_count() == 0 for name in always)
    assert (rows["weekStartDate"] == rows["summaryStartDate"]).all()


def test_shares_are_whole_until_february_2026_and_some_of_firms_fractional_after(
    sim: Simulator,
) -> None:
    def fractional(week: date, code: str = "OTC_W_SMBL_FIRM", tier: str = "T2") -> float:
        rows = sim.archive.rows(Partition(week, tier), date(2026, 12, 1))
        shares = rows.filter(summaryTypeCode=code)[SHARES]
        return float(sum(value % 1 != 0 for value in shares)) / len(shares)

    march = [date(2026, 3, day) for day in (6, 13, 20, 27)]
    assert fractional(date(2026, 2, 20)) == 0
    assert 0.05 < sum(map(fractional, march)) / 4 < 0.25
    assert {fractional(week, "ATS_W_SMBL_FIRM") for week in march} == {0}
    assert {fractional(week, tier="OTCE") for week in march} == {0}


def test_a_second_issue_has_another_name_or_another_tape() -> None:
    sim = Simulator(replace(OPTIONS, rows=2_000))  # a market of a few rows has no second issues
    key = ["issueSymbolIdentifier", "MPID", "marketParticipantName"]
    kinds: Counter[tuple[int, int]] = Counter()
    for week in weeks_between(date(2024, 11, 29), WEEK):
        for tier in Tier:
            rows = sim.archive.rows(Partition(week, tier.api_id), date(2026, 1, 5))
            firms = rows.filter(pl.col("summaryTypeCode").str.ends_with("SMBL_FIRM"))
            twins = firms.filter((pl.len() > 1).over(key))
            ways = twins.group_by(key).agg(pl.n_unique("issueName", "productTypeCode"))
            kinds.update(set(ways.select("issueName", "productTypeCode").rows()))
            totals = rows.filter(pl.col("summaryTypeCode").str.ends_with("SMBL"))
            for symbol in twins["issueSymbolIdentifier"].unique():
                codes = totals.filter(issueSymbolIdentifier=symbol)["summaryTypeCode"]
                assert codes.to_list() == ["ATS_W_SMBL"] * 2 + ["OTC_W_SMBL"] * 2
    assert set(kinds) == {(2, 1), (1, 2)}
    assert 3 < kinds.total() < 20  # of 156, expected 10


def test_an_ats_row_without_a_venue_has_neither_name_nor_crd_number(sim: Simulator) -> None:
    weeks = weeks_between(date(2024, 11, 29), WEEK)
    found = [
        row
        for week in weeks
        for row in sim.archive.rows(Partition(week, "T1"), date(2026, 1, 5))
        .filter(pl.col("MPID").is_null(), summaryTypeCode="ATS_W_SMBL_FIRM")
        .select("marketParticipantName", "firmCRDNumber")
        .rows()
    ]
    assert found
    assert set(found) == {(None, None)}


def test_dollar_amounts_are_floating_point_numbers_of_which_some_are_not_whole_cents(
    sim: Simulator,
) -> None:
    rows = sim.rows(WEEK, Tier.NMS_TIER_2)
    for code in ("ATS_W_SMBL_FIRM", "OTC_W_SMBL_FIRM"):
        amounts = rows.filter(summaryTypeCode=code)[NOTIONAL]
        assert amounts.dtype == pl.Float64
        assert 0 < (amounts != amounts.round(2)).sum() < 0.2 * len(amounts)
    before = sim.archive.rows(Partition(date(2025, 3, 7), "T2"), date(2026, 1, 5))[NOTIONAL]
    assert (before == before.round(0)).all()


def test_the_same_seed_makes_the_same_rows_and_another_others(sim: Simulator) -> None:
    rows = sim.rows(WEEK, Tier.OTC)
    assert Simulator(OPTIONS).rows(WEEK, Tier.OTC).equals(rows)
    assert not Simulator(replace(OPTIONS, seed=1)).rows(WEEK, Tier.OTC).equals(rows)


def test_generated_weeks_are_kept_within_a_bound() -> None:
    frame = pl.DataFrame({"x": range(1000)})
    size = int(frame.estimated_size())
    kept = FrameCache(3 * size)
    for number in range(3):
        kept.put(number, frame)
    assert kept.get(0) is frame  # now the last to go
    kept.put(3, frame)
    assert [number for number in range(4) if kept.get(number) is not None] == [0, 2, 3]
    small = FrameCache(1)
    small.put("larger than all there is room for", frame)
    assert small.get("larger than all there is room for") is frame
    small.put("next", frame)
    assert small.get("larger than all there is room for") is None


def test_rows_are_the_same_when_their_week_was_forgotten() -> None:
    tight = Simulator(replace(OPTIONS, cache_bytes=1))
    first = tight.rows(WEEK, Tier.NMS_TIER_1)
    tight.rows(WEEK, Tier.NMS_TIER_2)
    assert tight.rows(WEEK, Tier.NMS_TIER_1).equals(first)
