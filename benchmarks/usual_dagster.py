"""The usual Dagster way: four weekly assets, stored by the stock I/O manager for DuckDB.

    dagster asset materialize -m usual_dagster --select '*' --partition 2025-10-03

`history.py` starts one such run a week, with `USUAL_WEEKS` (a list of `delivered.write_list`)
and `USUAL_DATABASE` set. All else is as it comes: the default executor, the I/O manager of
`dagster-duckdb-polars`, one DuckDB file, no checks. The frames are those of `floor_polars.py`.
"""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import delivered
import floor_polars as floor
import polars as pl
from dagster_duckdb import DuckDBIOManager
from dagster_duckdb.io_manager import DuckDbClient
from dagster_duckdb_polars import DuckDBPolarsTypeHandler

WEEKS = dg.WeeklyPartitionsDefinition(start_date="2014-05-16", day_offset=5)
WEEKLY = {"partition_expr": "week_ending"}


class PolarsHandler(DuckDBPolarsTypeHandler):
    """As it comes, but for a name: DuckDB 2.0 calls `arrow()` `to_arrow_table()`.

    dagster-duckdb-polars 0.29.27 still asks for the old one and cannot read a table.
    """

    def load_input(self, context, table_slice, connection) -> pl.DataFrame:  # type: ignore[no-untyped-def]
        """The rows of a table's week."""
        query = DuckDbClient.get_select_statement(table_slice)
        return pl.DataFrame(connection.execute(query).to_arrow_table())


class PolarsTables(DuckDBIOManager):
    """`DuckDBPolarsIOManager` with that handler."""

    @staticmethod
    def type_handlers() -> Sequence[PolarsHandler]:
        """What reads and writes frames."""
        return [PolarsHandler()]


def _captures(raw: pl.DataFrame) -> dict[str, str]:
    """The capture of each tier."""
    pairs = raw.select(pl.col("tier").replace_strict(floor.TIERS), "capture_id").unique()
    return dict(pairs.sort("tier").iter_rows())


def _build_id(raw: pl.DataFrame) -> str:
    return floor.build_id_of(_captures(raw), datetime.now(UTC))


@dg.asset(partitions_def=WEEKS, metadata=WEEKLY)
def otc_raw(context: dg.AssetExecutionContext) -> pl.DataFrame:
    """Every line of the week's files."""
    week = date.fromisoformat(context.partition_key)
    paths = delivered.read_list(Path(os.environ["USUAL_WEEKS"]))[week]
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    return pl.concat(floor.read_raw(path, week, now)[1] for path in paths)


@dg.asset(partitions_def=WEEKS, metadata=WEEKLY)
def otc_venue_volume(otc_raw: pl.DataFrame) -> pl.DataFrame:
    """What each venue traded of each symbol."""
    return floor.venue_volume(otc_raw, _build_id(otc_raw))


@dg.asset(partitions_def=WEEKS, metadata=WEEKLY)
def otc_symbol_summary(otc_raw: pl.DataFrame, otc_venue_volume: pl.DataFrame) -> pl.DataFrame:
    """Each symbol over all venues."""
    return floor.symbol_summary(otc_venue_volume, _captures(otc_raw), _build_id(otc_raw))


@dg.asset(partitions_def=WEEKS, metadata=WEEKLY)
def otc_venue_share(otc_raw: pl.DataFrame, otc_venue_volume: pl.DataFrame) -> pl.DataFrame:
    """Each venue over all symbols."""
    return floor.venue_share(otc_venue_volume, _captures(otc_raw), _build_id(otc_raw))


@dg.definitions
def defs() -> dg.Definitions:
    """The four assets and where they are stored."""
    database = PolarsTables(database=dg.EnvVar("USUAL_DATABASE"), schema="otc")
    assets = [otc_raw, otc_venue_volume, otc_symbol_summary, otc_venue_share]
    return dg.Definitions(assets, resources={"io_manager": database})
