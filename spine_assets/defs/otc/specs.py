"""Declarations of the domain -> Dagster asset and check specs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import dagster as dg

from spine_assets import report
from spine_assets.core.tables import Column, Table
from spine_assets.core.views import View
from spine_assets.orchestration.partitions import WEEKS
from spine_assets.otc.tables.registry import TABLES, source_of
from spine_assets.otc.views.registry import VIEWS
from spine_assets.report import building
from spine_assets.report.stored import VERSION

GROUP = "otc"
ANALYSIS = "analysis"
OWNER = "team:market-structure"
FILES = "finra_otc_files"
FETCHED = "finra_weekly_files"
TABLE_KINDS = {"polars", "parquet", "duckdb"}


def files_spec() -> dg.AssetSpec:
    """The delivered files: upstream of everything, made outside of Dagster."""
    return dg.AssetSpec(
        FILES,
        description="FINRA weekly OTC Transparency files in the landing folder (pipe-delimited "
        "text, also .gz and .zip). Never modified.\n\n**Grain:** one file a week, tier and class; "
        "one line a symbol and venue, with shares and trades of the week.",
        group_name="landing",
        kinds={"file"},
        owners=[OWNER],
        metadata={"source": dg.MetadataValue.url("https://otctransparency.finra.org")},
    )


def table_specs() -> list[dg.AssetSpec]:
    """One weekly asset a table."""
    return [_table_spec(table) for table in TABLES]


def report_spec() -> dg.AssetSpec:
    """The weekly report, made from all tables of its week and the venue shares of a quarter."""
    return dg.AssetSpec(
        report.NAME,
        deps=[table.name for table in TABLES],
        description=f"{report.DESCRIPTION}\n\n**Grain:** {report.GRAIN}.",
        group_name=GROUP,
        kinds={"html", "vega"},
        owners=[OWNER],
        code_version=VERSION,
        partitions_def=WEEKS,
        skippable=True,
        metadata=_sources(Path(str(building.__file__)), "how the report is made"),
    )


def view_specs() -> list[dg.AssetSpec]:
    """The views upon the tables: always fresh, run by nobody."""
    # dagster 1.13.27 marks virtual assets as preview. It takes such a one for made elsewhere, as
    # any spec without code, and asks the tables behind it how fresh it is.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Virtual assets.*", dg.PreviewWarning)
        return [_view_spec(view) for view in VIEWS]


def check_specs() -> list[dg.AssetCheckSpec]:
    """Every declared check, partitioned like its asset."""
    return [
        weekly_check(
            check.name,
            table.name,
            description=check_description(check.description, check.remedy),
            blocking=check.blocking,
        )
        for table in TABLES
        for check in table.checks
    ]


def check_description(holds: str, remedy: str) -> str:
    """What a check says of itself: what holds when it passes, and what to do when it fails."""
    return f"{holds}\n\n**When it fails:** {remedy}"


def _table_spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        deps=table.deps or (FILES, FETCHED),
        description=description_of(table),
        group_name=GROUP,
        kinds=TABLE_KINDS,
        owners=[OWNER],
        code_version=table.code_version,
        partitions_def=WEEKS,
        skippable=True,
        metadata={
            **table_metadata(table),
            **_sources(source_of(table.name), f"declaration of {table.name}"),
        },
    )


def description_of(table: Table) -> str:
    """What a table says of itself in Dagster: what it holds, grain, key and units."""
    return f"{table.description}\n\n**Grain:** {table.grain}.{_key(table)}{_units(table)}"


def table_metadata(table: Table) -> dict[str, Any]:
    """Columns of a table as Dagster shows them."""
    columns = [_column(column, table) for column in table.columns]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        **({"dagster/column_lineage": _lineage(table)} if table.lineage else {}),
        "dagster/table_name": table.name,
    }


def weekly_check(
    name: str, asset: dg.AssetKey | str, *, description: str, blocking: bool
) -> dg.AssetCheckSpec:
    """A check that is partitioned like its weekly asset."""
    # dagster 1.13.27 marks partitions_def of a check spec as preview. Without it each run
    # leaves evaluations that stay "planned" and checks have no weeks of their own.
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", ".*partitions_def on an AssetCheckSpec.*", dg.PreviewWarning
        )
        return dg.AssetCheckSpec(
            name, asset=asset, description=description, blocking=blocking, partitions_def=WEEKS
        )


def _sources(path: Path, label: str) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Where the UI leads who asks for the source: the declaration, and the step that builds it."""
    step = Path(__file__).with_name("weekly.py")
    references = [(path, label), (step, "the step that builds a week")]
    # dagster 1.13.27 calls code references beta; without them no asset leads to its source.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*CodeReference.* is currently in beta", dg.BetaWarning)
        found = dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=str(file), label=told)
                for file, told in references
            ]
        )
    return {"dagster/code_references": found}


def _units(table: Table | View) -> str:
    """The units of its columns, each once; days and texts have none."""
    units = dict.fromkeys(column.unit for column in table.columns if column.unit)
    named = [unit for unit in units if unit != "UTC"]
    times = ["times in UTC"] if "UTC" in units else []
    return f" **Units:** {'; '.join([*named, *times])}." if units else ""


def _view_spec(view: View) -> dg.AssetSpec:
    return dg.AssetSpec(
        view.name,
        deps=view.deps,
        description=f"{view.description}\n\n**Grain:** {view.grain}.{_key(view)}{_units(view)}",
        group_name=ANALYSIS,
        kinds={"duckdb"},
        owners=[OWNER],
        is_virtual=True,
        metadata={
            "dagster/column_schema": dg.TableSchema(
                columns=[_column(column, view) for column in view.columns]
            ),
            **({"dagster/column_lineage": _lineage(view)} if view.lineage else {}),
            "dagster/table_name": view.name,
        },
    )


def _key(table: Table | View) -> str:
    return f" **Unique key:** {', '.join(table.key)}." if table.key else ""


def _column(column: Column, table: Table | View) -> dg.TableColumn:
    unit = f" [{column.unit}]" if column.unit else ""
    # Dagster's own UI (1.13.27) has no view of column lineage: the columns' texts tell it.
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
                dg.TableColumnDep(asset_key=dg.AssetKey(upstream), column_name=column)
                for upstream, column in sources
            ]
            for name, sources in table.lineage.items()
        }
    )
