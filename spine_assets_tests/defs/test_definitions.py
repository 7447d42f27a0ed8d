"""What Dagster loads: the asset graph as text to review, and what holds for every table."""

from __future__ import annotations

import importlib
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from spine_assets.core.tags import AssetGroup
from spine_assets.core.weeks import FIRST_WEEK
from spine_assets.orchestration.partitions import WEEKS
from spine_assets.otc.tables.registry import TABLES as DECLARED
from spine_assets.otc.views.registry import VIEWS as DECLARED_VIEWS
from spine_assets.pipelines.examples import examples
from spine_assets_tests.support.projects import CHECKS, SOURCE, TABLES

CONSOLIDATED = "otc_consolidated_volume"
VIEWS = tuple(view.name for view in DECLARED_VIEWS)

GRAPH = """\
finra_otc_files: landing, weekly from 2014-05-16, made elsewhere
    kinds file; owners team:market-structure
    check tiers_arrived
    check usable
otc_consolidated_volume: landing, single run
    kinds duckdb, parquet, polars; owners team:market-structure
    check schema (blocking)
otc_control_totals: otc, weekly from 2014-05-16, single run
    <- finra_otc_files
    kinds duckdb, parquet, polars; owners team:market-structure
    check schema (blocking)
otc_firm_totals: otc, weekly from 2014-05-16, single run
    <- otc_control_totals
    kinds duckdb, parquet, polars; owners team:market-structure
    check schema (blocking)
otc_market_structure: analysis, made elsewhere
    <- otc_symbol_summary, otc_venue_share, otc_venue_volume, otc_weeks_calendar
    kinds duckdb; owners team:market-structure
otc_movers: analysis, made elsewhere
    <- otc_symbol_summary, otc_venue_volume, otc_weeks_calendar
    kinds duckdb; owners team:market-structure
otc_notional: analysis, made elsewhere
    <- otc_raw, otc_rejects, otc_venue_volume
    kinds duckdb; owners team:market-structure
otc_off_exchange_share: analysis, made elsewhere
    <- otc_consolidated_volume, otc_symbol_week, otc_venue_volume
    kinds duckdb; owners team:market-structure
otc_raw: otc, weekly from 2014-05-16, single run
    <- finra_otc_files
    kinds duckdb, parquet, polars; owners team:market-structure
    check conservation (blocking)
    check delivery
    check not_mixed (blocking)
    check notes
    check rejects
    check schema (blocking)
otc_rejects: otc, weekly from 2014-05-16, single run
    <- otc_raw
    kinds duckdb, parquet, polars; owners team:market-structure
otc_restatements: otc, weekly from 2014-05-16, single run
    <- otc_raw, otc_rejects
    kinds duckdb, parquet, polars; owners team:market-structure
    check reconciles (blocking)
    check schema (blocking)
    check size
otc_symbol_summary: otc, weekly from 2014-05-16, single run
    <- otc_venue_volume
    kinds duckdb, parquet, polars; owners team:market-structure
    check control
    check reconciles (blocking)
    check schema (blocking)
otc_symbol_trend: analysis, made elsewhere
    <- otc_symbol_summary, otc_venue_volume, otc_weeks_calendar
    kinds duckdb; owners team:market-structure
otc_symbol_week: analysis, made elsewhere
    <- otc_venue_share, otc_venue_volume, otc_weeks_calendar
    kinds duckdb; owners team:market-structure
otc_tier_venue_share: analysis, made elsewhere
    <- otc_venue_share, otc_venue_volume, otc_weeks_calendar
    kinds duckdb; owners team:market-structure
otc_venue_share: otc, weekly from 2014-05-16, single run
    <- otc_control_totals, otc_venue_volume
    kinds duckdb, parquet, polars; owners team:market-structure
    check control
    check reconciles (blocking)
    check schema (blocking)
    check share_shift
otc_venue_trend: analysis, made elsewhere
    <- otc_venue_share, otc_venue_volume, otc_weeks_calendar
    kinds duckdb; owners team:market-structure
otc_venue_volume: otc, weekly from 2014-05-16, single run
    <- otc_raw, otc_rejects
    kinds duckdb, parquet, polars; owners team:market-structure
    check continuity
    check issues
    check reconciles (blocking)
    check schema (blocking)
    check volumes
otc_venues: analysis, made elsewhere
    <- otc_venue_share
    kinds duckdb; owners team:market-structure
otc_weekly_report: otc, weekly from 2014-05-16, single run
    <- otc_control_totals, otc_firm_totals, otc_raw, otc_rejects, otc_restatements, \
otc_symbol_summary, otc_venue_share, otc_venue_volume
    kinds html, vega; owners team:market-structure
otc_weeks_calendar: analysis, made elsewhere
    kinds duckdb; owners team:market-structure
"""
BLOCKING = {
    ("otc_consolidated_volume", "schema"),
    ("otc_control_totals", "schema"),
    ("otc_firm_totals", "schema"),
    ("otc_raw", "conservation"),
    ("otc_raw", "not_mixed"),
    ("otc_raw", "schema"),
    ("otc_venue_volume", "schema"),
    ("otc_venue_volume", "reconciles"),
    ("otc_symbol_summary", "schema"),
    ("otc_symbol_summary", "reconciles"),
    ("otc_venue_share", "schema"),
    ("otc_venue_share", "reconciles"),
    ("otc_restatements", "schema"),
    ("otc_restatements", "reconciles"),
}


EXAMPLES = """\
acme/watch_list: acme_watch_list, weekly from 2014-05-16, single run
    <- otc_symbol_trend
    kinds duckdb, parquet, polars, yaml; owners team:market-structure
    check reported
    check schema (blocking)
acme/watch_list_moves: acme_watch_list, weekly from 2014-05-16, single run
    <- acme/watch_list
    kinds duckdb, parquet, polars, yaml; owners team:market-structure
    check schema (blocking)
"""


def drawn(code_location: dg.Definitions, only: str | None = None) -> str:
    """The asset graph as text, an asset a paragraph."""
    graph = code_location.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        # Pipelines in YAML are their authors': who adds one changes no test.
        if node.group_name != only and (only or "yaml" in node.kinds):
            continue
        how = [schedule(node.partitions_def)] if node.partitions_def else []
        how.append(policy(node.backfill_policy) if node.is_materializable else "made elsewhere")
        lines.append(f"{key.to_user_string()}: {', '.join([node.group_name, *how])}")
        if node.parent_keys:
            names = sorted(parent.to_user_string() for parent in node.parent_keys)
            lines.append(f"    <- {', '.join(names)}")
        lines.append(f"    kinds {', '.join(sorted(node.kinds))}; owners {', '.join(node.owners)}")
        for check_key in sorted(node.check_keys):
            blocking = " (blocking)" if graph.get(check_key).blocking else ""
            lines.append(f"    check {check_key.name}{blocking}")
    return "".join(f"{line}\n" for line in lines)


def schedule(partitions: dg.PartitionsDefinition[str] | None) -> str:
    if not isinstance(partitions, dg.WeeklyPartitionsDefinition):
        return repr(partitions)
    return f"weekly from {partitions.get_first_partition_key()}"


def policy(backfill: dg.BackfillPolicy | None) -> str:
    named = {
        dg.BackfillPolicy.single_run(): "single run",
        dg.BackfillPolicy.multi_run(max_partitions_per_run=1): "a run a week",
    }
    return named.get(backfill, repr(backfill)) if backfill else "none"


def test_dagster_finds_the_definitions_valid(code_location: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(code_location)


def test_the_groups_that_exist_are_those_that_a_pipeline_must_not_take(
    code_location: dg.Definitions,
) -> None:
    graph = code_location.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert {node.group_name for node in nodes if "yaml" not in node.kinds} == {*AssetGroup}


@pytest.fixture(scope="session")
def specs(code_location: dg.Definitions) -> dict[str, dg.AssetSpec]:
    """Asset specs of the tables and views, by name."""
    every = {spec.key.to_user_string(): spec for spec in code_location.resolve_all_asset_specs()}
    return {name: every[name] for name in (*TABLES, *VIEWS, CONSOLIDATED)}


def test_asset_graph_is_as_reviewed(code_location: dg.Definitions) -> None:
    assert drawn(code_location) == GRAPH


def test_a_command_that_runs_a_job_prints_no_warning_of_dagster() -> None:
    code = "from spine_assets.definitions import defs; defs().resolve_job_def('otc_weekly')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SOURCE, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_definitions_that_are_shipped_hold_no_example() -> None:
    # A person may have copied an example into this checkout; what is committed counts.
    command = ["git", "ls-files", "spine_assets/defs"]
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=True)
    shipped = done.stdout.splitlines()
    assert "spine_assets/defs/pipelines/__init__.py" in shipped
    copied = {
        f"spine_assets/defs/{place}"
        for item in examples().values()
        for place in item.files.values()
    }
    assert copied.isdisjoint(shipped)


def test_tables_of_a_pipeline_in_yaml_are_weekly_and_in_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "copied_examples").mkdir()
    (tmp_path / "copied_examples" / "__init__.py").touch()
    examples()["watch_list"].copy(tmp_path / "copied_examples")
    monkeypatch.syspath_prepend(str(tmp_path))
    tree = dg.ComponentTree.from_module(
        defs_module=importlib.import_module("copied_examples"), project_root=tmp_path
    )
    assert drawn(tree.build_defs(), "acme_watch_list") == EXAMPLES


def test_every_executable_asset_of_the_group_is_weekly_and_runs_ranges_at_once(
    code_location: dg.Definitions,
) -> None:
    graph = code_location.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    weekly = [node for node in nodes if node.group_name == "otc" and node.is_executable]
    assert {node.key.to_user_string() for node in weekly} >= set(TABLES)
    for node in weekly:
        assert node.partitions_def == WEEKS
        assert node.backfill_policy == dg.BackfillPolicy.single_run()


def test_tables_are_skippable_so_that_weeks_without_input_are_no_failures(
    specs: dict[str, dg.AssetSpec],
) -> None:
    assert [name for name in TABLES if not specs[name].skippable] == []


def test_weeks_are_fridays_from_the_first_published_one_on() -> None:
    keys = WEEKS.get_partition_keys()
    assert keys[0] == FIRST_WEEK.isoformat()
    assert keys[1] == (FIRST_WEEK + timedelta(weeks=1)).isoformat()
    assert "2025-11-21" in keys
    assert "2025-11-20" not in keys


def test_checks_are_those_of_the_contract_with_their_severity(
    code_location: dg.Definitions,
) -> None:
    graph = code_location.resolve_asset_graph()
    found = {
        (key.asset_key.to_user_string(), key.name): graph.get(key).blocking
        for key in graph.asset_check_keys
        if key.asset_key.to_user_string() in TABLES
    }
    assert found == {key: key in BLOCKING for key in CHECKS}


def test_checks_have_the_weeks_of_their_tables(code_location: dg.Definitions) -> None:
    graph = code_location.resolve_asset_graph()
    for table, check in CHECKS:
        node = graph.get(dg.AssetCheckKey(dg.AssetKey(table), check))
        assert node.partitions_def == WEEKS
        assert node.description


@pytest.mark.parametrize("name", [*TABLES, *VIEWS])
def test_table_shows_every_column_with_type_and_meaning(
    specs: dict[str, dg.AssetSpec], name: str
) -> None:
    columns = {item.name: item.columns for item in DECLARED}
    columns |= {item.name: item.columns for item in DECLARED_VIEWS}
    shown = specs[name].metadata["dagster/column_schema"]
    assert isinstance(shown, dg.TableSchema)
    assert [
        (column.name, column.type, column.constraints.nullable) for column in shown.columns
    ] == [(column.name, column.type.value, column.nullable) for column in columns[name]]
    assert [column.name for column in shown.columns if not (column.description or "").strip()] == []
    told = {column.name: column.description or "" for column in shown.columns}
    lineage = {item.name: item.lineage for item in DECLARED}
    lineage |= {item.name: item.lineage for item in DECLARED_VIEWS}
    for column, sources in lineage[name].items():
        assert all(f"{upstream}.{origin}" in told[column] for upstream, origin in sources)


@pytest.mark.parametrize("table", TABLES)
def test_table_says_what_it_is_and_what_a_row_is(
    specs: dict[str, dg.AssetSpec], table: str
) -> None:
    description = specs[table].description or ""
    assert "**Grain:**" in description
    assert specs[table].code_version
    assert specs[table].metadata["dagster/table_name"] == table


def test_column_lineage_names_columns_that_exist(specs: dict[str, dg.AssetSpec]) -> None:
    columns = {
        name: {column.name for column in spec.metadata["dagster/column_schema"].columns}
        for name, spec in specs.items()
    }
    upstream = {
        name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()
    }
    traced = 0
    for name, spec in specs.items():
        lineage = spec.metadata.get("dagster/column_lineage")
        if lineage is None:
            continue
        for column, sources in lineage.deps_by_column.items():
            assert column in columns[name]
            for source in sources:
                assert source.asset_key.to_user_string() in upstream[name]
                assert source.column_name in columns[source.asset_key.to_user_string()]
                traced += 1
    assert traced > 0


def test_weekly_job_holds_every_table_and_check(code_location: dg.Definitions) -> None:
    job = code_location.resolve_job_def("otc_weekly")
    assert job.partitions_def == WEEKS
    selected = {key.to_user_string() for key in job.asset_layer.selected_asset_keys}
    assert selected >= set(TABLES)


def test_definitions_run_in_one_process(code_location: dg.Definitions) -> None:
    assert code_location.executor is dg.in_process_executor


def test_views_are_virtual_and_only_looked_at(code_location: dg.Definitions) -> None:
    graph = code_location.resolve_asset_graph()
    for name in VIEWS:
        node = graph.get(dg.AssetKey(name))
        assert (node.is_virtual, node.is_observable, node.partitions_def) == (True, True, None)
    job = code_location.resolve_job_def("otc_weekly")
    made = {key.to_user_string() for key in job.asset_layer.selected_asset_keys}
    assert made == {*TABLES, "otc_weekly_report"}


@pytest.mark.parametrize("view", VIEWS)
def test_view_says_what_it_is_and_what_a_row_is(specs: dict[str, dg.AssetSpec], view: str) -> None:
    assert "**Grain:**" in (specs[view].description or "")
    assert specs[view].metadata["dagster/table_name"] == view
