"""nginx with the configuration that is shipped, on free ports of loopback, as a plain process.

Belongs here: starting it, its keys and passwords, and asking it byte by byte. Does not belong here:
Dagster's servers behind it (`conftest`).
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from spine_assets_tests.support.projects import SOURCE
from spine_assets_tests.support.servers import START_SECONDS, STOP_SECONDS, free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
OPENSSL = shutil.which("openssl")
MISSING = "needs nginx and openssl of the machine (apt-get install nginx-light openssl)"
FILES = ("nginx.conf", "nginx-api.conf")
PORTS = {"operators": 3000, "readers": 3001, "ui": 8443, "read_only_ui": 8444, "api": 8445}
"""The ports that the shipped files name."""
PASSWORD = "only-for-this-test"


@dataclass(frozen=True)
class Answer:
    """What came back: status (0 where the connection was just closed), headers, body."""

    status: int
    head: str
    body: bytes


@dataclass
class Proxy:
    """A folder that is given to nginx by -p."""

    folder: Path
    ports: dict[str, int]
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def certificate(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.ports['api']}"

    def add_key(self, role: str, name: str) -> str:
        """As docs/from-outside.md says; takes effect with the next reload."""
        key = secrets.token_hex(32)
        with (self.folder / f"{role}.keys").open("a") as file:
            file.write(f'"~^{key}$" {name};\n')
        self.keys[name] = key
        return key

    def drop_key(self, role: str, name: str) -> None:
        path = self.folder / f"{role}.keys"
        kept = [line for line in path.read_text().splitlines(True) if f" {name};" not in line]
        path.write_text("".join(kept))

    def command(self, *words: str) -> list[str]:
        """nginx on this folder; under root its workers must be able to read it."""
        assert NGINX is not None
        user = "user root; " if os.geteuid() == 0 else ""
        place = ("-p", str(self.folder), "-c", str(self.folder / "nginx.conf"))
        return [NGINX, *place, "-g", f"{user}daemon off;", *words]

    def reload(self) -> None:
        subprocess.run(self.command("-s", "reload"), check=True, capture_output=True)

    def speak(self, raw: bytes, port: str = "api") -> Answer:
        """Send bytes as they are, and read until the server closes."""
        address = ("127.0.0.1", self.ports[port])
        with (
            socket.create_connection(address, START_SECONDS) as plain,
            self.trusted.wrap_socket(plain, server_hostname="localhost") as channel,
        ):
            channel.sendall(raw)
            parts = []
            while part := channel.recv(65536):
                parts.append(part)
                if b"101 Switching Protocols" in parts[0]:
                    break
        said = b"".join(parts)
        if not said.startswith(b"HTTP/"):  # an answer to a request without a version
            return Answer(0, "", said)
        head, _, body = said.partition(b"\r\n\r\n")
        return Answer(int(head.split(b" ", 2)[1]), head.decode("latin-1"), body)

    def ask(
        self, method: str, path: str, headers: list[str], body: str = "", port: str = "api"
    ) -> Answer:
        """One request of HTTP/1.1 with just these headers."""
        length = [f"Content-Length: {len(body)}"] if body else []
        closing = [] if any(line.startswith("Connection:") for line in headers) else [CLOSE]
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *closing, *length, *headers]
        return self.speak(("\r\n".join(lines) + f"\r\n\r\n{body}").encode(), port)

    def logs(self) -> str:
        """All that nginx wrote."""
        return "".join(path.read_text() for path in self.folder.glob("*.log"))


CLOSE = "Connection: close"


def prepare(folder: Path, ports: dict[str, int]) -> Proxy:
    """The shipped files with other ports, a certificate, passwords, and no keys."""
    folder.mkdir(mode=0o700)
    for name in FILES:
        (folder / name).write_text(with_ports((SOURCE / "deploy" / name).read_text(), ports))
    assert OPENSSL is not None
    told = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
    told += "subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout tls.key -out tls.crt"
    subprocess.run([OPENSSL, *told.split()], cwd=folder, check=True, capture_output=True)
    hashing = [OPENSSL, "passwd", "-apr1", PASSWORD]
    hashed = subprocess.run(hashing, check=True, capture_output=True, text=True).stdout
    (folder / "operators.htpasswd").write_text(f"olga:{hashed}")
    (folder / "readers.htpasswd").write_text(f"rita:{hashed}")
    for role in ("operators", "readers"):
        (folder / f"{role}.keys").touch()
    return Proxy(folder, ports)


def with_ports(text: str, ports: dict[str, int]) -> str:
    """A text in which the ports stand that are used here; nothing else is changed."""
    for name, shown in PORTS.items():
        text = text.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{ports[name]}")
    return text


def free_ports(**known: int) -> dict[str, int]:
    """A port for each that the files name."""
    return {name: known.get(name) or free_port() for name in PORTS}


@contextmanager
def serving(proxy: Proxy) -> Iterator[None]:
    """nginx runs."""
    process = subprocess.Popen(proxy.command(), stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
