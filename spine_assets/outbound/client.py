"""The client of all requests: it connects to addresses that it has resolved and judged itself.

A server may redirect to a name or number of this machine or its networks, or let a name resolve to
one after it was checked. So the transport resolves a name once per request, judges the result, and
connects to that result. Retries and the meaning of responses do not belong here.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from urllib.request import getproxies, proxy_bypass

import httpx
from pydantic import SecretStr

from spine_assets.outbound.shown import shown_server
from spine_assets.outbound.urls import is_public

# Keys of a request's and of a response's `extensions`.
_PUBLIC_ONLY, _IS_PUBLIC = "spine_public_only", "spine_is_public"
_MOST_BYTES = "spine_most_bytes"
_START_BYTES = 200  # of a body; more than enough for a word
_OF_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")
_BAD_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
_LEAST_RATE = 10_000  # bytes per second of a body; the slowest mobile networks are faster


class AddressRefused(Exception):
    """A redirect leads from a public address to one of this machine or its networks."""


class TooLarge(Exception):
    """A body is larger than may be read."""


class TooSlow(httpx.ReadTimeout):
    """A body comes so slowly that it might never end."""


class NoReply(Exception):
    """No reply came. The message is the name of the error, whose text may hold the URL.

    Attributes:
        transient: One may come later.
    """

    def __init__(self, name: str, *, transient: bool) -> None:
        super().__init__(name)
        self.transient = transient


@dataclass(frozen=True)
class Reply:
    """What a server answered: a status and, where that is no success, the body's first bytes."""

    status: int
    start: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return httpx.codes.is_success(self.status)


def client(
    timeout_seconds: float,
    *,
    base_url: str = "",
    headers: Mapping[str, str] | None = None,
    auth: httpx.Auth | None = None,
) -> httpx.Client:
    """A client that follows no redirect by itself and shows no URL in logs.

    The host of a request is trusted, whatever its address: a person named it. A request that
    follows a redirect needs `extensions=after(response)`.

    Args:
        timeout_seconds: Longest wait for a connection and for each piece of a body. A body that
            takes longer must have come at `_LEAST_RATE` since, or reading it raises `TooSlow`.
        base_url: What relative URLs are below.
        headers: Of every request.
        auth: What adds credentials.
    """
    keep_urls_out_of_logs()
    return httpx.Client(
        transport=PinnedTransport(timeout_seconds),
        timeout=timeout_seconds,
        base_url=base_url,
        headers=headers,
        auth=auth,
        follow_redirects=False,
    )


def send_once(
    method: str, url: SecretStr, timeout_seconds: float, payload: Mapping[str, Any] | None = None
) -> Reply:
    """Send one request to a URL that is a secret.

    Raises:
        NoReply: none came.
    """
    start = b""
    try:
        with (
            client(timeout_seconds) as session,
            session.stream(method, url.get_secret_value(), json=payload) as response,
        ):
            if not response.is_success:
                with suppress(httpx.HTTPError):  # the status is enough
                    require_packed_once(response)
                    start = next(response.iter_bytes(_START_BYTES), b"")
            return Reply(response.status_code, start)
    except httpx.TransportError as error:
        transient, name = _BAD_CERTIFICATE not in str(error), type(error).__name__
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        # ValueError: a proxy of the environment that is no URL.
        transient, name = False, type(error).__name__
    raise NoReply(name, transient=transient)  # outside, so that no URL is in the traceback


def read(response: httpx.Response, most_bytes: int) -> httpx.Response:
    """A response whose body is read and unpacked; it was requested with `stream=True`.

    Raises:
        TooLarge: its body is larger, unpacked.
        httpx.RequestError: it broke off, or is `TooSlow`.
    """
    body = bytearray()
    try:
        require_packed_once(response)
        for piece in response.iter_bytes():
            body += piece
            if len(body) > most_bytes:
                raise TooLarge(f"more than {most_bytes:,} bytes")
    finally:
        response.close()
    headers = response.headers.copy()
    for name in _OF_TRANSFER:
        headers.pop(name, None)
    return httpx.Response(
        response.status_code,
        headers=headers,
        content=bytes(body),
        request=response.request,
        extensions=response.extensions,
    )


def require_packed_once(response: httpx.Response) -> None:
    """Refuse a body that is packed several times: unpacked it grows beyond what is counted.

    Raises:
        httpx.DecodingError: it is.
    """
    if "," in response.headers.get("content-encoding", ""):
        raise httpx.DecodingError("its body is packed more than once", request=response.request)


def after(response: httpx.Response) -> dict[str, Any]:
    """The extensions of a request to where a response redirects.

    After a public address only public ones are connected to.
    """
    return {_PUBLIC_ONLY: response.extensions.get(_IS_PUBLIC, True)}


def at_most(most_bytes: int) -> dict[str, Any]:
    """The extensions of a request; reading a body that is larger, as it is sent, raises `TooLarge`.

    For a body that httpx itself reads; others are read with `read`.
    """
    return {_MOST_BYTES: most_bytes}


def keep_urls_out_of_logs() -> None:
    """For each request httpx 0.28 logs the full URL at INFO, httpcore more at DEBUG."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


class PinnedTransport(httpx.BaseTransport):
    """Resolves a host, judges its addresses and connects to one of them.

    A proxy of the environment is used as httpx does. It resolves names itself, so that only numbers
    are judged then.

    Args:
        body_seconds: What a body may take, besides the time that it has at the least rate.
    """

    def __init__(self, body_seconds: float) -> None:
        self._body_seconds = body_seconds
        self._certificates = httpx.create_ssl_context()
        self._transports: dict[str, httpx.HTTPTransport] = {}
        self._last: dict[str, str] = {}  # a host's address that a connection was made to

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            AddressRefused: see there.
            httpx.TransportError: the request failed.
        """
        host = request.url.raw_host.decode("ascii")
        proxy = _proxy_of(request.url)
        addresses = _numeric(host) if proxy else _resolved(request, host)
        is_local = host == "localhost" or host.endswith(".localhost")
        public = not is_local and all(is_public(address) for address in addresses)
        if request.extensions.get(_PUBLIC_ONLY) and not public:
            raise AddressRefused(
                f"{shown_server(request.url)} is an address of this machine or its networks "
                f"({', '.join(addresses) or host}), and a public one redirects to it"
            )
        if proxy:
            response = self._transport(proxy, proxy).handle_request(request)
        else:
            response = self._connected(request, host, addresses)
        response.extensions[_IS_PUBLIC] = public
        body = cast("httpx.SyncByteStream", response.stream)
        most_bytes = request.extensions.get(_MOST_BYTES)
        response.stream = _BoundedBody(body, self._body_seconds, most_bytes)
        return response

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()

    def _connected(self, request: httpx.Request, host: str, addresses: list[str]) -> httpx.Response:
        """The response of the first address that can be connected to."""
        addresses = sorted(addresses, key=lambda address: address != self._last.get(host))
        for address in addresses:
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # `Host` is among them
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                response = self._transport(host).handle_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if address == addresses[-1]:
                    raise
            else:
                self._last[host] = address
                return response
        raise httpx.ConnectError(f"{host} has no address")

    def _transport(self, host: str, proxy: str | None = None) -> httpx.HTTPTransport:
        """The connections to a host; those of others with its address are not used for it."""
        if host not in self._transports:
            self._transports[host] = httpx.HTTPTransport(verify=self._certificates, proxy=proxy)
        return self._transports[host]


class _BoundedBody(httpx.SyncByteStream):
    """A body with bounds on its time and size; the timeouts of `httpx` are of single pieces."""

    def __init__(self, body: httpx.SyncByteStream, seconds: float, most_bytes: int | None) -> None:
        self._body, self._seconds, self._most_bytes = body, seconds, most_bytes

    def __iter__(self) -> Iterator[bytes]:
        begun, size = time.monotonic(), 0
        for piece in self._body:
            size += len(piece)
            seconds = time.monotonic() - begun
            if seconds > self._seconds + size / _LEAST_RATE:
                raise TooSlow(f"its body comes too slowly: {size:,} bytes in {seconds:.1f} s")
            if self._most_bytes is not None and size > self._most_bytes:
                raise TooLarge(f"more than {self._most_bytes:,} bytes")
            yield piece

    def close(self) -> None:
        """Give up what has not come."""
        self._body.close()


def _resolved(request: httpx.Request, host: str) -> list[str]:
    """The addresses of a host, as the system resolves it.

    Raises:
        httpx.ConnectError: it cannot be resolved.
    """
    try:
        found = socket.getaddrinfo(host, request.url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _numeric(host: str) -> list[str]:
    """The address that a host is the number of, in whatever spelling; empty for a name."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return []
    return [str(found[0][4][0])]


def _proxy_of(url: httpx.URL) -> str | None:
    """The proxy that the environment names for a URL."""
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    if not found or proxy_bypass(url.host):
        return None
    return found if "://" in found else f"http://{found}"
