"""What reaches Dagster of a request with a valid key, and how much may be asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from spine_assets_tests.outside.attempts import JSON, QUERY
from spine_assets_tests.outside.nginx import (
    MISSING,
    NGINX,
    OPENSSL,
    Proxy,
    free_ports,
    prepare,
    serving,
)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(NGINX is None or OPENSSL is None, reason=MISSING),
]


class _Echo(BaseHTTPRequestHandler):
    """Answers with the request as it came."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        said = json.dumps([self.path, dict(self.headers)]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def echoed(tmp_path: Path) -> Iterator[Proxy]:
    """The proxy before a server that tells what reaches it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        proxy = prepare(tmp_path / "proxy", free_ports(operators=port, readers=port))
        proxy.add_key("operators", "nightly")
        (proxy.folder / "readers.keys").write_text('"~^$" nobody;\n"~^x*$" short;\n')
        with serving(proxy):
            while not _answers(proxy):
                pass
            yield proxy
        server.shutdown()


def _answers(proxy: Proxy) -> bool:
    try:
        return proxy.ask("GET", "/", []).status == 401
    except ConnectionError:
        return False


def test_only_what_dagster_needs_goes_on_to_it(echoed: Proxy) -> None:
    key = f"X-API-Key: {echoed.keys['nightly']}"
    more = ["Cookie: a=b", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-User: root", "Forwarded: for=x"]
    answer = echoed.ask("POST", "/%67raphql?a=b", [JSON, key, "Authorization: b", *more], QUERY)
    path, headers = json.loads(answer.body)
    assert path == "/graphql"
    assert headers == {
        "Host": "localhost",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "https",
        "Content-Type": "application/json",
        "Content-Length": str(len(QUERY)),
        "Connection": "close",
    }


def test_a_line_without_a_key_lets_nobody_in(echoed: Proxy) -> None:
    for key in ("", "x", "xx"):
        assert echoed.ask("POST", "/graphql", [JSON, f"X-API-Key: {key}"], QUERY).status == 401


def test_size_and_rate_are_bounded(echoed: Proxy) -> None:
    key = f"X-API-Key: {echoed.keys['nightly']}"
    large = echoed.ask("POST", "/graphql", [JSON, key], "x" * 300_000)
    assert large.status == 413
    one = f"POST /graphql HTTP/1.1\r\nHost: x\r\n{key}\r\nContent-Length: 2\r\n"
    last = f"{one}Connection: close\r\n\r\n{{}}"
    answers = echoed.speak(f"{one}\r\n{{}}".encode() * 200 + last.encode())
    assert b"HTTP/1.1 429 " in answers.body
    assert answers.status == 200
