"""`SPINE_BACKEND`: the same runs in one process, in several, and on Celery workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from spine_assets.cli import main, run
from spine_assets.core.weeks import Tier
from spine_assets.dev.local_cluster import redis
from spine_assets.dev.local_cluster.processes import HOST, Child, free_port
from spine_assets.lake.opening import open_lake
from spine_assets.orchestration.history import open_instance
from spine_assets.orchestration.launching import celery_workers
from spine_assets.pipelines.catalog import CannotLaunch, RunPlan
from spine_assets_tests.dev.local_cluster.clusters import until
from spine_assets_tests.support.projects import TABLES, Project

FIRST = date(2025, 9, 5)
WEEKS = [FIRST + timedelta(weeks=number) for number in range(6)]
_SECONDS = 300  # for what takes some ten; a machine under load
needs_redis = pytest.mark.skipif(redis.missing() is not None, reason=str(redis.missing()))


def on_celery(project: Project, url: str) -> None:
    """Let the project's Dagster hand its runs to Celery."""
    path = project.root / "dagster.yaml"
    found = yaml.safe_load(path.read_text("utf-8"))
    found["run_launcher"] = {
        "module": "dagster_celery.launcher",
        "class": "CeleryRunLauncher",
        "config": {"broker": url, "backend": url},
    }
    path.write_text(yaml.safe_dump(found), "utf-8")


@contextmanager
def cluster(project: Project, workers: int) -> Iterator[list[Child]]:
    """A broker and workers of the project."""
    from spine_assets.dev.local_cluster import one_worker

    with redis.running() as server:
        on_celery(project, server.url)
        with one_worker.working(
            project.root, server.url, workers=workers, env=os.environ
        ) as started:
            yield started


def statuses(project: Project) -> list[str]:
    """Of all runs, in the order of their names."""
    with open_instance(project.root) as instance:
        return sorted(run.status.value for run in instance.get_runs())


def only_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    (run,) = instance.get_runs()
    return run


def is_taken(instance: dg.DagsterInstance) -> bool:
    """Whether the only run's task is with a worker."""
    launcher = celery_workers.celery_launcher(instance)
    tasks = [run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) for run in instance.get_runs()]
    return any(task and launcher.celery.AsyncResult(task).state == "STARTED" for task in tasks)


def built(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_all_weeks_are_built_once(told: dict[str, Any]) -> None:
    assert [item["status"] for item in told["runs"]] == ["success"] * len(told["runs"])
    assert {week for item in told["runs"] for week in item["weeks_done"]} == {
        str(week) for week in WEEKS
    }
    for table in TABLES:
        assert sum(item["tables"][table]["built"] for item in told["runs"]) == len(WEEKS)


def test_a_wrong_backend_is_named_with_those_there_are(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_BACKEND", "celry")
    done = CliRunner().invoke(main, ["backfill"])
    assert done.exit_code == 1
    assert "SPINE_BACKEND: Input should be 'in_process', 'multiprocess' or 'celery'" in done.output


def test_celery_wants_a_launcher_that_hands_runs_to_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.deliver(WEEKS[0], Tier.OTC)
    monkeypatch.setenv("SPINE_BACKEND", "celery")
    done = CliRunner().invoke(main, ["backfill"])
    assert done.exit_code == 1
    assert "run_launcher is CeleryRunLauncher, and this one's is DefaultRunLauncher" in done.output
    with open_instance(project.root) as instance:
        assert instance.get_runs_count() == 0


def test_a_broker_that_is_not_there_is_told_with_its_address_and_without_its_password(
    project: Project,
) -> None:
    address = f"{HOST}:{free_port()}"
    on_celery(project, f"redis://:secret@{address}/0")
    with (
        dg.DagsterInstance.from_config(str(project.root)) as instance,
        pytest.raises(CannotLaunch, match=f"{address}/0 does not answer") as told,
    ):
        celery_workers.require_workers(celery_workers.celery_launcher(instance))
    assert "secret" not in str(told.value)


@needs_redis
@pytest.mark.cluster
def test_a_broker_without_workers_is_told(project: Project) -> None:
    with redis.running() as server:
        on_celery(project, server.url)
        with (
            dg.DagsterInstance.from_config(str(project.root)) as instance,
            pytest.raises(CannotLaunch, match="no Celery worker answers on the queue 'dagster'"),
        ):
            celery_workers.require_workers(celery_workers.celery_launcher(instance))


def test_runs_are_cut_to_the_weeks_a_run_may_have(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [RunPlan(WEEKS[0], WEEKS[4], {"ops": {}}, {"a": "b"}), RunPlan()]
    assert run.split(plans) == plans
    monkeypatch.setenv("SPINE_WEEKS_PER_RUN", "2")
    *parts, once = run.split(plans)
    assert [(part.first, part.last) for part in parts] == [
        (WEEKS[0], WEEKS[1]),
        (WEEKS[2], WEEKS[3]),
        (WEEKS[4], WEEKS[4]),
    ]
    assert all((part.run_config, part.tags) == ({"ops": {}}, {"a": "b"}) for part in parts)
    assert once == plans[1]


@pytest.mark.long
def test_steps_have_processes_of_their_own_and_events_are_those_of_one_process(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kinds(run_id: str) -> dict[str, int]:
        with open_instance(project.root) as instance:
            found: dict[str, int] = {}
            for entry in instance.all_logs(run_id):
                kind = entry.dagster_event_type
                if kind is not None and ("ASSET" in kind.value or kind.value == "STEP_SUCCESS"):
                    found[kind.value] = found.get(kind.value, 0) + 1
            return found

    def pids(run_id: str) -> bool:
        with open_instance(project.root) as instance:
            return any(
                entry.dagster_event_type is dg.DagsterEventType.STEP_WORKER_STARTED
                for entry in instance.all_logs(run_id)
            )

    for week in WEEKS:
        project.deliver(week, Tier.OTC)
    found = []
    for backend in ("in_process", "multiprocess"):
        monkeypatch.setenv("SPINE_BACKEND", backend)
        monkeypatch.setenv("SPINE_DATA_DIR", backend)  # with a lake and a history of its own
        shutil.copytree(project.landing, project.root / backend / "landing")
        told = built(project.run("spine", "backfill", "--json"))
        assert_all_weeks_are_built_once(told)
        (run_id,) = (item["run_id"] for item in told["runs"])
        assert pids(run_id) is (backend == "multiprocess")
        found.append(kinds(run_id))
    assert found[0] == found[1]


@needs_redis
@pytest.mark.cluster
class TestOnWorkers:
    def test_a_backfill_is_spread_followed_and_a_run_ended_with_ctrl_c(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One test, since a cluster takes some ten seconds to start."""
        for week in WEEKS:
            project.deliver(week, Tier.OTC)
        monkeypatch.setenv("SPINE_BACKEND", "celery")
        monkeypatch.setenv("SPINE_WEEKS_PER_RUN", "2")
        with cluster(project, 2):
            told = built(self.backfill(project))
            assert_all_weeks_are_built_once(told)
            assert statuses(project) == ["SUCCESS"] * 3
            assert self.workers_that_worked(project) == 2
            self.end_with_ctrl_c(project)
        assert statuses(project) == ["CANCELED"] * 3 + ["SUCCESS"] * 3

    def test_a_run_that_a_worker_has_just_taken_is_canceled_and_not_failed(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The event of its start comes after the wish to end it."""
        project.deliver(WEEKS[0], Tier.OTC)
        monkeypatch.setenv("SPINE_BACKEND", "celery")
        program = str(Path(sys.executable).with_name("spine"))
        lake = open_lake(project.lake)
        with cluster(project, 1) as (worker,), lake.lock(WEEKS[0]):
            backfill = subprocess.Popen([program, "backfill"], cwd=project.root)
            with open_instance(project.root) as instance:
                until(lambda: is_taken(instance), "taking the task")
                os.killpg(worker.pid, signal.SIGSTOP)
                run = only_run(instance)
                assert run.status is dg.DagsterRunStatus.STARTING
                ending = threading.Thread(target=celery_workers.ask_to_end, args=(instance, run))
                ending.start()
                time.sleep(1)  # what it would do at once, it has done
                os.killpg(worker.pid, signal.SIGCONT)
                ending.join(_SECONDS)
                until(lambda: only_run(instance).is_finished, "ending the run")
                assert only_run(instance).status is dg.DagsterRunStatus.CANCELED
                told = [entry.dagster_event_type for entry in instance.all_logs(run.run_id)]
            assert backfill.wait(_SECONDS) == 1
        begun, ended = dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_CANCELING
        assert told.index(begun) < told.index(ended)

    def backfill(self, project: Project) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("spine"))
        return subprocess.run(
            [program, "backfill", "--json"],
            cwd=project.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )

    def workers_that_worked(self, project: Project) -> int:
        logs = project.root.glob("worker-*.log")
        return sum("succeeded in" in path.read_text() for path in logs)

    def end_with_ctrl_c(self, project: Project) -> None:
        """Three runs that each wait for the lock of their first week, until Ctrl-C."""
        lake = open_lake(project.lake)
        program = str(Path(sys.executable).with_name("spine"))
        with lake.lock(WEEKS[0]), lake.lock(WEEKS[2]), lake.lock(WEEKS[4]):
            process = subprocess.Popen(
                [program, "backfill", "--force"],
                cwd=project.root,
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
            )
            assert process.stderr is not None
            said: list[str] = []
            while sum("handed to the workers" in line for line in said) < len(WEEKS) // 2:
                said.append(process.stderr.readline())
                assert said[-1], "".join(said)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_SECONDS)
        assert process.returncode == 1
