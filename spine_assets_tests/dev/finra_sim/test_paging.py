"""Pages: limits, offsets, headers, and joined they are the whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spine_assets.core.weeks import Tier
from spine_assets.dev.finra_sim import SimServer, serving
from spine_assets.dev.sample import generate_week
from spine_assets_tests.dev.finra_sim.conftest import (
    DATA,
    JSON,
    OPTIONS,
    WEEK,
    asking,
    partition,
    rows_of,
)
from spine_assets_tests.support.examples import examples

MANY = settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
BYTES = 12_000


def test_a_fetch_finds_the_rows_that_the_generator_makes(client: httpx.Client) -> None:
    made = next(iter(generate_week(WEEK, rows=60, tiers=[Tier.NMS_TIER_1])))
    lines = [line.split("|") for line in made.content.decode().splitlines()[1:]]
    found = [
        row
        for row in rows_of(client, compareFilters=partition(), limit=7)
        if row["summaryTypeCode"] == "ATS_W_SMBL_FIRM"
    ]
    assert [
        [
            row["tierDescription"],
            row["issueSymbolIdentifier"],
            row["issueName"],
            row["marketParticipantName"],
            row["MPID"],
            float(row["totalWeeklyShareQuantity"]),
            float(row["totalWeeklyTradeCount"]),
            row["lastUpdateDate"],
        ]
        for row in found
    ] == [[*line[:5], float(line[5]), float(line[6]), line[7]] for line in lines]


@MANY
@given(limit=st.integers(1, 6000), filters=st.sampled_from([[], partition(), partition("OTCE")]))
def test_pages_of_any_limit_joined_are_the_whole(
    client: httpx.Client, limit: int, filters: list[dict[str, object]]
) -> None:
    limit = limit if filters else max(limit, 2500)  # of all partitions: few pages
    whole = rows_of(client, compareFilters=filters, limit=5000)
    assert rows_of(client, compareFilters=filters, limit=limit) == whole


@MANY
@given(limit=st.integers(1, 200), offset=st.integers(0, 200))
def test_a_page_is_the_slice_that_limit_and_offset_say(
    client: httpx.Client, limit: int, offset: int
) -> None:
    whole = rows_of(client, compareFilters=partition())
    body: dict[str, Any] = {"compareFilters": partition(), "limit": limit, "offset": offset}
    answer = client.post(DATA, json=body, headers=JSON)
    assert (answer.json() if answer.content else []) == whole[offset : offset + limit]
    assert answer.status_code == (200 if offset < len(whole) else 204)
    assert answer.headers["Record-Total"] == str(len(whole))
    assert answer.headers["Record-Offset"] == str(offset)
    assert answer.headers["Record-Limit"] == str(limit)
    assert answer.headers["Record-Max-Limit"] == "5000"


def test_a_page_has_a_thousand_rows_where_no_limit_is_given(client: httpx.Client) -> None:
    assert len(client.post(DATA, json={}, headers=JSON).json()) == 1000


def test_a_page_never_has_more_than_five_thousand_rows(client: httpx.Client) -> None:
    answer = client.post(DATA, json={"limit": 40_000, "fields": ["MPID"]})
    assert answer.headers["Record-Limit"] == "5000"
    assert answer.text.count("\n") == 5001


@pytest.mark.parametrize(("offset", "status"), [(500_000, 204), (500_001, 400)])
def test_an_offset_beyond_half_a_million_is_refused(
    client: httpx.Client, offset: int, status: int
) -> None:
    assert client.post(DATA, json={"offset": offset}).status_code == status


def test_no_rows_are_no_content(client: httpx.Client) -> None:
    answer = client.post(DATA, json={"compareFilters": partition(monday="2031-01-06")})
    assert (answer.status_code, answer.content) == (204, b"")


def test_get_has_the_default_page_and_ignores_filters(client: httpx.Client) -> None:
    answer = client.get(DATA, params={"limit": 3, "tierIdentifier": "T2"}, headers=JSON)
    assert len(answer.json()) == 1000
    assert answer.json() == client.post(DATA, json={}, headers=JSON).json()


@pytest.fixture(scope="module")
def bounded() -> Iterator[SimServer]:
    """A server whose pages end before 12 kB instead of FINRA's 3 MB."""
    with serving(replace(OPTIONS, page_bytes=BYTES)) as server:
        yield server


@pytest.mark.parametrize("headers", [JSON, {}])
def test_a_page_ends_before_it_is_too_large(bounded: SimServer, headers: dict[str, str]) -> None:
    whole = bounded.sim.rows(WEEK, Tier.NMS_TIER_1)["issueSymbolIdentifier"].to_list()
    sizes: list[int] = []
    symbols: list[str | None] = []
    with asking(bounded) as client:
        while len(symbols) < len(whole):
            body = {"compareFilters": partition("T1"), "offset": len(symbols)}
            answer = client.post(DATA, json=body, headers=headers)
            sizes.append(len(answer.content))
            symbols += symbols_of(answer)
    assert len(sizes) > 1
    assert 0.95 * BYTES < sizes[0] <= BYTES
    assert max(sizes) <= BYTES
    assert symbols == whole


def symbols_of(answer: httpx.Response) -> list[str | None]:
    """The symbols of a page, JSON or CSV."""
    if answer.headers["content-type"].startswith("application/json"):
        return [row["issueSymbolIdentifier"] for row in answer.json()]
    return [
        row["issueSymbolIdentifier"] or None for row in csv.DictReader(answer.text.splitlines())
    ]


def test_one_row_is_given_however_large_it_is() -> None:
    with serving(replace(OPTIONS, weeks=1, page_bytes=10)) as server, asking(server) as client:
        assert len(client.post(DATA, json={}, headers=JSON).json()) == 1
