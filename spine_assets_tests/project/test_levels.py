"""What `make test-all` relies on: stopping when the time is over, and counting what was run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spine_assets_tests.support.projects import SOURCE

_TESTS = """
def test_first(): assert RIGHT
def test_second(): pass
def test_third(): pass
"""


def ran(folder: Path, *words: str, right: bool = True) -> tuple[int, str]:
    """Exit code and output of pytest over three tests, of which the first one may fail."""
    (folder / "test_three.py").write_text(_TESTS.replace("RIGHT", str(right)))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "spine_assets_tests.support.stop_at"),
            *("-p", "no:cacheprovider", f"--junitxml={folder}/part.xml", *words, str(folder)),
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def counted(folder: Path) -> tuple[int, str]:
    """Exit code and last line of the count."""
    program = [sys.executable, str(SOURCE / ".ci" / "counts"), str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_has_not_begun_when_the_time_is_over_is_left_out_and_is_no_failure(
    tmp_path: Path, workers: str
) -> None:
    code, out = ran(tmp_path, "-n", workers, f"--stop-at={time.time()}")
    assert code == 0, out
    assert "BROKEN OFF" in out
    code, line = counted(tmp_path)
    assert code == 0
    assert line.startswith("passed ")
    assert line.endswith("BROKEN OFF in part")


def test_a_failure_before_the_time_was_over_is_one(tmp_path: Path) -> None:
    code, out = ran(tmp_path, f"--stop-at={time.time()}", right=False)
    assert code != 0
    assert "2 of 3 tests were not run" in out
    assert counted(tmp_path) == (1, "passed 0, failed 1, skipped 0, BROKEN OFF in part")


def test_with_time_left_all_are_run(tmp_path: Path) -> None:
    assert ran(tmp_path, f"--stop-at={time.time() + 600}")[0] == 0
    assert counted(tmp_path) == (0, "passed 3, failed 0, skipped 0")


@pytest.mark.parametrize(
    ("reason", "code"),
    [("no redis-server on the PATH", 1), ("file systems cannot be mounted here: denied", 0)],
)
def test_only_what_no_package_brings_may_be_skipped(tmp_path: Path, reason: str, code: int) -> None:
    (tmp_path / "part.xml").write_text(
        '<testsuites><testsuite><testcase classname="t" name="a"/><testcase classname="t" name="b">'
        f'<skipped message="{reason}"/></testcase></testsuite></testsuites>'
    )
    assert counted(tmp_path) == (code, f"passed 1, failed 0, skipped 1 [1: {reason}]")
