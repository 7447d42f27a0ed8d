"""A disk that is really full, and one that is really read-only, under the real command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from spine_assets_tests.abuse.ground import Ground
from spine_assets_tests.abuse.parcels import SMALL, stages
from spine_assets_tests.abuse.states import Seen, differences, look_at_all

WEEK = date(2025, 10, 3)
_ENOUGH = "size=64m"
_ROOMS_KB = (4, 28)  # for a part of the captures; for those, and a part of the tables


@dataclass(frozen=True)
class Disk:
    """A project whose lake is a file system of its own: a first build done, a correction landed."""

    ground: Ground
    before: Seen

    def remount(self, options: str) -> None:
        """Change the size of the file system, or whether it may be written."""
        done = _run("mount", "-o", f"remount,{options}", str(self.ground.lake.root))
        assert done.returncode == 0, done.stderr

    def used_kb(self) -> int:
        """What is in use."""
        told = _run("df", "--output=used", "-k", str(self.ground.lake.root)).stdout
        return int(told.split()[1])

    def build(self) -> tuple[int, str]:
        """Run the command to its end; its status and what it said."""
        log = self.ground.root / "run.log"
        return self.ground.start(log, WEEK).wait(), log.read_text("utf-8", "replace")

    def require_nothing_damaged(self, calm: Ground) -> None:
        """Each table is as it was, or as the next run would leave it; nothing is left lying."""
        now, after = look_at_all(self.ground.lake), look_at_all(calm.lake)
        assert [unit for unit in now if now[unit] not in (self.before.get(unit), after[unit])] == []
        assert self.ground.temporaries() == set()


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def errors(said: str) -> list[str]:
    """The lines of a log that tell errors."""
    return [line for line in said.splitlines() if " ERROR " in line]


@pytest.fixture
def calm(tmp_path: Path) -> Ground:
    """What undisturbed builds leave."""
    ground = Ground.make(tmp_path / "calm")
    for parcels in stages(WEEK, 3, SMALL)[:2]:
        ground.deliver(parcels)
        ground.build_here([WEEK])
    return ground


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A lake on a disk of its own; needs the right to mount one."""
    ground = Ground.make(tmp_path / "project")
    place = ground.lake.root
    place.mkdir()
    try:
        done = _run("mount", "-t", "tmpfs", "-o", _ENOUGH, "tmpfs", str(place))
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")
    try:
        first, second, _ = stages(WEEK, 3, SMALL)
        ground.deliver(first)
        ground.build_here([WEEK])
        before = look_at_all(ground.lake)
        ground.deliver(second)
        yield Disk(ground, before)
    finally:
        _run("umount", "-l", str(place))


@pytest.mark.long
def test_a_full_disk_is_a_clear_error_and_a_run_with_room_completes(
    disk: Disk, calm: Ground
) -> None:
    for room in _ROOMS_KB:
        disk.remount(f"size={disk.used_kb() + room}k")
        status, said = disk.build()
        assert status == 1
        assert "No space left on device" in said, errors(said)[0][100:]
        assert "Free space" in said
        disk.require_nothing_damaged(calm)
    disk.remount(_ENOUGH)
    status, said = disk.build()
    assert status == 0, said
    assert differences(disk.ground.lake, calm.lake)[0] == []


@pytest.mark.long
def test_a_read_only_disk_is_a_clear_error_and_changes_nothing(disk: Disk, calm: Ground) -> None:
    disk.remount("ro")
    status, said = disk.build()
    assert status == 1
    assert "Read-only file system" in said
    assert "the lake must be a writable folder" in said
    assert look_at_all(disk.ground.lake) == disk.before
    disk.remount("rw")
    status, said = disk.build()
    assert status == 0, said
    assert differences(disk.ground.lake, calm.lake)[0] == []
