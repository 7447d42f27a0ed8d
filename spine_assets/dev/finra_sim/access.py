"""Who may have data: OAuth2 client credentials as FINRA asks for them.

Belongs here: giving and judging tokens. Does not belong here: HTTP (`app`).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from threading import Lock
from time import monotonic

from spine_assets.dev.finra_sim.options import Options


class Unauthorized(Exception):
    """FINRA answers 401."""


class Forbidden(Exception):
    """FINRA answers 403."""


class Access:
    """Tokens that were given, and until when they hold."""

    def __init__(self, options: Options, clock: Callable[[], float] = monotonic) -> None:
        self._options, self._clock = options, clock
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = Lock()

    def token(self, authorization: str | None) -> str:
        """A new token for HTTP Basic credentials.

        Raises:
            Unauthorized: the credentials are missing, unreadable or wrong.
        """
        scheme, _, packed = (authorization or "").partition(" ")
        try:
            text = base64.b64decode(packed.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Unauthorized("the credentials cannot be read") from None
        client, _, secret = text.partition(":")
        known = self._options.clients.get(client)
        if (
            scheme.casefold() != "basic"
            or known is None
            or not secrets.compare_digest(known.encode(), secret.encode())
        ):
            raise Unauthorized("wrong client credentials")
        token = secrets.token_urlsafe()
        with self._lock:
            self._tokens[token] = (client, self._clock() + self._options.token_seconds)
        return token

    def check(self, authorization: str | None) -> None:
        """Let a request for data pass.

        Raises:
            Unauthorized: a token is needed, or the one given is unknown or has run out.
            Forbidden: the token's client may not have the data.
        """
        if authorization is None:
            if self._options.require_auth:
                raise Unauthorized("a token is needed")
            return
        scheme, _, token = authorization.partition(" ")
        with self._lock:
            client, until = self._tokens.get(token.strip(), ("", 0.0))
        if scheme.casefold() != "bearer" or not client:
            raise Unauthorized("unknown token")
        if self._clock() >= until:
            raise Unauthorized("the token has run out")
        if client not in self._options.entitled:
            raise Forbidden(f"{client} is not entitled to this dataset")

    def expire_all(self) -> int:
        """End all tokens now; how many there were."""
        with self._lock:
            self._tokens = {token: (client, 0.0) for token, (client, _) in self._tokens.items()}
            return len(self._tokens)
