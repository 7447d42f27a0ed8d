"""Objects of a lake's bucket that others put there or deleted, and a store that fails."""

from __future__ import annotations

import urllib.request
from datetime import date
from pathlib import Path
from urllib.parse import quote

import duckdb
import polars as pl
import pytest

from spine_assets.lake import atomic_write
from spine_assets.lake.base import LakeError, LakeUnavailable
from spine_assets.lake.bucket import filesystem
from spine_assets.lake.bucket.lake import ObjectLake
from spine_assets.lake.bucket.objects import ObjectFile, Version
from spine_assets.lake.bucket.store_errors import OutcomeUnknown, Replaced
from spine_assets.maintenance import lake_inventory
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.steps.export_files import put_beside_others, put_files, sha256_of
from spine_assets.report.stored import index_path
from spine_assets.warehouse.connection import answer, connect
from spine_assets_tests.conftest import ALL, RAW, VENUES, WEEK, House, delivered, line
from spine_assets_tests.pipelines.places import COLUMNS, built, table_flow
from spine_assets_tests.support.s3_front import Front

FRAME = pl.DataFrame({"n": [1]})
CAPTURE = "OTC.ATS.20260101T000000Z-0123456789ab.parquet"
MANY = 50  # requests that fail: more than are sent again


@pytest.fixture
def lake(bucket: str) -> ObjectLake:
    return ObjectLake(f"{bucket}/lake")


def put(front: Front, lake: ObjectLake, key: str, content: bytes = b"") -> None:
    """Put an object of whatever name, as other programs do."""
    url = f"{front.url}/{lake.place.removeprefix('s3://')}/{quote(key)}"
    urllib.request.urlopen(urllib.request.Request(url, content, method="PUT")).close()


def ask(lake: ObjectLake, sql: str) -> None:
    """A query on several threads of DuckDB."""
    with duckdb.connect() as connection, lake.readable_by(connection):
        connection.execute("SET threads = 4")
        connection.execute(sql).fetchall()


def publish(lake: ObjectLake, target: ObjectFile) -> None:
    lake.publish(lake.stage(FRAME, target, {}), target)


class TestForeignNames:
    @pytest.mark.parametrize("below", [f"sub/{CAPTURE}", f"_temporary/0/{CAPTURE}"])
    def test_what_is_in_folders_of_a_week_is_none_of_its_files(
        self, below: str, lake: ObjectLake, s3_front: Front
    ) -> None:
        put(s3_front, lake, f"{RAW}/week_ending={WEEK}/{below}", b"copy")
        assert lake.files(RAW, WEEK) == []
        assert lake.names(RAW) == {}
        assert lake.stored_bytes(RAW, WEEK) == 0

    @pytest.mark.parametrize("folder", ["week_ending=2025-13-45", "week_ending=20251121"])
    def test_a_folder_that_is_almost_a_weeks_is_none(
        self, folder: str, lake: ObjectLake, s3_front: Front
    ) -> None:
        put(s3_front, lake, f"{RAW}/{folder}/{CAPTURE}", b"copy")
        assert lake.names(RAW) == {}

    def test_a_week_in_a_folder_of_a_table_is_not_the_tables(
        self, lake: ObjectLake, s3_front: Front
    ) -> None:
        put(s3_front, lake, f"{RAW}/old/week_ending={WEEK}/{CAPTURE}", b"copy")
        assert lake.names(RAW) == {}

    def test_objects_that_stand_for_folders_are_no_entries(
        self, lake: ObjectLake, s3_front: Front
    ) -> None:
        publish(lake, lake.part(VENUES, WEEK))
        before = lake_inventory.contents(lake)
        for key in ("", f"{VENUES}/", f"{VENUES}/week_ending={WEEK}/"):
            put(s3_front, lake, key)
        assert lake.entries(VENUES) == [f"week_ending={WEEK}"]
        assert lake_inventory.contents(lake) == before

    def test_a_file_that_is_no_capture_is_none_of_its_files(
        self, lake: ObjectLake, s3_front: Front
    ) -> None:
        put(s3_front, lake, f"{RAW}/week_ending={WEEK}/copy.parquet", b"PAR1")
        assert lake.files(RAW, WEEK) == []
        assert captures.names(lake) == {}
        assert lake.stamps(RAW) == {}


class TestRemoving:
    def test_a_lake_takes_nothing_with_it_that_is_not_its_own(
        self, bucket: str, s3_front: Front
    ) -> None:
        lake = ObjectLake(bucket)  # the whole bucket, as a URL without a prefix says
        lake.declare(TABLES)
        others = ["backup/2025/all.tar", "notes.txt", "_tenants/readme.txt"]
        for key in others:
            put(s3_front, lake, key, b"somebody's")
        own = [lake.part(VENUES, WEEK), lake.part("companies", None), index_path(lake)]
        own.append(lake.within("_tenants", "acme").part("volumes", WEEK))
        for target in own:
            publish(lake, target)
        lake.remove()
        assert [key for key in lake.root.below() if not key.startswith("_locks/")] == sorted(others)


class TestEmptyObjects:
    def test_an_empty_file_of_columns_is_made_anew(self, lake: ObjectLake, s3_front: Front) -> None:
        lake.declare(TABLES)
        lake.empty_part(RAW).write_bytes(b"")
        lake.declare(TABLES)
        assert lake.schema(lake.empty_part(RAW)) is not None

    def test_an_empty_file_of_rows_is_damaged_and_not_whole(self, lake: ObjectLake) -> None:
        target = lake.part(VENUES, WEEK)
        target.write_bytes(b"")
        for look in (lake.metadata, lake.read, lake.verify):
            with pytest.raises(LakeError, match="cannot be read") as told:
                look(target)
            assert not isinstance(told.value, LakeUnavailable)


class TestDeleted:
    def test_a_file_that_was_deleted_before_it_is_replaced_is_told(self, lake: ObjectLake) -> None:
        target = lake.part(VENUES, WEEK)
        publish(lake, target)
        there = target.version()
        assert isinstance(there, Version)
        target.unlink()
        with pytest.raises(Replaced):
            target.put(b"new", there)

    def test_a_store_that_answers_404_to_such_a_put_means_the_same(
        self, lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As Amazon's documentation says of PUTs with If-Match; the server here answers 412."""
        import obstore

        def missing(*_: object, **__: object) -> None:
            raise FileNotFoundError("Object at location lake not found: NoSuchKey")

        monkeypatch.setattr(obstore, "put", missing)
        with pytest.raises(Replaced, match="was deleted meanwhile"):
            lake.part(VENUES, WEEK).put(b"new", Version("tag"))

    def test_who_holds_a_lock_that_was_deleted_publishes_no_more(self, lake: ObjectLake) -> None:
        with lake.lock(WEEK):
            ObjectFile(lake.place, f"_locks/{WEEK}.lock").unlink()
            with pytest.raises(LakeUnavailable, match="Run the week again"):
                publish(lake, lake.part(VENUES, WEEK))
        assert not lake.part(VENUES, WEEK).exists()


class TestFailing:
    def test_a_check_that_cannot_read_the_bucket_fails_its_week_alone(
        self, tmp_path: Path, bucket: str, s3_front: Front, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The error comes through DuckDB, as the text of a traceback."""
        (tmp_path / "landing").mkdir()
        house = House(tmp_path, f"{bucket}/lake")
        house.drop("otc.csv", delivered(line("AAAA")))

        def down(*_: object) -> None:
            raise LakeUnavailable("s3://bucket/file cannot be read now; run the week again")

        monkeypatch.setattr(filesystem, "ObjectReader", down)
        result = house.build(ALL)
        assert isinstance(result.error, LakeUnavailable), result.error
        assert str(result.error) == "s3://bucket/file cannot be read now; run the week again"

    def test_a_query_tells_what_the_store_said_and_no_traceback(
        self, lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(*_: object) -> None:
            raise LakeUnavailable("s3://bucket/file cannot be read now")

        def ask() -> None:
            with connect(lake, TABLES) as connection:
                monkeypatch.setattr(filesystem, "ObjectReader", down)
                answer(connection, f"FROM {VENUES}")

        with pytest.raises(LakeUnavailable, match=r"^s3://bucket/file cannot be read now$"):
            ask()

    @pytest.mark.parametrize("kind", [LakeError, LakeUnavailable, OutcomeUnknown])
    def test_an_error_keeps_its_class_on_whichever_thread_of_duckdb_it_is_met(
        self, kind: type[LakeError], lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(8):
            target = lake.folder("t", WEEK) / f"{number}.parquet"
            lake.publish(lake.stage(pl.DataFrame({"n": range(100_000)}), target, {}), target)
        between = ObjectFile.between

        def fails(file: ObjectFile, start: int, end: int, version: Version) -> bytes:
            if file.name == "5.parquet":
                raise kind(f"{file} cannot be read\nnow")
            return between(file, start, end, version)

        monkeypatch.setattr(filesystem, "_END_BYTES", 10_000)
        monkeypatch.setattr(ObjectFile, "between", fails)
        sql = f"SELECT sum(n) FROM read_parquet('{lake.folder('t', WEEK)}/*.parquet')"
        with pytest.raises(kind, match=r"5\.parquet cannot be read\nnow$") as caught:
            ask(lake, sql)
        assert type(caught.value) is kind
        with pytest.raises(duckdb.Error, match="another"):
            ask(lake, "SELECT error('5.parquet: another error')")

    def test_an_error_of_the_query_stays_duckdbs(self, lake: ObjectLake) -> None:
        with pytest.raises(duckdb.Error, match="LakeError"):
            ask(lake, "SELECT error('LakeError: mine')")


class TestLocalFilesOfALakeInABucket:
    def test_exports_and_downloads_are_put_into_local_folders(
        self, lake: ObjectLake, tmp_path: Path
    ) -> None:
        export, landed = tmp_path / "exports" / "a.csv", tmp_path / "landing" / "b.csv"
        assert put_files({export: b"rows"}, lake, overwrite=False) == {export: True}
        assert export.read_bytes() == b"rows"
        staged = atomic_write.stage(landed, b"lines")
        hashed = sha256_of(staged)
        assert put_beside_others(staged, landed, hashed, lake) == (landed, True)
        assert landed.read_bytes() == b"lines"


class TestTablesOfSteps:
    @pytest.mark.parametrize("week", [WEEK, None])
    def test_a_table_is_put_only_where_its_earlier_file_stands(
        self,
        week: date | None,
        tmp_path: Path,
        bucket: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """So that a step that stood still for longer than its lock cannot replace newer rows."""
        (tmp_path / "landing").mkdir()
        house = House(tmp_path, f"{bucket}/lake")
        expectations = []
        put_one = ObjectFile.put

        def noted(file: ObjectFile, content: bytes | Path, expected: object) -> object:
            if file.name == "data.parquet":
                expectations.append(expected)
            return put_one(file, content, expected)  # type: ignore[arg-type]

        monkeypatch.setattr(ObjectFile, "put", noted)
        flow = table_flow(
            "SELECT 'AAAA' AS symbol, 1::DECIMAL(38,6) AS total_volume",
            partitions="weekly" if week else "none",
        )
        built(flow, house, week=week)
        built(flow, house, week=week, force=True)
        assert expectations[0] == "none"
        assert isinstance(expectations[1], Version)

    def test_sql_checks_read_the_rows_before_they_are_published(
        self, tmp_path: Path, bucket: str
    ) -> None:
        """They are staged in a local folder, where the step's queries can read no other file."""
        (tmp_path / "landing").mkdir()
        house = House(tmp_path, f"{bucket}/lake")
        checks = """
      checks:
        - name: no_blank
          description: A ticker is no blank.
          sql: SELECT * FROM new_rows WHERE symbol = ''
"""
        query = "SELECT 'AAAA' AS symbol, 1::DECIMAL(38,6) AS total_volume"
        found = built(table_flow(query, columns=COLUMNS + checks), house)
        assert (found.rows, found.failed) == (1, ())
