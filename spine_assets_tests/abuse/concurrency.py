"""Everything at once: runs on other weeks, on one week, over a range, and people reading.

Two runs want one week and know different files of it: both scan the landing folder while
the week is held, one before and one after a correction arrives, and then race.

Every run refreshes the database when it ends. People open it again and again meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from spine_assets.warehouse.database_check import compare
from spine_assets.warehouse.database_contents import contents_of
from spine_assets_tests.abuse.ground import Ground
from spine_assets_tests.abuse.parcels import SMALL, Parcel, stages
from spine_assets_tests.abuse.states import differences

_SEED = 11
_TIMEOUT_SECONDS = 400  # thirteen processes on two processors that others share
_POLL_SECONDS = 0.05
# A run writes the landing index when it ends, so nothing tells that it has listed the files; a
# step does so in tenths of a second. The order alone hangs on it, and no result.
_SCAN_SECONDS = 5
_BAD_WORDS = ("database is locked", "Traceback", "OperationalError")

Process = subprocess.Popen[bytes]


@dataclass
class Crowd:
    """Processes by name, each with its log."""

    ground: Ground
    members: dict[str, tuple[Process, Path]] = field(default_factory=dict)

    def run(self, name: str, first: date, last: date | None = None) -> None:
        """Start a run of Dagster."""
        log = self.ground.root / f"{name}.log"
        self.members[name] = self.ground.start(log, first, last), log

    def hold(self, name: str, stop: Path) -> None:
        """Start a session that reads the database, and wait until it has."""
        log = self.ground.root / f"{name}.log"
        module = (sys.executable, "-m", "spine_assets_tests.abuse.holder")
        command = (*module, str(self.ground.database), str(stop))
        self.members[name] = self.ground.start_command(log, *command), log
        ready = self.ground.database.with_name(f"{stop.name}.ready")
        wait(lambda: ready.exists() or self.members[name][0].poll() is not None, f"{name} opens")
        ready.unlink(missing_ok=True)

    def end(self, *names: str) -> dict[str, str]:
        """Wait for members; what each said where it failed or said a bad word."""
        faults = {}
        for name in names:
            process, log = self.members[name]
            status = process.wait(_TIMEOUT_SECONDS)
            said = log.read_text("utf-8", "replace")
            if status or any(word in said for word in _BAD_WORDS):
                faults[name] = f"ended with {status}: {said[-2000:]}"
        return faults

    def kill(self) -> None:
        """End what still runs after a failure."""
        for process, _ in self.members.values():
            if process.poll() is None:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Outcome:
    """What came of it: faults by process, sessions' own reports, tables that differ."""

    faults: dict[str, str]
    sessions: dict[str, dict[str, object]]
    differing: list[str]
    left: set[str]
    database: list[str]


def everything_at_once(folder: Path, runs: int = 9) -> Outcome:
    """`runs` single weeks, two runs of one week and a range over it, with three readers."""
    ground, calm = Ground.make(folder / "crowded"), Ground.make(folder / "calm")
    weeks = [date(2025, 9, 5) + timedelta(weeks=number) for number in range(runs + 3)]
    contested = weeks[runs]
    made = {week: stages(week, _SEED, SMALL) for week in weeks}
    first = [parcel for week in weeks for parcel in made[week][0]]
    correction = made[contested][1]
    _build_in_turn(calm, first, weeks, correction, contested)
    ground.deliver(first)
    crowd, stop = Crowd(ground), folder / "stop"
    try:
        sessions = _sessions(crowd, stop)
        with ground.lake.lock(contested):
            crowd.run("older", contested)
            wait(lambda: _is_at_work(crowd.members["older"]), "the first run works")
            time.sleep(_SCAN_SECONDS)
            ground.deliver(correction)
            crowd.run("newer", contested)
            wait(lambda: _is_at_work(crowd.members["newer"]), "the second run works")
            time.sleep(_SCAN_SECONDS)
            for number in range(runs):
                crowd.run(f"week-{number}", weeks[number])
            crowd.run("range", weeks[runs - 2], weeks[-1])
            names = [name for name in crowd.members if name not in sessions]
            wait(lambda: all(_is_at_work(crowd.members[n]) for n in names), "all runs work")
        faults = crowd.end(*names)
        stop.touch()
        faults |= crowd.end(*sessions)
    finally:
        crowd.kill()
    told = {n: json.loads(crowd.members[n][1].read_text("utf-8")) for n in sessions - faults.keys()}
    left = ground.temporaries() | ground.lone_rejects() | ground.lone_contents()
    unlike = [
        f"{item.table} {item.week}: {item.reason}"
        for item in compare(ground.database, contents_of(ground.lake))
    ]
    return Outcome(faults, told, differences(ground.lake, calm.lake)[0], left, unlike)


def _sessions(crowd: Crowd, stop: Path) -> set[str]:
    """Three sessions of people."""
    crowd.ground.refresh()
    for number in range(3):
        crowd.hold(f"reader-{number}", stop)
    return set(crowd.members)


def first_runs_at_once(folder: Path, runs: int) -> dict[str, str]:
    """Runs that all find a project in which nothing was ever run; faults by process."""
    ground = Ground.make(folder)
    weeks = [date(2025, 9, 5) + timedelta(weeks=number) for number in range(runs)]
    for week in weeks:
        ground.deliver(stages(week, _SEED, SMALL)[0])
    crowd = Crowd(ground)
    try:
        for number, week in enumerate(weeks):
            crowd.run(f"week-{number}", week)
        return crowd.end(*crowd.members)
    finally:
        crowd.kill()


def _build_in_turn(
    calm: Ground,
    first: list[Parcel],
    weeks: list[date],
    correction: tuple[Parcel, ...],
    contested: date,
) -> None:
    calm.deliver(first)
    calm.build_here(weeks)
    calm.deliver(correction)
    calm.build_here([contested])


def _is_at_work(member: tuple[Process, Path]) -> bool:
    process, log = member
    return process.poll() is not None or b"STEP_START" in log.read_bytes()


def wait(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it never did.
    """
    end = time.monotonic() + _TIMEOUT_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {_TIMEOUT_SECONDS} s in vain: {what}")
        time.sleep(_POLL_SECONDS)
