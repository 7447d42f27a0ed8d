"""`spine finra-sim`, as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets_tests.dev.finra_sim.conftest import DATA, PARTITIONS, partition

SMALL = ["--port", "0", "--rows", "60", "--weeks", "3"]
_SECONDS = 60  # a process takes 2 to 3; a machine under load some times that


@contextmanager
def running(*options: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The command until its block ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from spine_assets.cli import main; main()", "finra-sim", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_ended_and_logs_requests(
    tmp_path: Path, ending: signal.Signals
) -> None:
    options = [*SMALL, "--today", "2025-12-29", "--log", "--json", "--require-auth"]
    with running(*options, cwd=tmp_path) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told["today"] == "2025-12-29"
        assert told["newest_complete_week"] == "2025-11-28"
        assert told["partitions"]["weeklySummary"] == 5
        with httpx.Client(base_url=told["url"], trust_env=False) as client:
            token = client.post(
                "/fip/rest/ews/oauth2/access_token?grant_type=client_credentials",
                auth=("spine-sim", "synthetic"),
            ).json()["access_token"]
            assert client.get(PARTITIONS).status_code == 401
            headers = {"Authorization": f"Bearer {token}"}
            body = {"compareFilters": partition(monday="2025-12-08"), "limit": 7}
            assert client.post(DATA, json=body, headers=headers).status_code == 200
        process.send_signal(ending)
        _, said = process.communicate(timeout=_SECONDS)
        assert process.returncode == 0
    assert "GET partitions weeklySummary -> 401" in said
    assert "POST data weeklySummary 2025-12-08 T1 -> 200, 7 of " in said
    assert said.endswith("stopped\n")
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_it_says_what_it_is_and_what_to_do_next(tmp_path: Path) -> None:
    with running(*SMALL, "--today", "2025-12-22", "--faults", cwd=tmp_path) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip() for _ in range(6)]
        url = lines[0].split()[3].rstrip(",")
        assert lines[0].endswith("as of 2025-12-22")
        assert "synthetic data" in lines[1]
        assert lines[4] == f"next: SPINE_FINRA_URL={url} spine fetch --week 2025-11-21"
        assert "Ctrl-C" in lines[5]
        with httpx.Client(base_url=url, trust_env=False) as client:
            assert len(client.get("/sim/faults").json()["arranged"]) > 3


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(main, ["finra-sim", "--port", port])
    assert done.exit_code == 1
    assert f"port {port} cannot be used" in done.output
    assert "spine finra-sim --port 0" in done.output


@pytest.mark.parametrize("options", [["--today", "29.12.2025"], ["--rows", "0"], ["--port", "-1"]])
def test_wrong_usage_is_told(options: list[str]) -> None:
    done = CliRunner().invoke(main, ["finra-sim", *options])
    assert done.exit_code == 2
