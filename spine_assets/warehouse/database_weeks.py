"""Weeks of the lake in a database: loaded, replaced, removed, and sorted by year.

Each week is loaded with all its tables under its lock, and only where they are made from the same
captures and every file matches its checksum; else the database keeps the week's earlier state.

A year is stored sorted by what queries of many weeks filter on (symbol, venue), so that DuckDB
reads few blocks of it; later weeks are appended, and the year is sorted again when it is over.
There is no index: one on `symbol` made the query for one symbol ten times slower, because its rows
are stored together and are then fetched one by one.

Belongs here: rows. Does not belong here: the objects that hold them (`database_objects`).
"""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

import duckdb

from spine_assets.core.sql import identifier, literal
from spine_assets.core.text import first_line
from spine_assets.lake.base import Lake, LakeError, LakeFile, LakeUnavailable
from spine_assets.lake.format import FORMAT, stored_format
from spine_assets.lake.names import LockName
from spine_assets.otc.captures import pins
from spine_assets.otc.state.stored_tables import is_consistent
from spine_assets.warehouse.database_contents import Contents, Weeks, digest
from spine_assets.warehouse.database_copy import is_lack
from spine_assets.warehouse.database_objects import BUILD, execute_all, stored_weeks, transaction

_ACROSS_WEEKS = {"symbol", "mpid"}
_UNSORTED_PART = 0.25  # of the rows of a year that is over; with more it is sorted again


@dataclass
class WeekLoader:
    """The changes of one refresh, made in the open copy."""

    connection: duckdb.DuckDBPyConnection
    contents: Contents
    listed: Mapping[str, Weeks]
    began: datetime
    advance: Callable[[int, int], None]
    loaded: dict[str, list[date | None]] = field(default_factory=lambda: defaultdict(list))
    removed: dict[str, list[date | None]] = field(default_factory=lambda: defaultdict(list))
    left: dict[date | None, str] = field(default_factory=dict)

    def load(self) -> None:
        """Load the weeks that differ, year by year, and remove those that the lake has no more."""
        stored = stored_weeks(self.connection)
        changed: set[date | None] = set()
        for name, weeks in self.listed.items():
            before = stored.get(name, {})
            changed |= {week for week, files in weeks.items() if before.get(week) != files}
            changed |= {*before} - {*weeks}
        by_year = sorted(changed, key=lambda week: week or date.min)
        done = 0
        for _, of_year in groupby(by_year, key=lambda week: week and week.year):
            year = [*of_year]
            with ExitStack() as locks:
                ready = [week for week in year if self._is_ready(week, locks)]
                self._load_weeks(ready, stored)
            done += len(year)
            self.advance(done, len(by_year))

    def _load_weeks(self, weeks: Sequence[date | None], stored: Mapping[str, Weeks]) -> None:
        """Load weeks in all tables, in one transaction; or one by one where a file is damaged."""
        try:
            with transaction(self.connection):
                found = {
                    name: self._load(name, stored.get(name, {}), weeks) for name in self.listed
                }
        except (LakeError, duckdb.Error) as error:
            if is_lack(error):
                raise
            if len(weeks) > 1:
                for week in weeks:
                    self._load_weeks([week], stored)
            elif weeks:
                self.left[weeks[0]] = _reason(error)
            return
        for name, (loaded, removed) in found.items():
            if loaded:
                self.loaded[name] += loaded
            if removed:
                self.removed[name] += removed

    def _is_ready(self, week: date | None, locks: ExitStack) -> bool:
        """Take the lock of a week; False where its tables cannot be loaded as one build now."""
        lake = self.contents.lake
        try:
            for lock in [LockName.week(week)] if week else self._unweekly():
                if _is_writable(lake):
                    locks.enter_context(lake.lock_of(lock, given_up=lambda: True))
            if week is not None and not is_consistent(lake, week):
                self.left[week] = "not all of its tables are made from its current captures"
        except LakeUnavailable:
            self.left[week] = "a run builds it"
        except LakeError as error:
            self.left[week] = first_line(error)
        return week not in self.left

    def _unweekly(self) -> list[LockName]:
        return [LockName.table(name) for name, weeks in self.listed.items() if None in weeks]

    def _load(
        self, name: str, before: Weeks, weeks: Collection[date | None]
    ) -> tuple[list[date | None], list[date | None]]:
        """Replace those of some weeks of a table that differ; which it has now, and no more."""
        now = {week: self.contents.files_of(name, week) for week in weeks}
        changed = [week for week in weeks if digest(now[week]) != before.get(week, digest([]))]
        if not changed:
            return [], []
        lake = self.contents.lake
        files = [lake.part(name, week).parent / file for week in changed for file, _ in now[week]]
        for file in files:
            lake.verify(file)  # DuckDB would take a changed byte for another figure
        kept = {week for week in before if week not in changed}
        years = {week.year for week in changed if week}
        is_sorted = not any(week.year in years for week in kept if week)
        if any(week in before for week in changed):
            self.connection.execute(f"DELETE FROM {identifier(name)} WHERE {_among(changed)}")
        if files:
            self._insert(name, [_path(file) for file in files])
        hashes = {week: digest(now[week]) for week in changed}
        self._record(name, changed, hashes, is_sorted=is_sorted)
        return [week for week in changed if now[week]], [week for week in changed if not now[week]]

    def _insert(self, name: str, files: list[str]) -> None:
        """Add the rows of files, in the order of a year."""
        columns = self._columns(name)
        by_name = stored_format(self.contents.lake) != FORMAT or name == pins.TABLE.name
        # What an early file lacks is null: the empty file, the last one, has all columns.
        early = [_path(self.contents.lake.empty_part(name))] if by_name else []
        self.connection.execute(
            f"INSERT INTO {identifier(name)} SELECT {', '.join(map(identifier, columns))} "
            f"FROM read_parquet([{', '.join([*files, *early])}], hive_partitioning = false, "
            f"union_by_name = {'true' if by_name else 'false'}) "
            f"{self._in_order(name)}"
        )

    def _columns(self, name: str) -> list[str]:
        """Of a table in the database."""
        return self.connection.sql(f"FROM {identifier(name)} LIMIT 0").columns

    def _in_order(self, name: str) -> str:
        """The order of a year: what queries of many weeks filter on first, then the week.

        Any other table keeps the order of its files, week by week.
        """
        for table in self.contents.stored:
            if table.name == name and table.sort[:1] and table.sort[0] in _ACROSS_WEEKS:
                order = dict.fromkeys((table.sort[0], "week_ending", *table.sort))
                return f"ORDER BY {', '.join(map(identifier, order))}"
        return ""

    def _record(
        self, name: str, weeks: Collection[date | None], files: Weeks, *, is_sorted: bool
    ) -> None:
        """Record which files of these weeks are loaded, with what is counted in the database."""
        columns = self._columns(name)
        week = "week_ending" if None not in weeks else "NULL::DATE"
        capture = "max(capture_id)" if "capture_id" in columns else "NULL"
        counted = {
            found: rest
            for found, *rest in self.connection.sql(
                f"SELECT {week} AS w, count(*), {capture} FROM {identifier(name)} "
                f"{'' if None in weeks else f'WHERE {_among(weeks)}'} GROUP BY w"
            ).fetchall()
        }
        among = "week_ending IS NULL" if None in weeks else _among(weeks)
        self.connection.execute(f"DELETE FROM {BUILD} WHERE table_name = $1 AND {among}", [name])
        for found in sorted(weeks, key=lambda week: week or date.min):
            if files[found] != digest([]):
                rows, build = counted.get(found, (0, None))
                values = [name, found, rows, build, self.began, is_sorted, files[found]]
                self.connection.execute(f"INSERT INTO {BUILD} VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def sort(self, *, everything: bool) -> None:
        """Sort the years that are over and of which much was appended; or every unsorted year."""
        across = {item.name for item in self.contents.stored if {*item.sort[:1]} & _ACROSS_WEEKS}
        years = self.connection.sql(
            "SELECT table_name, year(week_ending) AS y, "
            "coalesce(sum(row_count) FILTER (NOT is_sorted), 0) / greatest(sum(row_count), 1) "
            f"FROM {BUILD} WHERE week_ending IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        last = {name: year for name, year, _ in years}
        for name, year, unsorted in years:
            limit = 0 if everything else _UNSORTED_PART if year < last[name] else 1
            if name in across and unsorted > limit:
                self._sort_year(name, year)

    def _sort_year(self, name: str, year: int) -> None:
        table, of_year = identifier(name), f"WHERE year(week_ending) = {year}"
        with transaction(self.connection):
            execute_all(
                self.connection,
                (
                    f"CREATE TEMP TABLE a_year AS FROM {table} {of_year} {self._in_order(name)}",
                    f"DELETE FROM {table} {of_year}",
                    f"INSERT INTO {table} FROM a_year",
                    f"UPDATE {BUILD} SET is_sorted = true {of_year} "
                    f"AND table_name = {literal(name)}",
                    "DROP TABLE a_year",
                ),
            )


def _path(file: LakeFile) -> str:
    """A file's path in SQL; DuckDB would take a folder named `*` for a pattern."""
    return literal(glob.escape(str(file)))


def _reason(error: Exception) -> str:
    """Why a week was not loaded."""
    if isinstance(error, duckdb.ConstraintException):
        return (
            f"its files are of an earlier version and lack a column ({first_line(error)}): run "
            "spine backfill --missing"
        )
    return first_line(error)


def _among(weeks: Iterable[date | None]) -> str:
    """A condition on the week; of a table without weeks none."""
    days = [week for week in weeks if week is not None]
    return f"week_ending IN ({', '.join(literal(str(day)) for day in days)})" if days else "true"


def _is_writable(lake: Lake) -> bool:
    """Whether locks can be taken; nobody builds in a folder that is mounted for reading."""
    root = lake.root
    return not isinstance(root, Path) or os.access(root, os.W_OK)
