"""Which addresses are public, what is the same server, what of a URL is shown."""

from __future__ import annotations

import httpx
import pytest

from spine_assets.outbound.shown import shown
from spine_assets.outbound.urls import (
    is_named,
    is_public,
    is_same_server,
    server_problem,
    url_problem,
)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254"),
        *("172.16.0.1", "192.168.1.1", "192.0.2.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "::7f00:1", "fc00::1", "fd00:ec2::254", "fe80::1"),
        *("fe80::1%eth0", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
        *("::ffff:0a00:0001", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "2002:7f00:1::"),
        *("2002:a00:1::1", "2001:db8::1"),
    ],
)
def test_an_address_of_a_machine_or_its_networks_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("asked", "url", "same"),
    [
        ("http://h/a", "http://h/b", True),
        ("http://h/a", "http://H:80/b", True),
        ("http://h:8080/a", "http://h:8080/b", True),
        ("http://h/a", "https://h/b", True),
        ("http://h:8080/a", "https://h/b", True),
        ("https://h/a", "http://h/b", False),
        ("http://h/a", "http://h:3000/b", False),
        ("http://h/a", "https://h:444/b", False),
        ("http://h/a", "http://h.evil.example/b", False),
        ("http://h/a", "http://h@evil.example/b", False),
    ],
)
def test_the_same_server_is_the_host_with_its_port_or_encrypted(
    asked: str, url: str, same: bool
) -> None:
    assert is_same_server(httpx.URL(asked), httpx.URL(url)) is same


@pytest.mark.parametrize(
    ("server", "url", "named"),
    [
        ("h.org", "https://h.org/x", True),
        ("H.org", "http://h.org/x", True),
        ("h.org:443", "https://h.org/x", True),
        ("h.org:443", "http://h.org/x", False),
        ("h.org", "http://h.org:3000/x", False),
        ("h.org:3000", "http://h.org:3000/x", True),
        ("[::1]:3000", "http://[::1]:3000/x", True),
        ("h.org", "http://a.h.org/x", False),
        ("127.0.0.1", "http://2130706433/x", False),
        ("a_b.h-o.org.", "https://a_b.h-o.org./x", True),
        ("b\u00fccher.example", "https://xn--bcher-kva.example/x", True),
    ],
)
def test_a_server_is_named_with_its_port_or_has_the_usual_one(
    server: str, url: str, named: bool
) -> None:
    assert server_problem(server) is None
    assert is_named(httpx.URL(url), [server]) is named


@pytest.mark.parametrize(
    "text",
    [
        *("", "http://h", "h/", "h/x", "h?x", "u:p@h", "h:port", "*.h/", "*", "*.h", "h h", " h"),
        *("h#x", "h#", "h?", "h%20h", "-h", "h-", "h..h", ".h", "h,h", "h;h", "$h", "[::1"),
        *("h\n", "h\th", "{h}", "h|h", "h@", "[::1]#", "\N{TAG LATIN SMALL LETTER A}h"),
    ],
)
def test_what_is_not_a_server_is_a_problem(text: str) -> None:
    assert server_problem(text)


def test_user_password_and_query_are_not_shown() -> None:
    assert shown(httpx.URL("https://u:p@h.org:8443/a?key=s#t")) == "https://h.org:8443/a"


def test_a_host_that_only_looks_encoded_is_no_url() -> None:
    assert url_problem("http://xn--a/x") == "is not a URL"
    assert server_problem("xn--a") is not None
