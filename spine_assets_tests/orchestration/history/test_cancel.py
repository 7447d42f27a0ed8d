"""Canceling runs: in the queue, of a daemon, of an own process, of processes that have ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.tags import FRONT
from spine_assets.core.weeks import Tier
from spine_assets.lake.local import LocalLake
from spine_assets.orchestration.history import open_instance
from spine_assets.orchestration.run_locks import LOST
from spine_assets_tests.support.projects import Project
from spine_assets_tests.support.servers import (
    START_SECONDS,
    Server,
    free_port,
    launched,
    started,
    wait_until,
)
from spine_assets_tests.support.sites import Site, opened

WEEK = date(2025, 11, 14)
STARTED, CANCELED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELED
WATCHER = """
import sys, time
from spine_assets.orchestration.history import open_instance
with open_instance() as instance:
    run = instance.get_run_by_id(sys.argv[1])
    print("watching", flush=True)
    while instance.get_run_by_id(run.run_id).status.value != "CANCELING":
        time.sleep(0.05)
    instance.report_run_canceled(run)
"""
"""What a `spine` process that runs a pipeline does beside it."""
DIES_WHEN_ASKED = """
import os, signal, sys, time
from spine_assets.orchestration import run_locks
from spine_assets.orchestration.history import open_instance
with open_instance() as instance, run_locks.held(instance, sys.argv[1]):
    print("watching", flush=True)
    while instance.get_run_by_id(sys.argv[1]).status.value != "CANCELING":
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""One that holds its run's lock, and is killed while it is asked to stop."""


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """An empty site whose Dagster the command sees."""
    with opened(tmp_path, code_location) as made:
        yield made


def made(site: Site, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
    """A run as storage knows it; no process belongs to it."""
    run: dg.DagsterRun = site.runner.instance.create_run_for_job(
        site.runner.code_location.resolve_job_def("otc_weekly"), status=status, tags=tags
    )
    return run


def status_of(site: Site, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = site.runner.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def canceled(site: Site, run: dg.DagsterRun, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of the command."""
    done = site.spine("runs", "cancel", run.run_id[:13], "--json", *words)
    return done.exit_code, json.loads(done.output)


@contextmanager
def front(
    site: Site, run: dg.DagsterRun, program: str = WATCHER
) -> Iterator[subprocess.Popen[str]]:
    """A process that watches its run."""
    command = [sys.executable, "-c", program, run.run_id]
    process = subprocess.Popen(command, cwd=site.project.root, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_finished_run_is_left_as_it_is(site: Site) -> None:
    site.project.deliver(WEEK, Tier.OTC)
    run_id = site.runner.week(WEEK).result.run_id
    for words in ([], ["--force"]):
        done = site.spine("runs", "cancel", run_id, *words)
        assert done.exit_code == 1
        assert "is success: it has already ended" in done.output
    assert site.runner.states(WEEK)["otc_raw"] == ["materialized"]


def test_a_run_of_a_process_of_its_own_stops_when_asked(site: Site) -> None:
    run = made(site, STARTED, **{FRONT: "cli"})
    with front(site, run):
        code, told = canceled(site, run, "--wait", "60")
    assert (code, told["canceled"], told["status"]) == (0, True, "canceled")
    assert told["run_id"] == run.run_id


def test_a_run_whose_process_was_killed_is_told_and_then_marked(site: Site) -> None:
    run = made(site, STARTED, **{FRONT: "cli"})
    with front(site, run) as process:
        process.kill()
        process.wait()
    code, told = canceled(site, run, "--wait", "0.5")
    assert (code, told["status"]) == (1, "canceling")
    assert "its process has ended" in told["said"]
    assert f"spine runs cancel {run.run_id[:8]} --force" in told["said"]
    code, told = canceled(site, run, "--wait", "0", "--force")
    assert (code, told["status"]) == (0, "canceled")
    assert status_of(site, run) is CANCELED


def test_a_killed_run_that_held_its_lock_has_failed_before_it_is_canceled(site: Site) -> None:
    run = made(site, STARTED, **{FRONT: "cli"})
    with front(site, run, DIES_WHEN_ASKED) as process:
        process.kill()
        process.wait()
        code, told = canceled(site, run)
    assert (code, told["status"]) == (1, "failure")
    (line,) = json.loads(site.spine("runs", "--json").output)
    assert line["did"] == LOST


def test_a_run_that_is_killed_while_it_is_asked_to_stop_is_canceled(site: Site) -> None:
    run = made(site, STARTED, **{FRONT: "cli"})
    with front(site, run, DIES_WHEN_ASKED):
        code, told = canceled(site, run, "--wait", "60")
    assert (code, told["canceled"], told["status"]) == (0, True, "canceled")


def test_a_run_whose_code_server_does_not_answer_is_told_and_then_marked(site: Site) -> None:
    place = json.dumps({"host": "127.0.0.1", "port": free_port()})
    run = made(site, STARTED, **{".dagster/grpc_info": place})
    code, told = canceled(site, run)
    assert code == 1
    assert "no code server answers" in told["said"]
    code, told = canceled(site, run, "--force")
    assert (code, told["status"]) == (0, "canceled")


def test_a_run_that_takes_no_word_is_not_said_to_be_ending(site: Site) -> None:
    run = made(site, STARTED)
    code, told = canceled(site, run)
    assert (code, told["status"]) == (1, "started")
    assert "Ctrl-C" in told["said"]
    assert canceled(site, run, "--force")[1]["status"] == "canceled"


@pytest.mark.long
def test_runs_of_the_queue_and_of_a_real_daemon_end(project: Project) -> None:
    project.deliver(WEEK, Tier.OTC)
    port = free_port()
    server = Server(port)
    serve = ("-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port))

    def status(run_id: str) -> str:
        with open_instance(project.root) as instance:
            run = instance.get_run_by_id(run_id)
            assert run is not None
            return run.status.value

    with started(project, "webserver", *serve):
        wait_until(server.answers, START_SECONDS, project, "the webserver's start")
        queued = launched(server, WEEK)
        assert status(queued) == "QUEUED"
        done = project.run("spine", "runs", "cancel", queued[:8])
        assert (done.returncode, status(queued)) == (0, "CANCELED"), done.stderr
        assert "removed from the queue" in done.stdout
        begun = launched(server, WEEK)
        # The week is held, so that the run waits for it and does not end by itself.
        with (
            LocalLake(project.lake).lock(WEEK),
            started(project, "daemon", "-m", "dagster._daemon", "run"),
        ):
            wait_until(
                lambda: status(begun) == "STARTED", START_SECONDS, project, "the run's start"
            )
            done = project.run("spine", "runs", "cancel", begun, "--wait", "60", "--json")
            told = json.loads(done.stdout)
            assert (done.returncode, told["status"]) == (0, "canceled"), told
        assert status(begun) == "CANCELED"
    assert not list(project.lake.glob("otc_raw/week_ending=2*/*.parquet"))
