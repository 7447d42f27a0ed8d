"""The address outside that is requested while the daemon works."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from spine_assets.alerts import heartbeat
from spine_assets.alerts.heartbeat import Heartbeat
from spine_assets.defs import alerts as sensor_module
from spine_assets_tests.support.projects import Runner
from spine_assets_tests.support.servers import free_port

TOKEN = "s3cr3t-check"
logger = logging.getLogger(__name__)


@dataclass
class Watch:
    """What the watcher outside has received; `status` is what it answers."""

    port: int
    status: int = 200
    length: int = 0
    paths: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping/{TOKEN}"


@contextmanager
def watching(port: int = 0) -> Iterator[Watch]:
    """A watcher on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            watch.paths.append(self.path)
            self.send_response(watch.status)
            self.send_header("content-length", str(watch.length))
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    watch = Watch(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def at_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_EVERY_SECONDS", 0.0)


def test_it_is_requested_at_most_once_a_minute() -> None:
    with watching() as watch:
        beats = Heartbeat()
        for _ in range(3):
            beats.beat(SecretStr(watch.url), logger)
    assert watch.paths == [f"/ping/{TOKEN}"]


@pytest.mark.usefixtures("at_every_tick")
def test_a_failure_is_logged_once_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    port, beats = free_port(), Heartbeat()
    url = SecretStr(f"http://127.0.0.1:{port}/ping/{TOKEN}")
    for _ in range(3):
        beats.beat(url, logger)
    with watching(port) as watch:
        watch.status = 500
        beats.beat(url, logger)
        watch.status = 200
        beats.beat(url, logger)
        beats.beat(url, logger)
    beats.beat(url, logger)
    texts = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert texts == [
        "the heartbeat (SPINE_HEARTBEAT_URL) is not received: ConnectError",
        "the heartbeat (SPINE_HEARTBEAT_URL) is received again",
        "the heartbeat (SPINE_HEARTBEAT_URL) is not received: ConnectError",
    ]
    assert TOKEN not in caplog.text


@pytest.mark.usefixtures("at_every_tick")
def test_an_answer_that_takes_too_long_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeat, "_TIMEOUT_SECONDS", 0.2)
    silent = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # it answers nobody
    with silent:
        Heartbeat().beat(SecretStr(f"http://127.0.0.1:{silent.server_address[1]}/"), logger)
    assert "ReadTimeout" in caplog.text


def test_the_body_of_an_answer_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with watching() as watch:
        watch.length = 10**9  # of which none is sent
        Heartbeat().beat(SecretStr(watch.url), logger)
    assert watch.paths == [f"/ping/{TOKEN}"]
    assert caplog.text == ""


@pytest.mark.usefixtures("at_every_tick")
def test_a_tick_of_the_sensor_requests_it_without_any_destination_of_alerts(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_module, "_heartbeat", Heartbeat())

    def tick() -> dg.SkipReason:
        context = dg.build_sensor_context(instance=runner.instance, sensor_name="alerts")
        found = sensor_module.alerts(context)
        assert isinstance(found, dg.SkipReason)
        return found

    with watching() as watch:
        tick()
        assert watch.paths == []
        monkeypatch.setenv("SPINE_HEARTBEAT_URL", watch.url)
        assert tick().skip_message == sensor_module.NONE_SET
        assert watch.paths == [f"/ping/{TOKEN}"]
        monkeypatch.setattr(sensor_module, "destinations", _fails)
        with pytest.raises(OSError, match="a tick that fails"):
            tick()
        assert len(watch.paths) == 1
    monkeypatch.undo()


def _fails(_: object) -> None:
    raise OSError("a tick that fails")
