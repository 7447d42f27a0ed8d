"""The commands people type: loading definitions, and runs without any setting."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from subprocess import CompletedProcess

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.orchestration.history import open_instance
from spine_assets_tests.support.projects import CHECKS, EVERY_TIER, SOURCE, TABLES, Project, Runner

WEEK = date(2025, 11, 14)
NEXT, AFTER = WEEK + timedelta(weeks=1), WEEK + timedelta(weeks=2)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
MATERIALIZE = ("dagster", "asset", "materialize", "-m", "spine_assets.definitions", "--select")


@contextmanager
def remembered(project: Project, code_location: dg.Definitions) -> Iterator[Runner]:
    """Dagster's memory of the project, as the next command finds it."""
    with open_instance(project.root) as instance:
        yield Runner(code_location, instance)


def said(done: CompletedProcess[str]) -> str:
    """All that a command printed, without colours."""
    return COLOURS.sub("", done.stdout + done.stderr)


def warnings_of_ours(done: CompletedProcess[str]) -> list[str]:
    """Warnings that mention our package, in Dagster's log or Python's."""
    lines = said(done).splitlines()
    return [line for line in lines if "warning" in line.lower() and "spine_assets" in line]


@pytest.fixture
def checkout(project: Project) -> Project:
    """A project as `dg` wants it: with pyproject.toml and the package's folder."""
    shutil.copy(SOURCE / "pyproject.toml", project.root)
    (project.root / "spine_assets").symlink_to(SOURCE / "spine_assets")
    return project


@pytest.mark.long
class TestLoading:
    @pytest.mark.parametrize(
        "command",
        [
            "dagster definitions validate",
            "dagster definitions validate -m spine_assets.definitions",
            "dg check defs",
        ],
    )
    def test_definitions_are_valid_and_give_no_warning_of_ours(
        self, checkout: Project, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        monkeypatch.setenv("PYTHONWARNINGS", "default")
        done = checkout.run(*shlex.split(command))
        assert done.returncode == 0, said(done)
        assert "loaded successfully" in said(done) or "passed validation" in said(done)
        assert warnings_of_ours(done) == []

    def test_definitions_can_be_listed(self, checkout: Project) -> None:
        done = checkout.run("dg", "list", "defs", "--json")
        assert done.returncode == 0, said(done)
        listed = json.loads(done.stdout)
        assert {asset["asset_key"] for asset in listed["assets"]} >= {*TABLES, "finra_otc_files"}
        assert {check["key"] for check in listed["asset_checks"]} >= {
            f"{table}:{check}" for table, check in CHECKS
        }
        assert "otc_weekly" in {job["name"] for job in listed["jobs"]}


@pytest.mark.long
class TestMaterializing:
    def test_a_week_twice_is_remembered_and_not_rebuilt(
        self, project: Project, code_location: dg.Definitions
    ) -> None:
        project.deliver(WEEK, *EVERY_TIER)
        first = project.run(*MATERIALIZE, "group:otc", "--partition", str(WEEK))
        assert first.returncode == 0, said(first)
        before = {table: project.files(table, WEEK) for table in TABLES}
        second = project.run(*MATERIALIZE, "group:otc", "--partition", str(WEEK))
        assert second.returncode == 0, said(second)
        assert f"week {WEEK}: unchanged" in said(second)
        assert {table: project.files(table, WEEK) for table in TABLES} == before
        with remembered(project, code_location) as memory:
            assert memory.states(WEEK) == {table: ["materialized"] for table in TABLES}
            assert memory.check_states(WEEK) == {key: ["SUCCEEDED"] * 2 for key in CHECKS}
            assert len(memory.instance.get_runs()) == 2

    def test_a_range_builds_good_weeks_fails_bad_ones_and_passes_over_the_rest(
        self, project: Project, code_location: dg.Definitions
    ) -> None:
        last = AFTER + timedelta(weeks=1)
        for week in (WEEK, last):
            project.deliver(week, Tier.OTC)
        project.deliver_in_two_parts(AFTER)
        done = project.run(*MATERIALIZE, "group:otc", "--partition-range", f"{WEEK}...{last}")
        assert done.returncode == 1
        assert "1 of 3 weeks failed:" in said(done)
        assert f"{AFTER}: no usable file for this week" in said(done)
        assert f"{NEXT}:" not in said(done)
        with remembered(project, code_location) as memory:
            for table in TABLES:
                key = dg.AssetKey(table)
                assert memory.instance.get_materialized_partitions(key) == {str(WEEK), str(last)}
            assert memory.states(AFTER) == {table: ["failed"] for table in TABLES}

    def test_a_week_of_unusable_files_alone_fails_and_says_why(
        self, project: Project, code_location: dg.Definitions
    ) -> None:
        project.drop("moved.csv", "<html><body>moved</body></html>\n")
        done = project.run(*MATERIALIZE, "group:otc", "--partition", str(WEEK))
        assert done.returncode == 1
        assert f"{WEEK}: no usable file for this week in the landing folder" in said(done)
        assert "moved.csv: this is an HTML or XML page" in said(done)
        with remembered(project, code_location) as memory:
            assert memory.states(WEEK) == {table: ["failed"] for table in TABLES}

    def test_a_table_without_its_upstream_tells_the_command_that_works(
        self, project: Project, code_location: dg.Definitions
    ) -> None:
        project.deliver(WEEK, Tier.OTC)
        with remembered(project, code_location) as memory:
            assert memory.week(WEEK, "otc_raw").success
        done = project.run(*MATERIALIZE, "otc_venue_share", "--partition", str(WEEK))
        assert done.returncode == 1
        assert "otc_venue_share needs otc_rejects, which is missing" in said(done)
        told = re.search(r"run (dagster asset materialize .*)", said(done))
        assert told is not None
        followed = project.run(*shlex.split(told[1]))
        assert followed.returncode == 0, said(followed)
        with remembered(project, code_location) as memory:
            assert memory.states(WEEK)["otc_venue_share"] == ["materialized"]
