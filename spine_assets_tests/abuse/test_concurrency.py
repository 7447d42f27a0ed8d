"""Runs and people side by side."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from spine_assets.otc.build.week import build_week
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.state.build_context import RunContext
from spine_assets_tests.abuse.concurrency import Outcome, everything_at_once, first_runs_at_once
from spine_assets_tests.abuse.ground import ALL, Ground
from spine_assets_tests.abuse.parcels import SMALL, stages
from spine_assets_tests.abuse.states import differences

pytestmark = pytest.mark.long

WEEK = date(2025, 10, 3)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Eleven runs and three sessions at once."""
    return everything_at_once(tmp_path_factory.mktemp("crowd"))


class TestElevenRunsAndThreeSessions:
    def test_all_end_well(self, outcome: Outcome) -> None:
        assert outcome.faults == {}

    def test_leave_the_tables_that_runs_in_turn_leave(self, outcome: Outcome) -> None:
        assert outcome.differing == []
        assert outcome.left == set()

    def test_let_sessions_read_all_the_time(self, outcome: Outcome) -> None:
        assert {name: told["errors"] for name, told in outcome.sessions.items()} == {
            "writer": [],
            "reader-1": [],
            "reader-2": [],
        }
        assert [name for name, told in outcome.sessions.items() if not told["reads"]] == []


def test_the_very_first_runs_may_start_together(tmp_path: Path) -> None:
    assert first_runs_at_once(tmp_path / "project", runs=4) == {}


def test_a_run_that_scanned_before_a_correction_does_not_undo_it(tmp_path: Path) -> None:
    ground, calm = Ground.make(tmp_path / "raced"), Ground.make(tmp_path / "calm")
    first, correction, _ = stages(WEEK, 3, SMALL)
    for each in (ground, calm):
        each.deliver(first)
    early = scan(ground.landing, ground.index)
    for each in (ground, calm):
        each.deliver(correction)
        each.build_here([WEEK])
    place = RunContext(ground.lake, early, duckdb.connect)
    assert build_week(WEEK, ALL, place, force=True).finish().error is None
    assert differences(ground.lake, calm.lake)[0] == []
