"""Declarations of tables and views as Dagster shows them: text, columns, lineage, weekly checks.

Belongs here: what the tables of the domain and of YAML pipelines share. Does not belong here: the
specs of the domain's own assets (`defs/otc/specs.py`).
"""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import dagster as dg

from spine_assets.core.tables import Column, Table
from spine_assets.core.views import View
from spine_assets.orchestration.partitions import our_weeks
from spine_assets.orchestration.site import our_key

OWNER = "team:market-structure"
TABLE_KINDS = {"polars", "parquet", "duckdb"}

# FINRA publishes each Monday, or on Tuesday if that is a holiday, so builds are at most eight days
# apart, however old the weeks are that they build. Dagster measures from the last build.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=9), fail_window=timedelta(days=15)
)
"""A table without a build after a publication is late, and without one after two has failed."""


def description_of(table: Table | View) -> str:
    """The description of a table or view in Dagster: what it holds, grain, key and units."""
    key = f" **Unique key:** {', '.join(table.key)}." if table.key else ""
    return f"{table.description}\n\n**Grain:** {table.grain}.{key}{_units(table)}"


def table_metadata(table: Table | View) -> dict[str, Any]:
    """Columns of a table or view as Dagster shows them."""
    columns = [_column(column, table) for column in table.columns]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        **({"dagster/column_lineage": _lineage(table)} if table.lineage else {}),
        "dagster/table_name": table.name,
    }


def check_spec(
    name: str, asset: dg.AssetKey | str, *, description: str, blocking: bool, weekly: bool = True
) -> dg.AssetCheckSpec:
    """A check, which is partitioned if its asset is weekly."""
    # dagster 1.13.27 marks partitions_def of a check spec as preview. Without it each run
    # leaves evaluations that stay "planned" and checks have no weeks of their own.
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", ".*partitions_def on an AssetCheckSpec.*", dg.PreviewWarning
        )
        weeks = our_weeks() if weekly else None
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=weeks
        )


def check_description(holds: str, remedy: str) -> str:
    """The description of a check: what holds when it passes, and what to do when it fails."""
    return f"{holds}\n\n**When it fails:** {remedy}"


def _units(table: Table | View) -> str:
    """The units of its columns, each once; days and texts have none."""
    units = dict.fromkeys(column.unit for column in table.columns if column.unit)
    named = [unit for unit in units if unit != "UTC"]
    times = ["times in UTC"] if "UTC" in units else []
    return f" **Units:** {'; '.join([*named, *times])}." if units else ""


def _column(column: Column, table: Table | View) -> dg.TableColumn:
    unit = f" [{column.unit}]" if column.unit else ""
    # Dagster's own UI (1.13.27) does not show column lineage, so the columns' descriptions do.
    sources = [f"{upstream}.{name}" for upstream, name in table.lineage.get(column.name, ())]
    origin = f" ← {', '.join(sources)}" if sources else ""
    return dg.TableColumn(
        column.name,
        column.type.value,
        description=f"{column.description}{unit}{origin}",
        constraints=dg.TableColumnConstraints(
            nullable=column.nullable, unique=table.key == (column.name,)
        ),
    )


def _lineage(table: Table | View) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(asset_key=our_key(upstream), column_name=column)
                for upstream, column in sources
            ]
            for name, sources in table.lineage.items()
        }
    )
