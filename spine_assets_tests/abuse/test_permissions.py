"""Other users: one that may only read, and one that runs weeks but lacks a right.

Started as the superuser: the commands run as a user without rights of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from spine_assets_tests.abuse.ground import Ground
from spine_assets_tests.abuse.parcels import SMALL, stages
from spine_assets_tests.abuse.states import differences

NOBODY = 65534
pytestmark = pytest.mark.long

WEEK = date(2025, 10, 3)


@pytest.fixture
def ground() -> Iterator[Ground]:
    """A project in a folder that every user may enter; those of a test's own they may not."""
    place = Path(tempfile.mkdtemp(prefix="spine-others-"))
    place.chmod(0o755)
    made = Ground.make(place / "project")
    try:
        # Only the superuser may, and only where its Python does not lie in a folder of its own.
        if os.getuid() or not shutil.which("setpriv") or as_nobody(made, "--version").returncode:
            pytest.skip("this machine runs no command as another user")
        yield made
    finally:
        shutil.rmtree(place)


def as_nobody(ground: Ground, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `spine` as a user who owns what is given to it, and else only reads."""
    program = str(Path(sys.executable).with_name("spine"))
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return ground.run_command(*user, program, *command, HOME=str(ground.root), USER="nobody")


def run(ground: Ground) -> subprocess.CompletedProcess[str]:
    """Build the week as that user."""
    return as_nobody(ground, "run", "otc.weekly", "-p", f"week_ending={WEEK}")


def give(path: Path) -> None:
    """Make everything below a path the user's own."""
    for each in (path, *path.rglob("*")):
        os.chown(each, NOBODY, NOBODY)


def files(ground: Ground) -> dict[str, tuple[int, int]]:
    """Everything in the data folder, with size and time of change."""
    found = ((path, path.stat()) for path in ground.data.rglob("*"))
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in found}


def test_who_may_only_read_gets_answers_and_changes_nothing(ground: Ground) -> None:
    ground.deliver(stages(WEEK, 3, SMALL)[0])
    ground.build_here([WEEK])
    before = files(ground)
    asked = as_nobody(ground, "query", "SELECT count(*) AS n FROM otc_raw", "--json")
    assert asked.returncode == 0, asked.stderr
    assert '"n": 120' in asked.stdout
    for command in (
        ("run", "otc.weekly", "-p", f"week_ending={WEEK}"),
        ("db", "refresh"),
        ("sample", "write"),
        ("init", "."),
    ):
        refused = as_nobody(ground, *command)
        assert refused.returncode == 1, command
        assert "Traceback" not in refused.stderr
        assert "user nobody may not read or write it" in refused.stderr, command
        assert "belongs to root" in refused.stderr
    assert files(ground) == before


def test_a_week_lacks_a_right_and_is_built_when_it_has_it(ground: Ground, tmp_path: Path) -> None:
    calm, delivered = Ground.make(tmp_path / "calm"), stages(WEEK, 3, SMALL)[0]
    for each in (ground, calm):
        each.deliver(delivered)
    calm.build_here([WEEK], refresh=False)
    give(ground.root)
    secret = ground.landing / delivered[1].name
    os.chown(secret, 0, 0)
    secret.chmod(0o600)
    partly = run(ground)
    assert secret.name in partly.stdout
    assert "Permission denied" in partly.stdout

    os.chown(secret, NOBODY, NOBODY)
    shares = ground.lake.root / "otc_venue_share" / f"week_ending={WEEK}"
    os.chown(shares, 0, 0)
    failed = run(ground)
    assert failed.returncode == 1
    assert str(shares) in failed.stderr
    assert "Permission denied" in failed.stderr

    os.chown(shares, NOBODY, NOBODY)
    done = run(ground)
    assert done.returncode == 0, done.stderr
    assert differences(ground.lake, calm.lake)[0] == []
    assert ground.temporaries() == set()
