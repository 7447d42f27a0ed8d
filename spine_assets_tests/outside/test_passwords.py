"""People's way in: the UI and the read-only UI behind passwords, beside the keys of programs."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import dagster_webserver
import pytest

from spine_assets_tests.outside.attempts import IN_ADDRESS, JSON, LAUNCH, QUERY, REFUSED, WEBSOCKET
from spine_assets_tests.outside.conftest import Site
from spine_assets_tests.outside.nginx import MISSING, NGINX, OPENSSL, PASSWORD

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(NGINX is None or OPENSSL is None, reason=MISSING),
]
WHO = {"ui": "olga", "read_only_ui": "rita"}
BUILD = Path(dagster_webserver.__file__).parent / "webapp" / "build"


def password(user: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize("port", WHO)
def test_a_page_asks_for_a_password_and_takes_no_key(port: str, site: Site) -> None:
    key = f"X-API-Key: {site.proxy.keys['nightly']}"
    wrong = password("rita" if port == "ui" else "olga")
    for headers in ([], [key], [wrong]):
        assert site.proxy.ask("GET", "/", headers, port=port).status == 401
        assert site.proxy.ask("POST", "/graphql", [JSON, *headers], LAUNCH, port).status == 401
    page = site.proxy.ask("GET", "/runs", [password(WHO[port])], port=port)
    assert page.status == 200
    assert b"<html" in page.body
    assert site.runs(REFUSED) == 0


@pytest.mark.parametrize("port", WHO)
def test_the_live_logs_of_the_ui_come_by_a_websocket(port: str, site: Site) -> None:
    origin = "Origin: https://localhost"  # of the requests' Host
    asked = [*WEBSOCKET, password(WHO[port])]
    assert site.proxy.ask("GET", "/graphql", asked, port=port).status == 101
    assert site.proxy.ask("GET", "/graphql", [*asked, origin], port=port).status == 101
    foreign = [*asked, "Origin: https://evil.example"]
    assert site.proxy.ask("GET", "/graphql", foreign, port=port).status == 403


def test_a_password_is_no_key(site: Site) -> None:
    assert site.proxy.ask("POST", "/graphql", [JSON, password("olga")], QUERY).status == 401


def test_the_largest_script_of_the_ui_arrives_whole(site: Site) -> None:
    script = max(BUILD.rglob("*.js"), key=lambda path: path.stat().st_size)
    name = f"/{script.relative_to(BUILD).as_posix()}"
    answer = site.proxy.ask("GET", name, [password("olga")], port="ui")
    assert answer.body == script.read_bytes()


def test_the_read_only_ui_starts_nothing(site: Site) -> None:
    asked = [JSON, password("rita"), f"Origin: https://localhost:{site.proxy.ports['ui']}"]
    assert site.proxy.ask("POST", "/graphql", asked, LAUNCH, "read_only_ui").status == 403
    answer = site.proxy.ask("POST", "/graphql", asked[:2], LAUNCH, "read_only_ui")
    assert json.loads(answer.body)["data"]["launchRun"]["__typename"] == "UnauthorizedError"
    assert site.runs(REFUSED) == 0


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "x", "websocket, h2c"])
def test_no_query_in_an_address_passes_with_another_protocol(protocol: str, site: Site) -> None:
    upgraded = [f"Upgrade: {protocol}", "Connection: Upgrade, close"]
    for headers in (upgraded, upgraded[:1], [*WEBSOCKET[2:], *upgraded]):
        asked = [password("olga"), *headers]
        answer = site.proxy.ask("GET", f"/graphql?query={IN_ADDRESS}", asked, port="ui")
        assert answer.status == 405
    assert site.runs(REFUSED) == 0


@pytest.mark.parametrize("place", ["/graphql", "/%67raphql", "/x/../graphql", "/graphql%0a"])
def test_a_picture_of_another_page_starts_nothing_with_the_readers_password(
    place: str, site: Site
) -> None:
    asked = [password("olga"), "Accept: image/*", "Sec-Fetch-Site: cross-site"]
    answer = site.proxy.ask("GET", f"{place}?query={IN_ADDRESS}", asked, port="ui")
    assert answer.status == 405
    assert site.runs(REFUSED) == 0
    past = f"Origin: https://evil.example\r\n{asked[0]}"
    assert site.proxy.ask("POST", place, [JSON, past], LAUNCH, "ui").status == 403
    assert site.runs(REFUSED) == 0
