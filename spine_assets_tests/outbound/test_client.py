"""A request goes to the address that was judged, with its certificate, or through the proxy."""

from __future__ import annotations

import gzip
import ssl
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from spine_assets.outbound.client import (
    AddressRefused,
    TooSlow,
    after,
    client,
    read,
    send_once,
)
from spine_assets_tests.outbound.conftest import OWN, PUBLIC, Addresses
from spine_assets_tests.pipelines.steps.engines.web import Page, serving
from spine_assets_tests.support.servers import free_port


def test_the_address_of_one_lookup_is_connected_to(addresses: Addresses) -> None:
    addresses.of["files.test"] = [OWN, PUBLIC]
    with serving() as site, client(5) as session:
        site.pages["/x"] = Page(b"one")
        url = f"http://files.test:{site.server.rpartition(':')[2]}/x"
        assert session.get(url).text == "one"
    assert addresses.asked == ["files.test"]
    assert site.asked[0][1]["host"] == url.split("/")[2]


def test_the_next_address_is_tried_where_nobody_answers(addresses: Addresses) -> None:
    addresses.of["files.test"] = [f"{PUBLIC} {OWN}"]
    with serving() as site, client(5) as session:
        site.pages["/x"] = Page(b"one")
        url = f"http://files.test:{site.server.rpartition(':')[2]}/x"
        assert session.post(url.replace("/x", "/y"), content=b"body").status_code == 501
        assert session.get(url).text == "one"
    with client(5) as session, pytest.raises(httpx.ConnectError, match="refused"):
        session.get(url)


def test_one_address_of_this_machine_among_public_ones_is_refused(addresses: Addresses) -> None:
    addresses.of["mixed.test"] = [f"{PUBLIC} {OWN}"]
    with serving(host=PUBLIC) as site, client(5) as session:
        moved = session.get(f"{site.url}/x")
        url = f"http://mixed.test:{site.server.rpartition(':')[2]}/x"
        assert session.get(url).status_code == 404
        with pytest.raises(AddressRefused, match="of this machine"):
            session.get(url, extensions=after(moved))


def test_the_certificate_is_compared_with_the_name_and_not_with_the_address(
    addresses: Addresses,
    serving_tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is valid for `localhost` and for the address that both names have."""
    addresses.of["other.test"] = [OWN]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serving(serving_tls) as site, client(5) as session:
        site.pages["/x"] = Page(b"one")
        port = site.server.rpartition(":")[2]
        assert session.get(f"https://localhost:{port}/x").text == "one"
        with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
            session.get(f"https://other.test:{port}/x")


def test_a_name_without_an_address_is_a_connection_that_fails() -> None:
    with client(5) as session, pytest.raises(httpx.ConnectError, match="Errno"):
        session.get("http://no.such.name.invalid/")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "localhost", "a.localhost", "169.254.169.254", "[::1]"]
)
def test_through_a_proxy_numbers_are_judged_and_names_are_its_own(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with serving() as proxy, serving() as inside, client(5) as session:
        monkeypatch.setenv("http_proxy", proxy.server)
        proxy.pages["http://files.test/x"] = Page(status=302, headers={"location": "/y"})
        proxy.pages["http://other.test/y"] = Page(b"two")
        moved = session.get("http://files.test/x")
        assert session.get("http://other.test/y", extensions=after(moved)).text == "two"
        with pytest.raises(AddressRefused, match="of this machine or its networks"):
            session.get(f"http://{host}/", extensions=after(moved))
        assert [path for path, _ in proxy.asked] == ["http://files.test/x", "http://other.test/y"]
        inside.pages["/z"] = Page(b"three")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert session.get(f"{inside.url}/z").text == "three"


def test_a_server_of_a_private_address_may_redirect_to_another(addresses: Addresses) -> None:
    addresses.of["intranet.test"] = [OWN]
    with serving() as site, client(5) as session:
        site.pages["/x"] = Page(b"one")
        url = f"http://intranet.test:{site.server.rpartition(':')[2]}/x"
        moved = session.get(url)
        assert session.get(f"{site.url}/x", extensions=after(moved)).text == "one"


def test_a_refused_address_is_not_connected_to(addresses: Addresses) -> None:
    """Nobody listens there, which would be another error."""
    addresses.of["evil.test"] = [OWN]
    with serving(host=PUBLIC) as site, client(5) as session:
        moved = session.get(f"{site.url}/x")
        with pytest.raises(AddressRefused, match=r"\(127\.0\.0\.1\)"):
            session.get(f"http://evil.test:{free_port()}/", extensions=after(moved))


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,br", "identity, gzip"])
def test_a_body_that_is_packed_more_than_once_is_refused(encoding: str) -> None:
    body = gzip.compress(gzip.compress(b"x" * 1_000))
    answer = httpx.Response(
        200,
        headers={"content-encoding": encoding},
        stream=httpx.ByteStream(body),
        request=httpx.Request("GET", "https://files.test/x"),
    )
    with pytest.raises(httpx.RequestError, match="packed more than once"):
        read(answer, 10_000)


DRIP = Page(b"x" * 200, each=0.05)
"""5 s in all; each piece comes in time."""


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_comes_byte_by_byte_is_given_up(chunked: bool) -> None:
    with serving() as site, client(0.5) as session:
        site.pages["/x"] = replace(DRIP, chunked=chunked)
        begun = time.monotonic()
        with pytest.raises(TooSlow, match=r"too slowly: \d+ bytes in 0\.[5-9] s"):
            read(session.send(session.build_request("GET", f"{site.url}/x"), stream=True), 1_000)
        with pytest.raises(TooSlow):
            session.get(f"{site.url}/x")
        assert time.monotonic() - begun < 4


def test_a_body_longer_than_the_timeout_is_read_where_it_comes_at_the_least_rate() -> None:
    with serving() as site, client(0.2) as session:
        site.pages["/x"] = Page(b"x" * 40_000, waits=0.15, chunked=True)
        site.pages["/y"] = replace(DRIP, body=b"y" * 12, each=0.01)
        for path, size in (("/x", 40_000), ("/y", 12)):
            response = session.send(session.build_request("GET", site.url + path), stream=True)
            assert len(read(response, 50_000).content) == size


def test_the_first_bytes_of_an_error_are_not_waited_for_longer_than_the_timeout() -> None:
    with serving() as site:
        site.pages["/x"] = replace(DRIP, status=500, body=b"x" * 400)
        begun = time.monotonic()
        assert send_once("GET", SecretStr(f"{site.url}/x"), 0.5).status == 500
        assert time.monotonic() - begun < 3
