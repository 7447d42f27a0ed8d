"""Readers that never stop looking, and know the two states that they may see."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb

from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import connect
from spine_assets_tests.abuse.states import (
    VIEWS,
    Seen,
    Sight,
    Unit,
    is_declared,
    look,
    look_at_database,
)

_PAUSE_SECONDS = 0.005  # leaves the runs some of the machine
_IDLE_SECONDS = 0.3  # while a run only starts up
_REOPEN_AFTER = 25  # rounds
_ATTEMPTS = 5


class Reader(threading.Thread):
    """Reads all views over the lake in a loop and compares them with the old and the new state.

    DuckDB opens a Parquet file twice, first for its footer and then for its rows; a file
    that is replaced between the two makes the query fail (it does not answer wrongly).
    Such a read is made again at once, counted, and a fault only when it goes on failing.
    """

    def __init__(self, lake: LocalLake) -> None:
        super().__init__(daemon=True)
        self.lake = lake
        self.reads = 0
        self.states: Counter[str] = Counter()
        self.broken_off: Counter[str] = Counter()
        self.withdrawn = 0
        self.faults: list[str] = []
        self.pause = _IDLE_SECONDS
        self._old: Seen = {}
        self._new: Seen = {}
        self._flipped: set[Unit] = set()
        self._lock = threading.Lock()
        self._done = threading.Event()

    def expect(self, old: Seen, new: Seen) -> None:
        """From now on every unit is as in `old` until it is as in `new`."""
        with self._lock:
            self._old, self._new = old, new
            self._flipped = set()

    def attend(self, *, closely: bool) -> None:
        """Read all the time, or now and then while nothing can change."""
        self.pause = _PAUSE_SECONDS if closely else _IDLE_SECONDS

    def run(self) -> None:
        while not self._done.is_set():
            if is_declared(self.lake):
                self._session()
            time.sleep(self.pause)

    def stop(self) -> None:
        """Look no more."""
        self._done.set()
        self.join()

    def _session(self) -> None:
        with connect(self.lake, TABLES) as connection:
            connection.execute("SET threads = 1")
            for _ in range(_REOPEN_AFTER):
                for view in VIEWS:
                    self._read(connection, view)
                if self._done.wait(self.pause):
                    return

    def _read(self, connection: duckdb.DuckDBPyConnection, view: str) -> None:
        with self._lock:  # the expectation holds for the whole of a read
            said = ""
            for _ in range(_ATTEMPTS):
                try:
                    seen = look(connection, view)
                except duckdb.Error as error:
                    said = str(error)
                    self.broken_off[said.split("/")[0][:60]] += 1
                else:
                    self.reads += 1
                    self._judge(view, seen)
                    return
            self.faults.append(f"{view} cannot be read {_ATTEMPTS} times on end: {said}")

    def _judge(self, view: str, seen: Seen) -> None:
        known = {unit for unit in {*self._old, *self._new} if unit.table == view}
        for unit in sorted(known | set(seen)):
            old, new, now = self._old.get(unit), self._new.get(unit), seen.get(unit)
            if now == new:
                self.states["both" if new == old else "new"] += 1
                if new != old:
                    self._flipped.add(unit)
            elif now != old:
                self.faults.append(f"{unit} is neither old nor new: {now}, not {old} or {new}")
            elif unit not in self._flipped:
                self.states["old"] += 1
                if self._lacks_its_rejects(unit):
                    self.faults.append(f"{unit} is missing, though the rows of its file are in")
            elif self._may_be_withdrawn(unit, now):
                self.withdrawn += 1
                self._flipped.discard(unit)
            else:
                self.faults.append(f"{unit} went back from new to old")

    def _lacks_its_rejects(self, unit: Unit) -> bool:
        """Rows of a file that are seen have their parse rejects beside them."""
        rows = Unit("otc_raw", unit.week, unit.part)
        return unit.table == "otc_rejects" and rows in self._flipped

    def _may_be_withdrawn(self, unit: Unit, now: Sight | None) -> bool:
        """Rejects of a capture whose rows were never seen: its run was killed in between."""
        return (
            unit.table == "otc_rejects"
            and unit.part != "rule"
            and now is None
            and Unit("otc_raw", unit.week, unit.part) not in self._flipped
        )


class DatabaseReader(threading.Thread):
    """Opens the database again and again: each week is wholly old or wholly new in all tables."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.reads = 0
        self.faults: list[str] = []
        self._old: dict[date, Seen] = {}
        self._new: dict[date, Seen] = {}
        self._flipped: set[date] = set()
        self._lock = threading.Lock()
        self._done = threading.Event()

    def expect(self, old: Seen, new: Seen) -> None:
        """From now on every week is as in `old` until it is as in `new`."""
        with self._lock:
            self._old, self._new, self._flipped = _by_week(old), _by_week(new), set()

    def run(self) -> None:
        while not self._done.wait(_IDLE_SECONDS):
            if self.path.exists():
                with self._lock:
                    self._look()

    def stop(self) -> None:
        """Look no more."""
        self._done.set()
        self.join()

    def _look(self) -> None:
        try:
            seen = _by_week(look_at_database(self.path))
        except duckdb.Error as error:
            self.faults.append(f"{self.path.name} cannot be read: {error}")
            return
        self.reads += 1
        for week in sorted({*seen, *self._old, *self._new}):
            old, new, now = (one.get(week, {}) for one in (self._old, self._new, seen))
            if now == new:
                if new != old:
                    self._flipped.add(week)
            elif now != old or week in self._flipped:
                differing = sorted(
                    {*now, *new} - {unit for unit in now if now[unit] == new.get(unit)}
                )
                self.faults.append(f"{week} is neither old nor new in the database: {differing}")


def _by_week(seen: Seen) -> dict[date, Seen]:
    weeks: dict[date, Seen] = {}
    for unit, sight in seen.items():
        weeks.setdefault(unit.week, {})[unit] = sight
    return weeks
