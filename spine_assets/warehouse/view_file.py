"""The database file that holds the views: made where it is missing or out of date, and removed.

`spine.duckdb` holds views only, so any number of people may keep it open, read-write too, without
disturbing a run: runs never open it. Does not belong here: which views there are (`views`), and
queries (`connection`).
"""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import duckdb
from filelock import FileLock

from spine_assets.core.tables import Table
from spine_assets.lake.atomic_write import remove_leftovers, replacing
from spine_assets.lake.base import Lake
from spine_assets.lake.format import declare
from spine_assets.otc.captures import pins
from spine_assets.otc.tables import raw
from spine_assets.warehouse.views import declared_views, view_statements


def ensure_view_file(path: Path, lake: Lake, tables: tuple[Table, ...]) -> bool:
    """Make the file of views where it is missing or out of date; True if it was made.

    The present file is never opened: a fingerprint beside it identifies its statements.
    Sessions with the old file open keep it until they close.
    """
    declare(lake, (*tables, pins.TABLE), raw.TABLE.name)
    if is_up_to_date(path, lake, tables):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if is_up_to_date(path, lake, tables):
            return False
        remove_leftovers(path)
        statements = _of_file(lake, tables)
        with replacing(path) as staged:
            with duckdb.connect(str(staged)) as connection, lake.readable_by(connection):
                for statement in statements:
                    connection.execute(statement)
            # A log of the old file must not be replayed into the new one.
            log = path.with_name(f"{path.name}.wal")
            if log.exists():
                log.replace(path.with_name(f"{path.name}.{uuid.uuid4().hex}.wal.old"))
        _fingerprint(path).write_text(_digest(statements), "utf-8")
    return True


def is_up_to_date(path: Path, lake: Lake, tables: tuple[Table, ...]) -> bool:
    """Whether the file of views was made from these declarations; it is not opened."""
    mark = _fingerprint(path)
    if not (path.exists() and mark.exists()):
        return False
    return mark.read_text("utf-8") == _digest(_of_file(lake, tables))


def _of_file(lake: Lake, tables: tuple[Table, ...]) -> list[str]:
    """Statements of the file: our tables and views, and the tables that pipelines declare."""
    return view_statements(lake, tables) + declared_views(lake)


def _digest(statements: list[str]) -> str:
    """Changes with the views and with DuckDB."""
    return hashlib.sha256("\n".join([duckdb.__version__, *statements]).encode()).hexdigest()


def remove_view_file(path: Path) -> None:
    """Delete the file of views and its fingerprint."""
    for found in (path, _fingerprint(path)):
        found.unlink(missing_ok=True)


def _fingerprint(path: Path) -> Path:
    return path.with_name(f".{path.name}.fingerprint")
