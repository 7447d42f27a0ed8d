"""`make demo`, then a file of FINRA's beside it, then without the sample: as README tells a person.

`make setup` is left out, since it would change the environment of these tests; all else is what the
Makefile does, by programs of their own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.otc.captures.provenance import NOTICE
from spine_assets_tests.conftest import delivered, line
from spine_assets_tests.support.projects import SOURCE, Project
from spine_assets_tests.support.servers import (
    START_SECONDS,
    Server,
    free_port,
    started,
    wait_until,
)

pytestmark = [pytest.mark.long, pytest.mark.sqlite]

WEEK = date(2025, 11, 21)
SHARES = 395_951_735
"""Of WEEK in the sample, as the lines of its files add up."""
NAME = f"week_ending={WEEK}/otc.csv"
REAL = delivered(
    line("AAAA", shares="1000", updated=str(publication_day(WEEK, Tier.OTC))),
    line("BBBB", shares="2000", updated=str(publication_day(WEEK, Tier.OTC))),
)
CHECKED = """
{ assetCheckExecutions(
    assetKey: {path: ["otc_raw"]}, checkName: "not_mixed", limit: 1, partition: "%s"
  ) { status evaluation { success severity description } } }
"""
MADE = '{ assetNodeOrError(assetKey: {path: ["otc_venue_share"]}) { ... on AssetNode { ' + (
    "partitionStats { numMaterialized } } } }"
)


def clone(root: Path) -> Project:
    """What of the repository a demo needs."""
    root.mkdir()
    for name in ("Makefile", "dagster.yaml", "workspace.yaml", "pyproject.toml"):
        shutil.copy(SOURCE / name, root)
    shutil.copytree(SOURCE / "data" / "sample", root / "data" / "sample")
    (root / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return Project(root)


def shell(project: Project, command: str) -> str:
    """What a command prints that a person types into a terminal."""
    programs = Path(sys.executable).parent
    ours = {name for name in os.environ if name.startswith("SPINE_") or name == "DAGSTER_HOME"}
    env = {name: value for name, value in os.environ.items() if name not in ours}
    env |= {"PATH": f"{programs}:{env['PATH']}", "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=project.root,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def demo(project: Project) -> str:
    return shell(project, "make --old-file=setup RUN= demo")


def asked(project: Project, command: str) -> Any:
    return json.loads(shell(project, f"spine {command} --json"))


def shares(project: Project, place: str) -> dict[str, int]:
    """Shares of WEEK by source file, as any client of DuckDB reads them."""
    sql = "SELECT source_file, sum(share_volume)::BIGINT FROM otc_raw_current "
    sql += f"WHERE week_ending = '{WEEK}' GROUP BY ALL"
    database = project.root / place / "spine.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        return dict(connection.execute(sql).fetchall())


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A clone after `make demo`, and what that printed."""
    project = clone(tmp_path_factory.mktemp("demo") / "a clone")
    return project, demo(project)


@pytest.fixture
def project(printed: tuple[Project, str], tmp_path: Path) -> Project:
    """A copy of it."""
    root = tmp_path / "copy"
    shutil.copytree(printed[0].root, root, symlinks=True)
    return Project(root)


def test_the_demo_is_in_a_folder_of_its_own_and_each_command_shows_it(
    printed: tuple[Project, str],
) -> None:
    project, text = printed
    assert sorted(path.name for path in (project.root / "data").iterdir()) == ["demo", "sample"]
    assert {"dagster", "lake", "landing", "spine.duckdb"} <= {
        path.name for path in (project.root / "data" / "demo").iterdir()
    }
    assert (project.root / ".env").read_text() == "SPINE_DATA_DIR=data/demo\n"
    assert "where each command here looks" in text
    board = asked(project, "status")
    assert board["synthetic"] is True
    assert board["weeks"][-1]["week_ending"] == str(WEEK)
    assert set(board["weeks"][-1]["tables"]["otc_raw"].values()) == {"fresh", "materialized"}
    assert sum(shares(project, "data/demo").values()) == SHARES


def test_a_file_of_finra_beside_the_demo_is_refused_and_built_when_the_sample_is_removed(
    project: Project,
) -> None:
    before = shares(project, "data/demo")
    landing = project.root / "data" / "demo" / "landing"
    target = landing / NAME
    port = free_port()
    server = Server(port)
    with started(project, "dev", "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)):
        wait_until(server.answers, START_SECONDS, project, "the start")
        stats = server.ask(MADE)["assetNodeOrError"]["partitionStats"]
        assert stats == {"numMaterialized": 12}
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(REAL)

        def last() -> dict[str, Any]:
            (found,) = server.ask(CHECKED % WEEK)["assetCheckExecutions"]
            return dict(found["evaluation"] or {"success": True})

        # The sensor finds the file, and its run fails for it.
        wait_until(lambda: not last()["success"], 2 * START_SECONDS, project, "the refusal")
        assert last()["severity"] == "ERROR"
        assert NAME in last()["description"]
        assert "`spine sample remove`" in last()["description"]
    assert shares(project, "data/demo") == before
    board = asked(project, "status")
    assert [row["file"] for row in board["unusable"]] == [NAME]
    assert "spine sample remove" in board["unusable"][0]["reason"]
    found = asked(project, "sample remove --yes")
    assert len(found["weeks"]) == 12
    assert [path.name for path in landing.rglob("*.csv*")] == [target.name]
    assert shares(project, "data/demo") == {}
    assert asked(project, "status")["synthetic"] is False
    shell(project, "spine backfill --missing")
    assert shares(project, "data/demo") == {NAME: 3000}
    with started(project, "web", "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)):
        wait_until(server.answers, START_SECONDS, project, "the start of the webserver")
        stats = server.ask(MADE)["assetNodeOrError"]["partitionStats"]
        assert stats == {"numMaterialized": 1}
        (check,) = server.ask(CHECKED % WEEK)["assetCheckExecutions"]
        assert check["evaluation"]["success"] is True


def test_one_printed_command_switches_to_a_place_of_ones_own(
    printed: tuple[Project, str], project: Project
) -> None:
    (switch,) = re.findall(r"^  (echo \S+ > \.env)", printed[1], re.M)
    shell(project, switch)
    target = project.root / "data" / "landing" / NAME
    target.parent.mkdir(parents=True)
    target.write_bytes(REAL)
    assert NOTICE not in shell(project, "spine backfill --missing 2>&1; spine week 2>&1")
    assert shares(project, "data") == {NAME: 3000}
    assert sum(shares(project, "data/demo").values()) == SHARES


def test_a_place_that_env_names_already_is_left_alone(tmp_path: Path) -> None:
    project = clone(tmp_path / "clone")
    written = "SPINE_DATA_DIR=mine\nSPINE_LAKE=mine/lake\nSPINE_THREADS=1\n"
    (project.root / ".env").write_text(written)
    text = demo(project)
    assert (project.root / ".env").read_text() == written
    assert "your settings are left as they are" in text
    assert not (project.root / "mine").exists()
    assert sum(shares(project, "data/demo").values()) == SHARES
