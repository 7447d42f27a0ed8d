"""A step's work in a process of its own: ended in time, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spine_assets.pipelines.steps.worker_process import Failed, StepTask, worker
from spine_assets_tests.conftest import House
from spine_assets_tests.pipelines.acting import notes
from spine_assets_tests.pipelines.places import context_of

_WAIT_SECONDS = 60.0  # a process begins within two; a machine under load takes some times that


def acting(house: House, **config: object) -> StepTask:
    parts = {"source": {}, "destination": {}, "config": {"diary": str(diary(house)), **config}}
    return StepTask("test.act", parts, context_of(house))


def diary(house: House) -> Path:
    return house.root / "diary.jsonl"


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    last = time.monotonic() + _WAIT_SECONDS
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.05)


def is_alive(pid: object) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_one_process_does_one_task_after_another(house: House) -> None:
    with worker() as hands:
        for number in range(3):
            hands.do(acting(house, says=str(number)), timeout_minutes=1)
    begun = [line for line in notes(diary(house)) if "begun" in line]
    assert [line["says"] for line in begun] == ["0", "1", "2"]
    assert len({line["pid"] for line in begun}) == 1
    assert begun[0]["pid"] != os.getpid()
    until(lambda: not is_alive(begun[0]["pid"]))


def test_work_beyond_its_time_is_ended_and_the_next_is_done(house: House) -> None:
    with worker() as hands:
        found = hands.do(acting(house, seconds=100), timeout_minutes=0.04)
        assert isinstance(found, Failed)
        assert found.kind == "StepTimeout"
        assert found.is_one_of(["TimeoutError"])
        assert not found.is_one_of(["TransientError"])
        (line,) = notes(diary(house))
        until(lambda: not is_alive(line["pid"]))
        assert not isinstance(hands.do(acting(house), timeout_minutes=1), Failed)


@pytest.mark.parametrize(
    ("fails", "kind", "one_of"),
    [
        ("engine", "EngineExecutionError", "EngineExecutionError"),
        ("transient", "TransientError", "spine_assets.pipelines.steps.engine.TransientError"),
        ("busy", "Busy", "Busy"),
        ("killed", "ProcessExpired", "ProcessExpired"),
    ],
)
def test_an_error_comes_back_with_its_names(
    house: House, fails: str, kind: str, one_of: str
) -> None:
    with worker() as hands:
        found = hands.do(acting(house, fails=fails), timeout_minutes=1)
    assert isinstance(found, Failed)
    assert (found.kind, found.is_one_of([one_of])) == (kind, True)
    assert bool(found.trace) == (fails == "busy")
    assert ("(acting.py:" in found.message) == (fails == "busy")


_STARTS_WORK = """
import sys
from pathlib import Path
from spine_assets.pipelines.steps.worker_process import worker
from spine_assets_tests.conftest import House
from spine_assets_tests.pipelines.steps.test_worker_process import acting
if __name__ == "__main__":
    with worker() as hands:
        hands.do(acting(House(Path(sys.argv[1])), seconds=300), timeout_minutes=9)
"""


@pytest.mark.long
def test_work_ends_when_who_started_it_is_killed(house: House) -> None:
    program = house.root / "starts_work.py"
    program.write_text(_STARTS_WORK)
    started = subprocess.Popen([sys.executable, str(program), str(house.root)])
    try:
        until(lambda: notes(diary(house)))
        (line,) = notes(diary(house))
        assert is_alive(line["pid"])
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()
    until(lambda: not is_alive(line["pid"]))
