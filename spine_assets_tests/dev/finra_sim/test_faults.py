"""What goes wrong on demand, the limit of requests, and the account of them."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic, sleep

import httpx
import pytest

from spine_assets.dev.finra_sim import Fault, FaultKind, SimServer, serving
from spine_assets.dev.finra_sim.faults import USUAL_FAULTS, Faults
from spine_assets.dev.finra_sim.traffic import RequestRecord, Traffic
from spine_assets_tests.dev.finra_sim.conftest import (
    DATA,
    JSON,
    MONDAY,
    OPTIONS,
    PARTITIONS,
    asking,
    equal,
    partition,
    rows_of,
)

T1 = {"compareFilters": partition("T1")}


@pytest.mark.parametrize(
    ("kind", "status", "retry_after"),
    [
        (FaultKind.TOO_MANY, 429, "3"),
        (FaultKind.TOO_MANY_BARE, 429, None),
        (FaultKind.GATEWAY_TIMEOUT, 504, None),
        (FaultKind.UNAVAILABLE, 503, None),
        (FaultKind.UNAUTHORIZED, 401, None),
        (FaultKind.FORBIDDEN, 403, None),
    ],
)
def test_so_many_requests_fail_and_the_next_does_not(
    own: SimServer, own_client: httpx.Client, kind: FaultKind, status: int, retry_after: str | None
) -> None:
    own.sim.faults.add(Fault(kind, count=2, seconds=3))
    assert own_client.get(PARTITIONS).status_code == 200  # faults strike data unless told
    for _ in range(2):
        answer = own_client.post(DATA, json=T1)
        assert answer.status_code == status
        assert answer.headers.get("Retry-After") == retry_after
        assert answer.json()["statusCode"] == status
    assert own_client.post(DATA, json=T1).status_code == 200


def test_a_page_for_people_comes_with_status_200(own: SimServer, own_client: httpx.Client) -> None:
    own.sim.faults.add(Fault(FaultKind.HTML, count=1))
    answer = own_client.post(DATA, json=T1, headers=JSON)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert own_client.post(DATA, json=T1, headers=JSON).json()


def test_a_redirect_sets_a_cookie_with_which_the_rows_come(
    own: SimServer, own_client: httpx.Client
) -> None:
    own.sim.faults.add(Fault(FaultKind.COOKIE, on="any"))
    for method, path in (("GET", PARTITIONS), ("POST", DATA)):
        own_client.cookies.clear()
        moved = own_client.request(method, path, json=T1)
        assert (moved.status_code, moved.headers["location"]) == (307, str(moved.request.url))
        assert own_client.request(method, path, json=T1).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "days"),
    [
        (FaultKind.ACROSS_REFUSED, 400, set()),
        (FaultKind.NOTHING_ACROSS, 204, set()),
        (FaultKind.DAYS_IGNORED, 200, {"2025-12-22", "2025-12-29"}),
    ],
)
def test_a_question_about_all_weeks_is_not_answered_and_others_are(
    own: SimServer, own_client: httpx.Client, kind: FaultKind, status: int, days: set[str]
) -> None:
    own.sim.faults.add(Fault(kind))
    since = {"fieldName": "lastUpdateDate", "compareType": "GTE", "fieldValue": "2025-12-29"}
    from_december = {"fieldName": "weekStartDate", "compareType": "GTE", "fieldValue": "2025-12-01"}
    across = {"compareFilters": [since, from_december], "limit": 5000}
    answer = own_client.post(DATA, json=across, headers=JSON)
    assert answer.status_code == status
    rows = answer.json() if status == 200 else []
    assert {row["lastUpdateDate"] for row in rows} == days
    one = {"compareFilters": [*partition("T1", "2025-12-08"), since]}
    assert own_client.post(DATA, json=one).status_code == 200


def test_control_totals_are_refused_and_rows_are_not(
    own: SimServer, own_client: httpx.Client
) -> None:
    own.sim.faults.add(Fault(FaultKind.TOTALS_REFUSED))
    codes = [{"fieldName": "summaryTypeCode", "values": ["ATS_W_SMBL_FIRM", "ATS_W_FIRM"]}]
    assert own_client.post(DATA, json={**T1, "domainFilters": codes}).status_code == 400
    assert own_client.post(DATA, json=T1).status_code == 200


def test_a_shifted_page_repeats_a_row_and_leaves_one_out(
    own: SimServer, own_client: httpx.Client
) -> None:
    whole = rows_of(own_client, **T1)
    own.sim.faults.add(Fault(FaultKind.SHIFTED_PAGE, count=2))
    first, second = (
        own_client.post(DATA, json={**T1, "limit": 10, "offset": at}, headers=JSON).json()
        for at in (0, 10)
    )
    assert (first, second) == (whole[:10], whole[9:19])
    third = own_client.post(DATA, json={**T1, "limit": 10, "offset": 10}, headers=JSON).json()
    assert third == whole[10:20]


def test_an_answer_comes_late(own: SimServer, own_client: httpx.Client) -> None:
    own_client.post(DATA, json=T1)
    own.sim.faults.add(Fault(FaultKind.SLOW, count=1, seconds=0.5))
    began = monotonic()
    assert own_client.post(DATA, json=T1).status_code == 200
    assert monotonic() - began >= 0.5


def test_a_connection_ends_in_the_middle_of_a_body(
    own: SimServer, own_client: httpx.Client
) -> None:
    own.sim.faults.add(Fault(FaultKind.CUT, count=1))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        own_client.post(DATA, json=T1)
    assert own_client.post(DATA, json=T1).status_code == 200
    (asked,) = own.sim.traffic.summary()["asked"]
    assert asked["statuses"] == {"cut": 1, "200": 1}
    assert list(asked["pages"].values()) == [1]


def test_short_pages_are_no_end(own: SimServer, own_client: httpx.Client) -> None:
    whole = rows_of(own_client, **T1)
    own.sim.faults.add(Fault(FaultKind.SHORT_PAGE))
    answer = own_client.post(DATA, json=T1, headers=JSON)
    assert 0 < len(answer.json()) < len(whole) == int(answer.headers["Record-Total"])
    own.sim.faults.clear()
    own.sim.faults.add(Fault(FaultKind.SHORT_PAGE, rate=0.5))
    assert rows_of(own_client, **T1, limit=20) == whole


@pytest.mark.parametrize(
    ("on", "struck"), [("partitions", {"partitions"}), ("any", {"data", "partitions", "token"})]
)
def test_a_fault_strikes_what_it_is_on(
    own: SimServer, own_client: httpx.Client, on: str, struck: set[str]
) -> None:
    own.sim.faults.add(Fault(FaultKind.UNAVAILABLE, on=on))  # type: ignore[arg-type]
    found = {
        "data": own_client.post(DATA, json=T1).status_code,
        "partitions": own_client.get(PARTITIONS).status_code,
        "token": own_client.post("/fip/rest/ews/oauth2/access_token").status_code,
    }
    assert {name for name, status in found.items() if status == 503} == struck


def test_chance_is_seeded_and_as_often_as_told() -> None:
    def struck(seed: int) -> list[list[str]]:
        faults = Faults(seed)
        faults.add(*USUAL_FAULTS)
        return [[fault.kind.value for fault in faults.strike("data")] for _ in range(2000)]

    found = struck(1)
    assert found == struck(1) != struck(2)
    for fault in USUAL_FAULTS:
        times = sum(fault.kind.value in kinds for kinds in found)
        assert 0.5 * fault.rate < times / len(found) < 1.5 * fault.rate


def test_an_outage_refuses_connections_and_the_server_comes_back_as_it_was(
    own: SimServer, own_client: httpx.Client
) -> None:
    before = own_client.post(DATA, json=T1).text
    url = own.url
    own.stop()
    with pytest.raises(httpx.ConnectError):
        own_client.post(DATA, json=T1)
    own.start()
    assert own.url == url
    assert own_client.post(DATA, json=T1).text == before
    assert own.sim.traffic.summary()["requests"] == 2


def test_stopping_does_not_wait_for_slow_answers(own: SimServer) -> None:
    own.sim.faults.add(Fault(FaultKind.SLOW, seconds=60))
    with asking(own) as client, pytest.raises(httpx.ReadTimeout):
        client.post(DATA, json=T1, timeout=0.2)
    began = monotonic()
    own.stop()
    assert monotonic() - began < 20


def test_more_than_the_limit_in_a_second_is_too_many() -> None:
    options = replace(OPTIONS, requests_per_second=5)
    with serving(options) as server, asking(server) as client:
        client.post(DATA, json={"limit": 1, **T1})  # makes the week
        sleep(1.1)
        server.sim.traffic.forget()
        began = monotonic()
        answers = [client.get(PARTITIONS) for _ in range(25)]
        took = monotonic() - began
        good = sum(answer.status_code == 200 for answer in answers)
        assert {answer.status_code for answer in answers} == {200, 429}
        assert 5 <= good <= 5 * (took + 1)
        told = {answer.headers.get("Retry-After") for answer in answers}
        assert told == {None, "1"}  # some say for how long, others do not
        sleep(1.1)
        assert client.get(PARTITIONS).status_code == 200
        assert server.sim.traffic.summary()["most_in_one_second"] > 5


def test_requests_within_any_second_are_counted_and_others_let_through() -> None:
    now = 0.0
    traffic = Traffic(3, clock=lambda: now)
    passed = []
    for now in (0.0, 0.1, 0.2, 0.3, 1.0, 1.05, 1.15, 9.0):
        passed.append(traffic.arrived(RequestRecord("GET data", "a", limited=True)))
        assert traffic.arrived(RequestRecord("GET data", f"b{now}", limited=True))
        assert traffic.arrived(RequestRecord("POST token", "a", limited=False))
    assert passed == [True, True, True, False, True, False, True, True]
    assert traffic.summary()["most_in_one_second"] == 5  # 0.1 to 1.05


def test_requests_are_told_by_week_tier_and_summary_type(
    own: SimServer, own_client: httpx.Client
) -> None:
    firm = {"compareFilters": [*partition("T1"), *equal(summaryTypeCode="ATS_W_SMBL_FIRM")]}
    count = len(rows_of(own_client, **firm, limit=10))
    own_client.post(DATA, json={**firm, "limit": 10})
    own_client.post(DATA, json={"fields": ["none"]})
    own_client.get(PARTITIONS)
    told = own.sim.traffic.summary()
    pages = {f"{start}+{min(10, count - start)}": 1 for start in range(0, count, 10)}
    assert told["asked"] == [
        {
            "endpoint": "POST data weeklySummary",
            "week": MONDAY,
            "tier": "T1",
            "summary_type": "ATS_W_SMBL_FIRM",
            "statuses": {"200": len(pages) + 1},
            "rows": count + 10,
            "pages": {**pages, "0+10": 2},
        }
    ]
    assert told["endpoints"] == {
        "POST data weeklySummary": {"200": len(pages) + 1, "400": 1},
        "GET partitions weeklySummary": {"200": 1},
    }
    assert told["requests"] == len(pages) + 3
    assert 1 <= told["most_in_one_second"] <= len(pages) + 3
    own.sim.traffic.forget()
    assert own.sim.traffic.summary()["requests"] == 0
