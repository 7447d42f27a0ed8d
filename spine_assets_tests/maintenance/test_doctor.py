"""The doctor names what is really broken, changes nothing and never crashes."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from spine_assets.cli import main
from spine_assets.core.settings import Settings, load_settings
from spine_assets.maintenance.doctor import (
    Health,
    code_location,
    configuration,
    environment,
    examine,
)
from spine_assets.maintenance.doctor import dagster as memory
from spine_assets.maintenance.doctor import folders as places
from spine_assets.maintenance.doctor import lake as stored
from spine_assets.maintenance.doctor.diagnosis import Diagnosis
from spine_assets.orchestration.database import declared_lake, refresh_database
from spine_assets.orchestration.history import open_instance
from spine_assets.orchestration.reconcile import differences, record
from spine_assets.report.building import Reports
from spine_assets.report.stored import page_path
from spine_assets_tests.conftest import NOW, SHARES, WEEK, House, delivered, files_limited_to, line
from spine_assets_tests.support import storages

OK, WARN, FAIL = Health.OK, Health.WARN, Health.FAIL
_DAGSTER_YAML = """
storage:
  custom:
    module: spine_assets.orchestration.storage.sqlite
    class: BatchingSqliteStorage
    config: {base_dir: data/dagster}
telemetry: {enabled: false}
concurrency:
  runs:
    max_concurrent_runs: 4
    tag_concurrency_limits: [{key: spine/lane, value: backfill, limit: 1}]
run_monitoring: {enabled: true, max_runtime_seconds: 3600}
"""
_DAEMON_SECONDS = 120  # a daemon ticks after some 10; a machine under load some times that


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound installation: a week built and recorded, the database refreshed."""
    for name in os.environ:
        if name.startswith("SPINE_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    storages.lay_out(tmp_path, _DAGSTER_YAML)
    house = House(tmp_path / "data")
    declared_lake()
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB")))
    result = house.built()
    Reports(house.workplace()).add(result, house.workplace())
    with open_instance() as instance:
        assert list(record(instance, house.lake, differences(instance, house.lake)))
        refresh_database(instance, house.lake, logging.getLogger(__name__))
    return tmp_path


@pytest.fixture
def settings(root: Path) -> Settings:
    return load_settings()


def house_of(root: Path) -> House:
    return House(root / "data")


def newest(root: Path, table: str) -> Path:
    return house_of(root).lake.files(table, WEEK)[0]


def flip(path: Path, place: int = -200) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def found_in(root: Path) -> dict[str, Diagnosis]:
    return dict(examine(root))


def everything_in(root: Path) -> dict[str, bytes]:
    """Content of every file."""
    return {str(p): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.mark.long
class TestTheWhole:
    def test_a_sound_installation_has_no_fault_and_is_left_as_it_was(self, root: Path) -> None:
        before = everything_in(root)
        done = CliRunner().invoke(main, ["doctor", "--json"])
        told = {item["name"]: item for item in json.loads(done.stdout)}
        # How full this machine's disk is, is not for this test to say.
        assert {n for n, i in told.items() if i["outcome"] != "ok"} <= {"daemon", "disk_space"}
        assert told["daemon"]["mend"] == "spine ui starts one, and so does dagster dev"
        assert done.exit_code == int(told["disk_space"]["outcome"] == "fail")
        assert all(item["mend"] for item in told.values() if item["outcome"] != "ok")
        assert everything_in(root) == before

    def test_an_empty_folder_is_told_and_nothing_is_made_in_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        done = CliRunner().invoke(main, ["doctor"])
        assert done.exit_code == 1
        assert "there is no dagster.yaml in the working folder" in done.output
        assert "remedy: spine db init" in done.output
        assert list(tmp_path.iterdir()) == []

    def test_a_bad_setting_is_told_and_the_rest_is_examined_all_the_same(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPINE_LAKE", "ftp://server/lake")
        found = found_in(root)
        assert found["settings"].outcome is FAIL
        assert "SPINE_LAKE: ftp://server/lake" in found["settings"].found
        assert found["seals"].found == "not examined: the settings cannot be read"
        assert found["dagster_storage"].outcome is OK
        assert found["code_location"].outcome is FAIL  # Dagster reads the same settings
        assert "does not load" in found["code_location"].found

    def test_a_bucket_is_a_setting_and_one_that_does_not_answer_is_told(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SPINE_LAKE", "s3://bucket/lake")
        for name, value in (
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "nobody"),
            ("AWS_SECRET_ACCESS_KEY", "nothing"),
            ("AWS_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        found = found_in(root)
        assert found["settings"].outcome is OK
        assert found["lake_folder"].outcome is FAIL
        assert "s3://bucket/lake" in found["lake_folder"].found
        assert found["dagster_storage"].outcome is OK

    def test_an_installation_broken_in_many_ways_is_told_by_the_real_command(
        self, root: Path
    ) -> None:
        data = root / "data"
        flip(newest(root, "otc_raw"))
        (data / "spine.duckdb").write_bytes(b"no database")
        (data / "dagster/history/runs.db").write_bytes(b"no database" * 1000)
        (root / ".env").write_bytes(b"SPINE_LOG_LEVEL=LOUD\n")
        broken = root / "spine_assets"
        broken.mkdir()
        (broken / "__init__.py").write_text("raise RuntimeError('a broken module')\n")
        command = [str(Path(sys.executable).with_name("spine")), "doctor", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr == ""
        told = {item["name"]: item for item in json.loads(done.stdout)}
        failed = {name for name, item in told.items() if item["outcome"] == "fail"}
        assert failed - {"disk_space"} == {"settings", "dagster_storage", "code_location"}
        (root / ".env").unlink()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told = {item["name"]: item for item in json.loads(done.stdout)}
        failed = {name for name, item in told.items() if item["outcome"] == "fail"}
        assert failed >= {"seals", "database", "dagster_storage", "code_location"}
        assert "a broken module" in told["code_location"]["found"]


class TestEnvironment:
    def test_packages_that_are_missing_or_too_old_are_named(self) -> None:
        needed = ["duckdb>=99", "no-such-package>=1", "click>=8", "tomli; python_version<'3'"]
        found = environment.judge_packages([Requirement(text) for text in needed])
        assert found.outcome is FAIL
        assert "duckdb is " in found.found
        assert "needed is >=99, no-such-package is not installed" in found.found
        assert "click" not in found.found
        assert "tomli" not in found.found

    def test_packages_of_another_release_of_dagster_are_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "dagster_odd-0.1.dist-info"
        folder.mkdir()
        text = "Metadata-Version: 2.1\nName: dagster-odd\nVersion: 0.1\n"
        (folder / "METADATA").write_text(f"{text}Requires-Dist: dagster==1.2.3\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        found = environment.dagster_packages(("dagster-odd", "dagster-none", "dagster-duckdb"))
        assert found.outcome is FAIL
        assert "dagster-odd: dagster is " in found.found
        assert "needed is ==1.2.3" in found.found
        assert "dagster-none is not installed" in found.found
        assert "dagster-duckdb" not in found.found

    def test_a_name_that_is_no_setting_is_told_with_the_nearest(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (root / ".env").write_text("SPINE_LOGLEVEL=INFO\nSPINE_ALERT_TO=a@b.org\nOTHER=1\n")
        monkeypatch.setenv("SPINE_DATADIR", "elsewhere")
        found = configuration.dotenv(root)
        assert found.outcome is WARN
        assert "SPINE_LOGLEVEL (did you mean SPINE_LOG_LEVEL?)" in found.found
        assert "SPINE_DATADIR (did you mean SPINE_DATA_DIR?)" in found.found
        assert "ALERT" not in found.found

    @pytest.mark.parametrize("name", ["SPINE_FINRA_URL", "SPINE_UI_URL", "SPINE_HEARTBEAT_URL"])
    def test_settings_of_finra_and_alerts_are_known_and_told_without_secrets(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, "https://h.example.org/s3cr3t")
        assert "no such setting" not in configuration.dotenv(root).found
        assert configuration.read_settings()[1].outcome is OK
        monkeypatch.setenv(name, "https://olga:s3cr3t@h.example.org:port")
        settings, found = configuration.read_settings()
        assert settings is not None
        assert found.outcome is FAIL
        assert found.found.startswith(name)
        assert "s3cr3t" not in str(found)

    def test_a_dotenv_that_is_no_text_is_told(self, root: Path) -> None:
        (root / ".env").write_bytes(b"\xff\xfe\x00SPINE")
        assert configuration.dotenv(root).outcome is FAIL
        settings, found = configuration.read_settings()
        assert settings is None
        assert ".env cannot be read" in found.found

    def test_a_dotenv_is_told(self, root: Path) -> None:
        (root / ".env").write_text("SPINE_LOG_LEVEL=INFO\n")
        assert "sets SPINE_LOG_LEVEL" in configuration.dotenv(root).found


class TestPlaces:
    def test_files_are_counted_and_unusable_ones_named(self, settings: Settings) -> None:
        house = House(settings.data_dir)
        house.drop("deep/bad.csv", b"no header of ours\n")
        house.scan()
        house.drop("new.csv", b"not looked at\n")
        (settings.landing_path / ".hidden.csv").write_bytes(b"x")
        found = places.landing(settings)
        assert found.outcome is WARN
        assert "3 files" in found.found
        assert "1 of them not scanned yet" in found.found
        assert "cannot be used: deep/bad.csv" in found.found

    def test_a_file_where_a_folder_is_expected_is_told(self, root: Path) -> None:
        for name in ("landing", "lake"):
            (root / name).write_bytes(b"x")
        settings = Settings(data_dir=root, lake=root / "lake")
        assert places.landing(settings).outcome is FAIL
        assert places.lake_folder(settings).outcome is FAIL
        assert "Not a directory" in places.lake_folder(settings).found
        assert "is a file where the lake's folder is expected" in stored.tables(settings).found

    def test_a_missing_landing_folder_is_told(self, root: Path) -> None:
        found = places.landing(Settings(data_dir=root / "none"))
        assert (found.outcome, found.mend) == (WARN, "spine db init makes it; drop files into it")

    def test_a_place_that_takes_no_bytes_is_told_and_left_empty(self, settings: Settings) -> None:
        before = everything_in(settings.data_dir)
        with files_limited_to(100):
            assert places.data_folder(settings).outcome is FAIL
            assert "File too large" in places.lake_folder(settings).found
        assert everything_in(settings.data_dir) == before
        assert places.data_folder(settings).outcome is OK

    def test_an_index_that_is_no_file_is_told(self, settings: Settings) -> None:
        assert places.index_file(settings).outcome is OK
        settings.landing_index_path.write_text("damaged")
        assert "lists no file" in places.index_file(settings).found
        settings.landing_index_path.unlink()
        settings.landing_index_path.mkdir()
        assert places.index_file(settings).outcome is FAIL


class TestDisk:
    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[Path]:
        """A small disk of its own; needs the right to mount one."""
        place = tmp_path / "disk"
        place.mkdir()
        try:
            done = mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place))
        except FileNotFoundError:
            pytest.skip("there is no mount command here")
        if done.returncode:
            pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")
        yield place
        subprocess.run(["umount", "-l", str(place)], check=False)

    def test_a_full_and_a_read_only_disk_are_told(self, disk: Path) -> None:
        settings = Settings(data_dir=disk / "data")
        assert places.disk_space(settings).outcome is FAIL
        assert "less than 1 GB" in places.disk_space(settings).found
        assert places.data_folder(settings).outcome is OK
        assert list(disk.iterdir()) == []
        (disk / "filler").write_bytes(bytes(60 * 1024))
        assert "No space left" in places.data_folder(settings).found
        assert [path.name for path in disk.iterdir()] == ["filler"]
        (disk / "filler").unlink()
        assert mount("-o", "remount,ro", str(disk)).returncode == 0
        assert "Read-only file system" in places.data_folder(settings).found

    def test_a_disk_that_is_nearly_full_is_a_warning(self, disk: Path) -> None:
        assert mount("-o", "remount,size=4g", str(disk)).returncode == 0
        found = places.disk_space(Settings(data_dir=disk, lake=disk / "lake"))
        assert found.outcome is WARN
        assert "less than 10 GB" in found.found


def mount(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *words], capture_output=True, text=True, check=False)


class TestStored:
    def test_a_lake_without_its_empty_files_cannot_answer(
        self, root: Path, settings: Settings
    ) -> None:
        assert f"weeks captured: 1 ({WEEK} to {WEEK})" in stored.tables(settings).found
        house_of(root).lake.empty_part("otc_rejects").unlink()
        assert "no view can answer for otc_rejects" in stored.tables(settings).found

    def test_leftovers_of_killed_runs_are_counted_and_those_of_living_ones_are_not(
        self, root: Path, settings: Settings
    ) -> None:
        left = newest(root, "otc_raw").with_name(".data.parquet.0123.tmp")
        left.write_bytes(b"12345")
        assert stored.leftovers(settings).outcome is OK
        an_hour_ago = time.time() - 3_700
        os.utime(left, (an_hour_ago, an_hour_ago))
        found = stored.leftovers(settings)
        assert found.outcome is WARN
        assert f"1 temporary files (5 bytes) of killed runs: otc_raw {WEEK}" in found.found

    @pytest.mark.parametrize("place", [4, -200, -1])
    def test_a_changed_byte_is_found(self, root: Path, settings: Settings, place: int) -> None:
        assert stored.checksums(settings).outcome is OK
        flip(newest(root, "otc_raw"), place)
        found = stored.checksums(settings)
        assert found.outcome is FAIL
        assert "1 of 10 newest files are damaged: otc_raw/week_ending=" in found.found

    def test_a_changed_byte_of_a_delivered_content_is_found(
        self, root: Path, settings: Settings
    ) -> None:
        (path,) = (root / "data/lake/otc_delivered").rglob("*.zst")
        flip(path, -1)  # in the checksum of the frame
        found = stored.checksums(settings)
        assert found.outcome is FAIL
        assert f"1 of 10 newest files are damaged: otc_delivered/week_ending={WEEK}" in found.found

    def test_weeks_whose_captures_lack_their_contents_are_named(
        self, root: Path, settings: Settings
    ) -> None:
        assert stored.contents(settings).outcome is OK
        (path,) = (root / "data/lake/otc_delivered").rglob("*.zst")
        path.unlink()
        found = stored.contents(settings)
        assert (found.outcome, str(WEEK) in found.found) == (WARN, True)
        house_of(root).built()  # its file is in the landing folder
        assert stored.contents(settings).outcome is OK

    def test_a_lake_of_the_first_format_is_a_warning_and_a_newer_one_fails(
        self, root: Path, settings: Settings
    ) -> None:
        file = root / "data/lake/_format.json"
        assert stored.lake_format(settings).found == "the lake has format 3"
        file.unlink()
        found = stored.lake_format(settings)
        assert found.outcome is WARN
        assert "spine lake migrate" in str(found.mend)
        file.write_text('{"format": 4, "program": "9.9"}', "utf-8")
        for look in (stored.tables, stored.lake_format, stored.contents, stored.database):
            newer = places.readable(settings, look)
            assert newer.outcome is FAIL
            assert "is a lake of format 4, written by spine-assets 9.9" in newer.found

    def test_tables_that_are_missing_or_behind_are_named(
        self, root: Path, settings: Settings
    ) -> None:
        assert stored.derived_tables(settings).outcome is OK
        page_path(house_of(root).lake, WEEK).unlink()
        found = stored.derived_tables(settings)
        assert (found.outcome, str(WEEK) in found.found) == (WARN, True)
        house_of(root).built(force=True)
        newest(root, SHARES).unlink()
        found = stored.derived_tables(settings)
        assert (found.outcome, str(WEEK) in found.found) == (WARN, True)

    def test_a_capture_that_cannot_be_read_is_told(self, root: Path, settings: Settings) -> None:
        newest(root, "otc_raw").write_bytes(b"PAR1")
        found = stored.derived_tables(settings)
        assert found.outcome is FAIL
        assert f"of weeks {WEEK}" in found.found

    def test_a_folder_that_is_named_like_a_week_and_is_none_is_told(self, root: Path) -> None:
        odd = root / "data/lake/otc_raw/week_ending=2025-99-99"
        odd.mkdir()
        (odd / "a.parquet").write_bytes(b"")
        found = found_in(root)
        assert found["tables"].outcome is FAIL
        assert found["one_history"].outcome is OK

    def test_a_clock_that_is_behind_the_newest_capture_is_told(self, settings: Settings) -> None:
        assert stored.clock(settings).outcome is OK
        found = stored.clock(settings, NOW - timedelta(seconds=1))
        assert found.outcome is FAIL
        assert "newest capture is of 2026-01-20 12:00:00 UTC" in found.found


class TestDatabase:
    def test_a_missing_file_is_a_warning_and_a_damaged_one_a_failure(
        self, settings: Settings
    ) -> None:
        assert stored.database(settings).found.endswith("spine.duckdb holds what the lake does")
        settings.warehouse_path.write_bytes(b"no database")
        found = stored.database(settings)
        assert found.outcome is FAIL
        assert "move the file away" in str(found.mend)
        settings.warehouse_path.unlink()
        assert stored.database(settings).outcome is WARN
        assert not settings.warehouse_path.exists()

    def test_weeks_that_differ_from_the_lake_are_named(
        self, root: Path, settings: Settings
    ) -> None:
        house_of(root).built(force=True)
        found = stored.database(settings)
        assert found.outcome is WARN
        assert f"1 week in {settings.warehouse_path} differ from the lake: {WEEK}" in found.found
        assert str(found.mend).startswith("spine db refresh")

    def test_a_table_that_was_removed_from_it_is_a_failure(self, settings: Settings) -> None:
        with duckdb.connect(str(settings.warehouse_path)) as connection:
            connection.execute("DROP TABLE otc_pins")
        found = stored.database(settings)
        assert found.outcome is FAIL
        assert "otc_pins" in found.found

    def test_other_settings_are_a_warning(self, settings: Settings) -> None:
        other = settings.model_copy(update={"database_tables": "otc_venue_share"})
        found = stored.database(other)
        assert (found.outcome, found.mend) == (WARN, "spine db refresh")

    def test_a_file_that_somebody_has_open_to_write_is_a_warning(self, settings: Settings) -> None:
        code = (
            "import duckdb,sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(settings.warehouse_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            found = stored.database(settings)
            holder.communicate("\n")
        assert found.outcome is WARN
        assert "another process has" in found.found


@pytest.mark.long
class TestHistory:
    def test_dagster_yaml_is_looked_for_where_it_is_read(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert configuration.dagster_yaml(root).outcome is OK
        (root / "dagster.yaml").write_text("storage: [")
        assert "cannot be read" in configuration.dagster_yaml(root).found
        (root / "dagster.yaml").write_text("just a text")
        assert "is not a mapping" in configuration.dagster_yaml(root).found
        monkeypatch.setenv("DAGSTER_HOME", "relative")
        assert configuration.dagster_yaml(root).outcome is FAIL
        monkeypatch.setenv("DAGSTER_HOME", str(root / "none"))
        assert "there is no dagster.yaml in DAGSTER_HOME" in configuration.dagster_yaml(root).found

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("storage: [", "cannot be opened"),
            ("storage: {sqlite: {base: 1}}", "cannot be opened"),
            (_DAGSTER_YAML.replace("BatchingSqliteStorage", "NoSuchStorage"), "cannot be opened"),
        ],
    )
    def test_a_configuration_that_dagster_refuses_is_told(
        self, root: Path, text: str, said: str
    ) -> None:
        (root / "dagster.yaml").write_text(text)
        found = found_in(root)
        assert found["dagster_storage"].outcome is FAIL
        assert said in found["dagster_storage"].found
        assert found["daemon"].found == "not examined: Dagster's history is not open"

    def test_a_history_that_is_not_there_is_not_made(self, root: Path) -> None:
        text = _DAGSTER_YAML.replace("data/dagster", "data/other")
        (root / "dagster.yaml").write_text(text)
        with memory.opened(root) as (instance, found):
            assert instance is None
            assert found.outcome is OK
            assert "nothing is recorded yet" in found.found
        assert not (root / "data/other").exists()

    @pytest.mark.parametrize(
        "name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"]
    )
    def test_each_damaged_or_lost_database_is_told(self, root: Path, name: str) -> None:
        database = root / "data/dagster" / name
        database.write_bytes(b"no database" * 1_000)
        with memory.opened(root) as (instance, found):
            findings = [found]
            if instance is not None:
                findings.append(memory.readable(instance, memory.schema))
        assert [f for f in findings if f.outcome is FAIL and "not a database" in f.found]
        database.unlink()
        with memory.opened(root) as (instance, found):
            assert instance is None
            assert f"has no {name}" in found.found
        assert not database.exists()

    def test_a_schema_of_another_dagster_is_told(self, root: Path) -> None:
        import sqlite3

        with sqlite3.connect(root / "data/dagster/history/runs.db") as database:
            database.execute("UPDATE alembic_version SET version_num = '284a732df317'")
        with memory.opened(root) as (instance, _):
            assert instance is not None
            found = memory.schema(instance)
        assert found.outcome is FAIL
        assert "runs is at 284a732df317" in found.found

    def test_a_queue_without_limits_and_monitoring_is_a_warning(self, root: Path) -> None:
        with open_instance() as instance:
            assert memory.run_queue(instance).outcome is OK
        (root / "dagster.yaml").write_text(_DAGSTER_YAML.partition("concurrency:")[0])
        with open_instance() as instance:
            found = memory.run_queue(instance)
        assert found.outcome is WARN
        assert "run queue" in found.found
        assert "run monitoring" in found.found

    def test_a_run_that_lasts_too_long_is_named(self, root: Path) -> None:
        with open_instance() as instance:
            instance.add_run(
                dg.DagsterRun(
                    job_name="otc_weekly",
                    run_id="0" * 32,
                    status=dg.DagsterRunStatus.STARTED,
                    tags={"dagster/max_runtime": "1"},
                )
            )
            time.sleep(1.5)  # longer than the run may take
            found = memory.long_runs(instance)
        assert found.outcome is WARN
        assert "0" * 32 in found.found

    def test_a_history_outside_the_data_folder_is_a_warning(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert configuration.histories(root, load_settings()).outcome is OK
        monkeypatch.setenv("SPINE_DATA_DIR", "other")
        found = configuration.histories(root, load_settings())
        assert (found.outcome, str(root / "data/dagster") in found.found) == (WARN, True)
        storages.lay_out(root)
        assert configuration.histories(root, load_settings()).outcome is OK
        assert configuration.sqlite_folder(root) == root / "other/dagster"


_SENSORS = """
import dagster as dg

@dg.op
def nothing(): ...

@dg.job
def otc_weekly(): nothing()

@dg.sensor(job=otc_weekly, minimum_interval_seconds=1,
           default_status=dg.DefaultSensorStatus.RUNNING)
def otc_landing(context):
    {body}

defs = dg.Definitions(sensors=[otc_landing])
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("body", "outcome", "said"),
    [
        ("return dg.SkipReason('nothing new')", OK, "is on; it last looked at"),
        ("raise OSError('the landing folder is gone')", FAIL, "the landing folder is gone"),
    ],
)
def test_a_living_daemon_its_sensor_and_what_became_of_the_last_tick_are_told(
    root: Path, body: str, outcome: Health, said: str
) -> None:
    (root / "sensors.py").write_text(_SENSORS.format(body=body))
    program = str(Path(sys.executable).with_name("dagster-daemon"))
    environ = {**os.environ, "DAGSTER_HOME": str(root)}
    log = (root / "daemon.log").open("wb")
    daemon = subprocess.Popen(
        [program, "run", "-f", "sensors.py"], env=environ, stdout=log, stderr=log
    )
    try:
        with open_instance() as instance:
            assert memory.sensor(instance).outcome is OK  # not examined
            found = _awaited(instance)
            assert memory.daemon(instance).outcome is OK
            assert found.outcome is outcome, found
            assert said in found.found
            _switch_off(instance)
            assert "switched off" in memory.sensor(instance).found
    finally:
        daemon.terminate()
        daemon.wait()
        log.close()


def _awaited(instance: dg.DagsterInstance) -> Diagnosis:
    """What is said of the sensor once it has ticked."""
    until = time.monotonic() + _DAEMON_SECONDS
    while time.monotonic() < until:
        found = memory.sensor(instance)
        if "last looked" in found.found or "failed at" in found.found:
            return found
        time.sleep(0.5)
    raise AssertionError(found)


def _switch_off(instance: dg.DagsterInstance) -> None:
    """Do what the UI's switch does."""
    from dagster._core.scheduler.instigation import InstigatorStatus

    (state,) = [item for item in instance.all_instigator_state() if item.name == memory.SENSOR]
    instance.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))


def test_a_code_location_that_hangs_or_ends_the_process_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "spine_assets"
    package.mkdir()
    (package / "__init__.py").write_text("import os; os._exit(7)\n")
    with code_location.loading(tmp_path) as loading:
        assert loading.diagnosis().outcome is FAIL
    monkeypatch.setattr(code_location, "_LONGEST_SECONDS", 0.5)
    (package / "__init__.py").write_text("import time; time.sleep(600)\n")
    with code_location.loading(tmp_path) as loading:
        assert "does not load within" in loading.diagnosis().found
    assert loading.process.returncode is not None
