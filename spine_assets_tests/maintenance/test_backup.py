"""A backup is made while runs write, and what is restored of it is whole."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.lake.local import LocalLake
from spine_assets.maintenance.copy_lake import LakeCopy
from spine_assets.maintenance.doctor.dagster import damage, opened
from spine_assets_tests.support import sites
from spine_assets_tests.support.projects import TABLES, Project, laid_out
from spine_assets_tests.support.sites import Site

WEEKS = [date(2025, 10, 31) + timedelta(weeks=n) for n in range(3)]
pytestmark = pytest.mark.sqlite


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """Two weeks, built."""
    (tmp_path / "site").mkdir()
    with sites.opened(tmp_path / "site", code_location) as made:
        for week in WEEKS[:2]:
            made.project.deliver(week, Tier.OTC)
        assert made.runner.range(*WEEKS[:2]).success
        yield made


def backed_up(site: Site, folder: Path) -> dict[str, Any]:
    done = site.spine("backup", str(folder), "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def restored(folder: Path, root: Path) -> Iterator[Project]:
    """A new checkout with the two folders of a backup."""
    with laid_out(root) as made:
        for name in ("dagster", "lake"):
            shutil.copytree(folder / name, made.root / "data" / name)
        yield made


def states_in(project: Project) -> dict[str, list[str | None]]:
    done = project.run("spine", "status", "--all", "--json")
    assert done.returncode == 0, done.stderr
    weeks = json.loads(done.stdout)["weeks"]
    return {table: [row["tables"][table]["dagster"] for row in weeks] for table in TABLES}


def test_a_restored_backup_is_the_same_and_the_next_one_copies_what_changed(
    site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    first = backed_up(site, folder)
    assert first["history"]["copied"] >= 4
    assert first["lake"]["copied"] > len(TABLES)
    again = backed_up(site, folder)
    assert again["lake"]["copied"] == 0
    assert again["history"]["equal"] > 0
    assert damage(folder / "dagster") == {}
    copied = LakeCopy(LocalLake(site.project.lake), LocalLake(folder / "lake")).compare()
    assert copied.is_complete
    with restored(folder, tmp_path / "new") as project:
        assert states_in(project) == dict.fromkeys(TABLES, ["materialized"] * 2)
        done = project.run("spine", "doctor", "--repair")
        assert "nothing to repair" in done.stdout, done.stderr


def test_a_folder_within_what_is_copied_is_refused(site: Site) -> None:
    for place in ("data/dagster/copy", "data/lake/copy"):
        done = site.spine("backup", place)
        assert done.exit_code == 2
        assert "which is copied" in done.output


def test_a_damaged_history_is_named_with_its_cure(site: Site, tmp_path: Path) -> None:
    backed_up(site, folder := tmp_path / "backup")
    index = folder / "dagster" / "history" / "runs" / "index.db"
    content = bytearray(index.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    index.write_bytes(content)
    found = damage(folder / "dagster")
    assert list(found) == ["history/runs/index.db"]
    with restored(folder, tmp_path / "new") as project, opened(project.root) as (instance, said):
        assert instance is None
        assert "PRAGMA quick_check finds damage" in said.found
        assert "history/runs/index.db" in said.found
        assert "spine backup" in (said.mend or "")
        assert ".recover" in (said.mend or "")
        done = project.run("spine", "status")
        assert done.returncode == 1
        assert "spine doctor names the database by PRAGMA quick_check" in done.stderr


@pytest.mark.long
def test_backups_made_while_runs_write_are_whole(site: Site, tmp_path: Path) -> None:
    site.project.deliver(WEEKS[2], Tier.OTC)
    script = (
        "import sys; from click.testing import CliRunner; from spine_assets.cli import main\n"
        "while True: print(CliRunner().invoke(main, ['backfill', '--force']).exit_code, flush=True)"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", script], cwd=site.project.root, stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        until = time.monotonic() + 90
        folders: list[Path] = []
        while time.monotonic() < until and len(folders) < 4:
            folders.append(tmp_path / f"backup-{len(folders)}")
            backed_up(site, folders[-1])
            assert writer.poll() is None
        assert writer.stdout.readline().strip() == "0"
    finally:
        writer.kill()
        writer.communicate()
    for number, folder in enumerate(folders):
        for path in (folder / "dagster").rglob("*.db"):
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)], path
        with restored(folder, tmp_path / f"new-{number}") as project:
            done = project.run("spine", "doctor", "--repair", "--yes")
            assert done.returncode == 0, done.stderr
            built = len(LocalLake(project.lake).weeks("otc_venue_share"))
            states = states_in(project)
            assert built >= 2
            assert states["otc_venue_share"].count("failed") == 0
            assert "otc_raw" in states
            again = project.run("spine", "doctor", "--repair", "--yes")
            assert "nothing to repair" in again.stdout, (folder, again.stdout)
