"""Our tables as inputs of other teams' assets: the weeks that an asset needs, as a Polars frame.

Belongs here: reading for assets of other projects. Does not belong here: anything that writes.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from spine_assets.core.settings import load_settings
from spine_assets.lake.opening import open_lake
from spine_assets.otc.past.as_of import table_now
from spine_assets.otc.tables.registry import TABLES


class SpineTables(dg.ConfigurableIOManager):
    """Loads our tables for assets of other projects; it stores nothing.

        ins={"shares": dg.AssetIn("otc_venue_share", input_manager_key="spine_tables")}
        resources={"spine_tables": SpineTables(lake="/srv/spine/data/lake")}

    Attributes:
        lake: The lake, a folder or a URL such as `s3://bucket/lake`; None means that of the
            `SPINE_*` settings.
    """

    lake: str | None = None

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """The rows of all weeks that the asset's partition depends on, oldest week first.

        An asset without partitions gets each week that is there. One with partitions gets all
        of its weeks.

        Raises:
            Failure: there is no such table, or one of the weeks is not in the lake.
        """
        name = context.asset_key.path[-1]
        if name not in {table.name for table in TABLES}:
            raise _failure(f"{name} is no table of the lake")
        lake = open_lake(self.lake or load_settings().lake_place)
        stored = {str(week) for week in lake.weeks(name)}
        keys = sorted(context.asset_partition_keys) if context.has_asset_partitions else []
        if not context.step_context.has_partitions:
            keys = sorted(stored)
        elif absent := [key for key in keys if key not in stored]:
            raise _failure(f"{name} has no rows of {', '.join(absent)} in {lake.place}: build them")
        if not keys:
            raise _failure(f"no week of {name} exists yet for this partition")
        weeks = [table_now(lake, name, date.fromisoformat(key)) for key in keys]
        rows = pl.concat(weeks, how="diagonal_relaxed")
        context.log.info(f"{name}: {rows.height:,} rows of {keys[0]} to {keys[-1]}")
        return rows

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Nothing is stored: another I/O manager keeps what an asset returns.

        Raises:
            Failure: always.
        """
        raise _failure("spine_tables only reads; store your own assets with another I/O manager")


def _failure(text: str) -> dg.Failure:
    return dg.Failure(text, allow_retries=False)
