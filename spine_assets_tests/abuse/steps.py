"""A build that kills itself at its n-th step on disk, for every n, and is then run again.

`command_deaths` does the same with whole commands.

    python -m spine_assets_tests.abuse.steps FOLDER [--from-nothing | --read-again]

A step is the moment after a file is written, renamed or removed (before the next is the same
moment, and a sync changes nothing that another process sees), and the moment when half of a file
is written. One process imports
everything once and forks a child for each build, so that real kills take tenths of a second;
it does no work itself that would start threads. A line of JSON a step goes to the output, and
none follows the step that was never reached.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import pickle
import re
import shutil
import signal
import traceback
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.otc.delivery import scan
from spine_assets_tests.abuse.ground import Ground
from spine_assets_tests.abuse.parcels import SMALL, stages, with_totals
from spine_assets_tests.abuse.states import differences, look_at_all, look_at_database
from spine_assets_tests.support import other_version

WEEK = date(2025, 10, 3)
_SEED = 5
_SLOW_IMPORTS = ("pandera.polars", "pandera.backends.polars.builtin_checks")
_VARYING = re.compile(r"[0-9a-f]{8,}|(?<=s/)\.?[^./]+(?=\.html)|\d+")  # hashes, symbols, numbers
_MOST_STEPS = 2_000  # more than any build has; a build that never ends is a fault


class Tripwire:
    """Kills this process at the n-th step, after saying which that is."""

    def __init__(self, number: int, tell: Path, *, by_kind: bool = False) -> None:
        """Die at a step.

        Args:
            number: Which step; steps count from one.
            tell: Gets the description of the step.
            by_kind: Of steps that differ in numbers and hashes only, the first counts.
        """
        self.left, self.tell, self.by_kind = number, tell, by_kind
        self.seen: set[str] = set()

    def set(self) -> None:
        """Watch all ways in which the package changes files."""
        self._watch_names()
        self._watch(Path, "write_bytes", written=0)
        self._watch(Path, "write_text", written=0)
        self._watch_database_files()

    def set_for_commands(self) -> None:
        """Watch the ways of all commands: they also open and copy files, and delete rows."""
        self._watch_names()
        self._watch(shutil, "copyfile", written=1)
        self._watch_opened_files()
        event.listen(Engine, "after_cursor_execute", self._after_statement)

    def _watch_names(self) -> None:
        self._watch(os, "replace")
        self._watch(os, "unlink", when=lambda args: Path(args[0]).exists())

    def _watch(
        self,
        owner: Any,
        name: str,
        *,
        written: int | None = None,
        when: Callable[[tuple[Any, ...]], bool] = lambda _: True,
    ) -> None:
        """Make a function a step; one that writes the file of an argument is two."""
        plain = getattr(owner, name)

        @functools.wraps(plain)
        def watched(*args: Any, **more: Any) -> Any:
            if not when(args):
                return plain(*args, **more)
            what = f"{name} {_place(args)}"
            answer = plain(*args, **more)
            if written is not None:
                self._step(f"halfway through {what}", tear=Path(args[written]))
            self._step(f"after {what}")
            return answer

        setattr(owner, name, watched)

    def _watch_database_files(self) -> None:
        """A step after a DuckDB file is opened, and one before it is closed, its log beside it."""
        plain = duckdb.connect

        def connect(*args: Any, **more: Any) -> Any:
            connection = plain(*args, **more)
            if not args or args[0] == ":memory:":
                return connection
            self._step(f"after connect {_place(args)}")
            return _ClosedLate(connection, lambda: self._step(f"before close {_place(args)}"))

        duckdb.connect = connect

    def _watch_opened_files(self) -> None:
        """A step after a file is opened for writing, and one before the next when half is in it."""
        plain = Path.open

        @functools.wraps(plain)
        def opened(path: Path, mode: str = "r", *args: Any, **more: Any) -> Any:
            file = plain(path, mode, *args, **more)
            if not set(mode) & set("wax"):
                return file
            self._step(f"after open {_place((path,))}")
            return _ClosedLate(
                file, lambda: self._step(f"halfway through writing {_place((path,))}", tear=path)
            )

        Path.open = opened  # type: ignore[method-assign, assignment]

    def _after_statement(self, _: object, __: object, statement: str, *___: object) -> None:
        """A step after each deletion of rows."""
        if statement.startswith("DELETE"):
            self._step(f"after {' '.join(statement.split()[:3])}")

    def _step(self, what: str, tear: Path | None = None) -> None:
        kind = _VARYING.sub("#", what)
        if self.by_kind and kind in self.seen:
            return
        self.seen.add(kind)
        self.left -= 1
        if self.left == 0:
            if tear is not None:
                os.truncate(tear, tear.stat().st_size // 2)
            descriptor = os.open(self.tell, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.write(descriptor, what.encode())
            os.kill(os.getpid(), signal.SIGKILL)


class _ClosedLate:
    """A DuckDB connection or a file that says so before it closes."""

    def __init__(self, connection: Any, before: Callable[[], None]) -> None:
        self._connection, self._before = connection, before

    def close(self) -> None:
        self._before()
        self._connection.close()

    def __iter__(self) -> Any:
        return iter(self._connection)

    def __enter__(self) -> _ClosedLate:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _place(args: tuple[Any, ...]) -> str:
    """The last two parts of the first path among the arguments."""
    paths = [Path(item) for item in args if isinstance(item, str | Path)]
    return "/".join(paths[0].parts[-2:]) if paths else ""


def in_child(work: Callable[[], None]) -> int:
    """Do it in a forked process; its exit status, negative where a signal ended it."""
    child = os.fork()
    if child == 0:
        _work_and_leave(work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _work_and_leave(work: Callable[[], None]) -> NoReturn:
    status = 1
    try:
        work()
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)


class Trial:
    """A delivery that is built in a copy of the same project again and again."""

    def __init__(self, folder: Path, *, from_nothing: bool, read_again: bool) -> None:
        self.folder, self.from_nothing, self.read_again = folder, from_nothing, read_again
        self.tell, self.answer = folder / "step.txt", folder / "answer.json"
        self.states = folder / "states.pickle"
        self.killed, self.calm = Ground(folder / "killed"), Ground(folder / "calm")
        self.template = Ground(folder / "template")

    def prepare(self) -> None:
        """The project before the delivery, and as an undisturbed run leaves it."""
        Ground.make(self.template.root)
        first, second, _ = stages(WEEK, _SEED, SMALL)
        if not self.from_nothing:
            self.template.deliver(with_totals(first))
            with pytest.MonkeyPatch.context() as patch:
                if self.read_again:  # the build that is killed has other rules than this one
                    other_version.upgrade(patch)
                self.template.build_here([WEEK], refresh=False)
        if self.read_again:
            shutil.rmtree(self.template.landing)
            self.template.landing.mkdir()
        else:
            self.template.deliver(with_totals(second[-1:] if self.from_nothing else second))
        shutil.copytree(self.template.root, self.calm.root)
        # Looking makes the files without rows, which a project starts without.
        old = {} if self.from_nothing else look_at_all(self.template.lake)
        self.calm.build_here([WEEK], refresh=False)
        self.states.write_bytes(pickle.dumps((old, look_at_all(self.calm.lake))))

    def build_until(self, number: int) -> None:
        """Build, and die on the way unless there are fewer steps."""
        Tripwire(number, self.tell).set()
        self.killed.build_here([WEEK], refresh=False)

    def judge(self) -> None:
        """What the killed build left, and what another run makes of it; written as JSON."""
        old, new = pickle.loads(self.states.read_bytes())
        now = look_at_all(self.killed.lake)
        halves = [str(x) for x in {*old, *new, *now} if now.get(x) not in (old.get(x), new.get(x))]
        left = sorted(self.killed.temporaries())
        self.killed.build_here([WEEK], refresh=False)
        differing, rows = differences(self.killed.lake, self.calm.lake)
        found = {
            "step": self.tell.read_text("utf-8"),
            "halves": halves,
            "left_by_the_kill": left,
            "flipped": sum(now.get(x) == new.get(x) != old.get(x) for x in new),
            "left": sorted(
                self.killed.temporaries()
                | self.killed.lone_rejects()
                | self.killed.lone_contents()
                | self.killed.unlike_contents()
            ),
            "differences": differing,
            "rows": rows,
        }
        self.answer.write_text(json.dumps(found), "utf-8")

    def run(self) -> None:
        """All steps; prints what was found at each."""
        for name in _SLOW_IMPORTS:
            importlib.import_module(name)
        publication_day(WEEK, Tier.OTC)  # loads the calendar
        scan.SETTLE_SECONDS = 0.0  # the copied files are as young as the copy
        if in_child(self.prepare):
            raise SystemExit("the project could not be prepared")
        for number in range(1, _MOST_STEPS):
            shutil.rmtree(self.killed.root, ignore_errors=True)
            shutil.copytree(self.template.root, self.killed.root)
            status = in_child(functools.partial(self.build_until, number))
            if status == 0:
                return
            if status != -signal.SIGKILL or in_child(self.judge):
                raise SystemExit(f"step {number} ended with {status}, or its rerun failed")
            print(self.answer.read_text("utf-8"), flush=True)  # noqa: T201
        raise SystemExit(f"the build has more than {_MOST_STEPS} steps")


class RefreshTrial(Trial):
    """A refresh of the database after a correction, which is killed at each of its steps."""

    def prepare(self) -> None:
        """A project whose lake has the correction, and whose database has not."""
        Ground.make(self.template.root)
        first, second, _ = stages(WEEK, _SEED, SMALL)
        self.template.deliver(with_totals(first))
        self.template.build_here([WEEK])
        old = look_at_database(self.template.database)
        self.template.deliver(with_totals(second))
        self.template.build_here([WEEK], refresh=False)
        self.states.write_bytes(pickle.dumps((old, look_at_all(self.template.lake))))

    def build_until(self, number: int) -> None:
        """Refresh, and die on the way unless there are fewer steps."""
        Tripwire(number, self.tell).set()
        self.killed.refresh()

    def judge(self) -> None:
        """What a client sees after the kill, and after the next refresh; written as JSON."""
        old, new = pickle.loads(self.states.read_bytes())
        now = look_at_database(self.killed.database)
        left = sorted(self.killed.temporaries())
        self.killed.refresh()
        found = {
            "step": self.tell.read_text("utf-8"),
            "seen": "old" if now == old else "new" if now == new else "mixed",
            "left_by_the_kill": left,
            "left": sorted(self.killed.temporaries()),
            "is_new": look_at_database(self.killed.database) == new,
        }
        self.answer.write_text(json.dumps(found), "utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--from-nothing", action="store_true")
    how.add_argument("--read-again", action="store_true")
    how.add_argument("--refresh", action="store_true")
    asked = parser.parse_args()
    trial = RefreshTrial if asked.refresh else Trial
    trial(asked.folder, from_nothing=asked.from_nothing, read_again=asked.read_again).run()


if __name__ == "__main__":
    main()
