"""Tokens, and data for those who may have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from time import sleep

import httpx
import pytest

from spine_assets.dev.finra_sim import SimServer, serving
from spine_assets.dev.finra_sim.options import CLIENT_ID, CLIENT_SECRET, UNENTITLED_ID
from spine_assets_tests.dev.finra_sim.conftest import DATA, OPTIONS, PARTITIONS, asking

TOKEN = "/fip/rest/ews/oauth2/access_token"
FEW = replace(OPTIONS, weeks=2)  # a GET asks for all of them
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def guarded() -> Iterator[SimServer]:
    with serving(replace(FEW, require_auth=True)) as server:
        yield server


@pytest.fixture
def asked(guarded: SimServer) -> Iterator[httpx.Client]:
    with asking(guarded) as client:
        yield client


def bearer(client: httpx.Client, name: str = CLIENT_ID) -> dict[str, str]:
    answer = client.post(TOKEN, params=GRANT, auth=(name, CLIENT_SECRET))
    assert answer.status_code == 200
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def statuses(client: httpx.Client, headers: dict[str, str] | None = None) -> set[int]:
    return {
        client.post(DATA, json={"limit": 1}, headers=headers).status_code,
        client.get(DATA, headers=headers).status_code,
        client.get(PARTITIONS, headers=headers).status_code,
    }


def test_a_token_holds_half_an_hour_and_opens_the_data(asked: httpx.Client) -> None:
    told = asked.post(TOKEN, params=GRANT, auth=(CLIENT_ID, CLIENT_SECRET)).json()
    assert told["expires_in"] == 1800
    assert told["token_type"] == "Bearer"
    assert statuses(asked, bearer(asked)) == {200}


def test_without_a_token_there_is_no_data(asked: httpx.Client) -> None:
    assert statuses(asked) == {401}


@pytest.mark.parametrize("header", ["Bearer of-mine", "Bearer", "Basic abc", "x"])
def test_an_unknown_token_is_refused(asked: httpx.Client, header: str) -> None:
    assert statuses(asked, {"Authorization": header}) == {401}


def test_a_client_without_entitlement_gets_a_token_and_no_data(asked: httpx.Client) -> None:
    assert statuses(asked, bearer(asked, UNENTITLED_ID)) == {403}


def test_an_expired_token_is_refused_and_a_new_one_helps(
    guarded: SimServer, asked: httpx.Client
) -> None:
    old = bearer(asked)
    assert guarded.sim.access.expire_all() == 1
    assert statuses(asked, old) == {401}
    assert statuses(asked, bearer(asked)) == {200}


def test_a_token_runs_out_by_itself() -> None:
    options = replace(FEW, require_auth=True, token_seconds=2)
    with serving(options) as server, asking(server) as client:
        token = bearer(client)
        assert client.get(PARTITIONS, headers=token).status_code == 200
        sleep(2.1)
        assert client.get(PARTITIONS, headers=token).status_code == 401


@pytest.mark.parametrize("credentials", [(CLIENT_ID, "guess"), ("nobody", CLIENT_SECRET), ("", "")])
def test_wrong_credentials_get_no_token(asked: httpx.Client, credentials: tuple[str, str]) -> None:
    assert asked.post(TOKEN, params=GRANT, auth=credentials).status_code == 401


@pytest.mark.parametrize("headers", [{"Authorization": "Basic %%%"}, {}])
def test_unreadable_or_no_credentials_get_no_token(
    asked: httpx.Client, headers: dict[str, str]
) -> None:
    assert asked.post(TOKEN, params=GRANT, headers=headers).status_code == 401


def test_another_grant_is_refused(asked: httpx.Client) -> None:
    assert asked.post(TOKEN, auth=(CLIENT_ID, CLIENT_SECRET)).status_code == 400


def test_where_no_token_is_needed_a_wrong_one_is_still_refused() -> None:
    with serving(FEW) as server, asking(server) as client:
        assert statuses(client) == {200}
        assert statuses(client, {"Authorization": "Bearer of-mine"}) == {401}
