"""Tables of pipelines as assets: weeks of a range, each by itself."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from spine_assets.orchestration.components.table_assets import assets_of
from spine_assets.orchestration.partitions import WEEKS
from spine_assets_tests.conftest import WEEK, House, delivered, line
from spine_assets_tests.pipelines.flows import Flows, pipelines_of
from spine_assets_tests.pipelines.places import table_flow

QUERY = "SELECT symbol, total_volume FROM otc_symbol_summary WHERE week_ending = {week_ending}"
BEFORE = WEEK - timedelta(days=7)
EARLIER = WEEK - timedelta(days=14)
SECOND = """
  - step_id: second
    ps_type: duckdb.sql
    source: {query: "SELECT symbol, total_volume FROM volumes WHERE week_ending = {week_ending}"}
    destination:
      table: second
      description: The same.
      grain: a symbol a week
      key: [symbol]
      columns:
        - {name: symbol, type: VARCHAR, description: Ticker.}
        - {name: total_volume, type: "DECIMAL(38,6)", unit: shares, description: Volume.}
"""


@pytest.fixture
def loaded(house: House) -> House:
    """Two weeks, with one between that is not there."""
    for week in (WEEK, EARLIER):
        lines = delivered(line("AAAA", updated="2025-12-22"), line("BBBB", updated="2025-12-22"))
        house.drop(f"week_ending={week}/otc.csv", lines)
        house.built(week=week)
    return house


def materialized(result: dg.ExecuteInProcessResult) -> list[tuple[str, str | None]]:
    found = [event.materialization for event in result.get_asset_materialization_events()]
    return [(item.asset_key.to_user_string(), item.partition) for item in found]


def test_a_bad_week_of_a_range_stops_itself_and_no_other(loaded: House, flows: Flows) -> None:
    result = flows.materialize(table_flow(QUERY) + SECOND, EARLIER, WEEK)
    assert not result.success
    assert materialized(result) == [
        ("volumes", str(EARLIER)),
        ("second", str(EARLIER)),
        ("volumes", str(WEEK)),
        ("second", str(WEEK)),
    ]
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    told = failed.step_failure_data.user_failure_data
    assert told is not None
    assert told.metadata["failed_weeks"].value == [str(BEFORE)]
    assert loaded.lake.weeks("second") == [EARLIER, WEEK]
    # the checks of each week stand at that week
    checks = result.get_asset_check_evaluations()
    assert {(item.asset_key.to_user_string(), item.partition) for item in checks} == {
        (table, str(week)) for table in ("volumes", "second") for week in (EARLIER, WEEK)
    }


def test_one_of_two_tables_can_be_chosen(loaded: House, flows: Flows) -> None:
    result = flows.materialize(
        table_flow(QUERY) + SECOND, WEEK, asset_selection=[dg.AssetKey("volumes")]
    )
    assert result.success
    assert materialized(result) == [("volumes", str(WEEK))]
    assert loaded.lake.weeks("second") == []


def test_they_are_weekly_single_run_and_in_the_group_of_their_pipeline() -> None:
    flow = table_flow(QUERY, tenants="{acme: {}, globex: {}}") + SECOND
    acme, globex = (assets_of(pipeline) for pipeline in pipelines_of(flow))
    assert acme is not None
    assert globex is not None
    specs = {spec.key.to_user_string(): spec for spec in acme.specs}
    assert set(specs) == {"acme/volumes", "acme/second"}
    for spec in specs.values():
        assert spec.group_name == "acme_flow"
        assert spec.partitions_def == WEEKS
        assert spec.tags["spine/tenant"] == "acme"
    assert acme.backfill_policy == dg.BackfillPolicy.single_run()
    upstream = {dep.asset_key.to_user_string() for dep in specs["acme/volumes"].deps}
    assert upstream == {"otc_symbol_summary"}
    assert {dep.asset_key.to_user_string() for dep in specs["acme/second"].deps} == {"acme/volumes"}
    assert {spec.key.path[0] for spec in globex.specs} == {"globex"}


def test_the_declaration_is_a_tables_code_version() -> None:
    def version(text: str) -> str | None:
        found = assets_of(pipelines_of(text)[0])
        assert found is not None
        return next(iter(found.specs)).code_version

    least = "{least: 1}"
    asked = f"{QUERY} AND total_volume > {{least}}"
    assert version(table_flow(asked, variables=least)) == version(
        table_flow(asked, variables=least)
    )
    assert version(table_flow(asked, variables=least)) != version(
        table_flow(asked, variables="{least: 2}")
    )
    assert version(table_flow(QUERY)) != version(table_flow(f"{QUERY} LIMIT 5"))


def test_a_tenants_tables_are_in_its_own_lake(loaded: House, flows: Flows) -> None:
    result = flows.materialize(table_flow(QUERY, tenants="{acme: {}}"), WEEK)
    assert materialized(result) == [("acme/volumes", str(WEEK))]
    assert loaded.lake.within("_tenants", "acme").weeks("volumes") == [WEEK]
    assert loaded.lake.weeks("volumes") == []
