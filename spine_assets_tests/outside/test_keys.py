"""API keys: without a valid one nothing is read or started, by whatever way it is tried."""

from __future__ import annotations

import json
import socket

import pytest

from spine_assets_tests.outside.attempts import (
    IN_ADDRESS,
    JSON,
    LAUNCH,
    NO_KEY,
    QUERY,
    REFUSED,
    WAYS,
    WEBSOCKET,
)
from spine_assets_tests.outside.conftest import Site
from spine_assets_tests.outside.nginx import (
    MISSING,
    NGINX,
    OPENSSL,
)
from spine_assets_tests.support.servers import START_SECONDS, wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(NGINX is None or OPENSSL is None, reason=MISSING),
]
NO = b'{"error": "no valid key in the header X-API-Key"}\n'
ONLY_GRAPHQL = b'{"error": "there is only /graphql"}\n'
ELSEWHERE = {
    "page",
    "page of a run",
    "static file",
    "server info",
    "slash behind",
    "line end behind",
    "materialization",
    "check",
    "observation",
    "logs",
    "debug file",
    "notebook",
}
"""Ways that lead to another place than /graphql."""
NOT_ASKED_SO = {
    "query in the address",
    "mutation in the address",
    "another protocol",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "unknown method",
}
"""Ways to /graphql that are neither a POST nor a websocket."""
CHUNKED = f"{len(LAUNCH):x}\r\n{LAUNCH}\r\n0\r\n\r\n"
HIDDEN = f"POST /graphql HTTP/1.1\r\nHost: x\r\n{JSON}\r\nContent-Length: {len(LAUNCH)}\r\n\r\n"
ODD = {
    "HTTP/1.0": f"{HIDDEN}{LAUNCH}".replace("HTTP/1.1", "HTTP/1.0"),
    "no version": "GET /graphql?query={version}\r\n",
    "chunked": "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    f"{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKED}",
    "length and chunks": "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    f"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}{LAUNCH}",
    "a request in a body": "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    f"Content-Length: {len(HIDDEN) + len(LAUNCH)}\r\n\r\n{HIDDEN}{LAUNCH}",
    "two hosts": "POST /graphql HTTP/1.1\r\nHost: x\r\nHost: 127.0.0.1:3000\r\n"
    "Connection: close\r\n\r\n",
    "Dagster's host": "GET /server_info HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n"
    "Connection: close\r\n\r\n",
    "TRACE": "TRACE /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "CONNECT": "CONNECT 127.0.0.1:3000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}
"""What goes over the wire as no client would send it."""


@pytest.mark.parametrize("headers", NO_KEY.values(), ids=NO_KEY)
def test_without_a_valid_key_everything_is_401_and_nothing_is_read_or_started(
    headers: object, site: Site
) -> None:
    assert callable(headers)
    for way, (method, path, more, body) in WAYS.items():
        answer = site.proxy.ask(method, path, [*more, *headers(site.proxy.keys)], body)
        assert (way, answer.status, answer.body) == (way, 401, NO)
        assert 'WWW-Authenticate: ApiKey realm="spine_assets"' in answer.head, way
    head = site.proxy.ask("HEAD", "/graphql", headers(site.proxy.keys))
    assert (head.status, head.body) == (401, b"")
    assert site.runs(REFUSED) == 0


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD)
def test_odd_requests_without_a_key_read_and_start_nothing(raw: str, site: Site) -> None:
    answer = site.proxy.speak(raw.encode())
    assert answer.status in {0, 400, 401, 405}
    assert b'"data"' not in answer.body
    assert b"dagster_version" not in answer.body
    assert site.runs(REFUSED) == 0


def test_without_tls_nobody_is_let_in(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.proxy.ports["api"])) as channel:
        request = f"GET /server_info HTTP/1.1\r\nX-API-Key: {site.proxy.keys['nightly']}\r\n\r\n"
        channel.sendall(request.encode())
        assert channel.recv(1000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("place", ["/graphql?api_key={}", "/{}", "/graphql?X-API-Key={}", "/#{}"])
def test_a_key_in_the_address_is_neither_taken_nor_logged(place: str, site: Site) -> None:
    key = site.proxy.keys["nightly"]
    answer = site.proxy.ask("POST", place.format(key), [JSON], LAUNCH)
    assert (answer.status, answer.body) == (401, NO)
    with_header = site.proxy.ask("POST", place.format(key), [JSON, f"X-API-Key: {key}"], QUERY)
    assert with_header.status in {200, 404}
    assert key not in site.proxy.logs()


@pytest.mark.parametrize("name", ["nightly", "board"])
def test_a_key_opens_graphql_and_no_other_place(name: str, site: Site) -> None:
    key = f"x-api-key: {site.proxy.keys[name]}"
    asked = {way: site.proxy.ask(m, p, [*more, key], b) for way, (m, p, more, b) in WAYS.items()
             if way in ELSEWHERE | NOT_ASKED_SO}  # fmt: skip
    assert {way for way, answer in asked.items() if answer.status == 404} == ELSEWHERE
    assert {way for way, answer in asked.items() if answer.status == 405} == NOT_ASKED_SO
    assert {asked[way].body for way in ELSEWHERE} == {ONLY_GRAPHQL}
    answered = site.proxy.ask("POST", "/graphql", [JSON, key], QUERY)
    assert json.loads(answered.body)["data"]["version"]
    assert site.proxy.ask("GET", "/graphql", [*WEBSOCKET, key]).status == 101
    assert site.runs(REFUSED) == 0


def test_what_stands_in_an_address_is_not_asked_with_a_key_either(site: Site) -> None:
    key = f"X-API-Key: {site.proxy.keys['nightly']}"
    answer = site.proxy.ask("POST", f"/graphql?query={IN_ADDRESS}", [key], "a=b")
    assert (answer.status, answer.body) == (400, b"No GraphQL query found in the request")
    assert site.runs(REFUSED) == 0


def test_a_reader_may_not_start_a_run(site: Site) -> None:
    key = f"X-API-Key: {site.proxy.keys['board']}"
    answer = site.proxy.ask("POST", "/graphql", [JSON, key], LAUNCH)
    assert json.loads(answer.body) == {"data": {"launchRun": {"__typename": "UnauthorizedError"}}}
    # An operator's key after a reader's: nginx before 1.23 takes the first, later ones neither.
    operators = f"X-API-Key: {site.proxy.keys['nightly']}"
    answer = site.proxy.ask("POST", "/graphql", [JSON, key, operators], LAUNCH)
    assert b"UnauthorizedError" in answer.body or answer.body == NO
    assert site.runs(REFUSED) == 0


def test_the_log_has_the_names_of_keys_and_never_a_key(site: Site) -> None:
    for key in [*site.proxy.keys.values(), "0" * 64]:
        site.proxy.ask("POST", "/graphql", [JSON, f"X-API-Key: {key}"], QUERY)
    told = (site.proxy.folder / "api.log").read_text()
    assert "[operator nightly] " in told
    assert "[reader board] " in told
    assert "[] " in told
    written = [path for path in site.project.root.rglob("*") if path.is_file()]
    for path in written:
        if path.suffix != ".keys":
            assert not any(key.encode() in path.read_bytes() for key in site.proxy.keys.values())


def test_a_revoked_key_is_refused_after_the_reload(site: Site) -> None:
    key = site.proxy.add_key("operators", "leaver")
    header = f"X-API-Key: {key}"

    def status() -> int:
        return site.proxy.ask("POST", "/graphql", [JSON, header], QUERY).status

    assert status() == 401
    site.proxy.reload()
    # For a moment nginx' old workers answer too, so one good answer is not enough.
    wait_until(
        lambda: all(status() == 200 for _ in range(10)),
        START_SECONDS,
        site.project,
        "a new key's way in",
    )
    with (
        socket.create_connection(("127.0.0.1", site.proxy.ports["api"]), START_SECONDS) as plain,
        site.proxy.trusted.wrap_socket(plain, server_hostname="localhost") as held,
    ):
        lines = ["GET /graphql HTTP/1.1", "Host: localhost", header, *WEBSOCKET]
        held.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert b"101 Switching" in held.recv(1000)
        site.proxy.drop_key("operators", "leaver")
        site.proxy.reload()
        wait_until(lambda: status() == 401, START_SECONDS, site.project, "a key's end")
        # worker_shutdown_timeout: what it had opened is closed too.
        while held.recv(1000):
            pass
