"""An S3 server of its own on a free loopback port, for lakes and exports in tests.

    with running() as server:
        bucket = server.new_bucket()

It is moto's, a process that keeps all objects in memory. It answers as S3 does but for two things:
it checks no signature, and two conditional PUTs of one key at once may both succeed, because it
looks and writes in two steps. `s3_front` in front of it makes up for the second. Belongs here:
starting and stopping it, and buckets in it. Does not belong here: faults (`s3_front`).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SECRET = "s3cr3t-aws"  # what no log may show
_START_SECONDS = 60.0  # it takes about two; a machine under load some times that
_LOG_CHARS = 3_000


@dataclass(frozen=True)
class S3Server:
    """A running server, or something in front of one."""

    url: str

    def environment(self) -> dict[str, str]:
        """The variables by which obstore and DuckDB's users find a server and credentials."""
        return environment(self.url)

    def new_bucket(self) -> str:
        """Make an empty bucket; its URL."""
        name = f"b{uuid.uuid4().hex}"
        request = urllib.request.Request(f"{self.url}/{name}", method="PUT")
        urllib.request.urlopen(request).close()
        return f"s3://{name}"


def environment(url: str) -> dict[str, str]:
    """The variables that lead to a server at `url`."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def running() -> Iterator[S3Server]:
    """A server without buckets, gone with all it held when the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with tempfile.NamedTemporaryFile(prefix="spine-s3-") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(process, port, Path(log.name))
            yield S3Server(f"http://127.0.0.1:{port}")
        finally:
            process.kill()  # it holds nothing that is to be kept
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                said = log.read_text(errors="replace")[-_LOG_CHARS:]
                raise RuntimeError(f"no S3 server on port {port}:\n{said}") from None
            time.sleep(0.05)


def free_port() -> int:
    """A port of loopback that nobody listens at now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
