"""Processes that are started here end with the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spine_assets.dev.local_cluster import postgres, redis
from spine_assets.dev.local_cluster.processes import CannotStart, Children, wait_for

PATIENCE_SECONDS = 60  # all of it takes two; a machine under load some times that
PARENT = """
import sys, time
from pathlib import Path
from spine_assets.dev.local_cluster.processes import Children
root = Path(sys.argv[1])
with Children() as children:
    children.remove(root / "folder")
    children.start("sleeper", ["sh", "-c", "sleep 300 & echo $! $$; wait"], log=root / "log")
    (root / "kept").touch()  # the keeper knows it
    time.sleep(300)
"""


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids_in(log: Path) -> list[int]:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (log.exists() and log.read_text().endswith("\n")):
        assert time.monotonic() < end
        time.sleep(0.05)
    return [int(word) for word in log.read_text().split()]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_the_parent_ends(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "folder").mkdir()
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    pids = pids_in(tmp_path / "log")
    assert all(lives(pid) for pid in pids)
    while not (tmp_path / "kept").exists():
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(how)
    parent.wait()
    end = time.monotonic() + PATIENCE_SECONDS
    while any(lives(pid) for pid in pids) or (tmp_path / "folder").exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_process_that_ends_at_once_is_told_with_what_it_said(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start("oops", ["sh", "-c", "echo no port left"], log=tmp_path / "log")
        with pytest.raises(CannotStart, match="oops ended at once") as told:
            wait_for(child, lambda: False, seconds=PATIENCE_SECONDS)
    assert "no port left" in str(told.value)


@pytest.mark.cluster
def test_redis_asks_for_its_password_and_is_gone_afterwards() -> None:
    if reason := redis.missing():
        pytest.skip(reason)
    with redis.running() as server:
        assert server.answers()
        assert not redis.RedisServer(server.port, "wrong").answers()
        assert server.password not in repr(server)
    assert not server.answers()


@pytest.mark.cluster
def test_postgres_makes_databases_and_is_gone_afterwards() -> None:
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.running() as server:
        assert server.database("one").endswith("/one")
        assert server.password not in repr(server)
        assert os.environ.get("PGPASSWORD") is None
    assert not server.answers()
