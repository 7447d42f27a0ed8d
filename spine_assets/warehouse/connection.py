"""Connections of DuckDB to the lake, and queries that are repeated where a file was replaced.

Belongs here: a private database with the views. Does not belong here: which views there are
(`views`), and the database that people open (`database`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import duckdb

from spine_assets.core.settings import load_settings
from spine_assets.core.tables import Table
from spine_assets.lake import scratch
from spine_assets.lake.base import REPLACED, Lake
from spine_assets.lake.format import declare
from spine_assets.otc.state.stored_tables import GIVEN
from spine_assets.otc.tables import raw
from spine_assets.warehouse.views import view_statements

# A query fetches no extension, and so opens no address of a network.
_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_ATTEMPTS = 8  # a file is replaced at most a few times per minute
_LOOK_SECONDS = 0.1  # between two looks for Ctrl-C
_COUNTED = 50_000  # rows at once that are counted alone: some megabytes
_PAUSE_SECONDS = 0.05  # before the second attempt; another query may still read the old file
# DuckDB's messages where footer and rows are of two versions of a file.
_REPLACED = (
    "TProtocolException",
    "don't know what type",
    "Prefetch registered",
    "No magic bytes",
    REPLACED,
)


Answer = TypeVar("Answer")


@contextmanager
def connect(
    lake: Lake, tables: tuple[Table, ...], *, analysis: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory database with the views; no file is opened or locked.

    It stays below `SPINE_MEMORY_LIMIT`; what exceeds it goes to a temporary file where DuckDB can.

    Args:
        lake: What the views read.
        tables: Which tables have views.
        analysis: Also the views of `otc.views`; making them takes some hundredths of a second.

    Raises:
        LakeError: the lake cannot be read, also within the block.
    """
    declare(lake, (*tables, *GIVEN), raw.TABLE.name)
    limited = _CONFIG | {
        "memory_limit": f"{int(load_settings().memory_limit)}B",
        "temp_directory": str(scratch.new_path("spill")),  # else a folder where the user stands
        "max_temp_directory_size": f"{10 * int(load_settings().memory_limit)}B",
    }
    with duckdb.connect(":memory:", config=limited) as connection, lake.readable_by(connection):
        create(connection, partial(view_statements, lake, tables, analysis=analysis))
        yield connection


def create(connection: duckdb.DuckDBPyConnection, statements: Callable[..., list[str]]) -> None:
    """Make views over a lake, also where the first file of a table is damaged or just replaced.

    Args:
        connection: Where they are made.
        statements: Their DDL, with or without `unopened` (`views.files_of`).
    """
    try:
        for statement in statements():
            connection.execute(statement)
    except duckdb.Error:
        for statement in statements(unopened=True):
            connection.execute(statement)


def answer(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any] | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query; raises as `beginning`."""
    names, rows, _ = beginning(connection, sql, None, parameters)
    return names, rows


def beginning(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    most: int | None,
    parameters: dict[str, Any] | None = None,
    *,
    counted: bool = True,
) -> tuple[list[str], list[tuple[Any, ...]], int]:
    """Column names and the first rows of a query, and how many rows it has.

    It is repeated where a file was replaced under it: DuckDB (2.0.0 and 1.5.5) opens a Parquet file
    once for its footer and once for its rows. A week that is published in between makes the query
    fail; it gives no wrong answer.

    Args:
        connection: Where it is asked.
        sql: One statement.
        most: How many rows are returned; None for all. The others are counted and not kept.
        parameters: What the statement names with `$`.
        counted: Else a query with more rows is left where it is, and one more is reported.
    """

    def ask() -> tuple[list[str], list[tuple[Any, ...]], int]:
        cursor = connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description or ()]
        if not names or most is None:
            rows = cursor.fetchall() if names else []
            return names, rows, len(rows)
        rows = cursor.fetchmany(most)  # to the end: the loop below
        total = len(rows)
        if not counted:
            return names, rows, total + len(cursor.fetchmany(1))  # to the end, or given up
        while more := len(cursor.fetchmany(_COUNTED)):  # to the end
            total += more
        return names, rows, total

    return interruptible(connection, lambda: retry_replaced(ask))


def interruptible(connection: duckdb.DuckDBPyConnection, query: Callable[[], Answer]) -> Answer:
    """Run a query of this connection so that Ctrl-C ends it at once.

    DuckDB (2.0.0) looks for the signal in the thread that asked, between its own tasks, of which
    one may take minutes. With Polars imported the signal wakes no thread, so this one looks too.

    Raises:
        KeyboardInterrupt: Ctrl-C; the query has ended.
    """
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(query)
        try:
            while not wait([asked], _LOOK_SECONDS).done:
                pass
        except KeyboardInterrupt:
            while not asked.done():
                connection.interrupt()  # lost if the query has not begun
                wait([asked], _LOOK_SECONDS)
            raise
        return asked.result()


def retry_replaced(query: Callable[[], Answer]) -> Answer:
    """Run a query, and run it again where a file was replaced meanwhile."""
    for attempt in range(_ATTEMPTS):
        try:
            return query()
        except duckdb.Error as error:
            is_replaced = any(mark in str(error) for mark in _REPLACED)
            if not is_replaced or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE_SECONDS * 2**attempt)
    raise AssertionError  # the last attempt returns or raises
