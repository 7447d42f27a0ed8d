"""Old runs are forgotten, and nothing that is shown changes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.orchestration.history import table_states
from spine_assets.orchestration.history.prune import PrunePlan, Reason, delete, plan
from spine_assets_tests.support.projects import CHECKS, TABLES, Row
from spine_assets_tests.support.sites import Site, opened

WEEKS = [date(2025, 10, 3) + timedelta(weeks=n) for n in range(6)]
GOOD, REVISED, BROKEN, MENDED, EMPTY, LATE = WEEKS
CORRECTED: tuple[Row, ...] = (("ABCD", "OTCX", 110, 2), ("ABCD", "OTCN", 300, 3))


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """An empty site whose Dagster the command sees."""
    with opened(tmp_path, code_location) as made:
        yield made


def live(site: Site) -> None:
    """Many runs: weeks built again, corrected, failed, mended, skipped, canceled."""
    run, project = site.runner, site.project
    for week in (GOOD, REVISED):
        project.deliver(week, Tier.OTC)
    for week in (BROKEN, MENDED):
        project.deliver_in_two_parts(week)
    run.range(WEEKS[0], WEEKS[-1])
    for _ in range(2):
        assert run.week(GOOD).success
        assert not run.week(BROKEN).success
    project.deliver(REVISED, Tier.OTC, rows=CORRECTED, updated=date(2025, 12, 1), mark="-new")
    assert run.week(REVISED).success
    assert run.week(GOOD, dg.AssetSelection.assets("otc_raw", "otc_rejects")).success
    for path in (project.landing / f"week_ending={MENDED}").iterdir():
        path.unlink()
    project.deliver(MENDED, Tier.OTC)
    run.range(WEEKS[0], WEEKS[-1], force=True)
    assert not run.week(EMPTY).success
    project.deliver(LATE, Tier.OTC)
    assert run.week(LATE).success
    canceled = planned(site, GOOD)
    run.instance.report_run_canceled(canceled)
    run.range(GOOD, MENDED)


def planned(site: Site, week: date) -> dg.DagsterRun:
    """A run that set out to build a week and came no further."""
    made: dg.DagsterRun = site.runner.instance.create_run_for_job(
        site.runner.code_location.resolve_job_def("otc_weekly"),
        tags={"dagster/partition": str(week)},
        status=dg.DagsterRunStatus.STARTED,
    )
    return made


def shown(site: Site, *, afresh: bool) -> dict[Any, Any]:
    """All that Dagster shows of the tables' weeks and checks.

    Args:
        site: The site.
        afresh: Dagster computes the partitions' statuses anew, without what it has cached.
    """
    instance = site.runner.instance
    storage = instance.event_log_storage
    found: dict[Any, Any] = {}
    for name in TABLES:
        key = dg.AssetKey(name)
        if afresh:
            storage.wipe_asset_cached_status(key)
        records = storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        found[name, "latest"] = dict(records)
        found[name, "versions"] = storage.get_latest_tags_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
        )
        found[name, "facts"] = {
            str(week): [
                (item.run_id, item.asset_materialization)
                for item in instance.fetch_materializations(
                    dg.AssetRecordsFilter(asset_key=key, asset_partitions=[str(week)]), limit=1
                ).records
            ]
            for week in WEEKS
        }
        last = instance.get_latest_materialization_event(key)
        found[name, "last"] = last.run_id if last else None
    found["states"] = table_states(instance, WEEKS)
    checks = [dg.AssetCheckKey(dg.AssetKey(table), check) for table, check in CHECKS]
    # Dagster's query has no ORDER BY, so that PostgreSQL's order is that of its plan of the moment.
    found["checks"] = sorted(storage.get_asset_check_partition_info(checks), key=str)
    found["last checks"] = {
        key: (item.run_id, item.status, item.partition)
        for key, item in storage.get_latest_asset_check_execution_by_key(checks).items()
    }
    for words in (("status", "--all"), ("anomalies",)):
        found[words[0]] = json.loads(site.spine(*words, "--json").output)
    return found


def everything_old(site: Site) -> PrunePlan:
    """What could go if all runs were old."""
    return plan(site.runner.instance, datetime.now(UTC) + timedelta(days=1))


@pytest.mark.parametrize("afresh", [False, True], ids=["from Dagster's cache", "computed anew"])
@pytest.mark.long
def test_nothing_that_is_shown_changes(site: Site, afresh: bool) -> None:
    live(site)
    before = shown(site, afresh=afresh)
    chosen = everything_old(site)
    instance = site.runner.instance
    every = set(instance.get_run_ids())
    assert len(chosen.delete) >= 4
    assert list(delete(instance, chosen)) == chosen.delete
    assert set(instance.get_run_ids()) == every - set(chosen.delete)
    assert len(every) == len(chosen.delete) + sum(chosen.keep.values())
    assert shown(site, afresh=afresh) == before
    assert shown(site, afresh=True)["states"] == before["states"]


@pytest.mark.long
def test_the_next_run_after_a_prune_goes_on_as_before(site: Site) -> None:
    live(site)
    list(delete(site.runner.instance, everything_old(site)))
    again = site.runner.week(GOOD)
    assert again.success
    assert all(again.fact(table, GOOD, "unchanged") for table in TABLES)


@pytest.mark.long
@pytest.mark.sqlite
def test_a_deleted_run_leaves_no_log_behind(site: Site) -> None:
    live(site)
    chosen = everything_old(site)
    data = site.project.root / "data" / "dagster"
    executed = [run for run in chosen.delete if (data / "compute_logs" / run).is_dir()]
    assert len(executed) >= 4
    assert all(list(data.rglob(f"{run}*.db")) for run in executed)
    list(delete(site.runner.instance, chosen))
    assert not [path for path in data.rglob("*") for run in chosen.delete if run in path.name]


def test_the_last_failed_run_of_a_week_stays_although_a_later_one_was_canceled(site: Site) -> None:
    site.project.deliver_in_two_parts(BROKEN)
    failed = site.runner.week(BROKEN).result.run_id
    assert site.runner.states(BROKEN)["otc_raw"] == ["failed"]
    canceled = planned(site, BROKEN)
    site.runner.instance.report_run_canceled(canceled)
    chosen = everything_old(site)
    assert failed not in chosen.delete
    assert chosen.keep[Reason.FAILED] == 1


def test_a_run_that_has_not_ended_is_never_chosen(site: Site) -> None:
    started = planned(site, GOOD)
    chosen = everything_old(site)
    assert (chosen.delete, chosen.keep) == ([], {})
    assert site.runner.instance.get_run_by_id(started.run_id) is not None


def age(site: Site, days: int) -> None:
    """Let all runs have ended that many days ago."""
    path = site.project.root / "data" / "dagster" / "history" / "runs.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "UPDATE runs SET update_timestamp = datetime(update_timestamp, ?)", [f"-{days} days"]
        )
    connection.close()


@pytest.mark.long
@pytest.mark.sqlite  # `age` writes into SQLite's file
def test_the_command_asks_counts_and_spares_what_is_younger(site: Site) -> None:
    site.project.deliver(GOOD, Tier.OTC)
    for _ in range(3):
        assert site.runner.week(GOOD).success
    age(site, 10)
    assert site.runner.week(GOOD).success
    shown = site.spine("runs", "prune", "--older-than", "11").output
    assert "0 can be deleted, 0 are kept" in shown
    dry = json.loads(site.spine("runs", "prune", "--older-than", "9", "--dry-run", "--json").output)
    assert (len(dry["can_go"]), dry["kept"], dry["deleted"]) == (3, {}, 0)
    refused = site.spine("runs", "prune", "--older-than", "9", "--json")
    assert refused.exit_code == 2
    instance = site.runner.instance
    assert len(instance.get_run_ids()) == 4
    done = site.project.run("spine", "runs", "prune", "--older-than", "9", "--yes")
    assert done.returncode == 0, done.stderr
    assert "3 finished runs ended before" in done.stdout
    assert "deleted 3 runs" in done.stdout
    assert len(instance.get_run_ids()) == 1


@pytest.mark.sqlite  # `age` writes into SQLite's file
def test_the_schedules_job_prunes_and_gives_the_space_back(site: Site) -> None:
    found = site.runner.code_location.resolve_schedule_def("spine_prune_runs")
    assert found.default_status is dg.DefaultScheduleStatus.STOPPED
    site.project.deliver(GOOD, Tier.OTC)
    for _ in range(3):
        assert site.runner.week(GOOD).success
    age(site, 10)
    instance = site.runner.instance
    job = site.runner.code_location.resolve_job_def("spine_prune_runs")
    before = site.runner.states(GOOD)

    def prune(days: int) -> bool:
        config = {"ops": {"prune_runs": {"config": {"older_than_days": days}}}}
        return job.execute_in_process(config, instance=instance, raise_on_error=False).success

    assert not prune(0)
    assert prune(11)
    assert len(instance.get_run_ids()) == 3 + 2
    assert prune(9)
    assert len(instance.get_run_ids()) == 1 + 3
    assert site.runner.states(GOOD) == before
    history = site.project.root / "data" / "dagster" / "history"
    for path in (history / "runs.db", history / "runs" / "index.db"):
        with closing(sqlite3.connect(path)) as connection:
            # Pages that rows of later events left free since; those of the deleted runs are none.
            ((free,),) = connection.execute("PRAGMA freelist_count").fetchall()
        assert free <= 2, path


def test_the_kept_are_counted_by_reason(site: Site) -> None:
    site.project.deliver(GOOD, Tier.OTC)
    site.project.deliver_in_two_parts(BROKEN)
    assert site.runner.week(GOOD).success
    assert site.runner.week(GOOD).success
    assert not site.runner.week(BROKEN).success
    chosen = everything_old(site)
    assert len(chosen.delete) == 1
    assert chosen.keep == {Reason.MATERIALIZATION: 1, Reason.FAILED: 1}
