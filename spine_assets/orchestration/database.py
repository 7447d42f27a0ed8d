"""The database of people after a run: brought up to date through Dagster's DuckDB resource.

Workers of a lake in a bucket do not write it: each person's own database is refreshed by `spine db
refresh`. Does not belong here: what is in it and how it is written (`warehouse.database`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from spine_assets.core.settings import load_settings
from spine_assets.core.text import counted
from spine_assets.lake.base import Lake, LakeError, LakeUnavailable
from spine_assets.lake.format import declare, stored_format
from spine_assets.lake.opening import open_lake
from spine_assets.orchestration.history import core_frames
from spine_assets.otc.state.stored_tables import GIVEN
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets.warehouse.database import Refreshed, refresh
from spine_assets.warehouse.database_contents import DagsterTables, contents_of
from spine_assets.warehouse.database_copy import DRAFT_CONFIG, CannotRefresh

_FEW = 3


def declared_lake() -> Lake:
    """The lake of the settings, with its empty files.

    Where it cannot be reached or written, each week says so, and is tried again.

    Raises:
        LakeError: it is of a later format, or its format cannot be read.
    """
    lake = open_lake(load_settings().lake_place)
    try:
        stored_format(lake)
    except (LakeUnavailable, OSError) as error:
        dg.get_dagster_logger().warning(f"{lake.place} cannot be reached: {error}")
        return lake
    try:
        declare(lake, (*TABLES, *GIVEN), raw.TABLE.name)
    except (LakeError, OSError) as error:
        dg.get_dagster_logger().warning(f"{lake.place} cannot be written: {error}")
    return lake


def refresh_database(instance: dg.DagsterInstance, lake: Lake, log: logging.Logger) -> None:
    """Bring the database up to date and log what was done; a failure to do so is a warning.

    The tables are published without it, and the next run or `spine db refresh` catches up.
    """
    settings = load_settings()
    if not isinstance(lake.root, Path):
        return
    try:
        found = refresh(
            settings.warehouse_path,
            contents_of(lake, settings.database_tables),
            opened=_opened,
            memory_bytes=settings.memory_limit,
            recorded=DagsterTables(CORE_TABLES, lambda: [core_frames.read(instance)]),
            requested=datetime.now(UTC).replace(tzinfo=None),
        )
    except (CannotRefresh, LakeError, OSError, duckdb.Error) as error:
        log.warning(f"the database is not refreshed: {error}")
        return
    log.info(_text(found))
    if found.left:
        log.warning(
            f"in {found.path.name} {counted(len(found.left), 'week')} keep their earlier state: "
            + "; ".join(f"{week}, {reason}" for week, reason in [*found.left.items()][:_FEW])
        )


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    resource = DuckDBResource(database=str(path), connection_config=DRAFT_CONFIG)
    with resource.get_connection() as connection:
        try:
            yield connection
        finally:
            connection.close()  # the resource leaves it open when the body raises


def _text(found: Refreshed) -> str:
    weeks = {
        week for weeks in (found.loaded, found.removed) for name in weeks for week in weeks[name]
    }
    return (
        f"{found.path.name}: {counted(len(weeks), 'week')} refreshed in {found.seconds:.1f} s "
        f"({found.size / 1_000_000:,.1f} MB)"
    )
