"""The tables, views and macros of a database: their DDL, which of them are ours, its own records.

What a person made in the database is never changed; the program lists what it made itself in
`spine_database`. Belongs here: the objects and the two tables about the database. Does not belong
here: rows of the lake's tables (`database_weeks`).
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import metadata
from itertools import groupby
from pathlib import Path

import duckdb

from spine_assets.core.sql import identifier, literal, table_ddl
from spine_assets.core.tables import Column, Type
from spine_assets.lake.format import FORMAT, stored_format
from spine_assets.warehouse.database_contents import Contents, Weeks, digest
from spine_assets.warehouse.database_copy import CannotRefresh
from spine_assets.warehouse.run_tables import LogTable
from spine_assets.warehouse.views import derived_views, table_views, view_comments

BUILD = "spine_build"
"""Table of the database that lists which builds of which weeks it holds."""
ABOUT = "spine_database"
"""Table of one row about the database itself."""


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
_COMPRESSIONS = {"record_hash": "fsst"}  # no value twice, so no dictionary
Counted = dict[str, tuple[int, int]]
"""Rows and weeks of tables."""


@dataclass(frozen=True)
class DatabaseState:
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

    def has(self, wanted: Definitions) -> bool:
        """Whether it was made by these definitions, and nobody removed a table or view since."""
        made = {name for name, kind in wanted.made.items() if kind != "MACRO"}
        return self.definitions == wanted.digest and made <= {*self.names}

    def differs(self, listed: Mapping[str, Weeks]) -> bool:
        """Whether a table has other files in the lake than were loaded."""
        return any(self.weeks.get(name, {}) != weeks for name, weeks in listed.items())


def state_of(path: Path) -> DatabaseState:
    """What the database holds; nothing where there is none, or one that is not of this program."""
    if not path.exists():
        return DatabaseState()
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            ((of_lake, definitions, refreshed_at),) = connection.sql(
                f"SELECT lake_id, definitions, refreshed_at FROM {ABOUT}"
            ).fetchall()
            names = connection.sql(
                "SELECT table_name FROM duckdb_tables() UNION ALL "
                "SELECT view_name FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
            weeks, counted = stored_weeks(connection), row_counts(connection)
            return DatabaseState(
                of_lake, definitions, refreshed_at, weeks, counted, [name for (name,) in names]
            )
    except (duckdb.Error, ValueError):
        return DatabaseState()


def stored_weeks(connection: duckdb.DuckDBPyConnection) -> dict[str, Weeks]:
    """Weeks of each table, with the hash of the files that were loaded."""
    rows = connection.sql(
        f"SELECT table_name, week_ending, files FROM {BUILD} ORDER BY ALL"
    ).fetchall()
    return {
        name: {week: files for _, week, files in weeks}
        for name, weeks in groupby(rows, key=lambda row: row[0])
    }


@dataclass(frozen=True)
class Definitions:
    """Statements that make the tables by name, and those that make everything else in order."""

    tables: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Changes with any of them."""
        return digest([self.tables, self.others])

    @property
    def made(self) -> dict[str, str]:
        """Kind of each object by name."""
        found = (_MADE.search(statement) for statement in self.others)
        others = {match[2]: match[1] for match in found if match}
        return others | dict.fromkeys((*self.tables, BUILD, ABOUT), "TABLE")


def definitions_of(
    contents: Contents, listed: Mapping[str, Weeks], of_dagster: Iterable[LogTable]
) -> Definitions:
    """The statements for what a database is to hold, the tables of Dagster's records included."""
    lake, main = contents.lake, "main"
    is_early = stored_format(lake) != FORMAT  # its files lack columns, which are null then
    tables = {
        item.name: tuple(
            table_ddl(
                main,
                item.name,
                [replace(column, nullable=column.nullable or is_early) for column in item.columns],
                item.grain,
                _COMPRESSIONS,
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
            source = literal(glob.escape(str(lake.empty_part(name))))
            tables[name] = (
                f"CREATE OR REPLACE TABLE {identifier(name)} AS FROM read_parquet({source}, "
                f"hive_partitioning = false) LIMIT 0 -- {lake.schema(lake.empty_part(name))}",
            )
    known = {table.name for table in (*contents.stored, *contents.views)}
    others = table_views(lake, contents.views, kept=True)
    found = Definitions(tables, (*others, *derived_views(known)))
    return replace(found, others=(*found.others, *view_comments(found.made)))


def define(connection: duckdb.DuckDBPyConnection, wanted: Definitions) -> None:
    """Make tables, views and macros; tables whose columns are unchanged keep their rows.

    Raises:
        CannotRefresh: a person has made something of the same name.
    """
    there = _objects(connection)
    mine = _recorded_objects(connection, there)
    if conflicts := sorted((wanted.made.keys() & there.keys()) - mine.keys()):
        name = conflicts[0]
        raise CannotRefresh(
            f"the database has a {there[name].lower()} {name} of your own, a name that is "
            f"needed now: ALTER {there[name]} {name} RENAME TO another_name"
        )
    for name in sorted(mine.keys() & there.keys()):
        unchanged = name in wanted.tables and mine[name] == digest(wanted.tables[name])
        if not unchanged and name not in (BUILD, ABOUT):
            connection.execute(f"DROP {there[name]} {identifier(name)}")
            if BUILD in there:
                connection.execute(f"DELETE FROM {BUILD} WHERE table_name = $1", [name])
            del there[name]
    if BUILD not in there:
        execute_all(connection, table_ddl("main", BUILD, _BUILD_COLUMNS, _BUILD_GRAIN))
    for name, statements in wanted.tables.items():
        if name not in there:
            execute_all(connection, statements)
    execute_all(connection, wanted.others)


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


def write_about(
    connection: duckdb.DuckDBPyConnection,
    wanted: Definitions,
    began: datetime,
    identity: str | None,
) -> None:
    """Record what the database is."""
    objects = {name: digest(wanted.tables.get(name, ())) for name in wanted.made}
    execute_all(connection, table_ddl("main", ABOUT, _ABOUT_COLUMNS, "the database"))
    connection.execute(
        f"INSERT INTO {ABOUT} VALUES (?, ?, ?, ?, ?)",
        [identity, metadata.version("spine-assets"), began, wanted.digest, json.dumps(objects)],
    )


def row_counts(connection: duckdb.DuckDBPyConnection) -> Counted:
    """Rows and weeks of each table that has any."""
    found = connection.sql(
        "SELECT table_name, sum(row_count)::BIGINT AS rows, count(*) FILTER (row_count > 0) "
        f"FROM {BUILD} GROUP BY 1 HAVING rows > 0 ORDER BY 1"
    ).fetchall()
    return {name: (rows, weeks) for name, rows, weeks in found}


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def execute_all(connection: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> None:
    """Execute statements one after the other."""
    for statement in statements:
        connection.execute(statement)
