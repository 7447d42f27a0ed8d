"""Steps of a parallel group run at the same time; runs of one partition never do."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import date, timedelta

import dagster as dg
import pytest

from spine_assets.orchestration.components.partition_lock import hold_partition
from spine_assets_tests.conftest import WEEK
from spine_assets_tests.pipelines.flows import Flows, pipelines_of
from spine_assets_tests.pipelines.steps.test_worker_process import is_alive, until
from spine_assets_tests.pipelines.test_runs import act, flow

_WAIT_SECONDS = 120  # a run begins within five; a machine under load takes some times that

_RUNS = """
import os, sys, dagster as dg
from spine_assets_tests.pipelines import flows
if __name__ == "__main__":
    with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
        tags = {"dagster/partition": sys.argv[2]}
        result = dg.execute_job(dg.reconstructable(flows.flow), instance=instance, tags=tags,
                                raise_on_error=False)
        sys.exit(0 if result.success else 1)
"""


def started(flows: Flows, week: date) -> subprocess.Popen[bytes]:
    """A process that runs what is declared, as `dagster job execute` would."""
    program = flows.root / "runs.py"
    program.write_text(_RUNS)
    return subprocess.Popen([sys.executable, str(program), str(flows.root / "instance"), str(week)])


def spans(flows: Flows, step: str) -> list[tuple[float, float]]:
    """When a step began and ended, each time."""
    begun = [float(line["begun"]) for line in flows.lines(step)]
    ended = [float(line["ended"]) for line in flows.lines(step, "ended")]
    return list(zip(begun, ended, strict=True))


@pytest.mark.long
def test_steps_of_a_group_run_at_the_same_time(flows: Flows) -> None:
    group = "parallel_group: fetch"
    ran = flows.run(
        flow(
            act("one", group, seconds=6),
            act("two", group, seconds=6),
            act("bad", group, fails="engine"),
            act("merge", "depends_on: [one, two]"),
            act("tell", "trigger: on_failure", says="'{failed_steps}'"),
        )
    )
    assert ran.statuses == {
        "one": "SUCCESS",
        "two": "SUCCESS",
        "bad": "FAILED",
        "merge": "SUCCESS",
        "tell": "SUCCESS",
    }
    ((first, first_end),), ((second, second_end),) = spans(flows, "one"), spans(flows, "two")
    assert max(first, second) < min(first_end, second_end)
    assert spans(flows, "merge")[0][0] >= max(first_end, second_end)
    assert flows.lines("tell")[0]["says"] == "bad"


@pytest.mark.long
def test_two_runs_of_one_week_take_turns_and_other_weeks_do_not_wait(flows: Flows) -> None:
    flows.declare(flow(act("work", seconds=4), weekly=True))
    other = WEEK - timedelta(days=7)
    processes = [started(flows, week) for week in (WEEK, WEEK, other)]
    try:
        codes = [process.wait(_WAIT_SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert codes == [0, 0, 0]
    runs = {run.run_id: run.tags["dagster/partition"] for run in flows.instance.get_runs()}
    assert sorted(runs.values()) == [str(other), str(WEEK), str(WEEK)]
    waited = [
        entry
        for run in runs
        for entry in flows.instance.all_logs(run)
        if "waits for another run" in entry.user_message
    ]
    assert {runs[entry.run_id] for entry in waited} == {str(WEEK)}
    same = sorted(_spans_of_runs(flows, [run for run, week in runs.items() if week == str(WEEK)]))
    assert same[0][1] <= same[1][0]


def _spans_of_runs(flows: Flows, runs: list[str]) -> list[tuple[float, float]]:
    """When the step of each run began and ended, as Dagster recorded it."""
    found = []
    for run in runs:
        (stats,) = flows.instance.get_run_step_stats(run)
        assert stats.start_time is not None
        assert stats.end_time is not None
        found.append((stats.start_time, stats.end_time))
    return found


@pytest.mark.long
def test_the_turn_of_a_killed_run_is_free_and_its_work_ends(flows: Flows) -> None:
    flows.declare(flow(act("work", seconds=300), weekly=True))
    process = started(flows, WEEK)
    try:
        until(lambda: flows.lines("work"))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    pid = int(flows.lines("work")[0]["pid"])
    (pipeline,) = pipelines_of((flows.root / "flow.yaml").read_text())
    begun = time.monotonic()
    with hold_partition(pipeline, WEEK):
        assert time.monotonic() - begun < _WAIT_SECONDS
    until(lambda: not is_alive(pid))
    (run,) = flows.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.STARTED  # who watches runs marks it, as any other


@pytest.mark.long
def test_a_run_that_waits_for_its_turn_can_be_canceled(flows: Flows) -> None:
    flows.declare(flow(act("work"), weekly=True))
    (pipeline,) = pipelines_of((flows.root / "flow.yaml").read_text())
    with hold_partition(pipeline, WEEK):
        process = started(flows, WEEK)
        try:
            until(lambda: _waits(flows))
            (run,) = flows.instance.get_runs()
            flows.instance.report_run_canceling(run)
            assert process.wait(_WAIT_SECONDS) == 1
        finally:
            process.kill()
    assert not flows.lines("work")


def _waits(flows: Flows) -> bool:
    return any(
        "waits for another run" in entry.user_message
        for run in flows.instance.get_runs()
        for entry in flows.instance.all_logs(run.run_id)
    )


@pytest.mark.long
def test_a_run_that_is_ended_takes_its_work_along(flows: Flows) -> None:
    flows.declare(flow(act("work", seconds=300), weekly=True))
    process = started(flows, WEEK)
    try:
        until(lambda: flows.lines("work"))
        (run,) = flows.instance.get_runs()
        flows.instance.report_run_canceling(run)
        process.send_signal(signal.SIGINT)
        assert process.wait(_WAIT_SECONDS) == 1
    finally:
        process.kill()
    pid = int(flows.lines("work")[0]["pid"])
    until(lambda: not is_alive(pid))
    (ended,) = flows.instance.get_runs()
    assert ended.status is dg.DagsterRunStatus.CANCELED
    assert not flows.lines("work", "ended")
