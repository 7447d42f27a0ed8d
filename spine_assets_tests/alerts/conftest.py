"""Servers that alerts are sent to: a webhook over HTTP and a mail server, on loopback."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TOKEN = "T0/B0/s3cr3t-t0ken"
USER, PASSWORD = "olga", "s3cr3t-pass w@rd/"


@dataclass
class Receiver:
    """A webhook that keeps what it was sent; `status` is what it answers."""

    port: int
    status: int = 200
    answer: bytes = b"ok"
    payloads: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/{TOKEN}"

    @property
    def texts(self) -> list[str]:
        """Text of each message."""
        return [payload["text"] for payload in self.payloads]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A webhook on loopback, by default on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.paths.append(self.path)
            if kept.status < 300:
                kept.payloads.append(json.loads(body))
            self.send_response(kept.status)
            self.send_header("content-length", str(len(kept.answer)))
            self.end_headers()
            self.wfile.write(kept.answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    kept = Receiver(server.server_address[1])
    looks = {"poll_interval": 0.01}  # seconds until it is told to end; default: half of one
    thread = threading.Thread(target=server.serve_forever, kwargs=looks, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """A mail server that keeps what it was sent."""

    port: int = 0
    refuse_data: str = ""
    envelopes: list[Envelope] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.refuse_data:
            return self.refuse_data
        self.envelopes.append(envelope)
        self.encrypted.append(session.ssl is not None)
        return "250 kept"

    @property
    def mails(self) -> list[EmailMessage]:
        """The mails, parsed."""
        found = [
            message_from_bytes(item.original_content or b"", policy=policy.default)
            for item in self.envelopes
        ]
        return [mail for mail in found if isinstance(mail, EmailMessage)]


def body(mail: EmailMessage) -> str:
    """The text of a mail."""
    text = mail.get_content()
    assert isinstance(text, str)
    return text


@contextmanager
def mailing(**options: Any) -> Iterator[Mailbox]:
    """A mail server on a free port of loopback."""
    mailbox = Mailbox(port=free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **options)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


def logins() -> dict[str, Any]:
    """Options of a mail server that takes mail from USER only, and over TLS."""

    def known(_: object, __: object, ___: object, ____: object, given: Any) -> AuthResult:
        wanted = LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=given == wanted, handled=False)

    return {"authenticator": known, "auth_required": True}


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert isinstance(port, int)
    return port


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiving() as kept:
        yield kept


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mailing() as kept:
        yield kept


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for loopback that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(made)),
        ],
        check=True,
        capture_output=True,
    )
    return made, key


@pytest.fixture
def serving_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """What a server with that certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No destination, proxy or `.env` of the caller reaches a test."""
    import os

    for name in os.environ:
        if name.startswith("SPINE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
