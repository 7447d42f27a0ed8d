"""The database that people open: the lake's tables, views and macros in one DuckDB file.

The lake is the record; the database is made from it and can be made again. A refresh changes a
copy and renames it over the database, so a reader sees all tables as of one moment. Each week is
loaded with all its tables under its lock, and only where they are made from the same captures;
else the database keeps the week's earlier state. No path is in it, unless tables are left to views
over the lake.

A year is stored sorted by what queries of many weeks filter on (symbol, venue), so that DuckDB
reads few blocks of it; later weeks are appended, and the year is sorted again when it is over.
There is no index: one on `symbol` made the query for one symbol ten times slower, because its rows
are stored together and are then fetched one by one.

Belongs here: what is in the database and how it is brought up to date. Does not belong here: the
copy and the rename (`database_copy`), views over the lake for one process (`connection`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from importlib import metadata
from itertools import groupby
from pathlib import Path

import duckdb

from spine_assets.core.settings import WrongSetting
from spine_assets.core.sql import identifier, literal, table_ddl
from spine_assets.core.tables import Column, Table, Type
from spine_assets.core.text import first_line
from spine_assets.lake.base import Lake, LakeError, LakeUnavailable
from spine_assets.lake.format import FORMAT, declare, lake_id, stored_format
from spine_assets.lake.names import LockName
from spine_assets.otc.captures import pins
from spine_assets.otc.state.stored_tables import is_consistent
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse import run_tables
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets.warehouse.database_copy import (
    CannotRefresh,
    changed_copy,
    is_lack,
    locked,
    open_draft,
)
from spine_assets.warehouse.run_tables import LogTable, RunLog
from spine_assets.warehouse.views import (
    declared_names,
    derived_views,
    table_views,
    view_comments,
)

BUILD = "spine_build"
"""Table of the database that lists which builds of which weeks it holds."""
ABOUT = "spine_database"
"""Table of one row about the database itself."""

_THREADS = 8  # tried with 1 GB of memory; each further one needs a part of it
_ACROSS_WEEKS = {"symbol", "mpid"}
_UNSORTED_PART = 0.25  # of the rows of a year that is over; with more it is sorted again
_OUR_NAMES = ("otc_", "spine_", "core_", "x_meta_")
_MADE = re.compile(r'^CREATE OR REPLACE (VIEW|MACRO|TABLE) "?(\w+)"?', re.MULTILINE)
_BUILD_GRAIN = "one week of one table, as it is stored here"
_BUILD_COLUMNS = (
    Column("table_name", Type.TEXT, "Table of this database"),
    Column("week_ending", Type.DATE, "Week of that table", nullable=True),
    Column("row_count", Type.COUNT, "Rows of that week"),
    Column(
        "capture_id",
        Type.TEXT,
        "Build of that week in the lake; of otc_raw and otc_rejects the newest capture",
        nullable=True,
    ),
    Column("copied_at", Type.TIMESTAMP, "When it was loaded from the lake", "UTC"),
    Column("is_sorted", Type.FLAG, "Whether its rows are in the order of their year"),
    Column("files", Type.TEXT, "Hash of the names and versions of its files in the lake"),
)
_ABOUT_COLUMNS = (
    Column("lake_id", Type.TEXT, "Id of the lake that it is loaded from", nullable=True),
    Column("program_version", Type.TEXT, "Version of spine-assets that refreshed it"),
    Column("refreshed_at", Type.TIMESTAMP, "When the last refresh began", "UTC"),
    Column("definitions", Type.TEXT, "Hash of the statements that made tables, views and macros"),
    Column("objects", Type.JSON, "Kind and name of each table, view and macro of the program"),
)
Open = Callable[[Path], AbstractContextManager[duckdb.DuckDBPyConnection]]
Weeks = dict[date | None, str]
"""Of a table: the hash of its files by week, None for a table without weeks."""
Counted = dict[str, tuple[int, int]]
"""Rows and weeks of tables."""


@dataclass(frozen=True)
class Contents:
    """What a database is to hold.

    Attributes:
        lake: Where it is loaded from.
        tables: Tables that are stored in it.
        views: Tables that it only has a view of, with the lake's path.
        since: First week; None for all.
        declared: Also the tables that pipelines in YAML declare.
    """

    lake: Lake
    tables: tuple[Table, ...]
    views: tuple[Table, ...] = ()
    since: date | None = None
    declared: bool = True

    def listed(self) -> dict[str, Weeks]:
        """The stored tables by name, each with its weeks in the lake."""
        names = [table.name for table in self.stored]
        if self.declared:
            names += declared_names(self.lake)
        return {name: self._weeks(name) for name in names}

    @property
    def stored(self) -> tuple[Table, ...]:
        """The tables of the domain that are stored, and the pins."""
        return (*self.tables, pins.TABLE)

    def files_of(self, name: str, week: date | None) -> list[tuple[str, str]]:
        """Names and versions of the files of one week in the lake."""
        return sorted(self.lake.stamps_of(name, week).items())

    def _weeks(self, name: str) -> Weeks:
        return {
            week: _digest(sorted(files.items()))
            for week, files in self.lake.stamps(name).items()
            if week is None or self.since is None or week >= self.since
        }


def contents_of(lake: Lake, stored: str = "all", since: date | None = None) -> Contents:
    """What the database of a lake holds.

    Args:
        lake: The lake.
        stored: Names of the stored tables with commas between, `all` or `none`.
        since: First week; None for all.

    Raises:
        WrongSetting: there is no such table.
    """
    names = {table.name for table in TABLES}
    wanted = {name.strip() for name in stored.split(",") if name.strip()}
    if stored.strip() in ("all", "none"):
        wanted = names if stored.strip() == "all" else set()
    if unknown := sorted(wanted - names):
        raise WrongSetting(
            f"SPINE_DATABASE_TABLES: there is no table {unknown[0]}; known are "
            f"{', '.join(sorted(names))}, all and none"
        )
    return Contents(
        lake,
        tuple(table for table in TABLES if table.name in wanted),
        tuple(table for table in TABLES if table.name not in wanted),
        since,
    )


@dataclass(frozen=True)
class DagsterTables:
    """Tables whose rows are read from Dagster, and what reads them in pages; None: they stay."""

    tables: tuple[LogTable, ...] = ()
    read: Callable[[], Iterable[RunLog]] | None = None


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did.

    Attributes:
        path: The database.
        loaded: Weeks that were loaded, by table.
        removed: Weeks that the lake no longer has, by table.
        left: Weeks that keep their earlier state, each with the reason.
        rows: Rows of each table afterwards.
        weeks: Weeks of each table afterwards.
        logged: Rows of the tables that are read from Dagster.
        size: Of the database, in bytes.
        seconds: How long it took.
    """

    path: Path
    loaded: dict[str, list[date | None]] = field(default_factory=dict)
    removed: dict[str, list[date | None]] = field(default_factory=dict)
    left: dict[date | None, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    weeks: dict[str, int] = field(default_factory=dict)
    logged: dict[str, int] = field(default_factory=dict)
    size: int = 0
    seconds: float = 0.0


def refresh(
    path: Path,
    contents: Contents,
    *,
    opened: Open = open_draft,
    memory_bytes: int,
    recorded: DagsterTables = DagsterTables(),
    requested: datetime | None = None,
    sort: bool = False,
    advance: Callable[[int, int], None] = lambda _done, _all: None,
) -> Refreshed:
    """Bring a database up to date with the lake; make it where it is missing.

    Args:
        path: The database.
        contents: What it is to hold.
        opened: Opens the copy that is changed.
        memory_bytes: What DuckDB may use; what exceeds it goes to disk beside the database.
        recorded: What Dagster records.
        requested: A refresh that began after this moment will do; the caller is content with it.
        sort: Also sort every year that has weeks appended to it.
        advance: Called with the number of weeks that are loaded, and of all that are to be.

    Raises:
        OpenElsewhere: another process has it open for writing.
        CannotRefresh: the file is no database or one of another lake, a table of a person has a
            name that is needed, or there is no space or memory.
        LakeError: the lake cannot be read.
    """
    started, path = time.monotonic(), path.resolve()
    stored_format(contents.lake)  # it may have been migrated since it was opened
    tables = (*contents.stored, *contents.views)
    declare(contents.lake, tables, raw.TABLE.name)
    with locked(path):
        present, identity = _present(path), lake_id(contents.lake)
        if problem := _other_lake(path, present, contents.lake):
            raise CannotRefresh(problem)
        if requested is not None and present.refreshed_at > requested:
            return Refreshed(path, seconds=time.monotonic() - started)
        listed = contents.listed()
        definitions = _definitions(contents, listed, recorded.tables)
        is_defined = present.has(definitions) and present.lake_id == identity
        if is_defined and not (present.differs(listed) or recorded.read or sort):
            return _described(path, present.counted, started)
        began = datetime.now(UTC).replace(tzinfo=None)
        with changed_copy(path) as draft, opened(draft) as connection:
            _limit(connection, memory_bytes, f"{draft}.spill")
            with contents.lake.readable_by(connection):
                work = _Refresh(connection, contents, listed, began, advance)
                if not is_defined:
                    with _transaction(connection):  # each statement alone would wait for the disk
                        work.define(definitions)
                work.load()
                work.sort(everything=sort)
            logged = _log(connection, recorded)
            _write_about(connection, definitions, began, identity)
            counted = _counted(connection)
            connection.execute("CHECKPOINT")
    found = _described(path, counted, started)
    return replace(found, loaded=work.loaded, removed=work.removed, left=work.left, logged=logged)


def other_lake(path: Path, lake: Lake) -> str | None:
    """Why a database is not one of a lake; None where it is, or is of an earlier version."""
    return _other_lake(path, _present(path), lake)


def _other_lake(path: Path, present: _Present, lake: Lake) -> str | None:
    identity = lake_id(lake)
    if not (present.lake_id and identity) or present.lake_id == identity:
        return None
    return (
        f"{path} has the tables of another lake (id {present.lake_id}) than {lake.place} (id "
        f"{identity}): let SPINE_DATABASE_PATH name another file, or move this one away, then "
        "run spine db refresh"
    )


def differing_weeks(path: Path, contents: Contents) -> list[date | None] | None:
    """Weeks of which the lake has other files than were loaded; None: all, by its definitions.

    Raises:
        LakeError: the lake cannot be listed.
    """
    present, listed = _present(path), contents.listed()
    if not present.has(_definitions(contents, listed, CORE_TABLES)):
        return None
    differs: set[date | None] = set()
    for name, weeks in listed.items():
        differs |= {week for week, _ in weeks.items() ^ present.weeks.get(name, {}).items()}
    return sorted(differs, key=lambda week: week or date.min)


@dataclass(frozen=True)
class _Present:
    """What a database holds.

    Attributes:
        lake_id: The lake that it is made from.
        definitions: Hash of the statements that made it.
        refreshed_at: When it was refreshed.
        weeks: Files of each table's weeks.
        counted: Rows and weeks of each table.
        names: Its tables and views.
    """

    lake_id: str | None = None
    definitions: str = ""
    refreshed_at: datetime = datetime.min  # noqa: DTZ901 - as DuckDB returns times
    weeks: Mapping[str, Weeks] = field(default_factory=dict)
    counted: Counted = field(default_factory=dict)
    names: Collection[str] = ()

    def has(self, wanted: _Definitions) -> bool:
        """Whether it was made by these definitions, and nobody removed a table or view since."""
        made = {name for name, kind in wanted.made.items() if kind != "MACRO"}
        return self.definitions == wanted.digest and made <= {*self.names}

    def differs(self, listed: Mapping[str, Weeks]) -> bool:
        """Whether a table has other files in the lake than were loaded."""
        return any(self.weeks.get(name, {}) != weeks for name, weeks in listed.items())


def _present(path: Path) -> _Present:
    """What the database holds; nothing where there is none, or one that is not of this program."""
    if not path.exists():
        return _Present()
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            ((of_lake, definitions, refreshed_at),) = connection.sql(
                f"SELECT lake_id, definitions, refreshed_at FROM {ABOUT}"
            ).fetchall()
            names = connection.sql(
                "SELECT table_name FROM duckdb_tables() UNION ALL "
                "SELECT view_name FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
            weeks, counted = _stored_weeks(connection), _counted(connection)
            return _Present(
                of_lake, definitions, refreshed_at, weeks, counted, [name for (name,) in names]
            )
    except (duckdb.Error, ValueError):
        return _Present()


def _stored_weeks(connection: duckdb.DuckDBPyConnection) -> dict[str, Weeks]:
    rows = connection.sql(
        f"SELECT table_name, week_ending, files FROM {BUILD} ORDER BY ALL"
    ).fetchall()
    return {
        name: {week: files for _, week, files in weeks}
        for name, weeks in groupby(rows, key=lambda row: row[0])
    }


@dataclass(frozen=True)
class _Definitions:
    """Statements that make the tables by name, and those that make everything else in order."""

    tables: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Changes with any of them."""
        return _digest([self.tables, self.others])

    @property
    def made(self) -> dict[str, str]:
        """Kind of each object by name."""
        found = (_MADE.search(statement) for statement in self.others)
        others = {match[2]: match[1] for match in found if match}
        return others | dict.fromkeys((*self.tables, BUILD, ABOUT), "TABLE")


def _definitions(
    contents: Contents, listed: Mapping[str, Weeks], of_dagster: Iterable[LogTable]
) -> _Definitions:
    lake, main = contents.lake, "main"
    is_early = stored_format(lake) != FORMAT  # its files lack columns, which are null then
    tables = {
        item.name: tuple(
            table_ddl(
                main,
                item.name,
                [replace(column, nullable=column.nullable or is_early) for column in item.columns],
                item.grain,
            )
        )
        for item in contents.stored
    }
    tables |= {
        item.name: tuple(table_ddl(main, item.name, item.columns, item.grain))
        for item in of_dagster
    }
    for name in listed:
        if name not in tables:  # of a pipeline in YAML: its own file has the columns
            source = literal(str(lake.empty_part(name)))
            tables[name] = (
                f"CREATE OR REPLACE TABLE {identifier(name)} AS FROM read_parquet({source}, "
                f"hive_partitioning = false) LIMIT 0 -- {lake.schema(lake.empty_part(name))}",
            )
    known = {table.name for table in (*contents.stored, *contents.views)}
    others = table_views(lake, contents.views)
    found = _Definitions(tables, (*others, *derived_views(known)))
    return replace(found, others=(*found.others, *view_comments(found.made)))


@dataclass
class _Refresh:
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
        stored = _stored_weeks(self.connection)
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
            with _transaction(self.connection):
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
                self.left[week] = "its tables are not made from its current captures"
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
        changed = [week for week in weeks if _digest(now[week]) != before.get(week, _digest([]))]
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
            self._insert(name, [literal(str(file)) for file in files])
        hashes = {week: _digest(now[week]) for week in changed}
        self._record(name, changed, hashes, is_sorted=is_sorted)
        return [week for week in changed if now[week]], [week for week in changed if not now[week]]

    def _insert(self, name: str, files: list[str]) -> None:
        """Add the rows of files, in the order of a year."""
        columns = self._columns(name)
        by_name = stored_format(self.contents.lake) != FORMAT or name == pins.TABLE.name
        # What an early file lacks is null: the empty file, the last one, has all columns.
        early = [literal(str(self.contents.lake.empty_part(name)))] if by_name else []
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
            if files[found] != _digest([]):
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
        with _transaction(self.connection):
            _execute(
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

    def define(self, wanted: _Definitions) -> None:
        """Make tables, views and macros; tables whose columns are unchanged keep their rows.

        Raises:
            CannotRefresh: a person has made something of the same name.
        """
        connection, there = self.connection, _objects(self.connection)
        mine = _recorded_objects(connection, there)
        if conflicts := sorted((wanted.made.keys() & there.keys()) - mine.keys()):
            name = conflicts[0]
            raise CannotRefresh(
                f"the database has a {there[name].lower()} {name} of your own, a name that is "
                f"needed now: ALTER {there[name]} {name} RENAME TO another_name"
            )
        for name in sorted(mine.keys() & there.keys()):
            unchanged = name in wanted.tables and mine[name] == _digest(wanted.tables[name])
            if not unchanged and name not in (BUILD, ABOUT):
                connection.execute(f"DROP {there[name]} {identifier(name)}")
                if BUILD in there:
                    connection.execute(f"DELETE FROM {BUILD} WHERE table_name = $1", [name])
                del there[name]
        if BUILD not in there:
            _execute(connection, table_ddl("main", BUILD, _BUILD_COLUMNS, _BUILD_GRAIN))
        for name, statements in wanted.tables.items():
            if name not in there:
                _execute(connection, statements)
        _execute(connection, wanted.others)


def _objects(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Kind of each table, view and macro in the main schema, as `DROP` names it."""
    return dict(
        connection.sql(
            """
            SELECT table_name, 'TABLE' FROM duckdb_tables()
                WHERE schema_name = 'main' AND database_name = current_database() AND NOT temporary
            UNION ALL SELECT view_name, 'VIEW' FROM duckdb_views()
                WHERE schema_name = 'main' AND database_name = current_database() AND NOT internal
            UNION ALL SELECT DISTINCT function_name,
                if(function_type = 'table_macro', 'MACRO TABLE', 'MACRO') FROM duckdb_functions()
                WHERE schema_name = 'main' AND database_name = current_database() AND NOT internal
            """
        ).fetchall()
    )


def _recorded_objects(
    connection: duckdb.DuckDBPyConnection, there: Mapping[str, str]
) -> dict[str, str]:
    """What this program has made in the database, by name; of a table with the hash of its DDL.

    Files of earlier versions have no list: what bears our names in them is ours, but for a table in
    a file that holds views.
    """
    if ABOUT in there:
        ((objects,),) = connection.sql(f"SELECT objects FROM {ABOUT}").fetchall()
        return {str(name): str(digest) for name, digest in json.loads(objects).items()}
    copied = BUILD in there
    return {
        name: ""
        for name, kind in there.items()
        if (kind != "TABLE" or copied) and name.startswith(_OUR_NAMES)
    }


def _write_about(
    connection: duckdb.DuckDBPyConnection,
    wanted: _Definitions,
    began: datetime,
    identity: str | None,
) -> None:
    """Record what the database is."""
    objects = {name: _digest(wanted.tables.get(name, ())) for name in wanted.made}
    _execute(connection, table_ddl("main", ABOUT, _ABOUT_COLUMNS, "the database"))
    connection.execute(
        f"INSERT INTO {ABOUT} VALUES (?, ?, ?, ?, ?)",
        [identity, metadata.version("spine-assets"), began, wanted.digest, json.dumps(objects)],
    )


def _log(connection: duckdb.DuckDBPyConnection, recorded: DagsterTables) -> dict[str, int]:
    """Replace the rows of the tables that are read from Dagster; rows by table."""
    if recorded.read is None:
        return {}
    rows = {table.name: 0 for table in recorded.tables}
    for name in rows:
        connection.execute(f"DELETE FROM {name}")
    for page in recorded.read():
        run_tables.append(connection, page, schema="main")
        for name, frame in page.frames.items():
            rows[name] += frame.height
    return rows


def _counted(connection: duckdb.DuckDBPyConnection) -> Counted:
    """Rows and weeks of each table that has any."""
    found = connection.sql(
        "SELECT table_name, sum(row_count)::BIGINT AS rows, count(*) FILTER (row_count > 0) "
        f"FROM {BUILD} GROUP BY 1 HAVING rows > 0 ORDER BY 1"
    ).fetchall()
    return {name: (rows, weeks) for name, rows, weeks in found}


def _described(path: Path, counted: Counted, started: float) -> Refreshed:
    return Refreshed(
        path,
        rows={name: rows for name, (rows, _) in counted.items()},
        weeks={name: weeks for name, (_, weeks) in counted.items()},
        size=path.stat().st_size,
        seconds=time.monotonic() - started,
    )


def _reason(error: Exception) -> str:
    """Why a week was not loaded."""
    if isinstance(error, duckdb.ConstraintException):
        return (
            f"its files are of an earlier version and lack a column ({first_line(error)}): run "
            "spine backfill --missing"
        )
    return first_line(error)


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _limit(connection: duckdb.DuckDBPyConnection, memory_bytes: int, spill: str) -> None:
    """Bound the memory of sorting; what exceeds it goes to the folder `spill`.

    A quarter is left to what DuckDB does not count, and to Python: with all of it 104 full weeks
    reached 2.3 GB under a limit of 2.
    """
    connection.execute("SET enable_progress_bar = false")  # DuckDB writes it into a run's log
    connection.execute(f"SET threads = {min(os.cpu_count() or 1, _THREADS)}")
    connection.execute(f"SET memory_limit = '{memory_bytes * 3 // 4 // 2**20}MiB'")
    connection.execute(f"SET temp_directory = {literal(spill)}")


def _execute(connection: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def _among(weeks: Iterable[date | None]) -> str:
    """A condition on the week; of a table without weeks none."""
    days = [week for week in weeks if week is not None]
    return f"week_ending IN ({', '.join(literal(str(day)) for day in days)})" if days else "true"


def _is_writable(lake: Lake) -> bool:
    """Whether locks can be taken; nobody builds in a folder that is mounted for reading."""
    root = lake.root
    return not isinstance(root, Path) or os.access(root, os.W_OK)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
