"""Only a file is ever replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from spine_assets.lake import atomic_write, scratch
from spine_assets.lake.base import LakeError


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Something that is no file, as a device is."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_device_is_refused_before_anything_is_written(pipe: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(pipe)
    for target in (pipe, tmp_path / "link", tmp_path):
        with pytest.raises(OSError, match="no file to replace"):
            atomic_write.write(target, b"a")
        with pytest.raises(LakeError, match="no file to replace; move it away"):
            atomic_write.stage(target, b"a")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    for content in (b"a", b"b"):
        assert atomic_write.write(tmp_path / "made" / "a", content).read_bytes() == content
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["a"]


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_scratch_folder_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PermissionError, match="set TMPDIR to a folder of your own"):
        scratch.require_own(folder)
    folder.chmod(0o700)
    scratch.require_own(folder)


def test_a_scratch_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        scratch.require_own(tmp_path / "link")
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(PermissionError):
        scratch.require_own(tmp_path)
