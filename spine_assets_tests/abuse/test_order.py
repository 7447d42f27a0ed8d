"""The same files give the same tables, in whatever order, steps and number of threads."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.definitions import defs
from spine_assets.dev.sample import generate_week
from spine_assets_tests.abuse.ground import SOURCE, Ground, clean_environment
from spine_assets_tests.abuse.parcels import SMALL, Parcel, stages
from spine_assets_tests.abuse.states import differences

WEEKS = [date(2025, 10, 3), date(2025, 10, 10)]
_REAL_WEEK_ROWS = 190_000
Build = Callable[[Ground, list[date]], None]


def deliveries() -> list[Parcel]:
    """Every stage of two weeks."""
    return [parcel for week in WEEKS for stage in stages(week, 21, SMALL) for parcel in stage]


@pytest.fixture
def by_range(monkeypatch: pytest.MonkeyPatch) -> Build:
    """All weeks in one run of Dagster."""
    for name in os.environ:
        if name.startswith("SPINE_"):
            monkeypatch.delenv(name)
    job = defs().resolve_job_def("otc_weekly")

    def build(ground: Ground, weeks: list[date]) -> None:
        del weeks  # of a range, those without files are passed over
        monkeypatch.setenv("SPINE_DATA_DIR", str(ground.data))
        tags = {
            "dagster/asset_partition_range_start": str(WEEKS[0]),
            "dagster/asset_partition_range_end": str(WEEKS[-1]),
        }
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(instance=instance, tags=tags).success

    return build


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """All files there before the first build."""
    ground = Ground.make(tmp_path_factory.mktemp("order") / "at-once")
    ground.deliver(deliveries())
    ground.build_here(WEEKS)
    return ground


def drop_in_random_order(ground: Ground, dice: random.Random, builds: list[Build]) -> None:
    """Deliver files one by one, with builds of weeks that have files between some of them."""
    files = dice.sample(deliveries(), len(deliveries()))
    for number, file in enumerate(files, start=1):
        ground.deliver([file])
        if number == len(files) or dice.random() < 1 / 3:
            there = [week for week in WEEKS if any(str(week) in f.name for f in files[:number])]
            dice.choice(builds)(ground, dice.sample(there, len(there)))


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 6))]
)
def test_files_in_any_order_with_builds_between_give_the_same_tables(
    tmp_path: Path, at_once: Ground, by_range: Build, seed: int
) -> None:
    ground = Ground.make(tmp_path / "project")
    drop_in_random_order(ground, random.Random(seed), [Ground.build_here, by_range])
    found, rows = differences(ground.lake, at_once.lake)
    assert found == []
    assert rows > 0


def test_a_range_gives_the_tables_of_its_weeks_built_one_by_one(
    tmp_path: Path, at_once: Ground, by_range: Build
) -> None:
    ground = Ground.make(tmp_path / "project")
    ground.deliver(deliveries())
    by_range(ground, WEEKS)
    assert differences(ground.lake, at_once.lake)[0] == []


@pytest.mark.long
def test_the_number_of_threads_changes_no_bit_of_a_full_size_week(tmp_path: Path) -> None:
    week = WEEKS[0] + timedelta(weeks=1)
    files = [Parcel(f.path, f.content) for f in generate_week(week, rows=_REAL_WEEK_ROWS)]
    grounds = []
    for threads in ("1", "2", "8"):
        ground = Ground.make(tmp_path / threads)
        ground.deliver(files)
        environment = {**clean_environment(), "POLARS_MAX_THREADS": threads}
        module = (sys.executable, "-m", "spine_assets_tests.abuse.order")
        command = [*module, str(ground.root), str(week)]
        subprocess.run(command, env=environment, cwd=SOURCE, check=True, capture_output=True)
        grounds.append(ground)
    one, *others = grounds
    for other in others:
        found, rows = differences(one.lake, other.lake)
        assert found == []
        assert rows > _REAL_WEEK_ROWS  # otc_raw and otc_venue_volume have about that many each
