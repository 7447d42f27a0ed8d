"""Dagster's specs of the domain's assets and checks, made from the declarations."""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg

from spine_assets import report
from spine_assets.alerts.ongoing import FILES
from spine_assets.core.tables import Table
from spine_assets.core.tags import AssetGroup
from spine_assets.core.views import View
from spine_assets.orchestration.asset_specs import (
    FRESHNESS,
    OWNER,
    TABLE_KINDS,
    check_description,
    check_spec,
    description_of,
    table_metadata,
)
from spine_assets.orchestration.partitions import our_weeks
from spine_assets.orchestration.site import our_key, our_name
from spine_assets.otc.state.freshness import code_version
from spine_assets.otc.tables.registry import TABLES, source_of
from spine_assets.otc.views.registry import VIEWS
from spine_assets.report import building
from spine_assets.report.stored import VERSION

FILE_GRAIN = (
    "**Grain:** one file per week, tier and class; one line per symbol and venue, with shares and "
    "trades of the week."
)


def files_spec() -> dg.AssetSpec:
    """The delivered files, which no run makes: a source asset with a partition per week."""
    return dg.AssetSpec(
        our_key(FILES),
        description="FINRA weekly OTC Transparency files in the landing folder (delimited "
        "text or JSON, also .gz and .zip). Never modified. People, programs and the job "
        f"`{our_name('finra_fetch')}` deliver them; sensor, fetch and runs report what they see of "
        f"each week.\n\n{FILE_GRAIN}",
        group_name=our_name(AssetGroup.LANDING.value),
        kinds={"file"},
        owners=[OWNER],
        partitions_def=our_weeks(),
        metadata={"source": dg.MetadataValue.url("https://otctransparency.finra.org")},
    )


def view_specs() -> list[dg.AssetSpec]:
    """The views over the tables: virtual assets, computed by DuckDB at each query."""
    # dagster 1.13.27 marks virtual assets as preview. It derives their freshness from the tables
    # that they read.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Virtual assets.*", dg.PreviewWarning)
        return [_view_spec(view) for view in VIEWS]


def weekly_specs() -> list[dg.AssetSpec]:
    """What is made of each week: the tables, and the report that reads all of them."""
    made = dg.AssetSpec(
        our_key(report.NAME),
        deps=[our_key(table.name) for table in TABLES],
        description=f"{report.DESCRIPTION}\n\n**Grain:** {report.GRAIN}.",
        group_name=our_name(AssetGroup.OTC.value),
        kinds={"html", "vega"},
        owners=[OWNER],
        code_version=VERSION,
        partitions_def=our_weeks(),
        freshness_policy=FRESHNESS,
        skippable=True,
        metadata=_sources(Path(str(building.__file__)), "how the report is made"),
    )
    return [*(_table_spec(table) for table in TABLES), made]


def check_specs() -> list[dg.AssetCheckSpec]:
    """Every declared check, partitioned like its asset."""
    return [
        check_spec(
            check.name,
            our_key(table.name),
            description=check_description(check.description, check.remedy),
            blocking=check.blocking,
        )
        for table in TABLES
        for check in table.checks
    ]


def _table_spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        our_key(table.name),
        deps=[our_key(name) for name in table.deps or (FILES,)],
        description=description_of(table),
        group_name=our_name(AssetGroup.OTC.value),
        kinds=TABLE_KINDS,
        owners=[OWNER],
        code_version=code_version(table),
        partitions_def=our_weeks(),
        freshness_policy=FRESHNESS,
        skippable=True,
        metadata={
            **table_metadata(table),
            **_sources(source_of(table.name), f"declaration of {table.name}"),
        },
    )


def _sources(path: Path, label: str) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Links of the UI to the source: the declaration, and the step that builds the asset."""
    step = Path(__file__).with_name("weekly.py")
    references = [(path, label), (step, "the step that builds a week")]
    # dagster 1.13.27 marks code references as beta; nothing else links an asset to its source.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*CodeReference.* is currently in beta", dg.BetaWarning)
        found = dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=str(file), label=text)
                for file, text in references
            ]
        )
    return {"dagster/code_references": found}


def _view_spec(view: View) -> dg.AssetSpec:
    return dg.AssetSpec(
        our_key(view.name),
        deps=[our_key(name) for name in view.deps],
        description=description_of(view),
        group_name=our_name(AssetGroup.ANALYSIS.value),
        kinds={"duckdb"},
        owners=[OWNER],
        is_virtual=True,
        metadata=table_metadata(view),
    )
