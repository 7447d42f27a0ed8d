"""Servers that tests share, and asking them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest

from spine_assets.dev.finra_sim import SimOptions, SimServer, serving

TODAY = date(2025, 12, 29)
WEEK = date(2025, 11, 21)  # the newest of which all three tiers are published on that day
MONDAY = "2025-11-17"
DATA = "/data/group/otcMarket/name/weeklySummary"
HISTORIC = "/data/group/otcMarket/name/weeklySummaryHistoric"
PARTITIONS = "/partitions/group/otcMarket/name/weeklySummary"
JSON = {"Accept": "application/json"}
UNLIMITED = 10**6  # requests a second, where the limit is not what is tested
OPTIONS = SimOptions(today=TODAY, rows=60, restated_share=0, requests_per_second=UNLIMITED)


def equal(**fields: object) -> list[dict[str, object]]:
    """EQUAL filters."""
    return [
        {"fieldName": name, "compareType": "EQUAL", "fieldValue": value}
        for name, value in fields.items()
    ]


def partition(tier: str = "T1", monday: str = MONDAY) -> list[dict[str, object]]:
    """EQUAL filters on both partition keys."""
    return equal(weekStartDate=monday, tierIdentifier=tier)


def asking(server: SimServer) -> httpx.Client:
    """A client of a server."""
    return httpx.Client(base_url=server.url, trust_env=False, timeout=60)


def rows_of(client: httpx.Client, path: str = DATA, /, **body: Any) -> list[dict[str, Any]]:
    """All rows of a query, page after page as FINRA wants it."""
    found: list[dict[str, Any]] = []
    while True:
        answer = client.post(path, json={**body, "offset": len(found)}, headers=JSON)
        if answer.status_code == 204:
            return found
        assert answer.status_code == 200, answer.text
        found += answer.json()
        if len(found) >= int(answer.headers["Record-Total"]):
            return found


@pytest.fixture(scope="package")
def shared() -> Iterator[SimServer]:
    """A server that no test changes."""
    with serving(OPTIONS) as server:
        yield server


@pytest.fixture(scope="package")
def client(shared: SimServer) -> Iterator[httpx.Client]:
    """A client of the server that no test changes."""
    with asking(shared) as found:
        yield found


@pytest.fixture
def own() -> Iterator[SimServer]:
    """A server for one test."""
    with serving(OPTIONS) as server:
        yield server


@pytest.fixture
def own_client(own: SimServer) -> Iterator[httpx.Client]:
    """A client of the server for one test."""
    with asking(own) as found:
        yield found
