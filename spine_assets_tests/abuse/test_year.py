"""A year of a daemon: Dagster's loops over sensors, schedules and its queue, by a clock of ours.

One process lives through the year, as a daemon and its code server do, and each run is executed in
it. To keep it short they tick every fourth week, and files come of every fourth.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from threading import active_count

import dagster as dg
import duckdb
import pytest
import time_machine
import yaml
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.remote_representation.external import (
    RemoteRepository,
    RemoteSchedule,
    RemoteSensor,
)
from dagster._core.scheduler.instigation import InstigatorTick, SensorInstigatorData, TickStatus
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster_shared.error import SerializableErrorInfo

from spine_assets.core.weeks import Tier, monday_of, publication_day, week_ending_of
from spine_assets.orchestration.history import open_instance
from spine_assets_tests.support import storages
from spine_assets_tests.support.projects import EVERY_TIER, Project, laid_out

pytestmark = [pytest.mark.long, pytest.mark.sqlite]

_LOG = logging.getLogger("dagster.year")
_QUEUED = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
_TICKS, _BETWEEN = 15, timedelta(weeks=4)
_MOST_TURNS = 30  # of the queue, each of two runs at least
_AT = time(21, 30)  # by UTC: after FINRA's publications of a Monday, by summer time too
_MOST_CURSOR = 2048  # characters; it forgets weeks that are built
_RECHECK = "otc_recheck_recent"  # a run of each of twelve weeks that do not adjoin


@dataclass
class Year:
    """A daemon's loops, and what has been delivered."""

    project: Project
    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext
    first: date
    delivered: dict[date, dict[Tier, int]] = field(default_factory=dict)  # shares
    errors: list[str] = field(default_factory=list)
    _queue: QueuedRunCoordinatorDaemon = field(
        default_factory=lambda: QueuedRunCoordinatorDaemon(interval_seconds=1)
    )

    def deliver_published(self, now: datetime) -> None:
        """Drop what FINRA has published until now, settled."""
        week = self.first
        while week <= week_ending_of(now.date()):
            known = self.delivered.setdefault(week, {})
            for tier in EVERY_TIER:
                if tier not in known and publication_day(week, tier) <= now.date():
                    self._deliver(week, tier, now, shares=100)
            week += _BETWEEN

    def restate(self, week: date, now: datetime) -> None:
        """Drop a later version of a tier with other figures."""
        self._deliver(week, Tier.OTC, now, shares=777, updated=now.date())

    def _deliver(
        self, week: date, tier: Tier, now: datetime, *, shares: int, updated: date | None = None
    ) -> None:
        before = {*self.project.landing.rglob("*.csv")}
        rows = (("ABCD", "OTCX", shares, 2), ("WXYZ", "OTCX", 50, 1))
        mark = f"-{updated}" if updated else ""
        self.project.deliver(week, tier, rows=rows, updated=updated, mark=mark)
        for path in {*self.project.landing.rglob("*.csv")} - before:
            settled = now.timestamp() - 3600
            os.utime(path, (settled, settled))
        self.delivered[week][tier] = shares + 50

    def tick_schedules(self) -> None:
        """Request what is due by the schedules, and execute it."""
        due = launch_scheduled_runs(self.workspace, _LOG, datetime.now(UTC), {})
        self._turn(due)

    def tick_sensors(self) -> None:
        """Evaluate the sensors, and execute what they request."""
        self._turn(execute_sensor_iteration(self.workspace, _LOG, None, None))

    def _turn(self, loop: Iterator[object]) -> None:
        self._note_errors(loop)
        for _ in range(_MOST_TURNS):
            if not self.instance.get_runs(_QUEUED, limit=1):
                return
            self._note_errors(self._queue.run_iteration(self.workspace))
        pytest.fail("runs stay in the queue")

    def _note_errors(self, loop: Iterator[object]) -> None:
        self.errors += [str(item) for item in loop if isinstance(item, SerializableErrorInfo)]

    def ticks(self) -> list[InstigatorTick]:
        """What Dagster keeps of the ticks of all sensors and schedules."""
        repository = self._repository()
        found: list[RemoteSensor | RemoteSchedule] = [
            *repository.get_sensors(),
            *repository.get_schedules(),
        ]
        return [
            tick
            for each in found
            for tick in self.instance.get_ticks(each.get_remote_origin_id(), each.selector_id)
        ]

    def cursor(self) -> str:
        """The landing sensor's."""
        sensor = self._repository().get_sensor("otc_landing")
        state = self.instance.get_instigator_state(
            sensor.get_remote_origin_id(), sensor.selector_id
        )
        assert state is not None
        assert isinstance(state.instigator_data, SensorInstigatorData)
        return str(state.instigator_data.cursor)

    def start_schedules(self, *names: str) -> None:
        """Switch schedules on, as a person does in the UI."""
        for name in names:
            self.instance.start_schedule(self._repository().get_schedule(name))

    def _repository(self) -> RemoteRepository:
        (location,) = self.workspace.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        return repository

    def delivered_shares(self) -> dict[date, int]:
        """Shares by week, of the newest version of each tier."""
        return {week: sum(tiers.values()) for week, tiers in self.delivered.items() if tiers}

    def built(self) -> dict[date, int]:
        """Shares by week, as `spine.duckdb` has them."""
        path = self.project.root / "data" / "spine.duckdb"
        with duckdb.connect(str(path), read_only=True) as database:
            rows = database.execute(
                "SELECT week_ending, sum(share_volume)::BIGINT FROM otc_venue_volume GROUP BY 1"
            ).fetchall()
        return dict(rows)


@contextmanager
def daemon(root: Path) -> Iterator[Year]:
    """A project of its own, with a daemon's workspace in this process."""
    with laid_out(root) as project:
        place = root / "dagster.yaml"
        launcher = {
            "module": "dagster._core.launcher.sync_in_memory_run_launcher",
            "class": "SyncInMemoryRunLauncher",
        }
        place.write_text(f"{place.read_text()}\n{yaml.safe_dump({'run_launcher': launcher})}")
        storages.copy_history(root / "data" / "dagster")
        code = LoadableTargetOrigin(
            module_name="spine_assets.definitions",
            executable_path=sys.executable,
            working_directory=str(root),
        )
        origin = InProcessCodeLocationOrigin(code, location_name="spine_assets")
        first = week_ending_of(datetime.now(UTC).date()) - timedelta(weeks=6)
        with (
            open_instance(root) as instance,
            WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget([origin])) as workspace,
        ):
            yield Year(project, instance, workspace, first)


def _open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_a_year_builds_all_weeks_and_nothing_grows(tmp_path: Path) -> None:
    monday = monday_of(week_ending_of(datetime.now(UTC).date())) + timedelta(weeks=1)
    begin = datetime.combine(monday, _AT, UTC)
    with daemon(tmp_path / "project") as year, time_machine.travel(begin) as clock:
        year.start_schedules("otc_ingest_check", "compute_otc_metrics")
        held: list[tuple[int, int, int]] = []
        for number in range(_TICKS):
            now = begin + number * _BETWEEN
            clock.move_to(now)
            year.tick_schedules()
            year.deliver_published(now)
            if number % 5 == 4:
                year.restate(year.first + number // 2 * _BETWEEN, now)
            year.tick_sensors()
            assert year.errors == []
            assert year.built() == year.delivered_shares()
            held.append((_open_files(), active_count(), len(year.cursor())))
        year.start_schedules(_RECHECK)
        clock.move_to(begin + _TICKS * _BETWEEN)
        year.tick_schedules()

        weeks = {str(week) for week in year.delivered_shares()}
        runs = year.instance.get_runs()
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        asked = Counter(run.tags["spine/trigger"] for run in runs)
        # Tier 1 of a week comes before the others; nothing is built twice.
        assert asked["sensor"] <= 2 * len(weeks) + _TICKS // 5
        assert asked["schedule"] > 0
        statuses = {tick.status for tick in year.ticks()}
        assert statuses == {TickStatus.SUCCESS, TickStatus.SKIPPED}
        assert year.instance.get_materialized_partitions(dg.AssetKey("otc_raw")) == weeks
    assert len(weeks) >= 14
    files, threads, cursors = (max(column[1:]) for column in zip(*held, strict=True))
    assert files <= held[0][0] + 2
    assert threads <= held[0][1] + 2
    assert cursors <= _MOST_CURSOR
