"""A web server on loopback that answers as a test says, and keeps what it was asked."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """An answer.

    Attributes:
        length: What Content-Length says; None says nothing, default: the truth.
        chunked: Sent in chunks, the last of which is left out where it is cut.
        waits: Seconds before the body's second half.
        each: Seconds after each byte of the body's first half.
        held: Where given, the second half is sent when this is set.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1
    chunked: bool = False
    cut: bool = False
    waits: float = 0.0
    each: float = 0.0
    held: threading.Event | None = None


@dataclass
class Site:
    """Pages by path, and the requests that came: path and headers by lower-case name."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def server(self) -> str:
        """Host and port."""
        return self.url.partition("://")[2]


@contextmanager
def serving(
    tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Site]:
    """A server on loopback, by default on a free port."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = {name.lower(): value for name, value in self.headers.items()}
            site.asked.append((self.path, told))
            page = site.pages.get(self.path.partition("?")[0], Page(b"nothing", 404))
            with suppress(OSError):  # who asked has gone
                send(self, page)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing on standard error."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.url = f"http{'s' if tls else ''}://{host}:{server.server_address[1]}"
    looks = {"poll_interval": 0.01}  # seconds until it is told to end; default: half of one
    thread = threading.Thread(target=server.serve_forever, kwargs=looks, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, page: Page) -> None:
    """Send a page as it is to be sent."""
    if page.chunked:
        handler.protocol_version = "HTTP/1.1"
    handler.send_response(page.status)
    for name, value in page.headers.items():
        handler.send_header(name, value)
    if page.chunked:
        handler.send_header("transfer-encoding", "chunked")
    elif page.length is not None:
        length = len(page.body) if page.length < 0 else page.length
        handler.send_header("content-length", str(length))
    handler.end_headers()
    middle = len(page.body) // 2
    step = 1 if page.each else max(middle, 1)
    for begin in range(0, middle, step):
        write(handler, page, page.body[begin : begin + step])
        handler.wfile.flush()
        time.sleep(page.each)
    time.sleep(page.waits)
    if page.held is not None:
        page.held.wait()
    write(handler, page, page.body[middle:])
    if page.chunked and not page.cut:
        handler.wfile.write(b"0\r\n\r\n")
    handler.close_connection = True


def write(handler: BaseHTTPRequestHandler, page: Page, piece: bytes) -> None:
    """Send a part of a body."""
    if page.chunked and piece:
        piece = b"%x\r\n%b\r\n" % (len(piece), piece)
    handler.wfile.write(piece)
