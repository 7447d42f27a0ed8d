"""The work of a week grows with the number of its files and not with its square.

A week is built under its lock, so others wait for as long. What is counted are calls of functions,
which do not depend on the machine as seconds do, and files of the lake that are read.
"""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from spine_assets.lake.local import LocalLake
from spine_assets.otc.captures import storage as captures
from spine_assets_tests.conftest import NOW, WEEK, House, delivered, line

FEW = 15
# Linear work grows by the same from 15 to 30 files as by half from 30 to 60; of work that is
# quadratic alone the second step is four times the first.
MOST_GROWTH = 2.5


def restated(number: int) -> bytes:
    """A file that corrects every other one."""
    return delivered(line(symbol="AAAA", shares=str(100 + number)), line(symbol="BBBB"))


def part(number: int) -> bytes:
    """A file that has nothing in common with any other."""
    return delivered(line(symbol=f"S{number}"), line(symbol=f"T{number}"))


def drop(house: House, numbers: range, content: Callable[[int], bytes]) -> None:
    for number in numbers:
        house.drop(f"week_ending={WEEK}/{number:03}.csv", content(number))


def calls(work: Callable[[], object]) -> int:
    """How many functions are called."""
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", [restated, part])
def test_twice_the_files_are_twice_the_work(
    tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    House(tmp_path / "first").build()  # what is loaded once
    found = []
    for times in (1, 2, 4):
        house = House(tmp_path / str(times))
        drop(house, range(times * FEW), content)
        place = house.workplace()
        found.append(calls(house.build))
        assert len(place.landing.deliveries) == times * FEW
    assert found[2] - found[1] < MOST_GROWTH * (found[1] - found[0]), found


def test_a_later_run_reads_each_stored_capture_a_few_times(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(house, range(FEW), restated)
    house.built()
    drop(house, range(FEW, 2 * FEW), restated)
    read: list[str] = []

    def counted(lake: LocalLake, path: Path, *more: object, **named: object) -> object:
        read.append(path.name)
        return reads(lake, path, *more, **named)  # type: ignore[arg-type]

    reads = LocalLake.read
    monkeypatch.setattr(LocalLake, "read", counted)
    house.built(now=NOW + timedelta(hours=1))
    for item in captures.stored(house.lake, WEEK):
        assert read.count(item.file_name) <= 3, item.file_name
