"""The lake as runs open it: with an up-to-date file of DuckDB views."""

from __future__ import annotations

import dagster as dg
from duckdb import Error as DuckDBError

from spine_assets.core.settings import load_settings
from spine_assets.lake.base import Lake, LakeError
from spine_assets.lake.opening import open_lake
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.view_file import ensure_view_file


def lake_with_views() -> Lake:
    """The lake; its file of views is written if it is missing or out of date."""
    settings = load_settings()
    lake = open_lake(settings.lake_place)
    try:
        ensure_view_file(settings.warehouse_path, lake, TABLES)
    except (OSError, LakeError, DuckDBError) as error:
        # The views are for people; weeks are built without them.
        dg.get_dagster_logger().warning(f"cannot make {settings.warehouse_path}: {error}")
    return lake
