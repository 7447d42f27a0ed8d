"""Listing the landing folder: every name that could be data, by size and time alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spine_assets.otc.delivery.listing import MAX_DEPTH, glance, listing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "landing").mkdir()
    return tmp_path / "landing"


def test_a_missing_folder_is_empty(tmp_path: Path) -> None:
    assert listing(tmp_path / "nowhere") == []


def test_data_files_of_any_depth_are_listed_and_others_are_not(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("one.csv", "a/two.PSV", "a/b/three.txt.gz", "four.zip"):
        (folder / name).write_text("x")
    for name in (".five.csv", "_six.csv", "~seven.csv", "eight.doc", ".hidden/nine.csv"):
        (folder / name).write_text("x")
    found = listing(folder)
    assert {item.name for item in found} == {"one.csv", "a/two.PSV", "a/b/three.txt.gz", "four.zip"}
    assert all(item.size == 1 and item.problem is None for item in found)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: (folder / "x.csv").symlink_to("nothing"), "target does not exist"),
        (lambda folder: (folder / "x.csv").symlink_to(folder / "x.csv"), "target does not exist"),
        (lambda folder: (folder / "x.csv").symlink_to("/etc/hostname"), "out of the landing"),
        (lambda folder: (folder / "x").symlink_to("/etc"), "out of the landing"),
        (lambda folder: (folder / "x.csv").mkdir(), "a folder or a link to one"),
        (lambda folder: os.mkfifo(folder / "x.csv"), "no ordinary file"),
        (
            lambda folder: (folder / "/".join("d" * (MAX_DEPTH + 1))).mkdir(parents=True),
            f"deeper than {MAX_DEPTH} folders",
        ),
    ],
    ids=["dangling", "loop", "out", "folder out", "folder", "pipe", "deep"],
)
def test_what_is_no_ordinary_file_is_listed_with_its_fault(
    folder: Path, make: object, said: str
) -> None:
    make(folder)  # type: ignore[operator]
    (found,) = listing(folder)
    assert found.problem is not None
    assert said in found.problem


def test_the_fingerprint_changes_with_every_file_and_only_then(folder: Path) -> None:
    (folder / "one.csv").write_text("x")
    first = glance(folder)
    assert glance(folder) == first
    (folder / "two.csv").write_text("x")
    second = glance(folder)
    (folder / "two.csv").write_text("xy")
    third = glance(folder)
    os.utime(folder / "two.csv", (1, 1))
    fourth = glance(folder)
    (folder / "two.csv").rename(folder / "three.csv")
    fifth = glance(folder)
    (folder / "three.csv").unlink()
    assert len({first, second, third, fourth, fifth}) == 5
    assert glance(folder) == first


def test_a_file_with_an_old_time_of_modification_counts_as_changed_just_now(folder: Path) -> None:
    """A copy that keeps times, while it is still being written."""
    path = folder / "one.csv"
    path.write_text("x")
    os.utime(path, (1, 1))
    (found,) = listing(folder)
    now = path.stat().st_ctime
    assert found.changed_within(5.0, now + 4.0)
    assert not found.changed_within(5.0, now + 6.0)


def test_a_file_whose_time_is_in_the_future_is_not_waited_for(folder: Path) -> None:
    """It comes from a machine whose clock is ahead; it would wait until then."""
    path = folder / "one.csv"
    path.write_text("x")
    now = path.stat().st_mtime
    os.utime(path, (now + 60, now + 60))
    (found,) = listing(folder)
    assert not found.changed_within(5.0, now)
    assert found.changed_within(5.0, now + 57)  # clocks are seldom equal
    assert found.changed_within(5.0, now + 62)


def test_a_file_of_equal_size_and_time_of_modification_is_another_glance(folder: Path) -> None:
    path = folder / "one.csv"
    path.write_text("x")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    first = glance(folder)
    path.write_text("y")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert glance(folder) != first


@pytest.mark.parametrize(
    ("name", "is_listed"),
    [
        ("a.json", True),
        ("a.JSONL.gz", True),
        ("a.xlsx", True),
        ("a.XLS", True),
        ("a.tar.gz", True),
        ("~a.xlsx", False),
        (".a.xlsx", False),
        ("README.md", False),
        ("a.csv.part", False),
    ],
)
def test_files_that_people_drop_beside_data_are_listed_too(
    folder: Path, name: str, is_listed: bool
) -> None:
    (folder / name).write_text("x")
    assert [item.name for item in listing(folder)] == ([name] if is_listed else [])
