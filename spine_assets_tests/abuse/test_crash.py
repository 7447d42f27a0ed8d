"""Builds that die: real runs at random moments, and one build at each step it takes on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spine_assets.otc.tables.registry import TABLES
from spine_assets_tests.abuse.ground import SOURCE, clean_environment
from spine_assets_tests.abuse.rounds import Round

pytestmark = pytest.mark.long

_KILLS = 6


def test_runs_killed_at_any_moment_show_readers_old_or_new_and_a_rerun_mends_all(
    tmp_path: Path,
) -> None:
    left = iter(range(_KILLS))
    report = Round(tmp_path, 3, lambda: next(left, None) is not None).run()
    assert report.violations == []
    assert report.kills.total() + report.completed_early > 0
    assert report.reads > 0
    assert report.rows_compared > 0
    assert report.states["new"] > 0


@pytest.fixture(
    scope="module",
    params=[(), ("--from-nothing",), ("--read-again",)],
    ids=["corrected", "from nothing", "read again"],
)
def deaths(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What was found at each step at which a build killed itself."""
    return found_by(tmp_path_factory.mktemp("steps"), *request.param)


def found_by(folder: Path, *options: str) -> list[Any]:
    """What was found at each step of something that killed itself."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "spine_assets_tests.abuse.steps"),
            *(str(folder), *options),
        ],
        cwd=SOURCE,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class TestABuildKilledAtEachStep:
    def test_dies_within_writes_and_between_all_tables(self, deaths: list[Any]) -> None:
        steps = " ".join(death["step"] for death in deaths)
        moments = ("halfway through write_bytes", "after write_bytes", "after replace")
        assert [moment for moment in moments if moment not in steps] == []
        assert any(death["left_by_the_kill"] for death in deaths)
        assert len({death["flipped"] for death in deaths}) >= len(TABLES)

    def test_leaves_every_table_old_or_new(self, deaths: list[Any]) -> None:
        assert [death for death in deaths if death["halves"]] == []

    def test_is_mended_by_the_next_run(self, deaths: list[Any]) -> None:
        assert [death for death in deaths if death["differences"] or not death["rows"]] == []

    def test_leaves_nothing_behind_after_the_next_run(self, deaths: list[Any]) -> None:
        assert [(death["step"], death["left"]) for death in deaths if death["left"]] == []


def test_a_refresh_killed_at_each_step_leaves_the_old_database_or_the_new_one(
    tmp_path: Path,
) -> None:
    found = found_by(tmp_path, "--refresh")
    assert {item["seen"] for item in found} == {"old", "new"}
    assert any(item["left_by_the_kill"] for item in found)
    assert [item for item in found if item["left"] or not item["is_new"]] == []
