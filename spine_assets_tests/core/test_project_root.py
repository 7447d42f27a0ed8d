"""Relative paths start at the folder of `dagster.yaml`, wherever a command is run."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from spine_assets.core.alert_settings import load_alert_settings
from spine_assets.core.project_root import anchored, project_root
from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import Tier
from spine_assets.maintenance.doctor import Health, configuration
from spine_assets.orchestration.history import open_instance, table_states
from spine_assets_tests.support.projects import Project

WEEK = date(2025, 11, 14)
SECONDS = 120  # a command takes about 6; a machine under load some times that


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


class TestTheRoot:
    def test_it_is_dagster_home_wherever_one_is(
        self, project: Project, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(elsewhere)
        assert project_root() == elsewhere  # there is no dagster.yaml
        monkeypatch.setenv("DAGSTER_HOME", str(project.root))
        assert project_root() == project.root
        assert anchored("data/x") == project.root / "data/x"
        assert anchored("/data/x") == Path("/data/x")

    def test_without_it_the_nearest_folder_above_with_a_dagster_yaml(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deep = project.root / "notebooks" / "mine"
        deep.mkdir(parents=True)
        monkeypatch.chdir(deep)
        assert project_root() == project.root
        assert load_settings().lake_place == project.lake
        with open_instance() as instance:
            assert instance.get_runs_count() == 0
        assert list(deep.iterdir()) == []

    def test_settings_and_their_file_are_anchored(
        self, project: Project, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (project.root / ".env").write_text("SPINE_LAKE=tables\nSPINE_ALERT_ON_SUCCESS=true\n")
        (elsewhere / ".env").write_text("SPINE_LAKE=wrong\n")
        monkeypatch.chdir(elsewhere)
        monkeypatch.setenv("DAGSTER_HOME", str(project.root))
        monkeypatch.setenv("SPINE_DATABASE_PATH", "views.duckdb")
        settings = load_settings()
        assert settings.lake_place == project.root / "tables"
        assert settings.landing_path == project.landing
        assert settings.warehouse_path == project.root / "views.duckdb"
        assert load_alert_settings().alert_on_success
        monkeypatch.setenv("SPINE_LAKE", "s3://bucket/lake")
        assert load_settings().lake_place == "s3://bucket/lake"

    def test_doctor_says_where_paths_start_and_of_which_it_is_not_so(
        self, project: Project, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(elsewhere)
        monkeypatch.setenv("DAGSTER_HOME", str(project.root))
        found = configuration.dagster_yaml(project_root())
        assert found.outcome is Health.OK
        assert f"{project.root}/dagster.yaml (DAGSTER_HOME); relative paths start" in found.found
        (project.root / "dagster.yaml").write_text("storage: {sqlite: {base_dir: data}}\n")
        found = configuration.dagster_yaml(project_root())
        assert (found.outcome, "Dagster's own storage" in found.found) == (Health.WARN, True)


@pytest.mark.long
def test_dagster_and_spine_from_elsewhere_use_the_one_lake_and_history(
    project: Project, elsewhere: Path
) -> None:
    project.deliver(WEEK, *Tier)
    env = {**os.environ, "DAGSTER_HOME": str(project.root)}

    def run(*words: str, cwd: Path) -> str:
        program = Path(sys.executable).with_name(words[0])
        done = subprocess.run(
            [str(program), *words[1:]],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    selected = ("--select", "otc_raw,otc_rejects", "--partition", str(WEEK))
    module = ("-m", "spine_assets.definitions")
    run("dagster", "asset", "materialize", *module, *selected, cwd=elsewhere)
    run("spine", "backfill", "--missing", cwd=elsewhere)
    assert list(elsewhere.iterdir()) == []
    with open_instance() as instance:
        states = table_states(instance, [WEEK])
        assert instance.get_runs_count() == 2
    assert states["otc_raw", WEEK] == states["otc_venue_share", WEEK] == "materialized"
    assert (project.lake / "otc_venue_share" / f"week_ending={WEEK}").is_dir()
    del env["DAGSTER_HOME"]
    (project.root / "deep").mkdir()
    assert str(WEEK) in run("spine", "status", cwd=project.root / "deep")
    assert list((project.root / "deep").iterdir()) == []
