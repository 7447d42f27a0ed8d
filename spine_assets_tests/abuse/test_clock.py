"""Clocks that jump: runs of one week, by clocks a year ahead and days back, in real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from spine_assets_tests.abuse.ground import Ground
from spine_assets_tests.abuse.parcels import SMALL, Parcel, stages
from spine_assets_tests.abuse.states import differences, look_at_all, look_at_database

pytestmark = pytest.mark.long

WEEK = date(2025, 10, 3)
_BEFORE_IT_IS_PUBLISHED = "@2025-10-12 12:00:00"
FRESH = {("fresh", "materialized")}


def at(clock: str, ground: Ground, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `spine` by another clock: `-1d`, `+366d`, `@` and a time; empty: by ours.

    The times of files stay those of the machine.
    """
    program = str(Path(sys.executable).with_name("spine"))
    other = ("faketime", "-m", "-f", clock) if clock else ()
    return ground.run_command(*other, program, *command, NO_FAKE_STAT="1")


def run(clock: str, ground: Ground) -> subprocess.CompletedProcess[str]:
    """Build the week."""
    return at(clock, ground, "run", "otc.weekly", "-p", f"week_ending={WEEK}")


def same_day(parcel: Parcel) -> Parcel:
    """The next version of a file, of the same publication, with other trades in each row."""
    header, *lines = parcel.content.decode().splitlines()
    cut = [line.split("|") for line in lines]
    for fields in cut:
        fields[-2] = str(int(fields[-2]) + 1000)
    content = "".join(f"{line}\n" for line in (header, *map("|".join, cut))).encode()
    return Parcel(parcel.name.replace(".csv", ".again.csv"), content)


def test_what_arrives_last_counts_whatever_the_clock_said(tmp_path: Path) -> None:
    jumping, calm = Ground.make(tmp_path / "jumping"), Ground.make(tmp_path / "calm")
    first, second, third = stages(WEEK, 3, SMALL)

    jumping.deliver(first)
    early = run(_BEFORE_IT_IS_PUBLISHED, jumping)
    assert early.returncode == 1
    assert "FUTURE_DATE" in early.stderr
    for clock, stage in (
        ("", first),
        ("-1d", second),
        ("+366d", third),
        ("", [same_day(parcel) for parcel in third]),
    ):
        jumping.deliver(stage)
        done = run(clock, jumping)
        assert done.returncode == 0, done.stderr
        assert look_at_database(jumping.database) == look_at_all(jumping.lake)
        calm.deliver(stage)
        calm.build_here([WEEK], refresh=False)
        assert differences(jumping.lake, calm.lake)[0] == []
    assert "earlier than what was recorded" in done.stderr
    (listed,) = json.loads(at("", jumping, "status", "--json").stdout)["weeks"]
    assert {(item["lake"], item["dagster"]) for item in listed["tables"].values()} == FRESH
    assert jumping.temporaries() == set()
