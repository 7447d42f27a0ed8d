"""What passes the guard of `spine ui`, request by request."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from spine_assets.orchestration.web.guard import COOKIE, guarded
from spine_assets.orchestration.web.serve import is_loopback, token_of

HERE = "127.0.0.1:3000"
HOST = f"http://{HERE}"
JSON = {"Content-Type": "application/json"}
MUTATION = quote("mutation { launchRun { __typename } }")
TOKEN = "t" * 43
ALL_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
OPENED = 101


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""


class Server:
    """A server that answers everything, with the guard before it."""

    def __init__(self, *hosts: str, token: str | None = None) -> None:
        async def answered(request: Request) -> PlainTextResponse:
            return PlainTextResponse(request.url.path)

        async def talked(socket: WebSocket) -> None:
            await socket.accept()

        routes = [
            WebSocketRoute("/graphql", talked),
            Route("/{path:path}", answered, methods=ALL_METHODS),
        ]
        self._app = Starlette(routes=routes, middleware=guarded(hosts, token))

    def ask(
        self,
        method: str = "GET",
        address: str = "/",
        headers: Mapping[str, str] | None = None,
        *,
        kind: str = "http",
    ) -> Answer:
        """A request as a web server passes it on."""
        path, _, query = address.partition("?")
        given = {"Host": HERE, **(headers or {})}
        scope: dict[str, Any] = {
            "type": kind,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(n.lower().encode(), text.encode()) for n, text in given.items()],
            "scheme": "http" if kind == "http" else "ws",
            "server": ("127.0.0.1", 3000),
            "extensions": {"websocket.http.response": {}},
        }
        if kind == "http":
            scope["method"] = method
        answer = Answer()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"} if kind == "http" else {"type": "websocket.connect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            answer.status = message.get("status", answer.status)
            if message["type"] == "websocket.accept":
                answer.status = OPENED
            for name, text in message.get("headers", ()):
                answer.headers[name.decode()] = text.decode()
            answer.text += message.get("body", b"").decode()

        asyncio.run(self._app(scope, receive, send))
        return answer


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/runs", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
        ("GET", "/assets/otc_raw?query=x", {"Sec-Fetch-Site": "same-origin"}),
        ("GET", "/runs", {"Host": "localhost:3000"}),
        ("GET", "/runs", {"Host": "[::1]:3000"}),
        ("POST", "/graphql", {"Content-Type": "application/json"}),
        ("POST", "/graphql", {"Content-Type": "Application/JSON; charset=utf-8", "Origin": HOST}),
        (
            "POST",
            "/graphql",
            {
                "Content-Type": "application/json",
                "Origin": "https://LOCALHOST",
                "Host": "localhost",
            },
        ),
    ],
)
def test_the_ui_and_programs_pass(method: str, path: str, headers: dict[str, str]) -> None:
    assert Server().ask(method, path, headers).status == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", f"/graphql?query={MUTATION}", {}, 405),
        ("GET", f"/graphql?query={MUTATION}", {"Sec-Fetch-Mode": "navigate"}, 405),
        ("GET", f"/graphql?query={MUTATION}", {"Upgrade": "h2c", "Connection": "upgrade"}, 405),
        ("HEAD", f"/graphql?query={MUTATION}", {}, 405),
        ("GET", f"/%67raphql?query={MUTATION}", {}, 405),
        ("GET", f"/graphql%0a?query={MUTATION}", {}, 405),
        ("GET", f"/x/../graphql?query={MUTATION}", {}, 405),
        ("GET", f"/graphql?a=b&quer%79={MUTATION}", {}, 405),
        ("GET", "/", {"Origin": "http://["}, 403),
        (
            "GET",
            "/runs",
            {
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "iframe",
            },
            403,
        ),
        ("GET", "/favicon.png", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("POST", f"/graphql?query={MUTATION}", {}, 415),
        ("POST", "/graphql", {"Content-Type": "application/graphql"}, 415),
        ("POST", "/graphql", {"Content-Type": "text/plain"}, 415),
        ("POST", "/graphql", {"Content-Type": "text/plain; application/json"}, 415),
        ("POST", "/graphql", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("POST", "/report_asset_materialization/otc_raw", {}, 415),
        ("DELETE", "/graphql", {}, 415),
        ("POST", "/graphql", {**JSON, "Origin": "null"}, 403),
        ("POST", "/graphql", {**JSON, "Origin": ""}, 403),
        (
            "POST",
            "/graphql",
            {**JSON, "Origin": "http://e.example"},
            403,
        ),
        (
            "POST",
            "/graphql",
            {**JSON, "Origin": "http://127.0.0.1:8000"},
            403,
        ),
        (
            "POST",
            "/graphql",
            {**JSON, "Origin": "http://127.0.0.1:3000.e.example"},
            403,
        ),
        (
            "POST",
            "/graphql",
            {**JSON, "Sec-Fetch-Site": "same-site"},
            403,
        ),
        ("GET", "/", {"Host": "evil.example"}, 400),
        ("GET", "/", {"Host": "127.0.0.1.evil.example:3000"}, 400),
        ("GET", "/", {"Host": ""}, 400),
        (
            "POST",
            "/graphql",
            {
                **JSON,
                "Host": "evil.example:3000",
                "Origin": "http://evil.example:3000",
            },
            400,
        ),
    ],
)
def test_what_other_pages_can_send_is_refused(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = Server().ask(method, path, headers)
    assert (answer.status, answer.text.startswith("/")) == (status, False)


def test_no_other_site_shows_it_in_a_frame() -> None:
    assert Server().ask().headers["x-frame-options"] == "SAMEORIGIN"


def test_a_name_that_was_allowed_is_one_of_the_server() -> None:
    named = Server("spine.example")
    assert named.ask(headers={"Host": "spine.example:3000"}).status == 200
    assert named.ask(headers={"Host": "x.spine.example"}).status == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": HOST}, OPENED),
        ({}, OPENED),
        ({"Origin": "http://e.example"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Host": "e.example"}, 400),
    ],
)
def test_a_websocket_is_of_the_uis_own_page(headers: dict[str, str], status: int) -> None:
    assert Server().ask("", "/graphql", headers, kind="websocket").status == status


class TestToken:
    def test_whoever_has_none_sees_nothing(self) -> None:
        shut = Server(token=TOKEN)
        for headers in (
            {},
            {"Authorization": "Bearer "},
            {"Authorization": f"Bearer {TOKEN[1:]}"},
            {"Cookie": f"{COOKIE}_3000=\xe9"},
            {"Cookie": f"{COOKIE}_3000={TOKEN}"},
            {"Authorization": TOKEN},
        ):
            answer = shut.ask(headers=headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        for place in ("/graphql", f"/graphql?token={TOKEN}"):
            assert shut.ask("", place, kind="websocket").status == 401

    def test_the_printed_address_leaves_a_cookie_and_no_token_in_the_address(self) -> None:
        shut = Server(token=TOKEN)
        first = shut.ask("GET", f"/runs?token={TOKEN}&view=all")
        assert (first.status, first.headers["location"]) == (303, "/runs?view=all")
        cookie, *options = first.headers["set-cookie"].split("; ")
        assert {*options} == {"HttpOnly", "Path=/", "SameSite=strict"}
        assert cookie.startswith(f"{COOKIE}_3000=")
        assert TOKEN not in cookie
        assert shut.ask("GET", "/runs", {"Cookie": cookie}).status == 200
        assert shut.ask("", "/graphql", {"Cookie": cookie}, kind="websocket").status == OPENED

    def test_it_leads_to_no_other_server(self) -> None:
        first = Server(token=TOKEN).ask("GET", f"//evil.example/?token={TOKEN}")
        assert first.headers["location"] == "/evil.example/"

    def test_a_program_sends_it_as_a_bearer(self) -> None:
        headers = {**JSON, "Authorization": f"Bearer {TOKEN}"}
        assert Server(token=TOKEN).ask("POST", "/graphql", headers).status == 200

    @pytest.mark.parametrize(
        ("text", "mode"), [("", 0o600), ("short", 0o600), (TOKEN, 0o644), ("\x00" * 43, 0o600)]
    )
    def test_a_file_that_is_no_token_of_ones_own_is_refused(
        self, text: str, mode: int, tmp_path: Path
    ) -> None:
        path = tmp_path / "ui-token"
        path.write_text(text)
        path.chmod(mode)
        with pytest.raises(PermissionError, match="remove it"):
            token_of(path)

    def test_it_is_kept_and_only_its_owner_reads_it(self, tmp_path: Path) -> None:
        path = tmp_path / "dagster" / "ui-token"
        token = token_of(path)
        assert len(token) >= 43
        assert token_of(path) == token
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.unlink()
        assert token_of(path) != token


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x", False)],
)
def test_what_listens_for_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) is own
