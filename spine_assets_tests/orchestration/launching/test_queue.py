"""The queue of a daemon, as far as no daemon is needed: runs wait in it, or are not taken."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._daemon.types import DaemonHeartbeat

from spine_assets.definitions import defs
from spine_assets.orchestration.dagster_private import QUEUE_DAEMON
from spine_assets.orchestration.launching.base import config_of, new_run_id, tags_of
from spine_assets.orchestration.launching.queue import CodeLocation, Queue, code_location, queue
from spine_assets.pipelines.catalog import CannotLaunch, RunPlan
from spine_assets_tests.support.projects import Project

SOURCE = Path(__file__).parents[3]


@dg.job
def some_job() -> None:
    """Nothing."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    coordinator = {
        "module": QueuedRunCoordinator.__module__,
        "class": QueuedRunCoordinator.__name__,
    }
    overrides = {"run_coordinator": coordinator}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as made:
        yield made


def run_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    found = instance.get_run_by_id(run_id)
    assert found is not None
    return found


def test_a_run_waits_until_a_daemon_takes_it(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    shutil.copy(SOURCE / "workspace.yaml", tmp_path)
    run_id = new_run_id()
    plan = RunPlan(date(2025, 11, 21), date(2025, 11, 21))
    waiting = Queue(instance, code_location(defs, tmp_path))
    waiting.launch("otc_weekly", plan, {"spine/lane": "slow"}, run_id)
    run = run_of(instance, run_id)
    assert run.status is dg.DagsterRunStatus.QUEUED
    assert run.tags["spine/lane"] == "slow"
    assert run.tags["dagster/partition"] == "2025-11-21"


@pytest.mark.long
def test_a_queued_run_is_the_one_that_dagster_itself_would_launch(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dagster job launch` starts a code server to record the same."""
    plan = RunPlan(date(2025, 11, 14), date(2025, 11, 21))
    monkeypatch.setenv("DAGSTER_HOME", str(project.root))
    with dg.DagsterInstance.get() as instance:
        ours, theirs = new_run_id(), new_run_id()
        waiting = Queue(instance, code_location(defs, project.root))
        waiting.launch("otc_weekly", plan, {"spine/lane": "slow"}, ours)
        launch = ("job", "launch", "-w", "workspace.yaml", "-j", "otc_weekly", "--run-id", theirs)
        tags = json.dumps(tags_of(plan, {"spine/lane": "slow"}))
        done = project.run(
            "dagster", *launch, "--tags", tags, "--config-json", json.dumps(config_of(plan))
        )
        assert done.returncode == 0, done.stderr
        mine, dagsters = run_of(instance, ours), run_of(instance, theirs)
        assert mine.status is dagsters.status is dg.DagsterRunStatus.QUEUED
        assert mine.tags == dagsters.tags
        assert mine.run_config == dagsters.run_config
        codes = [run.job_code_origin for run in (mine, dagsters)]
        places = [code and code.repository_origin for code in codes]
        for part in ("executable_path", "code_pointer", "entry_point", "container_image"):
            assert getattr(places[0], part) == getattr(places[1], part), part
        assert mine.job_snapshot_id == dagsters.job_snapshot_id
        plans = [
            instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id or "")
            for run in (mine, dagsters)
        ]
        # Only Dagster's has the name of the code location, which our definitions do not ask for.
        assert plans[0].steps == plans[1].steps
        assert plans[0].step_keys_to_execute == plans[1].step_keys_to_execute
        assert mine.asset_selection == dagsters.asset_selection
        origins = [run.remote_job_origin for run in (mine, dagsters)]
        names = [
            (origin.job_name, origin.repository_origin.get_selector())
            for origin in origins
            if origin is not None
        ]
        assert len(names) == 2
        assert names[0] == names[1]
        events = [
            [
                record.event_log_entry.dagster_event_type
                for record in instance.get_records_for_run(run).records
            ]
            for run in (ours, theirs)
        ]
        assert events[0] == events[1]
        assert len(events[0]) > 5


def test_without_a_daemon_nothing_is_queued(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    with (
        pytest.raises(CannotLaunch, match="no daemon is running"),
        queue(instance, defs, tmp_path),
    ):
        pass
    kind = QUEUE_DAEMON
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), kind, "one", []))
    with (
        pytest.raises(CannotLaunch, match=r"there is no .*workspace.yaml: spine init writes it"),
        queue(instance, defs, tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("load_from: [", "is not YAML"),
        ("", "it names none"),
        ("load_from: []", "it names none"),
        ("load_from: [{python_file: jobs.py}]", "it names none"),
        (
            "load_from: [{python_module: {module_name: a, location_name: a}},"
            " {grpc_server: {port: 4000, location_name: b}}]",
            "it names a, b",
        ),
    ],
)
def test_a_workspace_names_one_code_location(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "workspace.yaml").write_text(text)
    with pytest.raises(CannotLaunch, match=reason):
        code_location(defs, tmp_path)
    (tmp_path / "workspace.yaml").write_text(
        "load_from: [{grpc_server: {port: 4000, location_name: ours}}]"
    )
    assert code_location(defs, tmp_path).name == "ours"


def test_runs_of_the_queue_are_left_to_the_daemon(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(some_job, status=dg.DagsterRunStatus.STARTED)
    waiting = Queue(instance, CodeLocation("here", Path(), defs))
    assert not waiting.is_lost(run)
    waiting.give_up([run.run_id])
    assert run_of(instance, run.run_id).status is dg.DagsterRunStatus.STARTED
