"""Commands that die at each kind of step that they take on disk, and are then run again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spine_assets.dev.finra_sim import serving
from spine_assets_tests.abuse.command_deaths import COMMANDS
from spine_assets_tests.abuse.ground import SOURCE, clean_environment
from spine_assets_tests.finra.conftest import SMALL

pytestmark = [pytest.mark.long, pytest.mark.sqlite]


@pytest.fixture(scope="module")
def finra() -> Iterator[dict[str, str]]:
    """The settings of a simulated FINRA."""
    with serving(SMALL) as server:
        yield {"SPINE_FINRA_URL": server.url, "SPINE_FINRA_REQUESTS_PER_SECOND": "20"}


@pytest.mark.parametrize("command", [*COMMANDS])
def test_what_a_killed_command_leaves_is_whole_and_the_next_completes_it(
    command: str, finra: dict[str, str], tmp_path: Path
) -> None:
    module = "spine_assets_tests.abuse.command_deaths"
    done = subprocess.run(
        [sys.executable, "-m", module, command, str(tmp_path)],
        cwd=SOURCE,
        env={**clean_environment(), **finra, "POLARS_MAX_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    deaths: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({death["step"] for death in deaths}) >= COMMANDS[command].least
    for fault in ("halves", "lost", "wrong", "differing", "left", "still_wrong"):
        assert [(death["step"], death[fault]) for death in deaths if death[fault]] == [], fault
