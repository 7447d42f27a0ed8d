"""Which storage is opened: ours, or Dagster's own on the same data, with one warning."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.orchestration import dagster_private
from spine_assets.orchestration.storage import opening
from spine_assets.orchestration.storage.sqlite import BatchingSqliteEventLog
from spine_assets_tests.support.projects import EVERY_TIER, Project

ROOT = Path(__file__).parents[3]
WEEK = date(2025, 11, 21)
WARNING = "is used with its own storage"
DAGSTER_YAML = """storage:
  custom:
    module: spine_assets.orchestration.storage.opening
    class: SqliteStorage
    config: {base_dir: store}
telemetry: {enabled: false}
"""
# A later Dagster: a name in one of its modules is another one, there and wherever it is used.
RENAMING = """
import sys
from importlib.machinery import PathFinder, SourceFileLoader

MODULE, OLD, NEW = {module!r}, {old!r}, {new!r}


class Renamed(SourceFileLoader):
    def get_code(self, fullname):
        return compile(self.get_source(fullname).replace(OLD, NEW), self.path, "exec")


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != MODULE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        spec.loader = Renamed(name, spec.origin)
        return spec


sys.meta_path.insert(0, Finder)
"""


@dg.asset
def one() -> None:
    """Nothing."""


def test_ours_is_opened_and_warns_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert isinstance(instance.event_log_storage, BatchingSqliteEventLog)


@pytest.mark.parametrize(
    ("place", "name", "value", "reason"),
    [
        (dagster_private, "NOT_TRIED", (1, 0), "this version was not tried"),
        (dagster_private, "FIRST_TRIED", (9, 0), "this version was not tried"),
        (
            dagster_private,
            "MEMBERS",
            {**dagster_private.MEMBERS, "SqlEventLogStorage": ("_lost_one", "_event_to_row")},
            "there is no SqlEventLogStorage._lost_one",
        ),
        (
            dagster_private,
            "SET_IN_INIT",
            {"SqliteEventLogStorage": ("_not_set",)},
            "SqliteEventLogStorage does not set _not_set",
        ),
        (
            opening,
            "_OURS",
            {"SqliteStorage": ("sqlite", "NoSuchStorage", "SqliteEventLogStorage")},
            "NoSuchStorage",
        ),
    ],
)
def test_dagsters_own_is_opened_where_ours_does_not_fit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    value: Any,
    reason: str,
) -> None:
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML)
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert dg.materialize([one], instance=instance).success
    with monkeypatch.context() as patch:
        patch.setattr(place, name, value)
        with pytest.warns(RuntimeWarning, match=f"{WARNING}.*{re.escape(reason)}"):
            opened = dg.DagsterInstance.from_config(str(tmp_path))
        with opened as instance:
            assert type(instance.event_log_storage).__module__.startswith("dagster.")
            assert dg.materialize([one], instance=instance).success
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.event_log_storage, BatchingSqliteEventLog)
        assert instance.get_runs_count() == 2
        assert len(instance.fetch_materializations(one.key, limit=5).records) == 2


def requirements(path: Path) -> list[str]:
    """All that a pyproject.toml requires."""
    found = tomllib.loads(path.read_text("utf-8"))
    parts = [found["project"]["optional-dependencies"], found["dependency-groups"]]
    lists = [found["project"]["dependencies"], *(item for part in parts for item in part.values())]
    return [item for items in lists for item in items]


def test_the_versions_that_were_tried_are_those_that_pyproject_allows() -> None:
    (needed,) = [
        item for item in requirements(ROOT / "pyproject.toml") if item.startswith("dagster>")
    ]
    first, last = (
        ".".join(map(str, numbers))
        for numbers in (dagster_private.FIRST_TRIED, dagster_private.NOT_TRIED)
    )
    assert needed == f"dagster>={first},<{last}"


def test_the_newest_packages_are_tested_without_upper_bounds() -> None:
    """What `make test-newest` resolves."""
    made = "build/newest/pyproject.toml"
    subprocess.run(["make", "--always-make", made], cwd=ROOT, check=True, capture_output=True)
    bounded, free = (requirements(ROOT / name) for name in ("pyproject.toml", made))
    assert sum("<" in item for item in bounded) > 5
    assert free == [re.sub(",<.*", "", item) for item in bounded]


@pytest.mark.sqlite
@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "old"),
    [
        ("dagster._core.storage.event_log.sql_event_log", "_event_to_row"),
        ("dagster._core.storage.sqlite_storage", "_event_logs_directory"),
    ],
)
def test_commands_work_with_a_dagster_that_has_renamed_what_ours_needs(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, old: str
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(RENAMING.format(module=module, old=old, new="_renamed"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    project.deliver(WEEK, *EVERY_TIER)
    select = ("--select", "group:otc", "--partition", str(WEEK))
    for command in (
        ("spine", "status"),
        ("dagster", "asset", "materialize", "-m", "spine_assets.definitions", *select),
        ("spine", "run", "otc.weekly", "-p", f"week_ending={WEEK}"),
        ("spine", "status"),
    ):
        done = project.run(*command)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(WARNING) == 1, done.stderr
        assert old in done.stderr
    assert str(WEEK) in done.stdout
    monkeypatch.undo()
    monkeypatch.chdir(project.root)
    with dg.DagsterInstance.from_config(str(project.root)) as instance:
        assert isinstance(instance.event_log_storage, BatchingSqliteEventLog)
        assert instance.get_runs_count() == 2
        made = instance.get_latest_materialization_event(dg.AssetKey("otc_venue_share"))
        assert made is not None
