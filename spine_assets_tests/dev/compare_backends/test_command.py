"""`spine compare`: the same weeks on each backend, and nothing of the user's is touched."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.core.weeks import Tier
from spine_assets.dev.local_cluster import redis
from spine_assets_tests.support.projects import Project

WEEKS = ("2025-11-07", "2025-11-14", "2025-11-21")
BAD = "2025-11-14"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder with three weeks of one tier, all settled."""
    for name in os.environ:
        if name.startswith("SPINE_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path)
    made.landing.mkdir(parents=True)
    return made


def deliver(project: Project, *weeks: str) -> None:
    for week in weeks:
        project.deliver(date.fromisoformat(week), Tier.OTC)
    for path in project.landing.rglob("*.csv"):
        os.utime(path, (0, 0))  # settled long ago


def content(project: Project) -> dict[str, bytes]:
    """All files below the landing folder, and the names of all others."""
    return {str(path): path.read_bytes() for path in project.landing.rglob("*") if path.is_file()}


def compared(project: Project, *words: str, exit_code: int = 0) -> dict[str, Any]:
    done = project.run("spine", "compare", "--json", *words)
    assert done.returncode == exit_code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_side(side: dict[str, Any], backend: str) -> None:
    assert (side["backend"], side["status"], side["is_equal"]) == (backend, "ok", True), side
    for trial in side["trials"]:
        assert trial["rows"] == 3 * len(WEEKS)
        assert trial["wall_seconds"] > trial["building_seconds"] > 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--backends", "in_process,celry"), 2, "there is no 'celry'; known: in_process, "),
        (("--weeks", "2", "--first", "2025-11-14"), 2, "--weeks, or --first and --last"),
        (("--last", "2025-11-14"), 2, "--first and --last go together"),
        (("--weeks", "2"), 1, "no file here to compare with"),
    ],
)
def test_a_slip_is_told_before_anything_runs(
    words: tuple[str, ...], code: int, said: str, project: Project
) -> None:
    done = CliRunner().invoke(main, ["compare", *words])
    assert done.exit_code == code
    assert said in done.output


def test_a_backend_asked_for_by_name_that_cannot_run_is_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(project, *WEEKS)
    monkeypatch.setenv("PATH", "")
    done = CliRunner().invoke(main, ["compare", "--backends", "celery"])
    assert done.exit_code == 1
    assert "celery: needs the program redis-server" in done.output


@pytest.mark.long
def test_processes_make_the_tables_of_one_process_and_nothing_else_is_written(
    project: Project,
) -> None:
    deliver(project, *WEEKS)
    before = content(project)
    found = compared(project, "--weeks", "3", "--backends", "in_process,multiprocess")
    assert found["weeks"] == list(WEEKS)
    for side, name in zip(found["backends"], ("in_process", "multiprocess"), strict=True):
        assert_side(side, name)
    assert content(project) == before
    assert sorted(path.name for path in project.root.iterdir()) == ["data"]
    assert {path.name for path in (project.root / "data").iterdir()} <= {
        "landing",
        "landing-index.json",
        ".landing-index.json.lock",  # stays, as a lock's file must
    }


@pytest.mark.long
def test_a_week_that_fails_is_named_and_ends_with_one(project: Project) -> None:
    deliver(project, *WEEKS[:1], *WEEKS[2:])
    project.deliver_in_two_parts(date.fromisoformat(BAD))
    for path in project.landing.rglob("*.csv"):
        os.utime(path, (0, 0))
    (side,) = compared(
        project,
        *("--first", WEEKS[0], "--last", WEEKS[-1], "--backends", "in_process"),
        exit_code=1,
    )["backends"]
    assert side["status"] == "failed"
    assert side["trials"][0]["weeks_failed"] == [BAD]
    assert BAD in side["trials"][0]["error"]


@pytest.mark.long  # in CI the same is tested over a whole cluster with a lost worker
@pytest.mark.cluster
@pytest.mark.skipif(redis.missing() is not None, reason=str(redis.missing()))
def test_two_workers_make_the_tables_of_one_process(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(project, *WEEKS)
    monkeypatch.setenv("SPINE_WEEKS_PER_RUN", "1")
    words = ("--weeks", "3", "--backends", "in_process,celery", "--workers", "2")
    one, many = compared(project, *words)["backends"]
    assert_side(one, "in_process")
    assert_side(many, "celery")
    assert [trial["runs"] for trial in many["trials"]] == [len(WEEKS)]
