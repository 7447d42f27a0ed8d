"""`core_manifest` and `core_anomalies`: what they say of weeks in every state, on both storages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import sqlalchemy as sa

from spine_assets.core.weeks import Tier
from spine_assets.orchestration import dagster_private as private
from spine_assets.orchestration.history import core_frames, findings
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets_tests.support.projects import TABLES
from spine_assets_tests.support.sites import Site, opened

WEEKS = [date(2025, 10, 31) + timedelta(weeks=n) for n in range(4)]
GOOD, BAD, MENDED, LATER = WEEKS
Row = dict[str, Any]


@pytest.fixture
def site(tmp_path: Path, code_location: dg.Definitions) -> Iterator[Site]:
    """An empty site whose Dagster the command sees."""
    with opened(tmp_path, code_location) as made:
        yield made


def asked(site: Site, sql: str) -> list[Row]:
    """The answer of `spine query`."""
    done = site.spine("query", sql, "--json")
    assert done.exit_code == 0, done.output
    rows: list[Row] = json.loads(done.stdout)
    return rows


def of(site: Site, week: date, table: str = "otc_raw") -> Row:
    (row,) = asked(
        site, f"FROM core_manifest WHERE week_ending = '{week}' AND table_name = '{table}'"
    )
    return row


def planned(site: Site, week: date, status: dg.DagsterRunStatus) -> str:
    """A run that set out to build a week and came no further."""
    run_id = site.runner.instance.create_run_for_job(
        site.runner.code_location.resolve_job_def("otc_weekly"),
        tags={"dagster/partition": str(week)},
        status=status,
    ).run_id
    assert site.runner.instance.get_records_for_run(run_id).records  # its plan is written
    return str(run_id)


class TestManifest:
    def test_a_built_week_is_complete_with_rows_version_and_captures(self, site: Site) -> None:
        site.project.deliver(GOOD, *Tier)
        run = site.runner.week(GOOD)
        rows = asked(site, "FROM core_manifest")
        assert [row["table_name"] for row in rows] == list(TABLES)
        assert {row["status"] for row in rows} == {"complete"}
        stages = {row["table_name"]: row["stage"] for row in rows}
        assert (stages["otc_raw"], stages["otc_venue_volume"], stages["otc_venue_share"]) == (
            *("ingest", "normalize", "summarize"),
        )
        raw = of(site, GOOD)
        assert (raw["row_count"], raw["run_id"]) == (9, run.result.run_id)
        assert raw["data_version"] == run.version("otc_raw", GOOD)
        captured = site.rows("SELECT DISTINCT capture_id FROM otc_raw")
        assert sorted(raw["capture_ids"]) == sorted(capture for (capture,) in captured)
        assert raw["started_at"] <= raw["completed_at"]

    def test_attempts_that_made_nothing(self, site: Site) -> None:
        site.project.deliver_in_two_parts(BAD)
        for week in (GOOD, MENDED):
            site.project.deliver(week, Tier.OTC)
        assert not site.runner.range(GOOD, MENDED).success
        failed = of(site, BAD)
        assert (failed["status"], failed["row_count"], failed["capture_ids"]) == (
            *("failed", None, None),
        )
        assert failed["completed_at"] is not None
        before = of(site, GOOD)
        under_way = planned(site, GOOD, dg.DagsterRunStatus.STARTED)
        running = of(site, GOOD)
        assert (running["status"], running["run_id"]) == ("running", under_way)
        assert (running["row_count"], running["data_version"], running["completed_at"]) == (
            *(before["row_count"], before["data_version"], None),
        )
        run = site.runner.instance.get_run_by_id(under_way)
        assert run is not None
        site.runner.instance.report_run_canceled(run)
        assert of(site, GOOD) == before
        planned(site, LATER, dg.DagsterRunStatus.NOT_STARTED)
        assert of(site, LATER)["status"] == "running"
        assert not asked(site, f"FROM core_manifest WHERE week_ending > '{LATER}'")

    def test_what_was_recorded_without_a_run_and_what_was_wiped(self, site: Site) -> None:
        site.project.deliver(GOOD, Tier.OTC)
        assert site.runner.week(GOOD).success
        before = of(site, GOOD)
        site.runner.instance.wipe_assets([dg.AssetKey("otc_raw")])
        assert asked(site, "FROM core_manifest WHERE table_name = 'otc_raw'") == []
        assert site.spine("doctor", "--repair").exit_code == 0
        after = of(site, GOOD)
        same = ("status", "row_count", "data_version", "capture_ids")
        assert [after[name] for name in same] == [before[name] for name in same]
        assert (after["run_id"], after["started_at"]) == (None, None)


class TestAnomalies:
    def test_findings_of_every_run_of_which_the_latest_are_marked(self, site: Site) -> None:
        site.project.deliver(GOOD, Tier.OTC)
        first = site.runner.week(GOOD).result.run_id
        second = site.runner.week(GOOD, force=True).result.run_id
        delivery = "FROM core_anomalies WHERE check_name = 'delivery'"
        rows = asked(site, delivery)
        assert [(row["run_id"], row["is_latest"]) for row in rows] == [
            *((second, True), (first, False)),
        ]
        row = rows[0]
        assert (row["week_ending"], row["table_name"]) == (str(GOOD), "otc_raw")
        assert (row["severity"], row["code"]) == ("WARN", "DELIVERY")
        (found,) = findings(site.runner.instance, table="otc_raw")
        context = json.loads(row["context"]) if isinstance(row["context"], str) else row["context"]
        assert row["message"] == found.summary
        assert context == {**found.facts, "sample": found.samples}
        site.project.deliver(GOOD, Tier.NMS_TIER_1, Tier.NMS_TIER_2)
        assert site.runner.week(GOOD).success
        assert [row["is_latest"] for row in asked(site, delivery)] == [False, False]

    def test_what_code_recorded_has_its_own_code_severity_and_context(self, site: Site) -> None:
        recorded: list[dict[str, str | int | float | bool | None]] = [
            {"code": "NULL_VOLUME", "severity": "WARNING", "message": "2 rows", "context": None},
            {"code": "LATE", "severity": "ERROR", "message": "a day", "context": '{"days": 1}'},
        ]
        for table in ("acme/prices", "other/prices"):
            site.runner.instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey.from_user_string(table),
                    check_name="anomalies",
                    passed=False,
                    metadata={
                        "sample": dg.MetadataValue.table([dg.TableRecord(row) for row in recorded])
                    },
                )
            )
        frames = core_frames.read(site.runner.instance, tenant="acme").frames
        rows = frames["core_anomalies"].rows(named=True)
        assert {row["table_name"] for row in rows} == {"acme/prices"}
        told = [(row["severity"], row["code"], row["message"], row["context"]) for row in rows]
        assert told == [
            ("WARN", "NULL_VOLUME", "2 rows", "{}"),
            ("ERROR", "LATE", "a day", '{"days": 1}'),
        ]
        assert len(core_frames.read(site.runner.instance).frames["core_anomalies"]) == 4


def test_a_database_file_and_the_shell_have_both(site: Site) -> None:
    site.project.deliver(GOOD, Tier.OTC)
    assert site.runner.week(GOOD).success
    assert site.spine("db", "build", "data/otc.duckdb").exit_code == 0
    with duckdb.connect(str(site.project.root / "data/otc.duckdb"), read_only=True) as file:
        for table in CORE_TABLES:
            shown = file.sql(f"FROM {table.name}").to_arrow_table().num_rows
            (number,) = asked(site, f"SELECT count(*) AS n FROM {table.name}")
            assert shown == number["n"] > 0
        comments = file.sql("SELECT comment FROM duckdb_columns() WHERE table_name LIKE 'core_%'")
        assert all(text for (text,) in comments.fetchall())
    done = site.spine("shell", "-c", "print(len(sql('FROM core_manifest')))")
    assert done.output.strip() == str(len(TABLES))


def test_650_weeks_are_read_in_well_below_two_seconds(site: Site) -> None:
    site.project.deliver(GOOD, Tier.OTC)
    assert site.runner.week(GOOD).success
    instance = site.runner.instance
    events, checks = private.SqlEventLogStorageTable, private.AssetCheckExecutionsTable
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        for table in (events, checks):
            others = [column for column in table.c if column.name != "id"]
            query = sa.select(*others).where(table.c.partition == str(GOOD))
            rows = [dict(row._mapping) for row in connection.execute(query)]
            for week in (GOOD - timedelta(weeks=n) for n in range(1, 650)):
                connection.execute(table.insert(), [row | {"partition": str(week)} for row in rows])
    before = time.process_time()
    found = core_frames.read(instance).frames
    taken = time.process_time() - before
    assert len(found["core_manifest"]) == 650 * len(TABLES)
    assert len(found["core_anomalies"]) >= 650
    assert taken < 2
