"""OAuth2 client credentials, for users with a key of FINRA's API console.

Source: developer.finra.org, "Authorization": a token is requested with HTTP Basic and is valid for
about half an hour.
"""

from __future__ import annotations

import time
from collections.abc import Generator

import httpx

from spine_assets.finra.answers import read_json, require_answered
from spine_assets.finra.errors import FinraContradicts
from spine_assets.outbound.client import TooLarge, at_most, require_packed_once

_EARLY_SECONDS = 60.0  # a token is renewed before it expires, so that no page fails
_UNAUTHORIZED = 401
_MOST_BYTES = 100_000  # of the answer with a token, which has some thousand


class ClientCredentials(httpx.Auth):
    """A bearer token on each request, renewed before it expires."""

    def __init__(self, token_url: str, client_id: str, client_secret: str) -> None:
        self._url = token_url
        self._basic = httpx.BasicAuth(client_id, client_secret)
        self._token = ""
        self._expires = 0.0  # on the monotonic clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request with a token, and again with a new one after a 401."""
        if time.monotonic() >= self._expires:
            yield from self._renew(request)
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == _UNAUTHORIZED:
            yield from self._renew(request)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _renew(self, waiting: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Request a token for a request that waits for it, with the same timeout.

        httpx sets none on the requests of an `Auth`.
        """
        request = httpx.Request(
            "POST",
            self._url,
            params={"grant_type": "client_credentials"},
            extensions={"timeout": waiting.extensions["timeout"], **at_most(_MOST_BYTES)},
        )
        response = yield next(self._basic.auth_flow(request))
        try:
            require_packed_once(response)
            response.read()  # here, since other bodies are read by the client, within its limit
        except TooLarge as error:
            raise FinraContradicts(f"{self._url}: {error}") from None
        require_answered(response)
        answer = read_json(response)
        try:
            self._token, lifetime = str(answer["access_token"]), float(answer["expires_in"])
        except (KeyError, TypeError, ValueError) as error:
            raise FinraContradicts(f"{self._url} answered without a token ({error!r})") from error
        self._expires = time.monotonic() + max(lifetime - _EARLY_SECONDS, 0.0)
