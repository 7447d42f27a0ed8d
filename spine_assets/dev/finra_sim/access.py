"""Who may read data: OAuth2 client credentials as FINRA requires them.

Belongs here: issuing and checking tokens. Does not belong here: HTTP (`app`).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from threading import Lock
from time import monotonic

from spine_assets.dev.finra_sim.options import SimOptions


class Denied(Exception):
    """FINRA answers with `status`: 401 or 403 without the right to the data, 404 without data."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Access:
    """Tokens that were issued, and when each expires."""

    def __init__(self, options: SimOptions, clock: Callable[[], float] = monotonic) -> None:
        self._options, self._clock = options, clock
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = Lock()

    def token(self, authorization: str | None) -> str:
        """Issue a token for HTTP Basic credentials.

        Raises:
            Denied: the credentials are missing, unreadable or wrong.
        """
        scheme, _, packed = (authorization or "").partition(" ")
        try:
            text = base64.b64decode(packed.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Denied(401, "the credentials cannot be read") from None
        client, _, secret = text.partition(":")
        known = self._options.clients.get(client)
        if (
            scheme.casefold() != "basic"
            or known is None
            or not secrets.compare_digest(known.encode(), secret.encode())
        ):
            raise Denied(401, "wrong client credentials")
        token = secrets.token_urlsafe()
        with self._lock:
            self._tokens[token] = (client, self._clock() + self._options.token_seconds)
        return token

    def check(self, authorization: str | None) -> None:
        """Let a request for data pass.

        Raises:
            Denied: a token is required, unknown or expired, or its client may not read the data.
        """
        if authorization is None:
            if self._options.require_auth:
                raise Denied(401, "a token is required")
            return
        scheme, _, token = authorization.partition(" ")
        with self._lock:
            client, until = self._tokens.get(token.strip(), ("", 0.0))
        if scheme.casefold() != "bearer" or not client:
            raise Denied(401, "unknown token")
        if self._clock() >= until:
            raise Denied(401, "the token has expired")
        if client not in self._options.entitled:
            raise Denied(403, f"{client} is not entitled to this dataset")

    def expire_all(self) -> int:
        """Expire all tokens now; returns how many there were."""
        with self._lock:
            self._tokens = {token: (client, 0.0) for token, (client, _) in self._tokens.items()}
            return len(self._tokens)
