"""Runs of this process: their tags, and what ends them early."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterExecutionInterruptedError

from spine_assets.core.tags import FRONT, MAX_RUNTIME
from spine_assets.orchestration.launching import in_process
from spine_assets.orchestration.launching.base import new_run_id
from spine_assets.orchestration.launching.in_process import InProcessLauncher
from spine_assets.pipelines.catalog import RunPlan

SUCCESS, CANCELED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED
MOST_SECONDS = 20.0  # of a run that is to be ended; a machine under load


@dg.op
def wait(context: dg.OpExecutionContext) -> None:
    """Wait until the run is canceled, or as long as its tag says."""
    end = time.monotonic() + float(context.run_tags.get("wait", MOST_SECONDS))
    while time.monotonic() < end:
        time.sleep(0.01)


@dg.job(executor_def=dg.in_process_executor, tags={MAX_RUNTIME: "0.1"})
def impatient() -> None:
    """It may take a tenth of a second."""
    wait()


@dg.job(executor_def=dg.in_process_executor)
def patient() -> None:
    """It may take as long as the instance allows."""
    wait()


@dg.logger
def console(_: dg.InitLoggerContext) -> logging.Logger:
    return logging.Logger("quiet", logging.CRITICAL)


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcessLauncher]:
    monkeypatch.setattr(in_process, "_WATCH_SECONDS", 0.05)
    definitions = dg.Definitions(jobs=[impatient, patient], loggers={"console": console})
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield InProcessLauncher(instance, definitions)


def ended(launcher: InProcessLauncher, job: str, run_id: str, **tags: str) -> dg.DagsterRun:
    """A run to its end."""
    with suppress(DagsterExecutionInterruptedError, KeyboardInterrupt):
        launcher.launch(job, RunPlan(), tags, run_id)
    run = launcher.instance.get_run_by_id(run_id)
    assert run is not None
    return run


def test_a_run_that_takes_too_long_is_canceled(launcher: InProcessLauncher) -> None:
    assert ended(launcher, "impatient", new_run_id()).status is CANCELED


def test_the_time_that_a_command_gives_outweighs_that_of_the_job(
    launcher: InProcessLauncher,
) -> None:
    tags = {MAX_RUNTIME: "60", "wait": "0.3"}
    run = ended(launcher, "impatient", new_run_id(), **tags)
    assert run.status is SUCCESS
    assert run.tags[MAX_RUNTIME] == "60"


def test_without_a_limit_a_run_takes_any_time(launcher: InProcessLauncher) -> None:
    run = ended(launcher, "patient", new_run_id(), wait="0.3")
    assert run.status is SUCCESS
    assert run.tags[FRONT] == "cli"  # which process watches it


def await_start(launcher: InProcessLauncher, run_id: str) -> dg.DagsterRun:
    """The run when it has started."""
    run = None
    while run is None or run.status is not dg.DagsterRunStatus.STARTED:
        time.sleep(0.01)
        run = launcher.instance.get_run_by_id(run_id)
    return run


def test_a_run_that_its_user_interrupts_ends_as_canceled(launcher: InProcessLauncher) -> None:
    """Dagster alone would record it as failed."""
    run_id = new_run_id()

    def interrupt() -> None:
        await_start(launcher, run_id)
        os.kill(os.getpid(), signal.SIGINT)

    other = threading.Thread(target=interrupt)
    other.start()
    assert ended(launcher, "patient", run_id).status is CANCELED
    other.join()


def test_a_run_that_another_process_cancels_ends_as_canceled(launcher: InProcessLauncher) -> None:
    run_id = new_run_id()

    def cancel() -> None:
        launcher.instance.report_run_canceling(await_start(launcher, run_id))

    other = threading.Thread(target=cancel)
    other.start()
    assert ended(launcher, "patient", run_id).status is CANCELED
    other.join()
