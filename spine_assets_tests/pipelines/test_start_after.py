"""The sensor that runs a pipeline when tables have other rows."""

from __future__ import annotations

from datetime import date, timedelta

import dagster as dg
import pytest

from spine_assets.defs.logs import console
from spine_assets.orchestration.components.pipeline_job import job_of
from spine_assets.orchestration.components.start_after import sensor_of
from spine_assets_tests.conftest import WEEK
from spine_assets_tests.pipelines.flows import Flows, pipelines_of

FLOW = """
pipeline_id: flow
description: A flow.
partitions: weekly
start_after: [otc_venue_share, otc_symbol_summary]
steps: [{step_id: greet, ps_type: example.hello}]
"""
EARLIER = WEEK - timedelta(days=7)


class Ticks:
    """A sensor's ticks, one after another, as the daemon has them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        (pipeline,) = pipelines_of(FLOW)
        job = job_of(pipeline)
        found = sensor_of(pipeline, job)
        assert found is not None
        self.sensor, self.instance = found, instance
        self.cursor: str | None = None
        known = dg.Definitions(jobs=[job], sensors=[found], loggers={"console": console})
        self.repository = known.get_repository_def()

    def weeks(self) -> dict[str | None, str | None]:
        """What the next tick asks for: run keys by week."""
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, repository_def=self.repository
        )
        told = self.sensor.evaluate_tick(context)
        self.cursor = told.cursor
        return {request.partition_key: request.run_key for request in told.run_requests or []}


@pytest.fixture
def ticks(flows: Flows) -> Ticks:
    return Ticks(flows.instance)


def built(instance: dg.DagsterInstance, table: str, week: date, version: str) -> None:
    """A week of a table is built, by whomever."""
    event = dg.AssetMaterialization(
        table, partition=str(week), tags={"dagster/data_version": version}
    )
    instance.report_runless_asset_event(event)


def test_what_was_built_before_starts_nothing(ticks: Ticks) -> None:
    built(ticks.instance, "otc_venue_share", WEEK, "one")
    assert ticks.weeks() == {}
    assert ticks.weeks() == {}


def test_each_content_of_a_week_has_a_key_of_its_own(ticks: Ticks) -> None:
    assert ticks.weeks() == {}
    built(ticks.instance, "otc_venue_share", WEEK, "one")
    built(ticks.instance, "otc_venue_share", EARLIER, "one")
    first = ticks.weeks()
    assert {*first} == {str(WEEK), str(EARLIER)}
    assert ticks.weeks() == {}
    built(ticks.instance, "otc_venue_share", WEEK, "one")  # unchanged: the key was asked for
    assert ticks.weeks() == {str(WEEK): first[str(WEEK)]}
    built(ticks.instance, "otc_symbol_summary", WEEK, "two")
    second = ticks.weeks()
    assert second[str(WEEK)] != first[str(WEEK)]


def test_many_weeks_are_asked_for_some_a_tick(ticks: Ticks) -> None:
    ticks.weeks()
    weeks = [WEEK - timedelta(days=7 * number) for number in range(45)]
    for week in weeks:
        built(ticks.instance, "otc_venue_share", week, "one")
    asked = [ticks.weeks() for _ in range(4)]
    assert [len(found) for found in asked] == [20, 20, 5, 0]
    assert {week for found in asked for week in found} == {str(week) for week in weeks}


def test_a_run_that_is_not_over_is_awaited(ticks: Ticks) -> None:
    ticks.weeks()

    @dg.asset(name="otc_venue_share", partitions_def=dg.StaticPartitionsDefinition([str(WEEK)]))
    def share() -> None:
        assert ticks.weeks() == {}

    @dg.asset(name="later", deps=[share], partitions_def=dg.StaticPartitionsDefinition([str(WEEK)]))
    def later() -> None:
        assert ticks.weeks() == {}  # the table is materialized, and its run goes on

    assert dg.materialize([share, later], instance=ticks.instance, partition_key=str(WEEK)).success
    assert {*ticks.weeks()} == {str(WEEK)}
