"""Runs and people side by side."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from spine_assets.otc.build.week import build_week
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.state.build_context import RunContext
from spine_assets.warehouse.database_check import compare
from spine_assets.warehouse.database_contents import contents_of
from spine_assets_tests.abuse.concurrency import Outcome, everything_at_once, first_runs_at_once
from spine_assets_tests.abuse.ground import ALL, SOURCE, Ground, clean_environment
from spine_assets_tests.abuse.holder import MIXED
from spine_assets_tests.abuse.parcels import SMALL, stages
from spine_assets_tests.abuse.states import differences
from spine_assets_tests.conftest import REVISED, WEEK, House, delivered, line
from spine_assets_tests.support.databases import refreshed, rows_of

pytestmark = pytest.mark.long

AUTUMN = date(2025, 10, 3)
_REFRESHES = 200


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Twelve runs and three sessions at once."""
    return everything_at_once(tmp_path_factory.mktemp("crowd"))


class TestTwelveRunsAndThreeReaders:
    def test_all_end_well(self, outcome: Outcome) -> None:
        assert outcome.faults == {}

    def test_leave_the_tables_that_runs_in_turn_leave(self, outcome: Outcome) -> None:
        assert outcome.differing == []
        assert outcome.left == set()

    def test_let_people_read_all_the_time_and_see_one_build_of_a_week(
        self, outcome: Outcome
    ) -> None:
        for name in ("reader-0", "reader-1", "reader-2"):
            seen = outcome.sessions[name]
            assert (seen["errors"], seen["mixed"]) == ([], [])
            assert int(str(seen["states"])) > 1

    def test_leave_the_database_as_the_lake_is(self, outcome: Outcome) -> None:
        assert outcome.database == []


def test_readers_of_two_hundred_refreshes_see_one_build_of_a_week(tmp_path: Path) -> None:
    """Two states of one lake take turns, so that each refresh replaces the week in all tables."""
    house, stop = House(tmp_path / "data"), tmp_path / "stop"
    house.drop("first.csv", delivered(line("AAAA"), line("BBBB"), line("")))
    house.built()
    path = house.root / "spine.duckdb"
    refreshed(path, house.lake)
    shutil.copytree(house.lake.root, tmp_path / "corrected")
    corrected = House(house.root, str(tmp_path / "corrected"))
    changed = line("AAAA", shares="9", updated=REVISED)
    corrected.drop("corrected.csv", delivered(changed, line("BBBB"), line("")))
    corrected.built()
    command = [sys.executable, "-m", "spine_assets_tests.abuse.holder", str(path), str(stop)]
    readers = [
        subprocess.Popen(command, cwd=SOURCE, env=clean_environment(), stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for number in range(_REFRESHES):
            now = (corrected, house)[number % 2]
            assert refreshed(path, now.lake).loaded["otc_venue_share"] == [WEEK]
    finally:
        stop.touch()
        answers = [reader.communicate(timeout=60)[0] for reader in readers]
    for answer in answers:
        seen = json.loads(answer)
        assert (seen["errors"], seen["mixed"]) == ([], [])
        assert seen["states"] > _REFRESHES / 10
    assert [*compare(path, contents_of(house.lake))] == []


def test_a_join_of_two_builds_is_what_the_readers_look_for(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    house.drop("first.csv", delivered(line("AAAA"), line("BBBB"), line("")))
    house.built()
    path = house.root / "spine.duckdb"
    refreshed(path, house.lake)
    assert rows_of(path, MIXED) == []
    for table, column in (
        ("otc_venue_volume", "share_volume"),
        ("otc_venue_share", "total_volume"),
    ):
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"UPDATE {table} SET {column} = {column} + 1")
        assert rows_of(path, MIXED) == [(WEEK,)]
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"UPDATE {table} SET {column} = {column} - 1")
        assert rows_of(path, MIXED) == []


def test_the_very_first_runs_may_start_together(tmp_path: Path) -> None:
    assert first_runs_at_once(tmp_path / "project", runs=4) == {}


def test_a_run_that_scanned_before_a_correction_does_not_undo_it(tmp_path: Path) -> None:
    ground, calm = Ground.make(tmp_path / "raced"), Ground.make(tmp_path / "calm")
    first, correction, _ = stages(AUTUMN, 3, SMALL)
    for each in (ground, calm):
        each.deliver(first)
    early = scan(ground.landing, ground.index)
    for each in (ground, calm):
        each.deliver(correction)
        each.build_here([AUTUMN])
    place = RunContext(ground.lake, early, duckdb.connect)
    assert build_week(AUTUMN, ALL, place, force=True).finish().error is None
    assert differences(ground.lake, calm.lake)[0] == []
