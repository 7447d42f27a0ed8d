"""Filters, fields and sorting, and what FINRA refuses."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spine_assets.dev.finra_sim import SimServer
from spine_assets.dev.finra_sim.dataset import FIELDS
from spine_assets_tests.dev.finra_sim.conftest import (
    DATA,
    HISTORIC,
    MONDAY,
    equal,
    partition,
    rows_of,
)
from spine_assets_tests.support.examples import examples

SHARES, SYMBOL = "totalWeeklyShareQuantity", "issueSymbolIdentifier"
UPDATED, CRD, MPID = "lastUpdateDate", "firmCRDNumber", "MPID"
SINCE = {"fieldName": UPDATED, "compareType": "GTE", "fieldValue": "2025-12-22"}
FROM_DECEMBER = {"fieldName": "weekStartDate", "startDate": "2025-12-01", "endDate": "2025-12-31"}


def compare(field: str, test: str, value: object) -> dict[str, object]:
    return {"fieldName": field, "compareType": test, "fieldValue": value}


@pytest.mark.parametrize(
    ("test", "holds"),
    [
        ("EQUAL", operator.eq),
        ("NOT_EQUAL", operator.ne),
        ("GREATER", operator.gt),
        ("LESSER", operator.lt),
        ("GTE", operator.ge),
        ("LTE", operator.le),
        ("equal", operator.eq),
    ],
)
@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        (SHARES, 23212, float),
        (SHARES, "23212", float),
        (SYMBOL, "PMCY", str),
        (MPID, "JPMX", str),
        (UPDATED, "2025-12-08", str),
        (CRD, 990117, float),
    ],
)
def test_a_comparison_lets_through_the_rows_for_which_it_holds(
    client: httpx.Client,
    test: str,
    holds: Callable[[Any, Any], bool],
    field: str,
    value: object,
    kind: type,
) -> None:
    whole = rows_of(client, compareFilters=partition())
    found = rows_of(client, compareFilters=[*partition(), compare(field, test, value)])
    assert found == [
        row for row in whole if row[field] is not None and holds(kind(row[field]), kind(value))
    ]


def test_values_in_a_domain_are_let_through(client: httpx.Client) -> None:
    wanted = ["ATS_W_SMBL_FIRM", "OTC_W_FIRM"]
    whole = rows_of(client, compareFilters=partition())
    domain = [{"fieldName": "summaryTypeCode", "values": wanted}]
    found = rows_of(client, compareFilters=partition(), domainFilters=domain)
    assert {row["summaryTypeCode"] for row in found} == set(wanted)
    assert found == [row for row in whole if row["summaryTypeCode"] in wanted]


def test_one_question_finds_the_changed_rows_of_all_weeks(client: httpx.Client) -> None:
    """What was published on 2025-12-22 and 2025-12-29: nothing else changed since."""
    fields = ["weekStartDate", "tierIdentifier", UPDATED]
    found = rows_of(client, compareFilters=[SINCE], fields=fields, limit=50)
    assert {tuple(row[name] for name in fields) for row in found} == {
        ("2025-12-01", "T1", "2025-12-22"),
        ("2025-12-08", "T1", "2025-12-29"),
        ("2025-11-17", "T2", "2025-12-22"),
        ("2025-11-24", "T2", "2025-12-29"),
        ("2025-11-17", "OTCE", "2025-12-22"),
        ("2025-11-24", "OTCE", "2025-12-29"),
        ("2025-11-10", "NMS", "2025-12-22"),
        ("2025-11-17", "NMS", "2025-12-29"),
        ("2025-11-10", "NA", "2025-12-22"),
        ("2025-11-17", "NA", "2025-12-29"),
    }


def test_a_range_of_dates_has_both_its_ends(client: httpx.Client) -> None:
    found = rows_of(client, dateRangeFilters=[FROM_DECEMBER], compareFilters=[])
    assert {row["weekStartDate"] for row in found} == {"2025-12-01", "2025-12-08"}
    last = [{**FROM_DECEMBER, "fieldName": "lastReportedDate", "endDate": "2025-12-05"}]
    assert {row["weekStartDate"] for row in rows_of(client, dateRangeFilters=last)} == {
        "2025-12-01"
    }


def test_names_of_groups_and_fields_are_read_in_any_case(client: httpx.Client) -> None:
    body = {"compareFilters": equal(weekstartdate=MONDAY, TIERIDENTIFIER="T1"), "limit": 3}
    usual = client.post(DATA, json={"compareFilters": partition(), "limit": 3})
    assert client.post(DATA.replace("otcMarket", "OTCMARKET"), json=body).text == usual.text


def test_the_fields_asked_for_come_in_their_order(client: httpx.Client) -> None:
    wanted = [SHARES, "tierIdentifier", SYMBOL]
    for row in rows_of(client, compareFilters=partition(), fields=wanted):
        assert list(row) == wanted
    assert list(rows_of(client, compareFilters=partition(), fields=[])[0]) == list(FIELDS)


@settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    sort=st.lists(
        st.sampled_from([SHARES, SYMBOL, MPID, UPDATED]), min_size=1, max_size=3, unique=True
    ),
    signs=st.lists(st.sampled_from(["+", "-", ""]), min_size=3, max_size=3),
    limit=st.integers(5, 100),
)
def test_rows_are_sorted_across_pages(
    client: httpx.Client, shared: SimServer, sort: list[str], signs: list[str], limit: int
) -> None:
    wanted = [sign + field for sign, field in zip(signs, sort, strict=False)]
    found = rows_of(client, compareFilters=partition(), sortFields=wanted, limit=limit)
    expected = rows_of(client, compareFilters=partition())
    for sign, field in reversed(list(zip(signs, sort, strict=False))):
        kind = float if field == SHARES else str
        blank = [row for row in expected if row[field] is None]
        there = [row for row in expected if row[field] is not None]
        there.sort(key=lambda row: kind(row[field]), reverse=sign == "-")
        expected = there + blank
    key = [[row[field] for field in FIELDS if field not in (SHARES, CRD)] for row in expected]
    assert [[row[field] for field in FIELDS if field not in (SHARES, CRD)] for row in found] == key


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (DATA, {"fields": ["symbol"]}, "unknown fields: symbol"),
        (DATA, {"fields": "MPID"}, "not a list"),
        (DATA, {"compareFilters": [compare("volume", "EQUAL", 1)]}, "volume"),
        (DATA, {"compareFilters": [compare(SYMBOL, "LIKE", "A")]}, "LIKE"),
        (DATA, {"compareFilters": [compare(SYMBOL, "EQUAL", None)]}, "None"),
        (DATA, {"compareFilters": [compare(SYMBOL, "EQUAL", ["A"])]}, "not a value"),
        (DATA, {"compareFilters": [compare(SHARES, "GTE", "many")]}, "not a number"),
        (DATA, {"compareFilters": [compare(SHARES, "GTE", "NaN")]}, "not a number"),
        (DATA, {"compareFilters": [compare(UPDATED, "GTE", "12/29/2025")]}, "not a date"),
        (DATA, {"compareFilters": {"fieldName": SYMBOL}}, "list of objects"),
        (DATA, {"domainFilters": [{"fieldName": SYMBOL}]}, "list of values"),
        (DATA, {"dateRangeFilters": [{**FROM_DECEMBER, "fieldName": SYMBOL}]}, "not a date"),
        (DATA, {"dateRangeFilters": [{"fieldName": UPDATED}]}, "not a value"),
        (DATA, {"limit": 0}, "out of range"),
        (DATA, {"limit": "10"}, "not a whole number"),
        (DATA, {"offset": -1}, "out of range"),
        (DATA, {"quoteValues": "no"}, "quoteValues"),
        (DATA, {"delimiter": "||"}, "delimiter"),
        (DATA, {"sortFields": ["-" + SHARES]}, "partition keys"),
        (DATA, {"sortFields": [SYMBOL], "compareFilters": partition()[:1]}, "partition keys"),
        (DATA, {"sortFields": [SYMBOL], "compareFilters": [SINCE]}, "partition keys"),
        (HISTORIC, {"sortFields": [SYMBOL], "compareFilters": partition()}, "sortFields"),
        (DATA, {"sortFields": ["volume"], "compareFilters": partition()}, "cannot sort"),
        (DATA, {"filters": []}, "unknown request parameters: filters"),
        (DATA, ["limit"], "not a JSON object"),
        (HISTORIC, {"compareFilters": [compare("summaryTypeCode", "EQUAL", "A")]}, "summaryType"),
        (HISTORIC, {"domainFilters": [{"fieldName": SYMBOL, "values": ["A"]}]}, SYMBOL),
        (DATA, {"compareFilters": [compare("historicalMonth", "EQUAL", "2023-Jan")]}, "historical"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(
    client: httpx.Client, path: str, body: object, said: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["statusCode"] == 400
    assert said in answer.json()["message"]


def test_a_body_that_is_no_json_is_refused(client: httpx.Client) -> None:
    answer = client.post(DATA, content=b"{limit")
    assert (answer.status_code, answer.json()["statusDescription"]) == (400, "Bad Request")


@pytest.mark.parametrize(
    "path", [DATA.replace("otcMarket", "bonds"), DATA + "Nonsense", "/data/weeklySummary"]
)
def test_there_is_nothing_elsewhere(client: httpx.Client, path: str) -> None:
    assert client.post(path, json={}).status_code == 404


@pytest.mark.parametrize(
    ("filters", "mondays"),
    [
        (equal(historicalMonth="2024-Jan"), {f"2024-01-{day:02d}" for day in (1, 8, 15, 22, 29)}),
        (equal(historicalWeek="2024-W03"), {"2024-01-15"}),
        (equal(weekStartDate="2024-01-15"), {"2024-01-15"}),
        (equal(weekStartDate=MONDAY), set()),
    ],
)
def test_historic_weeks_are_filtered_by_week_or_month(
    client: httpx.Client, filters: list[dict[str, object]], mondays: set[str]
) -> None:
    found = rows_of(client, HISTORIC, compareFilters=[*filters, *equal(tierIdentifier="T1")])
    assert {row["weekStartDate"] for row in found} == mondays
