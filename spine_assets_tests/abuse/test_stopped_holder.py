"""A run that stands still while it holds a week's lock, as one does on a laptop that sleeps."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from datetime import date
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from spine_assets.lake.names import LOCKS, LockName
from spine_assets_tests.abuse.concurrency import Process, wait
from spine_assets_tests.abuse.ground import Ground, kill_group
from spine_assets_tests.abuse.parcels import SMALL, stages
from spine_assets_tests.abuse.states import differences

pytestmark = pytest.mark.long

WEEK = date(2025, 10, 3)
_WAITS = re.compile(rf"waits for the lock of week {WEEK}, which (\S+) process (\d+)")
_POLL_SECONDS = 0.01


def test_another_run_waits_names_the_holder_may_be_ended_and_both_finish(tmp_path: Path) -> None:
    ground, calm = Ground.make(tmp_path / "killed"), Ground.make(tmp_path / "calm")
    for each in (ground, calm):
        each.deliver(stages(WEEK, 3, SMALL)[0])
    calm.build_here([WEEK])
    logs = [tmp_path / f"{name}.log" for name in ("stopped", "ended", "patient")]
    runs: list[Process] = [ground.start(logs[0], WEEK)]
    try:
        _stop_within_the_lock(ground, runs[0])
        runs += [ground.start(log, WEEK) for log in logs[1:]]
        for log in logs[1:]:
            wait(lambda log=log: _holder(log) is not None, "a run waits")  # type: ignore[misc]
            host, process = _holder(log) or ("", "")
            assert host == socket.gethostname()
            assert " T (stopped)" in f" {_state(process)}"
        os.killpg(runs[1].pid, signal.SIGINT)  # Ctrl-C
        assert runs[1].wait(60) != 0
        assert runs[2].poll() is None
        os.killpg(runs[0].pid, signal.SIGCONT)
        assert [runs[0].wait(120), runs[2].wait(120)] == [0, 0]
    finally:
        for run in runs:
            if run.poll() is None:
                kill_group(run)
    assert differences(ground.lake, calm.lake)[0] == []
    assert ground.temporaries() == set()


def _stop_within_the_lock(ground: Ground, run: Process) -> None:
    """Stop a run at a moment at which it holds the lock of its week."""
    path = ground.lake.root / LOCKS / f"{LockName.week(WEEK)}.lock"
    while run.poll() is None:
        if path.exists() and _is_held(path):
            os.killpg(run.pid, signal.SIGSTOP)
            if _is_held(path):
                return
            os.killpg(run.pid, signal.SIGCONT)
        time.sleep(_POLL_SECONDS)
    raise AssertionError("the run ended before it was seen with the lock")


def _is_held(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _holder(log: Path) -> tuple[str, str] | None:
    """Host and process that a waiting run names."""
    found = _WAITS.search(log.read_text("utf-8", "replace"))
    return (found[1], found[2]) if found else None


def _state(process: str) -> str:
    return Path(f"/proc/{process}/status").read_text("utf-8").split("State:\t")[1].split("\n")[0]
