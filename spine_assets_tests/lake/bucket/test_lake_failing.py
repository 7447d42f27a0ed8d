"""A week built in a bucket while the store fails at any one request: right, or told and mended.

A week of two deliveries is built again and again, each time with a fault at another request. It
must end right, or fail with a `LakeError` and be right after the next run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from spine_assets.lake.base import LakeError
from spine_assets.lake.bucket import stores
from spine_assets.lake.bucket.lake import ObjectLake
from spine_assets.otc.build.week import build_week
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.results import WeekResult
from spine_assets_tests.conftest import ALL, NOW, REVISED, WEEK, House, delivered, in_memory, line
from spine_assets_tests.support.s3_front import Front

LEASE_SECONDS = 2.0  # what the next run waits where the failed one could not give its lock back
_FIRST = delivered(line("AAAA"), line("BBBB", shares="x"), line("CCCC", shares="300"))
_SECOND = delivered(
    line("AAAA", shares="700", updated=REVISED), line("DDDD", shares="y", updated=REVISED)
)
_MOST_REQUESTS = 400  # a build sends about 200, a third of them to look for repeated files
_STEP = 5  # each fifth request fails; neighbours are mostly of one kind

pytestmark = pytest.mark.long


class Failing:
    """A data folder whose lake is in a bucket of its own."""

    def __init__(self, root: Path, place: str) -> None:
        self.house = House(root, place)
        self.lake = ObjectLake(place, LEASE_SECONDS)
        self.house.drop("otc.csv", _FIRST)
        assert self.build().error is None
        self.house.drop(f"week_ending={WEEK}/otc.csv", _SECOND)

    def build(self) -> WeekResult:
        """A run, which knows nothing of those before."""
        lake = ObjectLake(self.lake.place, LEASE_SECONDS)
        place = RunContext(lake, self.house.scan(), in_memory, lambda: NOW)
        return build_week(WEEK, ALL, place).finish()

    def tables(self) -> dict[str, pl.DataFrame]:
        """All rows, in an order of their own."""
        found = {}
        for name in ALL:
            files = self.lake.files(name, WEEK)
            rows = pl.concat(self.lake.read(file) for file in files)
            found[name] = rows.sort(rows.columns)
        return found


def _differing(wanted: dict[str, pl.DataFrame], found: dict[str, pl.DataFrame]) -> list[str]:
    return [name for name, rows in wanted.items() if not rows.equals(found[name])]


@pytest.mark.parametrize(
    ("name", "fault"),
    [("slow", Front.slow_down), ("drop", Front.drop_answers), ("deny", Front.deny_puts)],
)
def test_a_week_is_right_or_told_whichever_request_fails(
    name: str,
    fault: Callable[..., None],
    tmp_path: Path,
    s3_front: Front,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One failure is enough where no request is sent again.
    monkeypatch.setattr(stores, "opened", partial(stores.opened, tries=0))
    sound = Failing(tmp_path / "sound", f"{bucket}/sound")
    assert sound.build().error is None
    wanted, told = sound.tables(), 0
    for position in range(0, _MOST_REQUESTS, _STEP):
        tried = Failing(tmp_path / f"{position}", f"{bucket}/n{position}")
        fault(s3_front, 1, skip=position)
        result = tried.build()
        was_met = s3_front.was_met(name)
        fault(s3_front, 0)
        if result.error is None:
            assert _differing(wanted, tried.tables()) == [], position
        else:
            told += 1
            assert isinstance(result.error, LakeError), position
            again = tried.build()
            assert again.error is None, (position, again.error)
            assert _differing(wanted, tried.tables()) == [], position
        if not was_met:
            break
    else:
        pytest.fail("a week asks more often than was thought")
    # Where the answer to a PUT is lost, what stands there tells that it was done.
    assert told > 0 if name == "slow" else told == 0
