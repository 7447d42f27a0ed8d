"""A lake in a bucket: two writers, killed ones, answers that are lost, lists that lag behind."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import date
from decimal import Decimal
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import pytest
from click.testing import CliRunner

from spine_assets.cli import main
from spine_assets.lake.base import LakeError, LakeUnavailable
from spine_assets.lake.bucket.filesystem import BucketFiles
from spine_assets.lake.bucket.lake import ObjectLake
from spine_assets.lake.bucket.lease import Lease
from spine_assets.lake.bucket.objects import ObjectFile
from spine_assets.lake.bucket.store_errors import Replaced
from spine_assets.orchestration.database import refresh_database
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.connection import answer, connect
from spine_assets_tests.conftest import ALL, RAW, VENUES, WEEK, House, delivered, line, running
from spine_assets_tests.support.databases import refreshed, rows_of
from spine_assets_tests.support.s3_front import Front

LEASE_SECONDS = 1.5
OLD, NEW, NEWER = (pl.DataFrame({"n": [value]}) for value in (1, 2, 3))


@pytest.fixture
def lake(bucket: str) -> ObjectLake:
    return ObjectLake(f"{bucket}/lake", LEASE_SECONDS)


def publish(lake: ObjectLake, frame: pl.DataFrame) -> ObjectFile:
    target = lake.part(VENUES, WEEK)
    lake.publish(lake.stage(frame, target, {}), target)
    return target


def holds(lake: ObjectLake, frame: pl.DataFrame) -> bool:
    return lake.read(lake.part(VENUES, WEEK)).equals(frame)


_WRITER = """
import sys
from datetime import date
from decimal import Decimal
import polars as pl
from spine_assets.lake.base import LakeError
from spine_assets.lake.bucket.lake import ObjectLake
place, lease, value = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
lake, week = ObjectLake(place, lease), date(2025, 11, 21)
target = lake.part("otc_venue_volume", week)
try:
    with lake.lock(week):
        print("held", flush=True)
        sys.stdin.readline()
        staged = lake.stage(pl.DataFrame({"n": [value]}), target, {})
        print("staged", flush=True)
        lake.publish(staged, target)
        print("published", flush=True)
except LakeError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""


def writer(lake: ObjectLake, value: int) -> AbstractContextManager[subprocess.Popen[str]]:
    """Another process that takes the week and, when told, publishes."""
    return running(_WRITER, lake.place, LEASE_SECONDS, value)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


class TestTwoWriters:
    def test_second_waits_until_first_has_published(self, lake: ObjectLake) -> None:
        with writer(lake, 2) as first:
            assert said(first) == "held"
            with writer(lake, 3) as second:
                tell(second)
                time.sleep(2 * LEASE_SECONDS)
                assert not lake.part(VENUES, WEEK).exists()
                tell(first)
                assert [said(first), said(first)] == ["staged", "published"]
                assert [said(second), said(second), said(second)] == ["held", "staged", "published"]
        assert holds(lake, NEWER)

    def test_a_writer_that_stood_still_is_refused_when_it_goes_on(self, lake: ObjectLake) -> None:
        with writer(lake, 1) as stopped:
            assert said(stopped) == "held"
            stopped.send_signal(signal.SIGSTOP)
            with lake.lock(WEEK):  # a lease later
                publish(lake, NEWER)
                stopped.send_signal(signal.SIGCONT)
                tell(stopped)
                assert said(stopped) == "staged"
                refused = said(stopped)
        assert refused.startswith("LakeUnavailable: ")
        assert "taken over by another run" in refused
        assert "Run the week again" in refused
        assert holds(lake, NEWER)

    def test_a_put_that_was_under_way_when_the_lock_was_lost_replaces_nothing(
        self, lake: ObjectLake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The worst moment: the lock was ours when it was looked at, and not when the PUT came."""
        publish(lake, OLD)
        other = ObjectLake(lake.place, LEASE_SECONDS)
        put = ObjectFile.put

        def late(file: ObjectFile, content: bytes | Path, expected: object) -> object:
            if file.name == "data.parquet" and isinstance(content, Path):
                monkeypatch.setattr(ObjectFile, "put", put)
                publish(other, NEWER)
            return put(file, content, expected)  # type: ignore[arg-type]

        with lake.lock(WEEK):
            monkeypatch.setattr(ObjectFile, "put", late)
            with pytest.raises(Replaced, match="published by another run meanwhile"):
                publish(lake, NEW)
        assert holds(lake, NEWER)

    def test_a_capture_is_never_replaced(self, lake: ObjectLake) -> None:
        target = lake.folder(RAW, WEEK) / "OTC.ATS.20260101T000000Z-0123456789ab.parquet"
        with lake.lock(WEEK):
            lake.append(lake.stage(OLD, target, {}), target)
            lake.append(lake.stage(OLD, target, {}), target)  # the same once more is no fault
            with pytest.raises(LakeError, match="published by another run"):
                lake.append(lake.stage(NEW, target, {}), target)
        assert lake.read(target).equals(OLD)


class TestKilled:
    def test_a_writer_killed_in_the_middle_of_a_put_leaves_the_old_file(
        self, lake: ObjectLake, s3_front: Front
    ) -> None:
        publish(lake, OLD)
        reached = s3_front.hold_put(100, "data.parquet")
        with writer(lake, 2) as killed:
            tell(killed)
            assert [said(killed), said(killed)] == ["held", "staged"]
            assert reached.wait(20)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        assert holds(lake, OLD)
        with lake.lock(WEEK):  # falls free a lease later
            publish(lake, NEWER)
        assert holds(lake, NEWER)

    def test_what_a_killed_writer_had_staged_is_removed_by_a_later_process(
        self, lake: ObjectLake, s3_front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        reached = s3_front.hold_put(100, "data.parquet")
        with writer(lake, 2) as killed:
            tell(killed)
            assert reached.wait(20)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            assert len(list(tmp_path.glob("*/*/.*.tmp"))) == 1
        with writer(lake, 3) as later:
            tell(later)
            assert [said(later) for _ in range(3)] == ["held", "staged", "published"]
        assert list(tmp_path.glob("*/*/.*.tmp")) == []

    def test_a_connection_that_breaks_in_a_put_leaves_the_old_file(
        self, lake: ObjectLake, s3_front: Front
    ) -> None:
        publish(lake, OLD)
        with lake.lock(WEEK):
            s3_front.cut_puts(100, times=50, named="data.parquet")
            with pytest.raises(LakeUnavailable, match="cannot be written now"):
                publish(lake, NEW)
            s3_front.cut_puts(0, times=0)
            assert holds(lake, OLD)
            publish(lake, NEWER)
        assert holds(lake, NEWER)


class TestAnswersThatAreLost:
    @pytest.mark.parametrize("lose", [Front.drop_answers, Front.deny_puts])
    def test_a_file_that_was_put_counts_as_published(
        self, lose: Callable[..., None], lake: ObjectLake, s3_front: Front
    ) -> None:
        publish(lake, OLD)
        with lake.lock(WEEK):
            lose(s3_front, named="data.parquet")
            publish(lake, NEW)
            assert holds(lake, NEW)
            target = lake.folder(RAW, WEEK) / "OTC.ATS.20260101T000000Z-0123456789ab.parquet"
            lose(s3_front, named=target.name)
            lake.append(lake.stage(OLD, target, {}), target)
        assert lake.read(target).equals(OLD)

    @pytest.mark.parametrize("lose", [Front.drop_answers, Front.deny_puts])
    def test_a_lock_that_was_taken_is_held(
        self, lose: Callable[..., None], lake: ObjectLake, s3_front: Front
    ) -> None:
        with lake.lock(WEEK):
            pass
        lose(s3_front, named=f"{WEEK}.lock")
        begun = time.monotonic()
        with lake.lock(WEEK):
            publish(lake, NEW)
        assert time.monotonic() - begun < LEASE_SECONDS
        assert holds(lake, NEW)

    def test_a_busy_store_is_asked_again(self, lake: ObjectLake, s3_front: Front) -> None:
        publish(lake, OLD)
        s3_front.slow_down(2)
        assert holds(lake, OLD)
        with lake.lock(WEEK):
            s3_front.slow_down(2)
            publish(lake, NEW)
        assert holds(lake, NEW)


class TestAListThatLagsBehind:
    """Captures must not be taken again, nor be missed: wrong numbers would come of both."""

    def test_a_file_that_is_not_listed_yet_is_named(
        self, lake: ObjectLake, bucket: str, s3_front: Front
    ) -> None:
        s3_front.stale_listing(bucket)
        target = lake.folder(RAW, WEEK) / "OTC.ATS.20260101T000000Z-0123456789ab.parquet"
        with lake.lock(WEEK):
            lake.append(lake.stage(OLD, target, {}), target)
            assert lake.files(RAW, WEEK) == [target]
        assert lake.files(RAW, WEEK) == [target]
        assert ObjectLake(lake.place).files(RAW, WEEK) == [target]
        assert lake.names(RAW) == {}  # what is only looked over may be of a moment ago
        s3_front.catch_up()
        assert lake.names(RAW) == {WEEK: [target.name]}

    def test_a_name_that_was_noted_for_a_file_that_never_came_is_no_file(
        self, lake: ObjectLake, s3_front: Front
    ) -> None:
        target = lake.folder(RAW, WEEK) / "OTC.ATS.20260101T000000Z-0123456789ab.parquet"
        with lake.lock(WEEK):
            s3_front.cut_puts(10, times=50, named=target.name)
            with pytest.raises(LakeUnavailable):
                lake.append(lake.stage(OLD, target, {}), target)
            s3_front.cut_puts(0, times=0)
            assert lake.files(RAW, WEEK) == []
        assert lake.files(RAW, WEEK) == []

    def test_weeks_are_built_right_and_captured_once(
        self, tmp_path: Path, bucket: str, s3_front: Front
    ) -> None:
        (tmp_path / "landing").mkdir()
        house = House(tmp_path, f"{bucket}/lake")
        house.lake.declare(())
        s3_front.stale_listing(bucket)
        house.drop("otc.csv", delivered(line("AAAA"), line("BBBB", shares="x")))
        house.built()
        house.drop(
            f"week_ending={WEEK}/otc.csv",
            delivered(line("AAAA", shares="300", updated="2025-12-30")),
        )
        house.built()
        again = house.built()
        assert [event.unchanged for event in again.events if hasattr(event, "unchanged")] == [
            True for _ in ALL
        ]
        assert len(house.lake.files(RAW, WEEK)) == 2
        assert house.table(VENUES)["share_volume"].to_list() == [300]
        s3_front.catch_up()
        assert len(house.lake.names(RAW)[WEEK]) == 2
        assert sorted(house.table("otc_rejects")["stage"]) == ["parse"]


class TestReading:
    def test_a_file_that_is_replaced_while_it_is_read_is_told_and_never_mixed(
        self, lake: ObjectLake
    ) -> None:
        large = pl.DataFrame({"n": range(400_000)}).with_columns(pl.col("n").hash().alias("h"))
        target = publish(lake, large)
        reader = BucketFiles("s3").open(str(target))
        publish(lake, large.reverse())
        reader.seek(4)
        with pytest.raises(OSError, match="was replaced while it was read"):
            reader.read(100)

    def test_threads_that_share_an_open_file_each_read_what_they_sought(
        self, lake: ObjectLake
    ) -> None:
        """As DuckDB 2.0 does: it seeks and reads from several threads, and keeps no lock."""
        large = pl.DataFrame({"n": range(400_000)}).with_columns(pl.col("n").hash().alias("h"))
        target = publish(lake, large)
        whole, reader = target.read_bytes(), BucketFiles("s3").open(str(target))
        assert len(whole) == reader.size > 1_000_000

        def wrong(seed: int) -> int:
            places = random.Random(seed).sample(range(len(whole) - 40_000), 30)
            found = 0
            for place in places:
                reader.seek(place)
                time.sleep(0.001)
                found += reader.read(40_000) != whole[place : place + 40_000]
            return found

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(wrong, range(8))) == 0

    def test_a_query_under_which_files_are_replaced_gives_old_or_new_rows(
        self, lake: ObjectLake
    ) -> None:
        frames = [pl.DataFrame({"n": range(n * 100_000)}) for n in (1, 2, 3)]
        right = [(frame.height, frame["n"].sum()) for frame in frames]
        target, stop = publish(lake, frames[0]), threading.Event()

        def publishing() -> None:
            while not stop.is_set():
                for frame in frames:
                    publish(lake, frame)
                    stop.wait(0.3)

        writing = threading.Thread(target=publishing)
        writing.start()
        try:
            with duckdb.connect(":memory:") as connection, lake.readable_by(connection):
                sql = f"SELECT count(*), sum(n) FROM read_parquet('{target}')"
                for _ in range(20):
                    assert answer(connection, sql)[1][0] in right
        finally:
            stop.set()
            writing.join()

    def test_views_tell_what_stands_there_now(self, lake: ObjectLake, tmp_path: Path) -> None:
        (tmp_path / "landing").mkdir()
        house = House(tmp_path, lake.place)
        house.drop("otc.csv", delivered(line("AAAA", shares="100")))
        house.built()
        sql = "SELECT sum(share_volume) FROM otc_venue_volume"
        with connect(house.lake, TABLES) as connection:
            assert connection.execute(sql).fetchall() == [(100,)]
            house.drop(
                f"week_ending={WEEK}/new.csv",
                delivered(line("AAAA", shares="300", updated="2025-12-30")),
            )
            house.built()  # within the same second, which is all that S3 tells of times
            assert connection.execute(sql).fetchall() == [(300,)]

    def test_a_database_and_the_commands_read_it(
        self, lake: ObjectLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "landing").mkdir()
        house = House(tmp_path, lake.place)
        house.drop("otc.csv", delivered(line("AAAA", shares="100.5")))
        house.built()
        file = tmp_path / "spine.duckdb"
        assert refreshed(file, lake).loaded["otc_venue_volume"] == [WEEK]
        assert refreshed(file, lake).loaded == {}
        sql = "SELECT symbol, sum(share_volume) FROM otc_venue_volume GROUP BY ALL"
        assert rows_of(file, sql) == [("AAAA", Decimal("100.5"))]
        monkeypatch.setenv("SPINE_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("SPINE_LAKE", lake.place)
        told = CliRunner().invoke(main, ["query", sql, "--json"])
        assert "100.5" in told.output
        file.unlink()
        refresh_database(dg.DagsterInstance.ephemeral(), lake, logging.getLogger(__name__))
        assert not file.exists()  # by a run: its worker is on another machine
        for command in (["db", "refresh"], ["db", "check"]):
            done = CliRunner().invoke(main, command)
            assert done.exit_code == 0, done.output
        assert rows_of(file, sql) == [("AAAA", Decimal("100.5"))]
        built = CliRunner().invoke(
            main,
            ["db", "build", str(tmp_path / "otc.duckdb"), "--table", VENUES],
        )
        assert built.exit_code == 0, built.output
        with duckdb.connect(str(tmp_path / "otc.duckdb"), read_only=True) as connection:
            assert connection.execute(sql).fetchall() == [("AAAA", Decimal("100.5"))]

    def test_an_object_is_not_written_by_a_query(self, lake: ObjectLake) -> None:
        target = publish(lake, OLD)
        with (
            duckdb.connect(":memory:") as connection,
            lake.readable_by(connection),
            pytest.raises(duckdb.Error, match="only read"),
        ):
            connection.execute(f"COPY (SELECT 7 AS n) TO '{target}' (FORMAT parquet)")
        assert holds(lake, OLD)


class TestCredentials:
    @pytest.fixture
    def profile(self, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        """A bucket whose credentials stand in a file of Amazon's tools alone."""
        held = tmp_path / "credentials"
        held.write_text("[desk]\naws_access_key_id = of-profile\naws_secret_access_key = s\n")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        # Else a failure would ask the cloud's own address for them.
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(held))
        return bucket

    def test_of_a_profile_are_used(self, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "desk")
        lake = ObjectLake(f"{profile}/lake")
        publish(lake, OLD)
        assert holds(lake, OLD)

    def test_without_any_it_is_told(self, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
        monkeypatch.setenv("HOME", "/nonexistent")
        with pytest.raises(LakeError, match=r"data\.parquet cannot be written"):
            publish(ObjectLake(f"{profile}/lake"), OLD)


class TestFaultsAreTold:
    def test_a_bucket_that_is_missing(self, bucket: str) -> None:
        lake = ObjectLake(f"{bucket}x/lake")
        with pytest.raises(LakeError, match="there is no such bucket; make it"), lake.lock(WEEK):
            pass

    def test_a_server_that_is_away(self, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        lake = ObjectLake(f"{bucket}/lake")
        with pytest.raises(LakeUnavailable, match="cannot be"), lake.lock(WEEK):
            pass

    def test_a_lock_that_is_something_else(self, lake: ObjectLake) -> None:
        (lake.root / "_locks" / f"{WEEK}.lock").write_bytes(b"\xff no lock")
        with pytest.raises(LakeError, match="is not a lock of this program"), lake.lock(WEEK):
            pass

    def test_waiting_for_a_lock_can_be_given_up(self, lake: ObjectLake) -> None:
        with lake.lock(WEEK):
            other = ObjectLake(lake.place, LEASE_SECONDS)
            with (
                pytest.raises(LakeUnavailable, match=f"process {os.getpid()} holds"),
                other.lock(WEEK, given_up=lambda: True),
            ):
                pass

    def test_a_lock_that_cannot_be_renewed_is_lost_a_lease_later(
        self, lake: ObjectLake, s3_front: Front
    ) -> None:
        lease = Lease(lake.root / "_locks" / "some.lock", LEASE_SECONDS)
        lease.acquire()
        s3_front.cut_puts(0, times=1_000, named="some.lock")
        found: list[str] = []
        end = time.monotonic() + 60
        while "could not be renewed" not in str(found[-1:]) and time.monotonic() < end:
            time.sleep(LEASE_SECONDS / 3)
            found += told_of(lease)
        s3_front.cut_puts(0, times=0)
        lease.release()
        assert "could not be renewed in time" in found[-1]


def told_of(lease: Lease) -> list[str]:
    """What it says to who depends on it."""
    try:
        lease.require()
    except LakeUnavailable as error:
        return [str(error)]
    return []


def test_weeks_of_two_lakes_of_one_bucket_do_not_meet(bucket: str) -> None:
    one, other = ObjectLake(f"{bucket}/a"), ObjectLake(f"{bucket}/ab")
    publish(one, OLD)
    assert (one.weeks(VENUES), other.weeks(VENUES)) == ([WEEK], [])
    assert other.entries() == []
    assert isinstance(one.weeks(VENUES)[0], date)
