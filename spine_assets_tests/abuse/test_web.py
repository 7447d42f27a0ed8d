"""The web server: on loopback unless told otherwise, and read-only where asked for that."""

from __future__ import annotations

import os
import re
import subprocess
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from spine_assets_tests.support.projects import (
    SOURCE,
    Project,
)
from spine_assets_tests.support.servers import START_SECONDS, Server, free_port, started, wait_until

LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on PythonError { message }
  }
}
"""
RUN: dict[str, Any] = {
    "selector": {
        "repositoryLocationName": "spine_assets",
        "repositoryName": "__repository__",
        "jobName": "otc_weekly",
    },
    "mode": "default",
    "runConfigData": "{}",
    "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "2025-11-21"}]},
}
_LISTENING = "0A"  # TCP_LISTEN, in the fourth column of /proc/net/tcp


def listening() -> dict[str, tuple[str, int]]:
    """By inode of the socket, each (address, port) that is listened on."""
    found = {}
    for table in ("tcp", "tcp6"):
        for row in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == _LISTENING:
                address, port = fields[1].split(":")
                words = [
                    bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)
                ]
                found[fields[9]] = (str(ip_address(b"".join(words))), int(port, 16))
    return found


def sockets_below(root: Path) -> list[tuple[str, int]]:
    """What the processes that run in a folder listen on."""
    held = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == root:
                held |= {str(fd.readlink()) for fd in (process / "fd").iterdir()}
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return [place for inode, place in listening().items() if f"socket:[{inode}]" in held]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="tells sockets by Linux' /proc")
@pytest.mark.long
@pytest.mark.long
def test_dagster_dev_listens_on_loopback_only(project: Project) -> None:
    port = free_port()
    server = Server(port)
    with started(project, "dev", "-m", "dagster", "dev", "-p", str(port)):
        wait_until(server.answers, START_SECONDS, project, "the start of dagster dev")
        found = sockets_below(project.root)
    assert ("127.0.0.1", port) in found
    assert [place for place in found if not ip_address(place[0]).is_loopback] == []


def test_make_ui_names_loopback() -> None:
    told = subprocess.run(
        ["make", "-n", "ui"], cwd=SOURCE, capture_output=True, text=True, check=True
    ).stdout
    (host,) = re.findall(r"spine ui .*-h (\S+)", told)
    assert IPv4Address(host).is_loopback


@pytest.mark.long
def test_a_read_only_server_shows_but_launches_nothing(project: Project) -> None:
    port = free_port()
    server = Server(port)
    serve = ("-m", "dagster_webserver", "--read-only", "-h", "127.0.0.1", "-p", str(port))
    with started(project, "webserver", *serve):
        wait_until(server.answers, START_SECONDS, project, "the webserver's start")
        nodes = server.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
        assert ["otc_raw"] in [node["assetKey"]["path"] for node in nodes]
        launched = server.ask(LAUNCH, params=RUN)["launchRun"]
        runs = server.ask("{ runsOrError { ... on Runs { count } } }")["runsOrError"]
    assert launched["__typename"] == "UnauthorizedError", launched
    assert runs == {"count": 0}
    assert not os.path.lexists(project.lake / "otc_raw" / "week_ending=2025-11-21")
