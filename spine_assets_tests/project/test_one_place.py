"""`SPINE_DATA_DIR` is where everything is: files, lake, database, exports and Dagster's history."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from spine_assets.core.weeks import Tier
from spine_assets.lake.format import lake_id
from spine_assets.lake.local import LocalLake
from spine_assets.orchestration.history import open_instance
from spine_assets_tests.support.projects import Project, laid_out
from spine_assets_tests.support.servers import START_SECONDS, Server, free_port, started, wait_until

WEEK = date(2025, 11, 14)
NEXT = WEEK + timedelta(weeks=1)
PLACE = "Daten für OTC"
PATIENCE_SECONDS = 240  # the sensor settles, ticks and runs in 40; a busy machine takes longer
pytestmark = pytest.mark.sqlite


def places(instance: dg.DagsterInstance) -> list[Path]:
    """Where an instance stores runs, what steps print, and artifacts."""
    log: Any = instance.event_log_storage
    printed: Any = instance.compute_log_manager
    return [
        Path(log._base_dir).parents[1],
        Path(printed._base_dir),
        Path(instance.root_directory),
    ]


class TestWhereTheHistoryIs:
    def test_it_is_in_the_data_folder(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for place in ("data", "other", str(project.root / "absolute")):
            monkeypatch.setenv("SPINE_DATA_DIR", place)
            history = project.root / place / "dagster"
            with open_instance() as instance:
                assert places(instance) == [history, history / "compute_logs", history]
            assert (history / "history/runs.db").is_file()

    def test_a_wrong_setting_of_another_kind_does_not_hide_it(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPINE_THREADS", "none")
        with open_instance() as instance:
            assert places(instance)[0] == project.root / "data/dagster"

    def test_a_data_folder_that_cannot_be_used_is_named(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPINE_DATA_DIR", "s3://bucket/data")
        with pytest.raises(Exception, match="SPINE_DATA_DIR: s3://bucket/data is a URL"):
            open_instance().__enter__()

    def test_a_dagster_yaml_of_before_keeps_its_folder(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = "module: spine_assets.orchestration.storage"
        (project.root / "dagster.yaml").write_text(
            f"""
storage: {{custom: {{{module}.opening, class: SqliteStorage, config: {{base_dir: data/x}}}}}}
compute_logs: {{{module}.local_files, class: AnchoredComputeLogs, config: {{base_dir: data/y}}}}
local_artifact_storage:
  {{{module}.local_files, class: AnchoredArtifacts, config: {{base_dir: {{env: ARTIFACTS}}}}}}
"""
        )
        monkeypatch.setenv("ARTIFACTS", "data/z")
        monkeypatch.setenv("SPINE_DATA_DIR", "other")
        with open_instance() as instance:
            assert places(instance) == [project.root / "data" / name for name in "xyz"]


def from_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINE_DATA_DIR", PLACE)


def from_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / ".env").write_text(f'SPINE_DATA_DIR="{PLACE}"\n', "utf-8")


@pytest.mark.long
@pytest.mark.parametrize("setting", [from_environment, from_file])
def test_real_commands_write_there_and_nowhere_else(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    setting: Callable[[Project, pytest.MonkeyPatch], None],
) -> None:
    """The commands of the README, without `DAGSTER_HOME`; runs of the sensor are processes."""
    project.deliver(WEEK, *Tier)
    (project.root / "data").rename(place := project.root / PLACE)
    setting(project, monkeypatch)
    before = {path.name for path in project.root.iterdir()}

    def spine(*words: str) -> str:
        done = project.run("spine", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def is_built(week: date) -> bool:
        weeks = json.loads(spine("status", "--all", "--json"))["weeks"]
        tables = [row["tables"] for row in weeks if row["week_ending"] == str(week)]
        return bool(tables) and all(
            (found["lake"], found["dagster"]) == ("fresh", "materialized")
            for found in tables[0].values()
        )

    module = ("-m", "spine_assets.definitions")
    done = project.run(
        "dagster", "asset", "materialize", *module, "--select", "*", "--partition", str(WEEK)
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert is_built(WEEK)
    spine("db", "refresh")
    port = free_port()
    with started(project, "dev", "-m", "dagster", "dev", "-p", str(port), home=False):
        wait_until(Server(port).answers, START_SECONDS, project, "the start of dagster dev")
        (place / "landing" / f"week_ending={WEEK}").rename(project.root / "kept")
        project.deliver(NEXT, *Tier)
        (project.landing / f"week_ending={NEXT}").rename(place / "landing" / f"week_ending={NEXT}")
        project.landing.rmdir()
        project.landing.parent.rmdir()
        wait_until(lambda: is_built(NEXT), PATIENCE_SECONDS, project, "the sensor's week")
    (project.root / "kept").rename(place / "landing" / f"week_ending={WEEK}")
    (project.root / "dev.log").unlink()
    assert {path.name for path in project.root.iterdir()} == before
    assert {path.name for path in place.iterdir() if path.is_dir()} == {
        "dagster",
        "lake",
        "landing",
    }
    assert (place / "spine.duckdb").is_file()
    with open_instance(project.root) as instance:
        runs = instance.get_runs()
        assert len(runs) >= 2
        assert {run.tags.get("dagster/sensor_name") for run in runs} >= {"otc_landing"}
        assert [state.name for state in instance.all_instigator_state()].count("otc_landing") == 1
        printed = {path.name for path in (place / "dagster/compute_logs").iterdir()}
        assert {run.run_id for run in runs} <= printed
    assert json.loads(spine("query", "--json", "SELECT count(*) AS n FROM otc_venue_share"))


OLD = "Ursprung-7f3a"


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Project]:
    """A project in whose place the next one will not be, with a week that has been built."""
    with laid_out(tmp_path / OLD) as made:
        made.deliver(WEEK, *Tier)
        done = made.run("spine", "backfill")
        assert done.returncode == 0, done.stderr
        assert made.run("spine", "db", "refresh").returncode == 0
        yield made


def copied(old: Path, new: Path) -> None:
    """As `cp -R` does, which gives each file a new time; then the original is removed."""
    shutil.copytree(old, new, copy_function=shutil.copy)
    shutil.rmtree(old)


def moved(old: Path, new: Path) -> None:
    new.parent.mkdir()
    old.rename(new)


@pytest.mark.long
@pytest.mark.parametrize(
    ("bring", "name"),
    [(copied, "copy"), (moved, "Wöchentliche Daten/für OTC (neu)")],
)
def test_a_copied_or_moved_project_answers_from_where_it_is(
    built: Project,
    tmp_path: Path,
    bring: Callable[[Path, Path], None],
    name: str,
) -> None:
    before = shares_in(built.root)
    identity = lake_id(LocalLake(built.lake))
    os.chdir(tmp_path)  # `laid_out` returns to where it came from
    bring(built.root, tmp_path / name)
    here = Project(tmp_path / name)
    assert shares_in(here.root) == before
    assert_no_path_of(OLD, here.root / "data")

    def spine(*words: str, code: int = 0) -> Any:
        done = here.run("spine", *words)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in words else done.stdout

    (row,) = spine("status", "--json")["weeks"]
    assert {found["dagster"] for found in row["tables"].values()} == {"materialized"}
    assert {found["lake"] for found in row["tables"].values()} == {"fresh"}
    assert spine("query", "--json", QUESTION) == [{"shares": before}]
    assert "holds what the lake does" in spine("db", "check")
    here.deliver(NEXT, *Tier)
    (story,) = spine("run", "otc.weekly", "-p", f"week_ending={NEXT}", "--json")
    assert story["status"] == "success"
    assert "holds what the lake does" in spine("db", "check")
    found = {item["name"]: item for item in spine("doctor", "--json")}
    assert [item for item in found.values() if item["outcome"] == "fail"] == []
    assert {
        found[part]["outcome"] for part in ("one_history", "one_lake", "record", "database")
    } == {"ok"}
    assert spine("backfill", "--missing", "--dry-run", "--json")["weeks"] == []
    assert shares_in(here.root) == 2 * before
    assert lake_id(LocalLake(here.lake)) == identity
    assert not built.root.exists()


QUESTION = "SELECT sum(total_volume)::BIGINT AS shares FROM otc_venue_share"


def shares_in(root: Path) -> int:
    """The answer of the database to any client, opened for reading."""
    with duckdb.connect(str(root / "data" / "spine.duckdb"), read_only=True) as database:
        ((found,),) = database.sql(QUESTION).fetchall()
    return int(found)


def assert_no_path_of(place: str, data: Path) -> None:
    """Neither the database nor the index of the landing folder holds a path of a place."""
    path = data / "spine.duckdb"
    assert place not in (data / "landing-index.json").read_text("utf-8")
    with duckdb.connect(str(path), read_only=True) as database:
        made = database.sql(
            "SELECT sql FROM duckdb_views() UNION ALL SELECT sql FROM duckdb_tables() "
            "UNION ALL SELECT macro_definition FROM duckdb_functions() WHERE NOT internal"
        ).fetchall()
        texts = database.sql(
            "SELECT table_name, column_name FROM duckdb_columns() JOIN duckdb_tables() "
            "USING (table_name) WHERE data_type IN ('VARCHAR', 'JSON')"
        ).fetchall()
        assert len(texts) > 50
        assert not [sql for (sql,) in made if place in str(sql)]
        for table, column in texts:
            where = f'contains("{column}"::VARCHAR, $place)'
            found = database.execute(f'FROM "{table}" WHERE {where} LIMIT 1', {"place": place})
            assert found.fetchall() == [], (table, column)
