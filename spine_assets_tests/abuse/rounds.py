"""One round of the crash harness: a project that is built, killed, killed again, completed."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from spine_assets.core.weeks import Tier
from spine_assets_tests.abuse.ground import Ground, kill_group
from spine_assets_tests.abuse.parcels import MEDIUM, STAGES, Parcel, stages
from spine_assets_tests.abuse.states import (
    Seen,
    differences,
    is_declared,
    look_at_all,
    look_at_database,
)
from spine_assets_tests.abuse.watch import DatabaseReader, Reader

START_UP, WORKING, AFTER = "start-up", "working", "after"
_STARTED, _FINISHED = b"STEP_START", b"STEP_SUCCESS"
_FIRST_WEEK = date(2025, 9, 12)
_POLL_SECONDS = 0.005
_TIMEOUT_SECONDS = 300  # a run takes about 6; a machine under load some times that
_AIMED_PART = 0.8  # of the kills go into the working phase, the others anywhere
_MOST_KILLS = 6  # of one delivery, before it may complete


@dataclass
class Report:
    """What happened, summed over rounds."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    in_a_write: Counter[str] = field(default_factory=Counter)
    half_done: int = 0
    lone_rejects: int = 0
    lone_contents: int = 0
    completed_early: int = 0
    reruns: int = 0
    reads: int = 0
    database_reads: int = 0
    states: Counter[str] = field(default_factory=Counter)
    broken_off: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    rows_compared: int = 0
    violations: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Sum up."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class Pace:
    """How long runs take on this machine, learnt from those that complete."""

    def __init__(self) -> None:
        self.start_up, self.working = 6.0, 0.5

    def learn(self, start_up: float, working: float) -> None:
        """Follow the latest runs."""
        self.start_up += (start_up - self.start_up) / 2
        self.working += (working - self.working) / 2


class Round:
    """A project folder taken through its deliveries; kills until told to stop."""

    def __init__(
        self, folder: Path, seed: int, may_kill: Callable[[], bool], pace: Pace | None = None
    ) -> None:
        self.dice = random.Random(seed)
        self.ground, self.calm = Ground.make(folder / "killed"), Ground.make(folder / "calm")
        count = self.dice.choice((1, 1, 3, 4))
        first = _FIRST_WEEK + timedelta(weeks=self.dice.randrange(8))
        self.weeks = [first + timedelta(weeks=number) for number in range(count)]
        rows = {tier: max(height // count, 60) for tier, height in MEDIUM.items()}
        self.parcels = self._parcels(seed, rows if count > 1 else MEDIUM)
        self.may_kill, self.pace = may_kill, pace or Pace()
        self.report = Report(rounds=1)
        self.reader = Reader(self.ground.lake)
        self.clients = DatabaseReader(self.ground.database)
        self.runs = 0
        self.told: set[str] = set()

    def run(self) -> Report:
        """All deliveries; the report names the folder where something was violated."""
        self.reader.start()
        self.clients.start()
        try:
            self._stages(from_nothing=self.dice.random() < 1 / 3)
        except (AssertionError, TimeoutError) as error:
            self.report.violations.append(str(error))
        finally:
            self.reader.stop()
            self.clients.stop()
        self.report.reads, self.report.withdrawn = self.reader.reads, self.reader.withdrawn
        self.report.states, self.report.broken_off = self.reader.states, self.reader.broken_off
        self.report.database_reads = self.clients.reads
        self.report.violations += self.reader.faults + self.clients.faults
        if self.report.violations:
            self.report.kept.append(str(self.ground.root.parent))
        return self.report

    def _parcels(self, seed: int, rows: dict[Tier, int]) -> list[list[Parcel]]:
        by_week = [stages(week, seed, rows) for week in self.weeks]
        return [[parcel for week in by_week for parcel in week[n]] for n in range(STAGES)]

    def _stages(self, *, from_nothing: bool) -> None:
        old: Seen = {}
        for number, parcels in enumerate(self.parcels):
            self.calm.deliver(parcels)
            self.calm.build_here(self.weeks)
            new = look_at_all(self.calm.lake)
            self.reader.expect(old, new)
            self.clients.expect(old, new)
            self.ground.deliver(parcels)
            if number or from_nothing:
                kills = self.dice.randint(1, _MOST_KILLS)
                while kills and self.may_kill() and not self._run_and_kill(old, new):
                    kills -= 1
            # The first and the last by the command; between them the same build, started here.
            if number in (0, len(self.parcels) - 1):
                self._complete()
            else:
                self.reader.attend(closely=True)
                self.ground.build_here(self.weeks)
            self.reader.attend(closely=False)
            self._compare(new)
            old = new

    # --- runs

    def _run_and_kill(self, old: Seen, new: Seen) -> bool:
        """Start the command and kill it; True where it had completed before."""
        before = self.ground.temporaries()
        process, log = self._start()
        if self.dice.random() < _AIMED_PART:
            while process.poll() is None and _STARTED not in log.read_bytes():
                time.sleep(_POLL_SECONDS)
            self.reader.attend(closely=True)
            time.sleep(self.dice.uniform(0, 1.1 * self.pace.working))
        else:
            self.reader.attend(closely=True)
            time.sleep(self.dice.uniform(0, self.pace.start_up + self.pace.working))
        if process.poll() is not None:
            self._require_success(process, log)
            self.report.completed_early += 1
            return True
        kill_group(process)
        self.reader.attend(closely=False)
        said = log.read_bytes()
        phase = START_UP if _STARTED not in said else AFTER if _FINISHED in said else WORKING
        self.report.kills[phase] += 1
        self._note_damage(before, old, new)
        return False

    def _note_damage(self, before: set[str], old: Seen, new: Seen) -> None:
        """What the kill left: a file half written or not yet renamed, tables half old."""
        for name in self.ground.temporaries() - before:
            self.report.in_a_write[_place_of(name)] += 1
        self.report.lone_rejects += len(self.ground.lone_rejects())
        self.report.lone_contents += len(self.ground.lone_contents())
        if is_declared(self.ground.lake):
            self.ground.refresh()  # as the run of another week does when it ends
            now = look_at_all(self.ground.lake)
            changed = {unit for unit in {*old, *new} if old.get(unit) != new.get(unit)}
            flipped = {unit for unit in changed if now.get(unit) == new.get(unit)}
            self.report.half_done += bool(flipped and flipped != changed)

    def _complete(self) -> None:
        """Let the command run to its end, and learn how long it takes."""
        process, log = self._start()
        begun = time.monotonic()
        started = finished = None
        while process.poll() is None:
            said = log.read_bytes()
            if _STARTED in said and not started:
                started = time.monotonic()
                self.reader.attend(closely=True)
            finished = finished or (time.monotonic() if _FINISHED in said else None)
            if time.monotonic() - begun > _TIMEOUT_SECONDS:
                kill_group(process)
                raise TimeoutError(f"a run did not end in {_TIMEOUT_SECONDS} s: {log}")
            time.sleep(_POLL_SECONDS)
        self._require_success(process, log)
        self.report.reruns += 1
        if started and finished:
            self.pace.learn(started - begun, finished - started)

    def _start(self) -> tuple[subprocess.Popen[bytes], Path]:
        self.runs += 1
        log = self.ground.root / f"run-{self.runs}.log"
        last = self.weeks[-1] if len(self.weeks) > 1 else None
        return self.ground.start(log, self.weeks[0], last), log

    def _require_success(self, process: subprocess.Popen[bytes], log: Path) -> None:
        if process.returncode:
            said = log.read_text("utf-8", "replace").splitlines()
            errors = [line for line in said if "Error" in line or "ERROR" in line] or said
            raise AssertionError(f"{log} ended with {process.returncode}: {' / '.join(errors[:4])}")

    # --- at rest

    def _compare(self, new: Seen) -> None:
        """After a completed run nothing tells that any run was killed."""
        found, rows = differences(self.ground.lake, self.calm.lake)
        self.report.rows_compared += rows
        self.report.violations += found
        if look_at_all(self.ground.lake) != new:
            self.report.violations.append("views differ from an undisturbed run's")
        if look_at_database(self.ground.database) != new:
            self.report.violations.append("the database differs from an undisturbed run's")
        for kind, left in (
            ("temporary file", self.ground.temporaries()),
            ("rejects without rows", self.ground.lone_rejects()),
            ("content without rows", self.ground.lone_contents()),
            ("capture that is not what its content gives:", self.ground.unlike_contents()),
        ):
            new_ones = sorted(left - self.told)
            self.told |= left
            self.report.violations += [f"left after a completed run: {kind} {x}" for x in new_ones]


def _place_of(temporary: str) -> str:
    """Which table, or which file beside the lake, a temporary file was to become."""
    folders = temporary.split("/")
    if folders[0] != "lake":
        return folders[-1].lstrip(".").partition(".")[0]
    return f"{folders[1]} (empty)" if "__HIVE" in folders[2] else folders[1]
