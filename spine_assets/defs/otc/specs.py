"""Declarations of the domain -> Dagster asset and check specs."""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg

from spine_assets import report
from spine_assets.core.tables import Table
from spine_assets.core.tags import AssetGroup
from spine_assets.core.views import View
from spine_assets.orchestration.asset_specs import (
    OWNER,
    TABLE_KINDS,
    check_description,
    description_of,
    table_metadata,
    weekly_check,
)
from spine_assets.orchestration.partitions import WEEKS
from spine_assets.otc.tables.registry import TABLES, source_of
from spine_assets.otc.views.registry import VIEWS
from spine_assets.report import building
from spine_assets.report.stored import VERSION

FILES = "finra_otc_files"
FETCHED = "finra_weekly_files"


def files_spec() -> dg.AssetSpec:
    """The delivered files: upstream of everything, made outside of Dagster."""
    return dg.AssetSpec(
        FILES,
        description="FINRA weekly OTC Transparency files in the landing folder (pipe-delimited "
        "text, also .gz and .zip). Never modified.\n\n**Grain:** one file a week, tier and class; "
        "one line a symbol and venue, with shares and trades of the week.",
        group_name=AssetGroup.LANDING.value,
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
        group_name=AssetGroup.OTC.value,
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


def _table_spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        deps=table.deps or (FILES, FETCHED),
        description=description_of(table),
        group_name=AssetGroup.OTC.value,
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


def _view_spec(view: View) -> dg.AssetSpec:
    return dg.AssetSpec(
        view.name,
        deps=view.deps,
        description=description_of(view),
        group_name=AssetGroup.ANALYSIS.value,
        kinds={"duckdb"},
        owners=[OWNER],
        is_virtual=True,
        metadata=table_metadata(view),
    )
