"""The database that people open: the lake's tables, views and macros in one DuckDB file.

The lake is the record; the database is made from it and can be made again. A refresh changes a
copy and renames it over the database, so a reader sees all tables as of one moment. No path is in
it, unless tables are left to views over the lake.

Belongs here: a refresh from its beginning to its end. Does not belong here: what is to be in the
database (`database_contents`), its objects and rows (`database_objects`, `database_weeks`), the
copy and the rename (`database_copy`), views over the lake for one process (`connection`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from spine_assets.core.sql import literal
from spine_assets.lake.base import Lake
from spine_assets.lake.format import declare, lake_id, stored_format
from spine_assets.otc.tables import raw
from spine_assets.warehouse import run_tables
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets.warehouse.database_contents import Contents, DagsterTables
from spine_assets.warehouse.database_copy import CannotRefresh, changed_copy, locked, open_draft
from spine_assets.warehouse.database_objects import (
    Counted,
    DatabaseState,
    define,
    definitions_of,
    row_counts,
    state_of,
    transaction,
    write_about,
)
from spine_assets.warehouse.database_weeks import WeekLoader

_THREADS = 8  # tried with 1 GB of memory; each further one needs a part of it
_NOTHING = DagsterTables()
Open = Callable[[Path], AbstractContextManager[duckdb.DuckDBPyConnection]]


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
    recorded: DagsterTables = _NOTHING,
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
        requested: What Dagster records is not read again if a refresh did so after this moment.
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
        present, identity = state_of(path), lake_id(contents.lake)
        if problem := _other_lake(path, present, contents.lake):
            raise CannotRefresh(problem)
        listed = contents.listed()
        definitions = definitions_of(contents, listed, recorded.tables)
        is_defined = present.has(definitions) and present.lake_id == identity
        is_current = is_defined and not present.differs(listed)
        is_logged = recorded.read is None or _is_after(present.refreshed_at, requested)
        if is_current and is_logged and not sort:
            return _described(path, present.counted, started)
        began = datetime.now(UTC).replace(tzinfo=None)
        with changed_copy(path) as draft, opened(draft) as connection:
            _limit(connection, memory_bytes, f"{draft}.spill")
            with contents.lake.readable_by(connection):
                work = WeekLoader(connection, contents, listed, began, advance)
                if not is_defined:
                    with transaction(connection):  # each statement alone would wait for the disk
                        define(connection, definitions)
                work.load()
                work.sort(everything=sort)
            logged = _log(connection, recorded)
            write_about(connection, definitions, began, identity)
            counted = row_counts(connection)
            connection.execute("CHECKPOINT")
    found = _described(path, counted, started)
    return replace(found, loaded=work.loaded, removed=work.removed, left=work.left, logged=logged)


def _is_after(refreshed: datetime, requested: datetime | None) -> bool:
    """Whether a refresh began after it was requested; a time in the future does not count."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return requested is not None and requested < refreshed <= now


def other_lake(path: Path, lake: Lake) -> str | None:
    """Why a database is not one of a lake; None where it is, or is of an earlier version."""
    return _other_lake(path, state_of(path), lake)


def _other_lake(path: Path, present: DatabaseState, lake: Lake) -> str | None:
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
    present, listed = state_of(path), contents.listed()
    if not present.has(definitions_of(contents, listed, CORE_TABLES)):
        return None
    differs: set[date | None] = set()
    for name, weeks in listed.items():
        differs |= {week for week, _ in weeks.items() ^ present.weeks.get(name, {}).items()}
    return sorted(differs, key=lambda week: week or date.min)


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


def _described(path: Path, counted: Counted, started: float) -> Refreshed:
    return Refreshed(
        path,
        rows={name: rows for name, (rows, _) in counted.items()},
        weeks={name: weeks for name, (_, weeks) in counted.items()},
        size=path.stat().st_size,
        seconds=time.monotonic() - started,
    )


def _limit(connection: duckdb.DuckDBPyConnection, memory_bytes: int, spill: str) -> None:
    """Bound the memory of sorting; what exceeds it goes to the folder `spill`.

    A quarter is left to what DuckDB does not count, and to Python: with all of it 104 full weeks
    reached 2.3 GB under a limit of 2.
    """
    connection.execute("SET enable_progress_bar = false")  # DuckDB writes it into a run's log
    connection.execute(f"SET threads = {min(os.cpu_count() or 1, _THREADS)}")
    connection.execute(f"SET memory_limit = '{memory_bytes * 3 // 4 // 2**20}MiB'")
    connection.execute(f"SET temp_directory = {literal(spill)}")
