"""In front of an S3 server: the faults that a real one has, each behind a switch.

    with s3.running() as server, fronting(server) as front:
        front.stale_listing(bucket)      # LIST tells what was there now; GET, HEAD, PUT stay strong
        front.catch_up()                 # it tells what is there
        front.cut_puts(after=1_000)      # the next PUT's connection breaks after 1,000 bytes
        front.drop_answers()             # the next PUT is done, but its answer is lost
        front.deny_puts()                # the next PUT is done, but its answer says 500
        front.slow_down(3)               # the next three requests are answered 503 SlowDown

Requests are passed on as they are, by a thread a connection; changes of one key go one after
another, so that a conditional PUT looks and writes in one step as S3 does. Belongs here: passing
on, faults, counts. Does not belong here: what a listing told (`s3_listing`).
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree as ET

from spine_assets_tests.support.s3 import S3Server
from spine_assets_tests.support.s3_listing import Entry, OldListing, entries, next_token

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
_INTERNAL = b"<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>"
_SECONDS = 60.0  # of one request to the server behind


@dataclass(frozen=True)
class Asked:
    """A request: its method, bucket, key and query; `kind` is what counts are kept by."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    conditional: bool

    @property
    def kind(self) -> str:
        """GET, HEAD, LIST, PUT, PUT-IF (with a condition), DELETE, POST."""
        if self.method == "GET" and not self.key and self.bucket:
            return "LIST"
        return f"{self.method}-IF" if self.method == "PUT" and self.conditional else self.method


@dataclass
class _Fault:
    """What is done to `left` requests whose key holds `named`, when `skip` of them have passed."""

    left: int = 0
    named: str = ""
    after: int = 0
    skip: int = 0
    reached: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Front(S3Server):
    """A front with its switches; requests and bytes are counted by kind."""

    behind: str
    latency: list[float] = field(default_factory=lambda: [0.0])
    requests: Counter[str] = field(default_factory=Counter)
    bytes_out: Counter[str] = field(default_factory=Counter)
    _faults: dict[str, _Fault] = field(default_factory=dict)
    _listings: dict[str, OldListing] = field(default_factory=dict)
    _lag: list[float] = field(default_factory=lambda: [float("inf")])
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _keys: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def delay(self, seconds: float) -> None:
        """Every request is answered this much later."""
        self.latency[0] = seconds

    def stale_listing(self, bucket: str, seconds: float = float("inf")) -> None:
        """LIST tells what was there `seconds` ago; by default what is there now, for good."""
        name = bucket.removeprefix("s3://").partition("/")[0]
        self._lag[0] = seconds
        self._listings[name] = OldListing(name, _listed(self.behind, name))

    def catch_up(self) -> None:
        """LIST tells all that was changed until now; what comes later is told late again."""
        for listing in self._listings.values():
            listing.tell_until(time.monotonic())

    def strong_listing(self) -> None:
        """LIST tells what is there."""
        self._listings.clear()

    def cut_puts(self, after: int, times: int = 1, named: str = "") -> None:
        """Break the connection of the next PUTs after some bytes of their body."""
        self._faults["cut"] = _Fault(times, named, after)

    def hold_put(self, after: int, named: str = "") -> threading.Event:
        """Read no more of the next PUT than some bytes; the event tells that it is so."""
        self._faults["hold"] = _Fault(1, named, after)
        return self._faults["hold"].reached

    def drop_answers(self, times: int = 1, named: str = "", *, skip: int = 0) -> None:
        """Do the next PUTs after `skip`, and break their connections instead of answering."""
        self._faults["drop"] = _Fault(times, named, skip=skip)

    def deny_puts(self, times: int = 1, named: str = "", *, skip: int = 0) -> None:
        """Do the next PUTs after `skip`, and answer 500 as if they had not been done."""
        self._faults["deny"] = _Fault(times, named, skip=skip)

    def slow_down(self, times: int, *, skip: int = 0) -> None:
        """Answer the next requests after `skip`, of whatever kind, with 503 SlowDown."""
        self._faults["slow"] = _Fault(times, skip=skip)

    def was_met(self, name: str) -> bool:
        """Whether as many requests came as a fault was to meet."""
        return not self._faults[name].left

    def due(self, name: str, key: str) -> _Fault | None:
        """The fault that this request is to have, if any; it is used up by that."""
        with self._guard:
            fault = self._faults.get(name)
            if fault is None or not fault.left or fault.named not in key:
                return None
            if fault.skip:
                fault.skip -= 1
                return None
            fault.left -= 1
            return fault

    def count(self, kind: str, size: int) -> None:
        """Count a request and the bytes of its answer."""
        with self._guard:
            self.requests[kind] += 1
            self.bytes_out[kind] += size

    def one_by_one(self, bucket: str, keys: list[str]) -> ExitStack:
        """Hold keys, in their order, until the stack is closed."""
        with self._guard:
            locks = [self._keys[f"{bucket}/{key}"] for key in sorted({*keys})]
        stack = ExitStack()
        for lock in locks:
            stack.enter_context(lock)
        return stack

    def old_listing(self, bucket: str) -> OldListing | None:
        """What LIST of a bucket tells, where that is not what is there."""
        listing = self._listings.get(bucket)
        if listing is not None:
            listing.tell_until(time.monotonic() - self._lag[0])
        return listing

    def note(self, bucket: str, keys: list[str]) -> None:
        """Keep for a late listing what became of keys; to be called while they are held."""
        listing = self._listings.get(bucket)
        for key in keys if listing is not None else ():
            found = _listed(self.behind, bucket, key)
            assert listing is not None
            listing.changed(key, found.get(key))


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections
    disable_nagle_algorithm = True
    wbufsize = 65_536  # head and body of a small answer leave together
    front: Front
    behind: http.client.HTTPConnection | None = None

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_any(self) -> None:
        """Pass a request on, or let it meet the fault that is due."""
        asked = self._asked()
        time.sleep(self.front.latency[0])
        try:
            body = self._body(asked)
        except ConnectionAbortedError:
            self.front.count(asked.kind, 0)
            return
        if self.front.due("slow", asked.key):
            self._answer(asked, 503, {"Content-Type": "application/xml"}, _SLOW_DOWN)
            return
        listing = self.front.old_listing(asked.bucket) if asked.kind == "LIST" else None
        if listing is not None and asked.query.get("list-type") == "2":
            page = listing.answer(asked.query)
            self._answer(asked, 200, {"Content-Type": "application/xml"}, page)
            return
        status, headers, content = self._passed_on(asked, body)
        if asked.method == "PUT" and self.front.due("drop", asked.key):
            self.front.count(asked.kind, 0)
            self._break()
            return
        if asked.method == "PUT" and self.front.due("deny", asked.key):
            status, headers, content = 500, {"Content-Type": "application/xml"}, _INTERNAL
        self._answer(asked, status, headers, content)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = do_any  # noqa: N815 - names of the library

    def _asked(self) -> Asked:
        split = urlsplit(self.path)
        bucket, _, key = unquote(split.path).lstrip("/").partition("/")
        conditional = bool(self.headers["If-None-Match"] or self.headers["If-Match"])
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        return Asked(self.command, bucket, key, query, conditional)

    def _body(self, asked: Asked) -> bytes:
        """What was sent with the request.

        Raises:
            ConnectionAbortedError: the connection is to break, and is broken, within it.
        """
        size = int(self.headers["Content-Length"] or 0)
        if asked.method == "PUT":
            if cut := self.front.due("cut", asked.key):
                self.rfile.read(min(cut.after, size))
                self._break()
                raise ConnectionAbortedError
            if held := self.front.due("hold", asked.key):
                self.rfile.read(min(held.after, size))
                held.reached.set()
                self._wait_for_end()
                raise ConnectionAbortedError
        body = self.rfile.read(size)
        if len(body) < size:  # the client is gone: half an object is none
            self._break()
            raise ConnectionAbortedError
        return body

    def _wait_for_end(self) -> None:
        """Until the client hangs up; what it sends is not read, so that it cannot go on."""
        while True:
            try:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    break
            except OSError:
                break
            if self._hung_up():
                break
            time.sleep(0.05)
        self._break()

    def _hung_up(self) -> bool:
        """Whether the system knows that the other side is gone (state CLOSE or CLOSE_WAIT)."""
        state = self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state in {7, 8}

    def _passed_on(self, asked: Asked, body: bytes) -> tuple[int, dict[str, str], bytes]:
        changed = _changed(asked, body)
        with self.front.one_by_one(asked.bucket, changed):
            status, headers, content = self._of_server(body)
            if status < 300:
                self.front.note(asked.bucket, changed)
        return status, headers, content

    def _of_server(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.behind is None:
            self.behind = http.client.HTTPConnection(
                self.front.behind.removeprefix("http://"), timeout=_SECONDS
            )
        kept = {k: v for k, v in self.headers.items() if k.lower() not in _OF_ONE_CONNECTION}
        self.behind.request(self.command, self.path, body or None, kept)
        answer = self.behind.getresponse()
        content = answer.read()
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in _OF_ONE_CONNECTION}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.headers["Content-Length"] or "0"
        return answer.status, headers, content

    def _answer(self, asked: Asked, status: int, headers: dict[str, str], content: bytes) -> None:
        self.front.count(asked.kind, len(content))  # before its client can ask for it
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def _break(self) -> None:
        """End the connection as a cable that is pulled: a reset, no goodbye."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class _Listening(ThreadingHTTPServer):
    request_queue_size = 512  # many readers begin at once
    daemon_threads = True

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close without the goodbye that the library says first, so that a reset is one."""
        self.close_request(request)

    def handle_error(self, *_: object) -> None:
        """A client that is gone is no news."""


@contextmanager
def fronting(server: S3Server) -> Iterator[Front]:
    """A front of a server, in threads of this process, until the block ends."""

    class Handler(_Passing):
        pass

    listening = _Listening(("127.0.0.1", 0), Handler)
    front = Front(f"http://127.0.0.1:{listening.server_port}", server.url)
    Handler.front = front
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield front
    finally:
        listening.shutdown()
        thread.join()
        listening.socket.close()  # what is under way is left to its thread


def _changed(asked: Asked, body: bytes) -> list[str]:
    """Keys that a request changes."""
    if asked.method in {"GET", "HEAD"}:
        return []
    if "delete" in asked.query:  # of many objects at once
        found = [element for element in ET.fromstring(body).iter() if element.tag.endswith("Key")]
        return [element.text or "" for element in found]
    return [asked.key] if asked.key else []


def _listed(server: str, bucket: str, key: str = "") -> dict[str, Entry]:
    """All objects of a bucket as its listing tells them now, or the one of a key."""
    found: dict[str, Entry] = {}
    token: str | None = ""
    while token is not None:
        query = f"list-type=2&prefix={quote(key, safe='')}"
        if token:
            query += f"&continuation-token={quote(token, safe='')}"
        with urllib.request.urlopen(f"{server}/{bucket}?{query}") as answer:
            page = answer.read()
        found |= entries(page)
        token = None if key else next_token(page)
    return found
