"""DuckDB over the lake: the views people query, and the file that holds them.

`spine.duckdb` holds views only, so any number of people may keep it open, read-write too,
without disturbing a run: runs never open it. Views name absolute paths and answer with
their columns also while a table is empty. Belongs here: DDL made from the declarations.
"""

from __future__ import annotations

import glob
import hashlib
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from filelock import FileLock

from spine_assets import view
from spine_assets.lake import REPLACED, Lake
from spine_assets.lake_told import told_by_duckdb
from spine_assets.otc import pins, raw, venue_volume
from spine_assets.otc.tables import TABLES
from spine_assets.otc.views import VIEWS
from spine_assets.table import Table

_AS_DELIVERED = "views"  # the file of what is upon `otc_raw` and `otc_pins`
_LOADED = "otc_loaded_in"
_TRACED = "trace"  # the file of the macros that lead from a number to its lines
_SQL_COMMENT = re.compile(r"--.*")
_NAMES = re.compile(r"otc_\w*")
_OF_TABLES = {table.name for table in TABLES} | {
    *(pins.TABLE.name, "otc_raw_current", "otc_raw_as_of")
}
_ATTEMPTS = 8  # a file is replaced at most some times a minute
_PAUSE_SECONDS = 0.05  # before the second attempt; another query may still read the old file
# What DuckDB says when the footer it read is another file's than the rows.
_REPLACED = (
    "TProtocolException",
    "don't know what type",
    "Prefetch registered",
    "No magic bytes",
    REPLACED,
)
_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


Answer = TypeVar("Answer")


def view_statements(lake: Lake, tables: tuple[Table, ...], *, analysis: bool = True) -> list[str]:
    """CREATE VIEW statements for every table and for the views upon them.

    A view's text cannot hold bound parameters, so the lake's path is quoted as a literal
    and its glob characters are escaped. Weeks are told by folder names, so that a query for
    one week opens one file; a lake whose own path holds `name=value` would tell columns
    too, so there the weeks are read from the files.

    DuckDB looks a view's sources up when the view is made, and each look at a table lists its
    folders. So the views upon the tables are made over empty ones, which are replaced then.
    """
    tables = (*tables, pins.TABLE)  # the views upon the tables need them
    statements = [
        f"CREATE OR REPLACE VIEW {identifier(table.name)} "
        f"AS SELECT {view.without_rows(table.columns)}"
        for table in tables
    ]
    statements += derived_views({table.name for table in tables}, analysis=analysis)
    for table in tables:
        columns = ", ".join(identifier(column.name) for column in table.columns)
        statements.append(
            f"CREATE OR REPLACE VIEW {identifier(table.name)} AS SELECT {columns} "
            f"{files_of(lake, table.name)}"
        )
        statements.append(f"COMMENT ON VIEW {identifier(table.name)} IS {literal(table.grain)}")
    return statements


def files_of(lake: Lake, table: str, *, weekly: bool = True) -> str:
    """The FROM that reads all files of a table."""
    by_folder = "true, hive_types = {'week_ending': DATE}"
    if not weekly or "=" in str(lake.root):
        by_folder = "false"
    pattern = f"{glob.escape(str(lake.root))}/{table}/*/*.parquet"
    # The empty file comes first: it tells the types, whatever state the others are in.
    files = (glob.escape(str(lake.empty_part(table))), pattern)
    listed = ", ".join(literal(file) for file in files)
    return f"FROM read_parquet([{listed}], hive_partitioning = {by_folder})"


def create_views(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    tables: tuple[Table, ...],
    *,
    analysis: bool = True,
) -> None:
    """Create the views in an open database; the lake gets its empty files first."""
    lake.declare((*tables, pins.TABLE))
    lake.reach(connection)
    for statement in view_statements(lake, tables, analysis=analysis):
        connection.execute(statement)


@contextmanager
def connect(
    lake: Lake, tables: tuple[Table, ...], *, analysis: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory database with the views; no file is opened or locked.

    Args:
        lake: What the views read.
        tables: Which tables have views.
        analysis: Also the views of `otc.views`; to make them takes some hundredths of a second.

    Raises:
        LakeError: the lake cannot be read, also within the block.
    """
    connection = duckdb.connect(":memory:")
    try:
        with told_by_duckdb():
            create_views(connection, lake, tables, analysis=analysis)
            yield connection
    finally:
        connection.close()


def answer(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any] | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query, asked again where a file was replaced under it.

    DuckDB (2.0.0 and 1.5.5) opens a Parquet file once for its footer and once for its rows. A
    week that is published in between makes the query fail; it gives no wrong answer.
    """

    def ask() -> tuple[list[str], list[tuple[Any, ...]]]:
        cursor = connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description or ()]
        return names, cursor.fetchall() if names else []

    return asked_again(ask)


def asked_again(ask: Callable[[], Answer]) -> Answer:
    """Ask, and ask again where a file was replaced meanwhile."""
    for attempt in range(_ATTEMPTS):
        try:
            return ask()
        except duckdb.Error as error:
            last = attempt == _ATTEMPTS - 1
            if last or not any(mark in str(error) for mark in _REPLACED):
                raise
            time.sleep(_PAUSE_SECONDS * 2**attempt)
    raise AssertionError  # the last attempt returns or raises


def is_select(sql: str) -> bool:
    """Whether a text is exactly one statement that reads.

    Raises:
        duckdb.Error: it is no SQL.
    """
    statements = duckdb.extract_statements(sql)
    return len(statements) == 1 and statements[0].type in _READING


def needs_analysis(sql: str) -> bool:
    """Whether a query may ask for a view of `otc.views`: not if it names what it reads without."""
    named = {*_NAMES.findall(sql.casefold())}
    return not named or not named <= _OF_TABLES


def ensure_view_file(path: Path, lake: Lake, tables: tuple[Table, ...]) -> bool:
    """Make the file of views where it is missing or out of date; True if it was made.

    The present file is never opened: a fingerprint beside it tells what it was made from.
    Sessions that hold the old file keep it until they close.
    """
    lake.declare((*tables, pins.TABLE))
    if is_up_to_date(path, lake, tables):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if is_up_to_date(path, lake, tables):
            return False
        for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp*"):  # and its log
            leftover.unlink(missing_ok=True)
        statements = _of_file(lake, tables)
        _build_beside(path, statements, lake)
        _fingerprint(path).write_text(_digest(statements), "utf-8")
    return True


def is_up_to_date(path: Path, lake: Lake, tables: tuple[Table, ...]) -> bool:
    """Whether the file of views is there and was made from these declarations; not opened."""
    mark = _fingerprint(path)
    if not (path.exists() and mark.exists()):
        return False
    return mark.read_text("utf-8") == _digest(_of_file(lake, tables))


def _of_file(lake: Lake, tables: tuple[Table, ...]) -> list[str]:
    """Statements of the file: our tables and views, and those that pipelines of all declare."""
    from spine_assets.declared_views import declared_views

    return view_statements(lake, tables) + declared_views(lake)


def _digest(statements: list[str]) -> str:
    """Changes with the views and with DuckDB."""
    return hashlib.sha256("\n".join([duckdb.__version__, *statements]).encode()).hexdigest()


def remove_view_file(path: Path) -> None:
    """Delete the file of views and its fingerprint."""
    for found in (path, _fingerprint(path)):
        found.unlink(missing_ok=True)


def _build_beside(path: Path, statements: list[str], lake: Lake) -> None:
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        connection = duckdb.connect(str(staged))
        try:
            lake.reach(connection)
            with told_by_duckdb():
                for statement in statements:
                    connection.execute(statement)
        finally:
            connection.close()
        # A log of the old file must not be replayed upon the new one.
        log = path.with_name(f"{path.name}.wal")
        if log.exists():
            log.replace(path.with_name(f"{path.name}.{uuid.uuid4().hex}.wal.old"))
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def _fingerprint(path: Path) -> Path:
    return path.with_name(f".{path.name}.fingerprint")


def derived_views(tables: Collection[str], *, analysis: bool = True) -> list[str]:
    """Statements of the views and macros upon these tables; what needs another is left out."""
    known, statements = {*tables}, []
    if {raw.TABLE.name, pins.TABLE.name} <= known:
        statements += _split(_AS_DELIVERED)
    if not analysis:
        return statements
    if venue_volume.TABLE.name in known:
        statements.append(view.sql(_LOADED))
    for declared in VIEWS:
        if known >= {*declared.deps}:
            statements += view.statements(declared)
            known.add(declared.name)
    return statements + [macro for macro in _split(_TRACED) if _asked(macro) <= known]


def _split(name: str) -> list[str]:
    """Statements of a file in `otc/sql/`."""
    return [statement.strip() for statement in view.sql(name).split(";\n")]


def _asked(statement: str) -> set[str]:
    """The tables that a statement names."""
    names = {*_NAMES.findall(_SQL_COMMENT.sub("", statement))}
    return names & {*(table.name for table in TABLES), pins.TABLE.name}


def identifier(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL, where no parameter can be bound."""
    return "'" + text.replace("'", "''") + "'"
