"""Published rows that change, go or come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from spine_assets.core.weeks import Tier, VenueClass, publication_day, weeks_between
from spine_assets.dev.finra_sim import Change, Restatement, SimOptions, SimServer, Simulator
from spine_assets.dev.finra_sim.archive import Partition
from spine_assets.dev.finra_sim.restating import CannotRestate
from spine_assets_tests.dev.finra_sim.conftest import OPTIONS, WEEK, partition, rows_of

PUBLISHED, DAY = date(2025, 12, 8), date(2025, 12, 17)
ATS, NON_ATS = VenueClass.ATS, VenueClass.NON_ATS


def by_key(rows: list[dict[str, Any]]) -> dict[tuple[str, ...], dict[str, Any]]:
    """Firm rows by what they are of; their numbers as such."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        if row["summaryTypeCode"].endswith("SMBL_FIRM"):
            key = (
                row["summaryTypeCode"],
                row["issueSymbolIdentifier"],
                row["marketParticipantName"],
            )
            number = float(row["totalWeeklyShareQuantity"])
            found[key] = {**row, "totalWeeklyShareQuantity": number}
    return found


def shares(rows: list[dict[str, Any]], code: str) -> float:
    return sum(
        float(row["totalWeeklyShareQuantity"]) for row in rows if row["summaryTypeCode"] == code
    )


def test_rows_change_go_and_come_on_the_day_and_not_before(
    own: SimServer, own_client: httpx.Client
) -> None:
    own.sim.today = DAY - timedelta(days=1)
    asked = {"compareFilters": partition("T1")}
    before = rows_of(own_client, **asked)
    _, first, second = (row for row in before[:3])
    symbol = first["issueSymbolIdentifier"]
    own.sim.archive.restate(
        Restatement(
            WEEK,
            Tier.NMS_TIER_1,
            ATS,
            DAY,
            (
                Change(symbol, first["MPID"], 1000, 10),
                Change(symbol, second["MPID"]),
                Change("NEWSY", first["MPID"], 77, 7),
                Change("NEWSY", "NEWV", 55, 5),
            ),
        )
    )
    assert rows_of(own_client, **asked) == before
    own.sim.today = DAY
    after = rows_of(own_client, **asked)
    old, new = by_key(before), by_key(after)
    code = "ATS_W_SMBL_FIRM"
    gone = (code, symbol, second["marketParticipantName"])
    came = {(code, "NEWSY", first["marketParticipantName"]), (code, "NEWSY", "NEWV")}
    assert old.keys() - new.keys() == {gone}
    assert new.keys() - old.keys() == came
    changed = new[code, symbol, first["marketParticipantName"]]
    assert changed["totalWeeklyShareQuantity"] == 1000
    assert changed["lastUpdateDate"] == str(DAY)
    assert changed["lastReportedDate"] == "2025-12-16"
    assert changed["initialPublishedDate"] == str(PUBLISHED)
    for key in new.keys() - came - {(code, symbol, first["marketParticipantName"])}:
        assert new[key]["lastUpdateDate"] == str(PUBLISHED)
    for kind in ("SMBL", "FIRM", "VOL_STATS"):
        assert shares(after, f"ATS_W_{kind}") == shares(after, code)
        assert shares(after, f"OTC_W_{kind}") == shares(before, "OTC_W_SMBL_FIRM")


def test_firms_outside_of_ats_are_named_by_their_name(own: SimServer) -> None:
    rows = own.sim.rows(WEEK, Tier.OTC, "OTC_W_SMBL_FIRM")
    symbol, firm = rows["issueSymbolIdentifier"][0], "De Minimis Firms"
    plan = Restatement(WEEK, Tier.OTC, NON_ATS, own.sim.today, (Change(symbol, firm, 1, 1),))
    own.sim.archive.restate(plan)
    after = own.sim.rows(WEEK, Tier.OTC, "OTC_W_SMBL_FIRM")
    mine = after.filter(issueSymbolIdentifier=symbol, marketParticipantName=firm)
    assert mine["totalWeeklyShareQuantity"].to_list() == [1]
    assert mine["MPID"].to_list() == [None]
    assert mine["firmCRDNumber"].to_list() == [0]


def test_a_number_of_rows_is_a_seeded_choice(own: SimServer) -> None:
    before = own.sim.rows(WEEK, Tier.NMS_TIER_1)
    plan = Restatement(WEEK, Tier.NMS_TIER_1, NON_ATS, DAY, 6)
    own.sim.archive.restate(plan)
    after = own.sim.rows(WEEK, Tier.NMS_TIER_1)
    old, new = by_key(before.to_dicts()), by_key(after.to_dicts())
    assert len(old.keys() - new.keys()) == len(new.keys() - old.keys()) == 1
    assert sum(row["lastUpdateDate"] == DAY for row in new.values()) == 5
    other = Simulator(replace(OPTIONS, seed=own.sim.options.seed))
    other.archive.restate(plan)
    assert other.rows(WEEK, Tier.NMS_TIER_1).equals(after)


def test_a_second_restatement_goes_on_from_the_first(own: SimServer) -> None:
    symbol, mpid = (
        own.sim.rows(WEEK, Tier.NMS_TIER_1).select("issueSymbolIdentifier", "MPID").row(0)
    )
    for days, volume in ((0, 100), (2, 300), (1, 200)):
        day = DAY + timedelta(days=days)
        change = (Change(symbol, mpid, volume, 1),)
        own.sim.archive.restate(Restatement(WEEK, Tier.NMS_TIER_1, ATS, day, change))
    for days, volume in enumerate((100, 200, 300)):
        own.sim.today = DAY + timedelta(days=days)
        row = own.sim.rows(WEEK, Tier.NMS_TIER_1).row(0, named=True)
        assert row["totalWeeklyShareQuantity"] == volume
        assert row["lastUpdateDate"] == own.sim.today


def test_a_row_that_is_not_there_cannot_go(own: SimServer) -> None:
    with pytest.raises(CannotRestate, match="no row of NONE at UBSA"):
        own.sim.archive.restate(
            Restatement(WEEK, Tier.NMS_TIER_1, ATS, DAY, (Change("NONE", "UBSA"),))
        )
    with pytest.raises(CannotRestate, match="has no NON_ATS rows"):
        own.sim.archive.restate(Restatement(date(2014, 5, 16), Tier.OTC, NON_ATS, DAY, 3))


def test_some_weeks_are_restated_2_to_164_days_after_publication() -> None:
    options = SimOptions(today=date(2025, 12, 29), rows=60, restated_share=0.3)
    restated, whole, seen = 0, 0, set()
    weeks = weeks_between(date(2023, 1, 6), date(2025, 5, 30))  # published 164 days before and more
    sim = Simulator(options)
    for week in weeks:
        published = publication_day(week, Tier.NMS_TIER_2)
        rows = sim.archive.rows(Partition(week, "T2"), sim.today)
        ats = rows.filter(summaryTypeCode="ATS_W_SMBL_FIRM")["lastUpdateDate"]
        days = {(day - published).days for day in ats} - {0}
        seen |= days
        restated += bool(days)
        whole += published not in ats
    assert seen <= {2, 7, 11, 42, 43, 49, 50, 51, 99, 107, 164}
    assert min(seen) == 2
    assert max(seen) == 164
    assert 0.2 < restated / len(weeks) < 0.4
    assert 0 < whole < restated


def test_a_restatement_may_change_every_row(own: SimServer) -> None:
    before = own.sim.rows(WEEK, Tier.NMS_TIER_1, "ATS_W_SMBL_FIRM")
    own.sim.archive.restate(Restatement(WEEK, Tier.NMS_TIER_1, ATS, DAY, None))
    after = own.sim.rows(WEEK, Tier.NMS_TIER_1, "ATS_W_SMBL_FIRM")
    assert set(after["lastUpdateDate"]) == {DAY}
    assert after.height == before.height
    shares = "totalWeeklyShareQuantity"
    assert [old + old // 8 + 100 for old in before[shares]] == after[shares].to_list()
    firms = own.sim.rows(WEEK, Tier.NMS_TIER_1, "OTC_W_SMBL_FIRM")
    assert DAY not in set(firms["lastUpdateDate"])
