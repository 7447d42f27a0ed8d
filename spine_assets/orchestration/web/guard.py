"""What a request must be before Dagster's web server sees it.

Dagster has no login, and executes a query, even one that starts a run, in the address of a GET: a
picture on any page could start one with the browser of whoever has the UI open. Belongs here: the
rules, as ASGI middleware. Does not belong here: starting servers (`web.serve`).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine in the header Host."""
COOKIE = "spine_ui"
PARAMETER = "token"
_LOOKS = ("GET", "HEAD", "OPTIONS")
_JSON = "application/json"


def guarded(hosts: Sequence[str], token: str | None) -> list[Middleware]:
    """The middleware of a web server.

    Args:
        hosts: Names by which the server may be asked, beside those of this machine. Another name
            may be a page's own that was made to lead here (DNS rebinding).
        token: What a browser must have as a cookie, and a program as `Authorization: Bearer`;
            None where whoever reaches the server may use it.
    """
    names = [*LOOPBACK, *hosts]
    found = [
        Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False),
        Middleware(_OwnPages),
    ]
    return [*found, Middleware(_Token, token=token)] if token else found


class _OwnPages:
    """Requests of pages of other sites, and changes that come otherwise than the UI sends them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._app
        if scope["type"] in ("http", "websocket"):
            answer = _refusal(HTTPConnection(scope)) or self._app

        async def framed(message: Message) -> None:
            """No page of another site shows the UI in a frame of its own."""
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-frame-options"] = "SAMEORIGIN"
            await send(message)

        await answer(scope, receive, framed)


def _refusal(asked: HTTPConnection) -> Response | None:
    """Why a request is not passed on, as its answer."""
    origin = asked.headers.get("origin")
    place = asked.headers["host"].lower()
    if origin is not None and origin.lower() not in (f"http://{place}", f"https://{place}"):
        return _refused(HTTPStatus.FORBIDDEN, "asked by a page of another site")
    method = asked.scope.get("method", "GET")  # of a websocket there is none
    is_page = method == "GET" and asked.headers.get("sec-fetch-mode") == "navigate"
    is_page = is_page and asked.headers.get("sec-fetch-dest", "document") == "document"
    if asked.headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_page:
        return _refused(HTTPStatus.FORBIDDEN, "asked by a page of another site")
    if method not in _LOOKS:
        kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _JSON:
            return _refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send it as {_JSON}")
    elif "query" in asked.query_params and "graphql" in asked.url.path.lower():
        return _refused(HTTPStatus.METHOD_NOT_ALLOWED, "send a query by POST, as JSON")
    return None


class _Token:
    """Whoever has not the token of this installation."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token
        # Not the token itself: browsers send cookies to every port of this machine.
        self._cookie = hashlib.sha256(f"{COOKIE} {token}".encode()).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._app
        if scope["type"] in ("http", "websocket"):
            answer = self._answer(HTTPConnection(scope)) or self._app
        await answer(scope, receive, send)

    def _answer(self, asked: HTTPConnection) -> Response | None:
        kind, _, bearer = asked.headers.get("authorization", "").partition(" ")
        cookie = asked.cookies.get(self._name(asked), "")
        if (kind == "Bearer" and _equal(bearer, self._token)) or _equal(cookie, self._cookie):
            return None
        if (
            _equal(asked.query_params.get(PARAMETER, ""), self._token)
            and asked.scope["type"] == "http"
        ):
            others = [item for item in asked.query_params.multi_items() if item[0] != PARAMETER]
            place = asked.url.path + (f"?{urlencode(others)}" if others else "")
            onward = RedirectResponse(f"/{place.lstrip('/')}", HTTPStatus.SEE_OTHER)
            # Not for other sites' pages, and not for scripts; until the browser is closed.
            onward.set_cookie(self._name(asked), self._cookie, httponly=True, samesite="strict")
            return onward
        refused = _refused(HTTPStatus.UNAUTHORIZED, "open the address that spine ui printed")
        refused.headers["www-authenticate"] = "Bearer"
        return refused

    def _name(self, asked: HTTPConnection) -> str:
        """Of the cookie: one for each port, as cookies know none."""
        _, port = asked.scope.get("server") or ("", "")
        return f"{COOKIE}_{port}"


def _equal(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())


def _refused(status: HTTPStatus, why: str) -> PlainTextResponse:
    return PlainTextResponse(f"{status.value} {status.phrase}: {why}\n", status)
