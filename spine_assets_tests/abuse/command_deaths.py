"""A `spine` command that kills itself at each of its steps on disk, and is then run again.

    python -m spine_assets_tests.abuse.command_deaths COMMAND FOLDER [--every]

It dies at the first step of each kind, such as halfway through a capture, or at every one. One
process imports everything once and forks a child for each kill, as `steps` does. Belongs here: for
each command, the project that it begins with, and what a kill must not leave. A line of JSON per
kill goes to the output.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import importlib
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from spine_assets.cli import main as spine
from spine_assets.core.settings import Settings
from spine_assets.core.weeks import Tier, publication_day
from spine_assets.maintenance.doctor.diagnosis import Health
from spine_assets.maintenance.doctor.lake import lake_format
from spine_assets.otc.delivery import scan
from spine_assets_tests.abuse.ground import Ground
from spine_assets_tests.abuse.parcels import SMALL, stages
from spine_assets_tests.abuse.steps import Tripwire, in_child

WEEK = date(2025, 11, 21)
_SLOW_IMPORTS = (
    *("pandera.polars", "pandera.backends.polars.builtin_checks", "dagster", "duckdb", "httpx"),
    *("spine_assets.definitions", "spine_assets.cli.start_runs", "spine_assets.cli.backup"),
    *("spine_assets.cli.fetch", "spine_assets.cli.init", "spine_assets.cli.lake"),
    *("spine_assets.cli.runs", "spine_assets.cli.synthetic", "spine_assets.cli.status"),
)
_MOST_STEPS = 1_000
_TIME = re.compile(r"\d{8}T\d{6}Z")
_TARGET = "target"
_LONG_AGO = "2024-01-01 00:00:00.000000"


@dataclass(frozen=True)
class Command:
    """What is run, in which project.

    Attributes:
        words: The command.
        prepare: Makes the project.
        least: It has at least so many kinds of steps.
        ignored: Paths of what only this program reads: caches, working files, other folders.
        wrong: What else is wrong in a project after a kill, or (True) after the next run.
    """

    words: tuple[str, ...]
    least: int
    prepare: Callable[[Ground], None] = lambda _: None
    ignored: str = "^data/dagster/"
    wrong: Callable[[Ground, bool], list[str]] = lambda _, __: []


def say(*words: str) -> str:
    """Run a command in this process; what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        spine(words, standalone_mode=False)
    return said.getvalue()


def _built(ground: Ground) -> None:
    """A week with a correction in the lake, and its history."""
    for parcels in stages(WEEK, 5, SMALL)[:2]:
        ground.deliver(parcels)
        say("run", "otc.weekly", "-p", f"week_ending={WEEK}")


def _sample_built(_: Ground) -> None:
    """Two synthetic weeks with their reports, pages and database."""
    say("sample", "write", "--weeks", "2", "--rows", "60", "--ending", str(WEEK))
    say("backfill", "--missing")


def _left_of_the_sample(ground: Ground, is_complete: bool) -> list[str]:
    """Files and rows of the sample, of which the rerun of a removal must leave none."""
    if not is_complete:
        return []
    found = [*ground.landing.rglob("*.csv"), *ground.lake.root.rglob("week_ending=2*/*")]
    wrong = sorted(path.relative_to(ground.root).as_posix() for path in found)
    reports = ground.lake.root / "otc_weekly_report"
    wrong += [path.name for path in reports.glob("*/*.html")]
    if str(WEEK) in (reports / "index.html").read_text("utf-8"):
        wrong.append("the index lists a report")
    with duckdb.connect(str(ground.data / "spine.duckdb"), read_only=True) as database:
        if database.execute("SELECT count(*) FROM otc_raw").fetchone() != (0,):
            wrong.append("the database has rows")
    return wrong


def _many_old_runs(ground: Ground) -> None:
    """Six old runs of one week, of which most can be deleted."""
    _built(ground)
    for _ in range(3):
        say("backfill", f"{WEEK}..{WEEK}", "--force")
    with closing(sqlite3.connect(ground.data / "dagster/history/runs.db")) as runs, runs:
        runs.execute("UPDATE runs SET update_timestamp = ?", [_LONG_AGO])


def _unread(ground: Ground, _: bool) -> list[str]:
    """Files in landing that a scan refuses."""
    found = scan.scan(ground.landing, ground.root.with_name("index.json"))
    return [f"{item.name}: {item.reason}" for item in found.unusable]


def _taken_for_complete(ground: Ground, is_complete: bool) -> list[str]:
    """A copy that was broken off and of which the doctor says nothing."""
    place = ground.root / _TARGET
    lake = place / "lake" if (place / "lake").exists() else place
    if not any(lake.glob("otc_*/*/*.parquet")):
        return []
    found = lake_format(Settings(data_dir=ground.data, lake=str(lake)))
    if is_complete:
        return [found.found] if found.outcome is not Health.OK else []
    is_told = found.outcome is Health.FAIL and "broken off" in found.found
    is_all_there = _files(place) == _files(ground.root.with_name("calm") / _TARGET)
    return [] if is_told or is_all_there else ["the doctor takes a part of a copy for a lake"]


def _files(place: Path) -> set[str]:
    return {
        path.relative_to(place).as_posix()
        for path in place.rglob("*")
        if path.is_file() and ".tmp" not in path.name and path.suffix != ".lock"
    }


def _lost_or_left_runs(ground: Ground, is_complete: bool) -> list[str]:
    """Events and logs of runs that are gone, or a board that changed."""
    history = ground.data / "dagster" / "history"
    with (
        closing(sqlite3.connect(history / "runs.db")) as runs,
        closing(sqlite3.connect(history / "runs" / "index.db")) as index,
    ):
        known = {run for (run,) in runs.execute("SELECT run_id FROM runs")}
        tagged = {run for (run,) in runs.execute("SELECT run_id FROM run_tags")}
        events = {run for (run,) in index.execute("SELECT DISTINCT run_id FROM event_logs")}
    shards = {path.stem for path in (history / "runs").glob("*-*.db")}
    logs = {path.name for path in (ground.data / "dagster" / "compute_logs").glob("*-*")}
    wrong = [
        f"{what} without their run: {sorted(found - known)}"
        for what, found in (
            ("tags", tagged),
            ("events", events),
            ("shards", shards),
            ("logs", logs),
        )
        if found - known - {""}  # what was reported without a run
    ]
    if is_complete and len(known) != 1:
        wrong.append(f"{len(known)} runs are left")
    tables = json.loads(say("status", "--json"))["weeks"][0]["tables"]
    wrong += [name for name, row in tables.items() if row["dagster"] != "materialized"]
    return wrong


COMMANDS = {
    "init": Command(("init", _TARGET), 12),
    "sample write": Command(
        ("sample", "write", "--weeks", "2", "--rows", "60", "--ending", str(WEEK)), 5, wrong=_unread
    ),
    "sample remove": Command(
        ("sample", "remove", "--yes"),
        10,
        _sample_built,
        "^data/",  # what it removes may be there or not; `wrong` looks at it
        _left_of_the_sample,
    ),
    "fetch": Command(
        ("fetch", "--week", str(WEEK), "--tier", "T1", "--class", "ats"),
        10,
        ignored="^data/(dagster/|finra)",
        wrong=_unread,
    ),
    "lake copy": Command(
        ("lake", "copy", "data/lake", _TARGET),
        20,
        _built,
        "^data/|_unfinished",
        _taken_for_complete,
    ),
    "backup": Command(("backup", _TARGET), 30, _built, "^data/|_unfinished", _taken_for_complete),
    "runs prune": Command(
        ("runs", "prune", "--older-than", "30", "--yes"),
        5,
        _many_old_runs,
        "^data/",
        _lost_or_left_runs,
    ),
}


class CommandTrial:
    """A command that is run in a copy of the same project again and again."""

    def __init__(self, command: Command, folder: Path, *, every: bool) -> None:
        self.command, self.every = command, every
        self.tell, self.answer = folder / "step.txt", folder / "answer.json"
        self.template, self.calm = Ground(folder / "template"), Ground(folder / "calm")
        self.killed = Ground(folder / "killed")

    def prepare(self) -> None:
        """The project before the command, and as an undisturbed command leaves it."""
        Ground.make(self.template.root)
        os.chdir(self.template.root)
        self.command.prepare(self.template)
        shutil.copytree(self.template.root, self.calm.root)
        os.chdir(self.calm.root)
        say(*self.command.words)

    def die(self, number: int) -> None:
        """Run the command, and die on the way unless it has fewer steps."""
        os.chdir(self.killed.root)
        Tripwire(number, self.tell, by_kind=not self.every).set_for_commands()
        say(*self.command.words)

    def judge(self) -> None:
        """What the killed command left, and what the next one makes of it; written as JSON."""
        os.chdir(self.killed.root)
        old, new = (self._published(ground) for ground in (self.template, self.calm))
        now = self._published(self.killed)
        halves = [name for name in now if now[name] not in (old.get(name), new.get(name))]
        wrong = self.command.wrong(self.killed, False)
        left = sorted(self._temporaries())
        say(*self.command.words)
        again = self._published(self.killed)
        found = {
            "step": self.tell.read_text("utf-8"),
            "halves": halves,
            "lost": sorted(old.keys() & new.keys() - now.keys()),
            "wrong": wrong,
            "left_by_the_kill": left,
            "differing": sorted(
                name for name in {*again, *new} if again.get(name) != new.get(name)
            ),
            "left": sorted(self._temporaries()),
            "still_wrong": self.command.wrong(self.killed, True),
        }
        self.answer.write_text(json.dumps(found), "utf-8")

    def run(self) -> None:
        """All steps; prints what was found at each."""
        for name in _SLOW_IMPORTS:
            importlib.import_module(name)
        publication_day(WEEK, Tier.OTC)  # loads the calendar
        scan.SETTLE_SECONDS = 0.0
        if in_child(self.prepare):
            raise SystemExit("the project could not be prepared")
        for number in range(1, _MOST_STEPS):
            shutil.rmtree(self.killed.root, ignore_errors=True)
            shutil.copytree(self.template.root, self.killed.root)
            status = in_child(functools.partial(self.die, number))
            if status == 0:
                return
            if status != -signal.SIGKILL or in_child(self.judge):
                told = self.tell.read_text("utf-8") if self.tell.exists() else ""
                raise SystemExit(f"step {number} ({told}) ended with {status}, or its rerun failed")
            print(self.answer.read_text("utf-8"), flush=True)  # noqa: T201
        raise SystemExit(f"the command has more than {_MOST_STEPS} steps")

    def _published(self, ground: Ground) -> dict[str, str]:
        """By name, without the time in it, what each file holds that has one for good."""
        found = {}
        for path in ground.root.rglob("*"):
            name = path.relative_to(ground.root).as_posix()
            is_ours = re.search(self.command.ignored, name)
            if path.is_file() and not (is_ours or ".tmp" in name or name.endswith(".lock")):
                found[_TIME.sub("TIME", name)] = _digest(path)
        return found

    def _temporaries(self) -> set[str]:
        found = (path.relative_to(self.killed.root) for path in self.killed.root.rglob(".*.tmp*"))
        return {_TIME.sub("TIME", path.as_posix()) for path in found}


def _digest(path: Path) -> str:
    """A hash of what a file says; a database's is that of its rows."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        with contextlib.suppress(OSError, EOFError):
            content = gzip.decompress(content)
    elif path.suffix == ".db":
        try:
            with closing(sqlite3.connect(path)) as database:
                content = "\n".join(database.iterdump()).encode()
        except sqlite3.Error as error:
            content = repr(error).encode()
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    name, place, *options = sys.argv[1:]
    CommandTrial(COMMANDS[name], Path(place), every=options == ["--every"]).run()
