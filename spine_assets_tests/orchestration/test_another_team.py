"""Another team's assets below ours: what they read, and when the daemon makes them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from spine_assets import (
    SpineTables,
    trading_days,
    trading_months,
    trading_week_mapping,
    trading_weeks,
)
from spine_assets.core.weeks import Tier
from spine_assets.orchestration.history import open_instance
from spine_assets_tests.support.projects import SOURCE, Project, Runner
from spine_assets_tests.support.servers import started, wait_until

WEEK = date(2025, 11, 21)
BEFORE = WEEK - timedelta(weeks=1)
SHARE = dg.AssetKey("otc_venue_share")
PATIENCE_SECONDS = 400  # a daemon starts two runs; when busy each takes minutes
EXAMPLE = SOURCE / "examples" / "another_team.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The example as Dagster loads it."""
    spec = importlib.util.spec_from_file_location("another_team", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["another_team"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def built(project: Project, runner: Runner) -> Runner:
    """Two weeks whose tables are built."""
    for week in (BEFORE, WEEK):
        project.deliver(week, *Tier)
    assert runner.range(BEFORE, WEEK).success
    return runner


def reading(partitions: Any, table: str = "otc_venue_share") -> Any:
    """An asset that reads a table and returns what it was given."""
    mapping = trading_week_mapping(partitions) if partitions else None

    @dg.asset(
        partitions_def=partitions,
        ins={
            "rows": dg.AssetIn(table, input_manager_key="spine_tables", partition_mapping=mapping)
        },
        io_manager_key="kept",
    )
    def reader(rows: pl.DataFrame) -> pl.DataFrame:
        return rows

    return reader


def weeks_read(made: Any, partition: str | None, upstream: Any) -> list[str]:
    """Weeks of the rows that an asset was given."""
    result = dg.materialize(
        [made, upstream],
        selection=[made.key],
        partition_key=partition,
        resources={"spine_tables": SpineTables(), "kept": dg.mem_io_manager},
    )
    rows = result.output_for_node("reader")
    relation = duckdb.sql("SELECT count(*) FROM rows")
    assert relation is not None
    assert relation.fetchall() == [(rows.height,)]
    return [str(week) for week in rows["week_ending"].unique().sort()]


@pytest.fixture(scope="module")
def upstream(code_location: dg.Definitions) -> dg.AssetSpec:
    """Our table, as another project's code knows it."""
    specs = {spec.key: spec for spec in code_location.resolve_all_asset_specs()}
    found = specs[SHARE]
    return dg.AssetSpec(found.key, partitions_def=found.partitions_def)


def test_an_asset_of_days_months_or_without_partitions_reads_its_weeks(
    built: Runner, upstream: dg.AssetSpec
) -> None:
    days = trading_days(date(2025, 1, 1))
    assert weeks_read(reading(days), "2025-11-19", upstream) == [str(WEEK)]
    assert weeks_read(reading(days), "2025-11-16", upstream) == [str(BEFORE)]
    assert weeks_read(reading(None), None, upstream) == [str(BEFORE), str(WEEK)]
    months = reading(trading_months(date(2025, 1, 1)))
    with pytest.raises(dg.Failure, match=r"no rows of 2025-11-07, 2025-11-28 in .*: build them"):
        weeks_read(months, "2025-11-01", upstream)


def test_the_example_reads_a_week_and_a_day_of_it(built: Runner, example: ModuleType) -> None:
    for name, key, fact, value in (
        ("largest_venues", str(WEEK), "venue", "OTCN"),
        ("routed_days", "2025-11-19", "week", str(WEEK)),
    ):
        asked = getattr(example, name)
        done = dg.materialize(
            [asked, example.SHARE],
            selection=[asked.key],
            partition_key=key,
            resources={"spine_tables": SpineTables()},
        )
        (event,) = done.get_asset_materialization_events()
        made = event.step_materialization_data.materialization
        assert made.metadata[fact].value == value


def test_what_is_no_table_of_ours_and_what_is_to_be_stored_is_refused(
    built: Runner, upstream: dg.AssetSpec
) -> None:
    made = reading(None, table="prices")
    with pytest.raises(dg.Failure, match="prices is no table of the lake"):
        weeks_read(made, None, dg.AssetSpec("prices"))
    with pytest.raises(dg.Failure, match="spine_tables only reads"):
        SpineTables().handle_output(dg.build_output_context(), None)
    with pytest.raises(dg.Failure, match="no rows of 2025-11-07"):
        weeks_read(reading(trading_days(date(2025, 1, 1))), "2025-11-04", upstream)


def requested(
    upstream: dg.Definitions, example: ModuleType, instance: dg.DagsterInstance, cursor: Any = None
) -> tuple[list[str], Any]:
    """Weeks of `largest_venues` that Dagster's own evaluation asks for, and its cursor."""
    made = [example.largest_venues, example.routed_days]
    theirs = dg.Definitions(made, resources={"spine_tables": SpineTables()})
    both = dg.Definitions.merge(upstream, theirs)
    found = dg.evaluate_automation_conditions(defs=both, instance=instance, cursor=cursor)
    asked = found.get_requested_partitions(dg.AssetKey("largest_venues"))
    return sorted(str(key) for key in asked), found.cursor


def like_ours(*, passed: bool) -> dg.AssetsDefinition:
    """A table with our key and weeks, and a blocking check, made in Dagster's usual way."""

    @dg.asset(
        key=SHARE,
        partitions_def=trading_weeks(),
        check_specs=[
            dg.AssetCheckSpec("schema", asset=SHARE, blocking=True, partitions_def=trading_weeks())
        ],
    )
    def share() -> dg.MaterializeResult:  # type: ignore[type-arg]
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=passed)])

    return share


@pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")
def test_the_condition_asks_for_a_week_that_is_weeks_old_once_its_blocking_checks_passed(
    example: ModuleType,
) -> None:
    """What Dagster does with complete events; the next test does it with ours."""
    good, bad = like_ours(passed=True), like_ours(passed=False)
    with dg.DagsterInstance.ephemeral() as instance:
        ours = dg.Definitions([good])
        asked, cursor = requested(ours, example, instance)
        assert asked == []
        dg.materialize([good], instance=instance, partition_key=str(WEEK))
        dg.materialize([bad], instance=instance, partition_key=str(BEFORE), raise_on_error=False)
        asked, cursor = requested(ours, example, instance, cursor)
        assert asked == [str(WEEK)]
        assert requested(ours, example, instance, cursor)[0] == []
        dg.materialize([good], instance=instance, partition_key=str(BEFORE))
        assert requested(ours, example, instance, cursor)[0] == [str(BEFORE)]


def test_a_week_of_ours_is_asked_for_once_it_is_built(
    project: Project, runner: Runner, example: ModuleType
) -> None:
    project.deliver(WEEK, *Tier)
    ours = runner.code_location
    asked, cursor = requested(ours, example, runner.instance)
    assert asked == []
    assert runner.week(WEEK).success
    asked, cursor = requested(ours, example, runner.instance, cursor)
    assert asked == [str(WEEK)]
    assert requested(ours, example, runner.instance, cursor)[0] == []


@pytest.mark.long
def test_the_daemon_makes_the_other_teams_week_of_a_week_that_we_build(
    project: Project, code_location: dg.Definitions
) -> None:
    """Two code locations and a real daemon, as `dagster dev` starts them."""
    shutil.copy(EXAMPLE, project.root)
    with (project.root / "workspace.yaml").open("a") as workspace:
        workspace.write("  - python_file: another_team.py\n")
    project.deliver(WEEK, *Tier)

    def venue() -> Any:
        with open_instance(project.root) as instance:
            wanted = dg.AssetRecordsFilter(dg.AssetKey("largest_venues"))
            records = instance.fetch_materializations(wanted, limit=2).records
            return [(item.partition_key, item.asset_materialization) for item in records]

    with started(project, "daemon", "-m", "dagster._daemon", "run"):
        wait_until(lambda: bool(venue()), PATIENCE_SECONDS, project, "the other team's week")
    ((week, made),) = venue()
    assert week == str(WEEK)
    assert made.metadata["venue"].value == "OTCN"
