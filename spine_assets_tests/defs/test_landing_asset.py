"""`finra_otc_files`: what is told of delivered files, by whom, and nothing twice."""

from __future__ import annotations

from datetime import date, timedelta

import dagster as dg
import pytest

from spine_assets.alerts.ongoing import FILES, USABLE
from spine_assets.core.weeks import Tier
from spine_assets.defs.otc import landing_sensor
from spine_assets_tests.defs.test_landing_sensor import Watch
from spine_assets_tests.support.projects import ROWS, TABLES, Project, Runner

WEEK = date(2025, 11, 14)
NEXT = WEEK + timedelta(weeks=1)
GARBAGE = "<html><body>moved</body></html>\n"
KEY = dg.AssetKey(FILES)
DELIVERY = "otc_raw", "delivery"
CHECK = dg.AssetCheckKey(KEY, USABLE)


def told(runner: Runner) -> list[tuple[str | None, list[str]]]:
    """Every materialization of the files, oldest first: its week and the files."""
    records = runner.instance.fetch_materializations(KEY, limit=1_000, ascending=True).records
    found = []
    for record in records:
        assert record.asset_materialization is not None
        files = record.asset_materialization.metadata["files"]
        assert isinstance(files, dg.TableMetadataValue)
        names = [str(row.data["file"]) for row in files.records]
        found.append((record.partition_key, names))
    return found


def usable(runner: Runner) -> list[str]:
    """The states of all evaluations of the check, oldest first."""
    history = runner.instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=99)
    return [record.status.name for record in history][::-1]


def file_of(week: date) -> str:
    return f"week_ending={week}/otc.csv"


def test_a_tick_tells_of_each_week_that_changed_and_of_no_other(
    project: Project, runner: Runner
) -> None:
    project.deliver(WEEK, Tier.OTC)
    project.deliver(NEXT, Tier.OTC)
    watch = Watch(runner)
    watch.tick()
    first = [(str(week), [file_of(week)]) for week in (WEEK, NEXT)]
    assert told(runner) == first
    watch.tick()
    assert told(runner) == first
    project.deliver(NEXT, Tier.OTC, rows=ROWS[:2])
    watch.tick()
    assert told(runner) == [*first, first[1]]
    assert usable(runner) == ["SUCCEEDED"]


def test_many_weeks_are_told_over_some_ticks(
    project: Project, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing_sensor, "MOST_REPORTED", 2)
    monkeypatch.setattr(landing_sensor, "MOST_REQUESTS", 0)
    weeks = [WEEK + timedelta(weeks=n) for n in range(3)]
    for week in weeks:
        project.deliver(week, Tier.OTC)
    watch = Watch(runner)
    watch.tick()
    assert [week for week, _ in told(runner)] == [str(week) for week in weeks[:2]]
    watch.tick()
    assert [week for week, _ in told(runner)] == [str(week) for week in weeks]


def test_a_run_tells_of_its_weeks_with_size_hash_and_tier(project: Project, runner: Runner) -> None:
    project.deliver(WEEK, Tier.OTC)
    project.deliver(NEXT, Tier.OTC)
    assert runner.week(WEEK).success
    assert told(runner) == [(str(WEEK), [file_of(WEEK)])]
    assert runner.range(WEEK, NEXT).success
    assert [week for week, _ in told(runner)] == [str(WEEK), str(NEXT)]
    (record,) = runner.instance.fetch_materializations(KEY, limit=1).records
    assert record.asset_materialization is not None
    files = record.asset_materialization.metadata["files"]
    assert isinstance(files, dg.TableMetadataValue)
    (row,) = [row.data for row in files.records]
    assert row["bytes"] == (project.landing / file_of(NEXT)).stat().st_size
    assert (row["tier"], row["class"], len(str(row["sha256"]))) == ("OTC", "ATS", 12)


def test_garbage_of_no_week_is_a_finding_of_the_folder_alone_and_is_mended_in_place(
    project: Project, runner: Runner
) -> None:
    project.deliver(WEEK, Tier.OTC)
    assert runner.week(WEEK).success
    before = {table: project.files(table, WEEK) for table in TABLES}
    project.drop("download.csv", GARBAGE)
    watch = Watch(runner)
    assert watch.tick() == []
    assert usable(runner)[-1] == "FAILED"
    delivery = runner.week(WEEK).evaluations()[*DELIVERY, str(WEEK)]
    assert "download.csv" not in (delivery.description or "")
    good = project.root / "good"
    project.deliver(NEXT, Tier.OTC)
    (project.landing / file_of(NEXT)).rename(good)
    project.drop("download.csv", good.read_text("utf-8"))
    (request,) = watch.tick()
    assert request.partition_key == str(NEXT)
    assert watch.run(request)
    assert usable(runner) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert {table: project.files(table, WEEK) for table in TABLES} == before


def test_the_check_is_executed_alone(
    project: Project, runner: Runner, code_location: dg.Definitions
) -> None:
    project.drop("download.csv", GARBAGE)
    checks = dg.AssetSelection.checks(CHECK)
    job = dg.Definitions.merge(
        code_location, dg.Definitions(jobs=[dg.define_asset_job("alone", selection=checks)])
    ).resolve_job_def("alone")
    result = job.execute_in_process(instance=runner.instance)
    (found,) = result.get_asset_check_evaluations()
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "download.csv: this is an HTML" in (found.description or "")


def test_dagster_misses_nothing_upstream_of_a_week_with_files(
    project: Project, runner: Runner, code_location: dg.Definitions
) -> None:
    """The dialog warns of parents that a run could make and that have no event of the week."""
    graph = code_location.resolve_asset_graph()
    parents = [graph.get(key) for key in graph.get(dg.AssetKey("otc_raw")).parent_keys]
    assert [(node.key, node.is_materializable) for node in parents] == [(KEY, False)]
    project.deliver(WEEK, Tier.OTC)
    Watch(runner).tick()
    assert runner.instance.get_materialized_partitions(KEY) == {str(WEEK)}
