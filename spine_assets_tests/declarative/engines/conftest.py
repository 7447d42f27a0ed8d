"""A small lake, and servers on loopback, for engines to work with."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from spine_assets.declarative.place import Place
from spine_assets_tests.alerts import conftest as alerts
from spine_assets_tests.analysis_lake import ATS, Row, lake_of

T1 = "NMS_TIER_1"
WEEK, EARLIER = date(2025, 11, 21), date(2025, 11, 14)
ROWS = [
    Row(WEEK, T1, "AAPL", "UBSA", "1000", 10),
    Row(WEEK, T1, "AAPL", "XSTM", "250.5", 3),
    Row(WEEK, T1, "MSFT", "UBSA", "40", 2),
    Row(EARLIER, T1, "AAPL", "UBSA", "900", 9),
]
assert {row.venue_class for row in ROWS} == {ATS}

certificate = alerts.certificate  # fixtures
mailbox = alerts.mailbox
no_settings = alerts.no_settings
serving_tls = alerts.serving_tls
webhook = alerts.webhook


@pytest.fixture(scope="session")
def made_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two weeks, the newer of three rows, that has been asked once."""
    root = tmp_path_factory.mktemp("made")
    lake_of(root / "lake", ROWS)
    with Place(root / "lake", root).connect():
        return root / "lake"


@pytest.fixture
def root(tmp_path: Path, made_lake: Path) -> Path:
    """A data folder with a copy of that lake."""
    shutil.copytree(made_lake, tmp_path / "lake")
    return tmp_path


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an S3 server on loopback, a process of its own."""
    port = alerts.free_port()
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        for _ in range(600):  # a minute, for a busy machine
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket, which the environment leads to."""
    for name, value in s3_environment(s3_server).items():
        monkeypatch.setenv(name, value)
    name = f"b{uuid.uuid4().hex}"
    request = urllib.request.Request(f"{s3_server}/{name}", method="PUT")
    urllib.request.urlopen(request).close()
    return f"s3://{name}"


def s3_environment(server: str) -> dict[str, str]:
    """The variables by which obstore finds a server and its credentials."""
    return {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t-aws",
        "AWS_REGION": "us-east-1",
    }
