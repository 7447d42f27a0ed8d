"""A project folder of its own for each test: delivered files, lake and Dagster's memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.orchestration.history import table_states
from spine_assets.otc.delivery.line_schema import DELIVERED
from spine_assets.otc.tables.registry import TABLES as DECLARED
from spine_assets_tests.support import storages

SOURCE = Path(__file__).parents[2]
TABLES = tuple(table.name for table in DECLARED)
CHECKS = tuple((table.name, check.name) for table in DECLARED for check in table.checks)
EVERY_TIER = tuple(Tier)
Row = tuple[str, str, int, int]
ROWS: tuple[Row, ...] = (
    ("ABCD", "OTCX", 100, 2),
    ("ABCD", "OTCN", 300, 3),
    ("WXYZ", "OTCX", 50, 1),
)
"""symbol, mpid, shares, trades: 450 shares in 3 rows."""
_COMMAND_SECONDS = 300  # a command takes about 6; a machine under load many times that


@dataclass(frozen=True)
class Project:
    """A folder with the project's own settings, in which commands are run."""

    root: Path

    @property
    def landing(self) -> Path:
        return self.root / "data" / "landing"

    @property
    def lake(self) -> Path:
        return self.root / "data" / "lake"

    def deliver(
        self,
        week: date,
        *tiers: Tier,
        rows: tuple[Row, ...] = ROWS,
        updated: date | None = None,
        mark: str = "",
    ) -> None:
        """Drop a file a tier, dated by default with its first publication of the week."""
        for tier in tiers:
            day = updated or publication_day(week, tier)
            lines = [
                f"{tier.description}|{symbol}|{symbol} Corp|{mpid} VENUE|{mpid}|{shares}|{trades}"
                f"|{day}"
                for symbol, mpid, shares, trades in rows
            ]
            text = "".join(f"{line}\n" for line in ("|".join(DELIVERED), *lines))
            self.drop(f"week_ending={week}/{tier.value.lower()}{mark}.csv", text)

    def deliver_in_two_parts(self, week: date) -> None:
        """Files that cannot both be right, so that nothing of the week can be loaded."""
        self.deliver(week, Tier.OTC, rows=ROWS[:1], mark="-part1")
        self.deliver(week, Tier.OTC, rows=ROWS[2:], mark="-part2")

    def block_lake(self) -> None:
        """Make the lake fail as a lost mount does, until the link is removed."""
        self.lake.parent.mkdir(exist_ok=True)
        self.lake.symlink_to("a mount that is missing")

    def drop(self, name: str, text: str) -> None:
        """Deliver a file of any name and content."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment here, as a person would."""
        program = Path(sys.executable).with_name(command[0])
        return subprocess.run(
            [str(program), *command[1:]],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
        )

    def files(self, table: str, week: date) -> dict[str, tuple[int, bytes]]:
        """Modification time and content of each file of a table's week."""
        folder = self.lake / table / f"week_ending={week}"
        return {
            path.name: (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(folder.glob("*"))
        }


@contextmanager
def laid_out(root: Path) -> Iterator[Project]:
    """An empty project, the working folder meanwhile; the caller's settings do not reach it."""
    root.mkdir()
    shutil.copy(SOURCE / "workspace.yaml", root)
    storages.lay_out(root)
    made = Project(root)
    made.landing.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("SPINE_") or name == "DAGSTER_HOME":
                patch.delenv(name)
        patch.chdir(root)
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project of a test."""
    with laid_out(tmp_path / "project") as made:
        yield made


@dataclass(frozen=True)
class Runner:
    """Runs weeks in this process against one instance.

    By default runs make all tables; with `reports` all of the group, for half a second a week more.
    """

    code_location: dg.Definitions
    instance: dg.DagsterInstance
    reports: bool = False

    def week(self, week: date, selection: Any = None, **config: bool) -> Outcome:
        """Run one week; all tables by default."""
        return self._run(selection, config, {"dagster/partition": str(week)})

    def range(self, first: date, last: date, selection: Any = None, **config: bool) -> Outcome:
        """Run all weeks from first to last as one run."""
        tags = {
            "dagster/asset_partition_range_start": str(first),
            "dagster/asset_partition_range_end": str(last),
        }
        return self._run(selection, config, tags)

    def _run(self, selection: Any, config: dict[str, bool], tags: dict[str, str]) -> Outcome:
        if selection is None:
            job = self.code_location.resolve_job_def("otc_weekly")
        else:
            asked = dg.define_asset_job("asked", selection=selection)
            with_job = dg.Definitions.merge(self.code_location, dg.Definitions(jobs=[asked]))
            job = with_job.resolve_job_def("asked")
        run_config = {"ops": {"otc_week": {"config": config}}} if config else None
        tables = [dg.AssetKey(table) for table in TABLES]
        result = job.execute_in_process(
            run_config=run_config,
            instance=self.instance,
            raise_on_error=False,
            tags=tags,
            asset_selection=tables if selection is None and not self.reports else None,
        )
        return Outcome(result)

    def states(self, *weeks: date) -> dict[str, list[str | None]]:
        """By table, the state of each week: materialized, failed, in_progress or None."""
        found = table_states(self.instance, list(weeks))
        return {table: [found[table, week] for week in weeks] for table in TABLES}

    def check_states(self, week: date) -> dict[tuple[str, str], list[str]]:
        """By (table, check), the states of all its records on the week, oldest first.

        `event_log_storage` is not public; no public call tells of checks that stay planned.
        """
        storage = self.instance.event_log_storage
        found: dict[tuple[str, str], list[str]] = {}
        for table, check in CHECKS:
            key = dg.AssetCheckKey(dg.AssetKey(table), check)
            history = storage.get_asset_check_execution_history(key, limit=10_000)
            states = [record.status.name for record in history if record.partition == str(week)]
            found[table, check] = states[::-1]
        return found


@dataclass(frozen=True)
class Outcome:
    """What a run said."""

    result: dg.ExecuteInProcessResult

    @property
    def success(self) -> bool:
        return self.result.success

    @property
    def failure(self) -> str:
        """Description of the step's failure."""
        return self._failure_data().description or ""

    @property
    def failed_weeks(self) -> list[str]:
        """Weeks that the failure names for programs."""
        named = self._failure_data().metadata["failed_weeks"].value
        assert isinstance(named, list)
        return named

    def materialized(self) -> list[tuple[str, str | None]]:
        """(table, week) of each materialization, in order."""
        return [
            (event.asset_key.to_user_string(), event.partition)
            for event in self.result.get_asset_materialization_events()
            if event.asset_key is not None
        ]

    def materialization(self, table: str, week: date) -> dg.AssetMaterialization:
        """The one materialization of a table's week."""
        (found,) = (
            event.step_materialization_data.materialization
            for event in self.result.get_asset_materialization_events()
            if (event.asset_key, event.partition) == (dg.AssetKey(table), str(week))
        )
        return found

    def version(self, table: str, week: date) -> str:
        """Data version of the one materialization of a table's week."""
        tags = self.materialization(table, week).tags or {}
        return tags["dagster/data_version"]

    def fact(self, table: str, week: date, name: str) -> Any:
        """One value of a materialization's metadata."""
        return self.materialization(table, week).metadata[name].value

    def evaluations(self) -> dict[tuple[str, str, str | None], dg.AssetCheckEvaluation]:
        """Check evaluations by (table, check, week)."""
        return {
            (found.asset_key.to_user_string(), found.check_name, found.partition): found
            for found in self.result.get_asset_check_evaluations()
        }

    def _failure_data(self) -> dg.Failure | Any:
        assert not self.result.success
        data = self.result.failure_data_for_node("otc_week")
        assert data is not None
        assert data.user_failure_data is not None, data.error
        return data.user_failure_data


@pytest.fixture
def runner(project: Project, code_location: dg.Definitions) -> Iterator[Runner]:
    """Runs against an instance on disk, as every real one is."""
    with storages.instance_in(project.root / "instance") as instance:
        yield Runner(code_location, instance)
