"""Nothing is there before its day, and what is there goes into history."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import httpx
import pytest

from spine_assets.core.weeks import Tier, weeks_between
from spine_assets.dev.finra_sim import SimServer, serving
from spine_assets_tests.dev.finra_sim.conftest import (
    DATA,
    HISTORIC,
    OPTIONS,
    PARTITIONS,
    asking,
    equal,
    partition,
    rows_of,
)

TIERS = ["T1", "T2", "OTCE"]


def available(client: httpx.Client, dataset: str = "weeklySummary") -> list[list[str]]:
    answer = client.get(PARTITIONS.replace("weeklySummary", dataset))
    assert answer.status_code == 200
    told = answer.json()
    assert told["datasetGroup"] == "otcMarket"
    assert told["datasetName"] == dataset
    assert told["partitionFields"] == ["weekStartDate", "tierIdentifier"]
    return [item["partitions"] for item in told["availablePartitions"]]


@pytest.mark.parametrize(
    ("monday", "tier", "day"),  # from FINRA's own dates
    [
        ("2025-12-08", "T1", date(2025, 12, 29)),
        ("2023-12-11", "T1", date(2024, 1, 2)),  # New Year
        ("2023-05-08", "T1", date(2023, 5, 30)),  # Memorial Day
        ("2023-05-29", "T1", date(2023, 6, 20)),  # Juneteenth
        ("2025-09-22", "T1", date(2025, 10, 13)),  # Columbus Day publishes
        ("2019-10-28", "T2", date(2019, 12, 2)),
        ("2025-11-17", "OTCE", date(2025, 12, 22)),
    ],
)
def test_a_tier_is_there_from_its_publication_day_on(
    own: SimServer, own_client: httpx.Client, monday: str, tier: str, day: date
) -> None:
    own.sim.today = day - timedelta(days=1)
    assert [monday, tier] not in available(own_client)
    asked = {"compareFilters": partition(tier, monday)}
    assert own_client.post(DATA, json=asked).status_code == 204
    own.sim.today = day
    assert [monday, tier] in available(own_client)
    rows = rows_of(own_client, **asked)
    assert {row["initialPublishedDate"] for row in rows} == {str(day)}
    assert {row["lastUpdateDate"] for row in rows} == {str(day)}
    assert {row["tierIdentifier"] for row in rows} == {tier}
    assert {row["weekStartDate"] for row in rows} == {monday}


def test_the_datasets_are_a_year_and_the_four_before(
    own: SimServer, own_client: httpx.Client
) -> None:
    newest, oldest = date(2025, 12, 12), date(2024, 12, 20)
    mondays = {monday for monday, _ in available(own_client)}
    expected = [str(week - timedelta(days=4)) for week in weeks_between(oldest, newest)]
    assert mondays == set(expected)
    assert len(mondays) == 52
    past = available(own_client, "weeklySummaryHistoric")
    first = oldest - timedelta(weeks=208)
    expected = [
        str(week - timedelta(days=4)) for week in weeks_between(first, oldest - timedelta(weeks=1))
    ]
    assert {monday for monday, _ in past} == set(expected)
    assert len(past) == 208 * 5  # three tiers, NMS and NA


def test_a_week_moves_from_one_dataset_to_the_other(
    own: SimServer, own_client: httpx.Client
) -> None:
    oldest = {"compareFilters": partition("T1", "2024-12-16")}
    before = rows_of(own_client, **oldest)
    assert before
    assert own_client.post(HISTORIC, json=oldest).status_code == 204
    own.sim.today += timedelta(weeks=1)
    assert own_client.post(DATA, json=oldest).status_code == 204
    assert rows_of(own_client, HISTORIC, **oldest) == before


def test_every_available_partition_has_rows_and_no_other_has(client: httpx.Client) -> None:
    there = available(client)
    counted = rows_of(client, limit=5000, fields=["weekStartDate", "tierIdentifier"])
    found = {(row["weekStartDate"], row["tierIdentifier"]) for row in counted}
    assert found == {(monday, tier) for monday, tier in there}


def test_the_totals_of_all_tiers_come_a_week_after_them(
    own: SimServer, own_client: httpx.Client
) -> None:
    own.sim.today = date(2025, 12, 22)
    assert ["2025-11-17", "T2"] in available(own_client)
    assert ["2025-11-17", "NA"] not in available(own_client)
    assert ["2025-11-17", "NMS"] not in available(own_client)
    own.sim.today = date(2025, 12, 29)
    rows = {tier: rows_of(own_client, compareFilters=partition(tier)) for tier in ("NMS", "NA")}
    # Each class: CTS and UTP, and ORF in the OTC tier.
    assert {tier: len(found) for tier, found in rows.items()} == {"NMS": 4, "NA": 6}
    week = equal(weekStartDate="2025-11-17")
    for code in ("ATS_W_VOL_STATS", "OTC_W_VOL_STATS"):
        whole = rows_of(own_client, compareFilters=[*week, *equal(summaryTypeCode=code)])
        total = dict.fromkeys(["T1", "T2", "OTCE", "NMS", "NA"], 0.0)
        for row in whole:
            total[row["tierIdentifier"]] += float(row["totalWeeklyShareQuantity"])
        assert total["NMS"] == total["T1"] + total["T2"] > 0
        assert total["NA"] == total["NMS"] + total["OTCE"]


def test_windows_and_totals_are_options() -> None:
    options = replace(OPTIONS, weeks=2, historic_weeks=1, market_wide=False)
    with serving(options) as server, asking(server) as client:
        assert available(client) == [["2025-12-08", "T1"], ["2025-12-01", "T1"]]
        assert available(client, "weeklySummaryHistoric") == [
            ["2025-11-24", tier] for tier in TIERS
        ]


def test_before_finra_published_anything_there_is_nothing(
    own: SimServer, own_client: httpx.Client
) -> None:
    own.sim.today = date(2014, 6, 1)
    assert available(own_client) == []
    own.sim.today = date(2014, 6, 2)
    assert available(own_client) == [["2014-05-12", "T1"]]
    rows = rows_of(own_client)
    assert {row["summaryTypeCode"][:3] for row in rows} == {"ATS"}  # non-ATS began in 2016


def test_rows_for_a_test_are_those_that_are_published(own: SimServer) -> None:
    week = date(2025, 12, 12)
    assert own.sim.rows(week, Tier.NMS_TIER_1).height > 0
    assert own.sim.rows(week, Tier.OTC).is_empty()
