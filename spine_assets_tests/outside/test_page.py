"""What docs/from-outside.md shows to be typed is typed here, from its first block to its last."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spine_assets_tests.outside.conftest import Site, root_of
from spine_assets_tests.outside.nginx import (
    FILES,
    MISSING,
    NGINX,
    OPENSSL,
    PORTS,
    Proxy,
    free_ports,
    with_ports,
)
from spine_assets_tests.support.servers import START_SECONDS, wait_until
from spine_assets_tests.support.shown import NOT_RUN, Block, blocks, shell_blocks

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(NGINX is None or OPENSSL is None, reason=MISSING),
]
PAGE = "from-outside.md"
COMMANDS = [block for block in shell_blocks() if block.page.name == PAGE]
PYTHON = [block for block in blocks("python") if block.page.name == PAGE]


def typed(block: Block) -> str:
    """The block's commands but those that no test runs."""
    return "\n".join(command for command in block.commands if command not in NOT_RUN)


@pytest.fixture
def desk(site: Site, tmp_path: Path) -> Proxy:
    """A checkout whose proxy stands before the site's servers, on ports of its own."""
    known = {name: site.proxy.ports[name] for name in ("operators", "readers")}
    proxy = Proxy(root_of(tmp_path) / "proxy", free_ports(**known))
    for name in FILES:
        path = tmp_path / "deploy" / name
        path.write_text(with_ports(path.read_text(), proxy.ports))
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return proxy


def run(desk: Proxy, script: str) -> str:
    """Let bash run it in the checkout; what it said on both outputs."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", with_ports(script, desk.ports)],
        cwd=desk.folder.parent,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=4 * START_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_the_page_can_be_typed_from_its_first_block_to_its_last(site: Site, desk: Proxy) -> None:
    before = site.runs("api")
    try:
        said = run(desk, "\n".join(typed(block) for block in COMMANDS))
        assert said.count("LaunchRunSuccess") == 1
        assert '"2025-11-21"' in said
        assert re.search(r'"status": ?"SUCCESS"', said)
        assert "CheckEvaluation" in said
        assert "TerminateRunFailure" in said  # it had ended by then
        assert "PartitionBackfill" in said
        assert _shown_row() in said
        assert "Hello, World!" in said
        assert site.runs("api") >= before + 4
        assert "[operator nightly] " in (desk.folder / "api.log").read_text()
        key = re.findall(r"[0-9a-f]{64}", (desk.folder / "board.header").read_text())[0]
        header = ["Content-Type: application/json", f"X-API-Key: {key}"]
        wait_until(
            lambda: desk.ask("POST", "/graphql", header, '{"query": "{version}"}').status == 401,
            START_SECONDS,
            site.project,
            "a revoked key's end",
        )
        assert said.rstrip().endswith('Finished execution of run for "example_hello".')
        assert python(desk)
    finally:
        stop = [str(NGINX), "-p", str(desk.folder), "-c", str(desk.folder / "nginx.conf")]
        subprocess.run([*stop, "-s", "stop"], check=False, capture_output=True)


def python(desk: Proxy) -> list[str]:
    """Run the page's Python, each block as a program; what they printed."""
    key = (desk.folder / "nightly.header").read_text().split()[1]
    told = []
    for block in PYTHON:
        done = subprocess.run(
            [sys.executable, "-c", with_ports(block.text, desk.ports)],
            cwd=desk.folder.parent,
            env={**os.environ, "DAGSTER_API_KEY": key},
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout)
    return told


def test_the_page_shows_an_answer_as_it_is_parsed() -> None:
    (shown,) = (block for block in blocks("json") if block.page.name == PAGE)
    assert json.loads(shown.text)["data"]["launchRun"]["run"]["runId"]


def test_the_shipped_files_name_the_ports_that_the_page_does() -> None:
    text = "".join((root / name).read_text() for root, name in _shipped())
    assert {f"127.0.0.1:{port}" for port in PORTS.values()} <= set(
        re.findall(r"127\.0\.0\.1:\d+", text)
    )


def _shown_row() -> str:
    """The line of the example that the page shows."""
    (row,) = (block.text.strip() for block in blocks("text") if block.page.name == PAGE)
    return row


def _shipped() -> list[tuple[Path, str]]:
    return [(Path(__file__).parents[2] / "deploy", name) for name in FILES]
