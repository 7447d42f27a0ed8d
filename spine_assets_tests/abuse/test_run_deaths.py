"""`spine` commands that are killed between the record of their run and its end."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from spine_assets_tests.abuse.ground import SOURCE, clean_environment
from spine_assets_tests.abuse.run_deaths import FIRST, WEEKS

pytestmark = [pytest.mark.long, pytest.mark.sqlite]

COMMANDS = {
    "a single week": ("run", "otc.weekly", "-p", f"week_ending={FIRST}"),
    "all history in two runs": ("backfill", "--weeks-per-run", "2"),
}


@pytest.fixture(scope="module", params=[*COMMANDS.values()], ids=[*COMMANDS])
def deaths(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What was found at each moment at which a command killed itself."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "spine_assets_tests.abuse.run_deaths"),
            *(str(tmp_path_factory.mktemp("deaths")), *request.param),
        ],
        cwd=SOURCE,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_killed_run_ends_at_the_next_tick_and_its_weeks_are_asked_for(deaths: list[Any]) -> None:
    moments = {death["moment"]: death for death in deaths}
    assert moments["before the record, run 1"]["left"] == []
    assert moments["after the record, run 1"]["left"][0] == "NOT_STARTED"
    assert moments["before PIPELINE_START, run 1"]["left"][0] == "NOT_STARTED"
    assert moments["after STEP_START, run 1"]["left"][0] == "STARTED"
    assert moments["after PIPELINE_SUCCESS, run 1"]["left"][0] == "SUCCESS"
    ended = {"SUCCESS", "FAILURE"}
    assert [death for death in deaths if not ended.issuperset(death["runs"])] == []
    assert [death for death in deaths if death["runs"] != death["later"]] == []
    every = sorted(map(str, WEEKS))
    assert [
        death for death in deaths if sorted({*death["asked"], *death["captured"]}) != every
    ] == []
    assert [death for death in deaths if death["files"]] == []
