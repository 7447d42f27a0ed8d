"""`spine init` makes a project in which every command works, and changes no file of a person."""

from __future__ import annotations

import json
import logging
import re
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets.cli.demo import PLACE, choose_place
from spine_assets.cli.init import TEMPLATES
from spine_assets.core.alert_settings import load_alert_settings
from spine_assets.core.project_root import has_project
from spine_assets.core.settings import load_finra_settings, load_settings
from spine_assets.core.weeks import Tier
from spine_assets.maintenance.doctor import Health, configuration
from spine_assets.orchestration.launching.queue import code_location
from spine_assets_tests.support.projects import SOURCE, Project, Runner

WEEK, NEXT = date(2025, 11, 14), date(2025, 11, 21)
FORGETS = "Dagster forgets this run when the command ends"
MATERIALIZE = (
    *("dagster", "asset", "materialize", "-m", "spine_assets.definitions"),
    *("--select", "group:otc", "--partition", str(WEEK)),
)


def spine(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def empty(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside of any project, the working folder; no setting reaches it."""
    folder = tmp_path / "äußeres Verzeichnis"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


class TestInit:
    def test_a_folder_becomes_a_project_with_the_files_of_the_repository(self, empty: Path) -> None:
        assert not has_project()
        said = spine("init").output
        assert "wrote dagster.yaml, workspace.yaml, .env.example, .gitignore" in said
        assert "  cd " not in said
        for name in TEMPLATES:
            assert (empty / name).read_bytes() == (SOURCE / name).read_bytes()
        assert has_project()
        assert "no week is built" in spine("week", code=1).output
        spine("status")
        assert (empty / "data" / "landing").is_dir()
        assert not [*empty.glob(".tmp*")]

    def test_dagster_finds_the_code_location_of_the_workspace(self, empty: Path) -> None:
        spine("init", "a project")
        assert code_location(dg.Definitions, empty / "a project").name == "spine_assets"

    def test_another_folder_is_named_in_what_to_do_next(self, empty: Path) -> None:
        assert "Next:\n  cd otc\n  spine demo " in spine("init", "otc").output
        assert (empty / "otc" / "dagster.yaml").is_file()
        assert [path.name for path in empty.iterdir()] == ["otc"]

    def test_what_stands_is_kept_and_named(self, empty: Path) -> None:
        mine = {"dagster.yaml": "telemetry: {enabled: false}\n", ".gitignore": "*.csv\n"}
        for name, text in mine.items():
            (empty / name).write_text(text)
        told = json.loads(spine("init", "--json").output)
        assert told["kept"] == ["dagster.yaml", ".gitignore"]
        assert told["written"] == ["workspace.yaml", ".env.example"]
        for name, text in mine.items():
            assert (empty / name).read_text() == text
        assert "kept as they were: dagster.yaml, workspace.yaml" in spine("init").output

    def test_a_file_of_that_name_is_an_error(self, empty: Path) -> None:
        (empty / "otc").write_text("")
        assert "is a file" in spine("init", "otc", code=2).output
        (empty / "data").write_text("")
        assert "Not a directory" in spine("init", code=1).output
        assert not (empty / "dagster.yaml").exists()

    def test_another_dagster_home_is_named(
        self, empty: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DAGSTER_HOME", str(empty / "other"))
        assert "DAGSTER_HOME names another project" in spine("init").output
        monkeypatch.setenv("DAGSTER_HOME", str(empty))
        assert "DAGSTER_HOME" not in spine("init").output

    def test_every_line_of_the_example_settings_can_be_used(self, empty: Path) -> None:
        spine("init")
        text = (empty / ".env.example").read_text()
        lines = re.findall(r"^# (\w+=.*)$", text, re.M)
        assert len(lines) > 8
        (empty / ".env").write_text("\n".join(lines))
        assert configuration.dotenv(empty).outcome is Health.OK
        assert load_settings().lake_place == "s3://bucket/lake"
        assert load_alert_settings().alert_from == "spine@example.org"
        load_finra_settings()

    def test_what_a_project_holds_is_ignored_by_git(self, empty: Path) -> None:
        spine("init")
        assert {".env", "/data/"} <= {*(empty / ".gitignore").read_text().split()}


@pytest.mark.parametrize(
    "words",
    [
        *(("status",), ("runs",), ("backfill",), ("demo",), ("captures",)),
        ("run", "otc.weekly", "-p", "week_ending=2025-11-21"),
        *(("query", "SELECT 1"), ("week",), ("db", "init"), ("db", "refresh"), ("report",)),
        *(("trace", "ABCD", "2025-11-21"), ("db", "build", "b"), ("backup", "b")),
    ],
    ids=" ".join,
)
def test_outside_of_a_project_a_command_names_spine_init(
    empty: Path, words: tuple[str, ...]
) -> None:
    assert "spine init makes a project of this folder" in spine(*words, code=1).output
    assert [*empty.iterdir()] == []


def test_the_doctor_names_spine_init(empty: Path) -> None:
    found = json.loads(spine("doctor", "--json", code=1).output)
    (told,) = (item for item in found if item["name"] == "dagster_yaml")
    assert "spine init" in told["mend"]


class TestThePlaceOfTheDemo:
    """`.env` is written only where that hides no data of a person."""

    def place(self, project: Project) -> Path:
        return project.root / PLACE

    def test_a_new_project_shows_the_demo(self, project: Project) -> None:
        assert choose_place()
        assert load_settings().data_dir == self.place(project)
        assert not choose_place()  # the file stands

    def test_a_setting_of_the_environment_is_a_choice(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPINE_DATA_DIR", str(project.root / "mine"))
        assert not choose_place()
        assert not (project.root / ".env").exists()

    def test_delivered_files_are_not_hidden(self, project: Project) -> None:
        project.drop("mine.csv", "")
        assert not choose_place()
        assert not (project.root / ".env").exists()

    def test_settings_of_a_person_stay(self, project: Project) -> None:
        (project.root / ".env").write_text("SPINE_THREADS=1\n")
        assert not choose_place()
        assert (project.root / ".env").read_text() == "SPINE_THREADS=1\n"


def warnings(instance: dg.DagsterInstance) -> list[str]:
    """What the only run warned of."""
    (run,) = instance.get_runs()
    return [
        entry.user_message
        for entry in instance.all_logs(run.run_id)
        if entry.level == logging.WARNING and FORGETS in entry.user_message
    ]


class TestALostHistory:
    def test_a_run_on_an_ephemeral_instance_warns_once(
        self, project: Project, code_location: dg.Definitions
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        project.deliver(NEXT, Tier.OTC)
        with dg.DagsterInstance.ephemeral() as instance:
            assert Runner(code_location, instance).range(WEEK, NEXT).success
            (told,) = warnings(instance)
        assert str(project.lake) in told
        assert "spine init" in told

    def test_a_run_whose_history_stays_does_not(self, project: Project, runner: Runner) -> None:
        project.deliver(WEEK, Tier.OTC)
        assert runner.week(WEEK).success
        assert warnings(runner.instance) == []

    @pytest.mark.long
    def test_dagsters_own_command_warns_outside_of_a_project_and_not_in_one(
        self, project: Project
    ) -> None:
        (project.root / "dagster.yaml").unlink()
        project.deliver(WEEK, *Tier)
        first = project.run(*MATERIALIZE)
        assert first.returncode == 0, first.stderr
        (told,) = (line for line in first.stderr.splitlines() if FORGETS in line)
        assert " - WARNING - " in told
        assert project.run("spine", "init").returncode == 0
        repaired = project.run("spine", "doctor", "--repair", "--yes")
        assert f"{WEEK}" in repaired.stdout, repaired.stdout
        second = project.run(*MATERIALIZE)
        assert second.returncode == 0, second.stderr
        assert FORGETS not in second.stderr
