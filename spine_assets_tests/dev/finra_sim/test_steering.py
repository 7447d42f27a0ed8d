"""`/sim`: the clock, faults, restatements, requests and tokens over HTTP."""

from __future__ import annotations

import httpx
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.dev.finra_sim import SimServer
from spine_assets_tests.dev.finra_sim.conftest import DATA, PARTITIONS, WEEK, partition

CHANGES = {
    "week_ending": "2025-11-21",
    "tier": "NMS_TIER_1",
    "venue_class": "ATS",
    "day": "2025-12-17",
    "rows": [{"symbol": "NEWSY", "venue": "UBSA", "share_volume": "12.5", "trade_count": 3}],
}
TOTAL = {"week_ending": "2025-11-21", "tier": "OTC", "venue_class": "ATS"}


def test_the_clock_is_read_and_set(own: SimServer, own_client: httpx.Client) -> None:
    assert own_client.get("/sim/clock").json() == {
        "today": "2025-12-29",
        "newest_week": "2025-12-12",
        "newest_complete_week": "2025-11-28",
    }
    told = own_client.post("/sim/clock", json={"today": "2025-12-28"}).json()
    assert told["newest_week"] == "2025-12-05"
    newest = own_client.get(PARTITIONS).json()["availablePartitions"][0]
    assert newest == {"partitions": ["2025-12-01", "T1"]}


def test_faults_are_arranged_told_and_taken_back(own: SimServer, own_client: httpx.Client) -> None:
    faults = [{"kind": "html", "count": 1}, {"kind": "unavailable", "rate": 1, "on": "any"}]
    assert own_client.post("/sim/faults", json=faults).status_code == 200
    assert own_client.post(DATA, json={"limit": 1}).headers["content-type"].startswith("text/html")
    assert own_client.get(PARTITIONS).status_code == 503
    told = own_client.get("/sim/faults").json()
    assert [fault["kind"] for fault in told["arranged"]] == ["unavailable"]
    assert told["struck"] == {"html": 1, "unavailable": 1}
    own_client.delete("/sim/faults")
    assert own_client.get(PARTITIONS).status_code == 200
    assert own_client.post("/sim/faults", json="usual").json()["arranged"]


def test_rows_are_restated(own: SimServer, own_client: httpx.Client) -> None:
    count = own.sim.rows(WEEK, Tier.NMS_TIER_1, "ATS_W_SMBL_FIRM").height
    told = own_client.post("/sim/restatements", json=CHANGES).json()
    assert told["planned"] == own_client.get("/sim/restatements").json()["planned"]
    assert told["planned"][0]["rows"][0]["symbol"] == "NEWSY"
    after = own.sim.rows(WEEK, Tier.NMS_TIER_1, "ATS_W_SMBL_FIRM")
    assert after.height == count + 1
    own_client.post("/sim/restatements", json=[{**CHANGES, "day": "2025-12-18", "rows": 4}])
    assert len(own_client.get("/sim/restatements").json()["planned"]) == 2


def test_control_totals_are_made_wrong_and_right_again(
    own: SimServer, own_client: httpx.Client
) -> None:
    before = own.sim.rows(WEEK, Tier.OTC, "OTC_W_VOL_STATS")["totalWeeklyShareQuantity"][0]
    wrong = {"week_ending": "2025-11-21", "tier": "OTC", "venue_class": "NON_ATS"}
    told = own_client.post("/sim/totals", json={**wrong, "kind": "VOL_STATS", "shares": 50}).json()
    assert told == own_client.get("/sim/totals").json()
    after = own.sim.rows(WEEK, Tier.OTC, "OTC_W_VOL_STATS")["totalWeeklyShareQuantity"][0]
    assert after == before + 50
    assert own_client.delete("/sim/totals").json() == {"wrong": []}
    again = own.sim.rows(WEEK, Tier.OTC, "OTC_W_VOL_STATS")["totalWeeklyShareQuantity"][0]
    assert again == before


def test_requests_are_told_and_forgotten(own: SimServer, own_client: httpx.Client) -> None:
    own_client.post(DATA, json={"compareFilters": partition()})
    assert own_client.get("/sim/requests").json() == own.sim.traffic.summary()
    assert own.sim.traffic.summary()["requests"] == 1  # /sim does not count itself
    assert own_client.delete("/sim/requests").json()["requests"] == 0


def test_tokens_are_ended(own: SimServer, own_client: httpx.Client) -> None:
    assert own_client.delete("/sim/tokens").json() == {"expired": 0}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/sim/clock", {"today": "29.12.2025"}, "today"),
        ("/sim/clock", {"day": "2025-12-29"}, "unknown: day; known: today"),
        ("/sim/clock", "2025-12-29", "not a JSON object"),
        ("/sim/faults", {"kind": "earthquake"}, "gateway_timeout"),
        ("/sim/faults", {"kind": "html", "times": 1}, "unknown: times"),
        ("/sim/restatements", {**CHANGES, "week_ending": "2025-11-20"}, "2025-11-21"),
        ("/sim/totals", {**TOTAL, "kind": "FIRMS"}, "VOL_STATS"),
        ("/sim/totals", {**TOTAL, "kind": "FIRM", "name": "NONE"}, "no total FIRM of NONE"),
        ("/sim/restatements", {**CHANGES, "tier": "T9"}, "NMS_TIER_1"),
        ("/sim/restatements", {**CHANGES, "rows": [{"symbol": "X", "venue": "Y"}]}, "no row of X"),
    ],
)
def test_what_cannot_be_steered_is_refused_with_the_reason(
    own_client: httpx.Client, path: str, body: object, said: str
) -> None:
    answer = own_client.post(path, json=body)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
