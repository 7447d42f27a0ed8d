"""URLs and addresses: what can be requested, where a redirect may lead, what is public.

Nothing is sent here; that is in `client`. What of a URL may be shown is in `shown`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"  # RFC 1035's, and the underscore that some use
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|[0-9a-f.]*:[0-9a-f.:]+")  # a name, or IPv6
_BEYOND_HOST = re.compile(r"[/?#@]")  # begins or ends another part of a URL
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


def url_problem(url: str) -> str | None:
    """Why a URL cannot be fetched, or None; the text repeats no part of it."""
    try:
        parsed = httpx.URL(url)
        host = parsed.host
    except (httpx.InvalidURL, TypeError, UnicodeError):  # of a host that only looks encoded
        return "is not a URL"
    if parsed.scheme not in _PORTS or not host:
        return "does not begin with http:// or https:// and a host"
    if parsed.userinfo:
        return "contains a user or password; name a variable with the header in source.header_env"
    return None


def is_same_server(asked: httpx.URL, url: httpx.URL) -> bool:
    """Whether a URL is of the server that was asked: its host and port, or its usual https port."""
    is_same = (url.scheme, url.host, url.port) == (asked.scheme, asked.host, asked.port)
    becomes_safe = (asked.scheme, url.scheme, asked.host) == ("http", "https", url.host)
    return is_same or (becomes_safe and url.port is None)


def is_named(url: httpx.URL, servers: Iterable[str]) -> bool:
    """Whether a URL is of one of some servers, each `host` or `host:port`."""
    return any(_server(text, url.scheme) == (url.host, _port(url)) for text in servers)


def server_problem(text: str) -> str | None:
    """Why a text is not `host` or `host:port`, or None."""
    try:
        parsed = httpx.URL(f"http://{text}")
        host = parsed.raw_host.decode() if parsed.host else ""
    except (httpx.InvalidURL, UnicodeError):
        host = ""
    if _BEYOND_HOST.search(text) or not _HOST.fullmatch(host):
        return "is not a host such as files.example.org or files.example.org:8443"
    return None


def _server(text: str, scheme: str) -> tuple[str, int | None]:
    url = httpx.URL(f"{scheme}://{text}")
    return url.host, _port(url)


def _port(url: httpx.URL) -> int | None:
    return url.port or _PORTS.get(url.scheme)


def is_public(address: str) -> bool:
    """Whether an address is one of the internet, and not of this machine or its networks.

    An IPv4 address within an IPv6 one counts as that IPv4 address.
    """
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        found = _within(found) or found
    inside = isinstance(found, IPv6Address) and found.is_site_local
    return found.is_global and not (inside or found.is_multicast or found.is_reserved)


def _within(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
