"""Parquet files appear whole or not at all, and a week has one holder at a time.

One contract: what does not speak of folders holds of a lake in a bucket too.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import duckdb
import polars as pl
import pytest

from spine_assets.core.table_schema import polars_schema
from spine_assets.lake import lock_wait
from spine_assets.lake.base import FileT, Lake, LakeError, LakeFile, LakeUnavailable
from spine_assets.lake.bucket.lake import ObjectLake
from spine_assets.lake.local import LocalLake
from spine_assets.lake.names import LockName
from spine_assets.otc.tables.registry import TABLES
from spine_assets_tests.conftest import WEEK, files_limited_to

NAME = "otc_venue_volume"
LEASE_SECONDS = 1.5  # of locks in a bucket; a killed holder is waited for so long
OLD = pl.DataFrame({"n": [1]})
NEW = pl.DataFrame({"n": [2, 3]})


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "folder":
        return LocalLake(tmp_path / "lake")
    bucket: str = request.getfixturevalue("bucket")
    return ObjectLake(f"{bucket}/some where/lake", LEASE_SECONDS)


@pytest.fixture
def local(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


def store(lake: Lake[FileT], frame: pl.DataFrame, week: date = WEEK, name: str = NAME) -> FileT:
    target = lake.part(name, week)
    lake.publish(lake.stage(frame, target, {"of": week}), target)
    return target


def plain(lake: Lake, frame: pl.DataFrame) -> LakeFile:
    """A file that another program wrote."""
    target, content = lake.part(NAME, WEEK), io.BytesIO()
    frame.write_parquet(content)
    lake.publish(lake.stage_bytes(content.getvalue(), target), target)
    return target


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_published_week_lies_where_hive_readers_look(lake: Lake) -> None:
    target = store(lake, OLD)
    assert target == lake.root / NAME / "week_ending=2025-11-21" / "data.parquet"
    assert str(target) == f"{lake.place}/{NAME}/week_ending=2025-11-21/data.parquet"
    assert lake.files(NAME, WEEK) == [target]
    assert lake.read(target).equals(OLD)


def test_metadata_is_kept_beside_the_rows(lake: Lake) -> None:
    assert lake.metadata(store(lake, OLD)) == {"of": "2025-11-21"}
    assert lake.metadata(plain(lake, OLD)) == {}


def test_a_staged_file_is_no_file_of_the_week_until_it_is_published(lake: Lake) -> None:
    target = store(lake, OLD)
    staged = lake.stage(NEW, target, {})
    assert lake.files(NAME, WEEK) == [target]
    assert lake.read(target).equals(OLD)
    assert pl.read_parquet(staged).equals(NEW)
    lake.publish(staged, target)
    assert lake.files(NAME, WEEK) == [target]
    assert lake.read(target).equals(NEW)
    assert lake.entries(NAME, f"week_ending={WEEK}") == ["data.parquet"]
    assert not staged.exists()


def test_a_reader_that_opened_the_old_file_keeps_it(local: LocalLake) -> None:
    target = store(local, OLD)
    with target.open("rb") as held:
        store(local, NEW)
        assert pl.read_parquet(held).equals(OLD)


def test_a_failed_write_leaves_the_old_file_and_no_other(local: LocalLake) -> None:
    target = store(local, OLD)
    large = pl.DataFrame({"n": [os.urandom(1_000) for _ in range(100)]})
    with files_limited_to(20_000), pytest.raises(LakeError) as caught:
        local.stage(large, target, {})
    assert str(target) in str(caught.value)
    assert "run the week again" in str(caught.value)
    assert names_in(target.parent) == ["data.parquet"]
    assert pl.read_parquet(target).equals(OLD)


@pytest.mark.parametrize("folder", ["", NAME, f"{NAME}/week_ending={WEEK}"])
def test_a_file_where_a_folder_is_expected_is_named_by_a_permanent_error(
    folder: str, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "lake" / folder
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("in the way")
    lake = LocalLake(tmp_path / "lake")
    for use in (
        lambda: store(lake, OLD),
        lambda: lake.read(lake.part(NAME, WEEK)),
        lambda: lake.metadata(lake.part(NAME, WEEK)),
    ):
        with pytest.raises(LakeError) as caught:
            use()
        assert type(caught.value) is LakeError  # so it is not tried again
        assert f"{in_the_way} is a file where a folder is expected; move it away" in str(
            caught.value
        )


def test_a_lake_that_is_a_file_or_whose_locks_are_cannot_be_locked(tmp_path: Path) -> None:
    for place in ("lake", "other/_locks"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("in the way")
    for name, in_the_way in (("lake", "lake"), ("other", "other/_locks")):
        with (
            pytest.raises(LakeError, match=f"{in_the_way} is a file where a folder") as caught,
            LocalLake(tmp_path / name).lock(WEEK),
        ):
            pass
        assert type(caught.value) is LakeError


def test_a_folder_that_cannot_be_listed_is_a_transient_error(tmp_path: Path) -> None:
    table = tmp_path / "lake" / NAME
    table.parent.mkdir()
    table.symlink_to(NAME)  # a link to itself
    with pytest.raises(LakeUnavailable, match=NAME):
        LocalLake(tmp_path / "lake").weeks(NAME)


def test_a_changed_byte_is_told_wherever_it_is(local: LocalLake) -> None:
    target = store(local, OLD)
    local.verify(target)
    written = target.read_bytes()
    key = written.index(b"spine_seal")
    for place in {*range(0, len(written), 7)} - {*range(key, key + len("spine_seal"))}:
        target.write_bytes(with_changed(written, place))
        with pytest.raises(LakeError, match="not those that were written"):
            local.verify(target)


def test_a_changed_byte_is_told_by_the_lake_that_holds_it(lake: Lake) -> None:
    target = store(lake, OLD)
    lake.verify(target)
    changed = with_changed(target.read_bytes(), 10)
    lake.publish(lake.stage_bytes(changed, target), target)
    with pytest.raises(LakeError, match="not those that were written") as caught:
        lake.verify(target)
    assert str(target) in str(caught.value)


def with_changed(written: bytes, place: int) -> bytes:
    changed = bytearray(written)
    changed[place] ^= 1
    return bytes(changed)


def test_a_file_of_the_time_before_seals_is_taken_as_it_is(lake: Lake) -> None:
    lake.verify(plain(lake, OLD))


def test_what_is_not_there_or_no_parquet_is_told(lake: Lake) -> None:
    target = lake.part(NAME, WEEK)
    assert (lake.stamp(target), lake.schema(target), target.exists()) == (None, None, False)
    beginning = partial(lake.beginning, size=3)
    asked: list[Callable[[LakeFile], object]] = [lake.read, lake.verify, lake.metadata, beginning]
    for ask in asked:
        with pytest.raises(LakeUnavailable, match="cannot be read"):
            ask(target)
    lake.publish(lake.stage_bytes(b"no Parquet, but long enough for one", target), target)
    assert lake.beginning(target, 3) == b"no "
    assert lake.schema(target) is None
    for ask in (lake.read, lake.metadata):
        with pytest.raises(LakeError, match="cannot be read"):
            ask(target)


def test_rows_and_columns_are_chosen(lake: Lake) -> None:
    target = store(lake, pl.DataFrame({"n": [1, 2, 3], "m": ["a", "b", "c"]}))
    assert lake.read(target, ["m"]).to_dict(as_series=False) == {"m": ["a", "b", "c"]}
    chosen = lake.read(target, ["m"], pl.col("n") > 2)
    assert chosen.to_dict(as_series=False) == {"m": ["c"]}


def test_a_published_file_has_a_stamp_of_its_own(lake: Lake) -> None:
    stamps = [lake.stamp(store(lake, frame)) for frame in (OLD, NEW, OLD)]
    assert stamps[0] != stamps[1] != stamps[2]


def test_a_file_that_is_never_replaced_is_listed_with_the_others(lake: Lake) -> None:
    folder = lake.folder("otc_raw", WEEK)
    one, other = (
        f"OTC.{kind}.20260101T000000Z-0123456789ab.parquet" for kind in ("ATS", "NON_ATS")
    )
    with lake.lock(WEEK):
        for name in (other, one):
            lake.append(lake.stage(OLD, folder / name, {}), folder / name)
        assert [file.name for file in lake.files("otc_raw", WEEK)] == [one, other]
    assert lake.names("otc_raw") == {WEEK: [one, other]}
    assert [file.name for file in lake.files("otc_raw", WEEK)] == [one, other]
    (folder / one).unlink()
    assert [file.name for file in lake.files("otc_raw", WEEK)] == [other]
    assert lake.stored_bytes("otc_raw", WEEK) == len((folder / other).read_bytes())


def test_a_lake_within_a_lake_is_apart_from_it(lake: Lake) -> None:
    inner = lake.within("_tenants", "acme")
    store(inner, OLD)
    assert lake.weeks(NAME) == []
    assert inner.weeks(NAME) == [WEEK]
    assert lake.entries("_tenants") == ["acme"]


def test_duckdb_reads_it(lake: Lake) -> None:
    store(lake, OLD)
    store(lake, NEW, WEEK + timedelta(weeks=1))
    with duckdb.connect(":memory:") as connection, ExitStack() as stack:
        stack.enter_context(lake.readable_by(connection))
        stack.enter_context(lake.readable_by(connection.cursor()))  # again, of the same database
        sql = "SELECT week_ending, sum(n) FROM read_parquet($files) GROUP BY ALL ORDER BY ALL"
        found = connection.execute(sql, {"files": f"{lake.root / NAME}/*/*.parquet"}).fetchall()
        assert found == [(WEEK, 1), (WEEK + timedelta(weeks=1), 5)]


def test_weeks_are_those_with_a_whole_file_oldest_first(lake: Lake) -> None:
    later = WEEK + timedelta(weeks=1)
    store(lake, OLD, later)
    store(lake, OLD, WEEK)
    lake.stage(OLD, lake.part(NAME, WEEK + timedelta(weeks=2)), {})
    lake.declare(TABLES)
    assert lake.weeks(NAME) == [WEEK, later]
    assert lake.weeks("otc_raw") == []


def test_leftovers_of_a_week_are_removed_and_nothing_else(local: LocalLake) -> None:
    other = WEEK + timedelta(weeks=1)
    target = store(local, OLD)
    for table, week in ((NAME, WEEK), ("otc_raw", WEEK), (NAME, other)):
        local.stage(NEW, local.part(table, week), {})
    assert local.remove_leftovers(WEEK) == 2
    assert names_in(target.parent) == ["data.parquet"]
    assert len(names_in(local.folder(NAME, other))) == 1
    assert local.remove_leftovers(WEEK) == 0


def test_declared_tables_have_an_empty_file_with_their_columns(lake: Lake) -> None:
    lake.declare(TABLES)
    for table in TABLES:
        path = lake.empty_part(table.name)
        assert lake.schema(path) == polars_schema(table)
        before = lake.stamp(path)
        lake.declare(TABLES)
        assert lake.stamp(path) == before


def test_an_outdated_empty_file_is_replaced(lake: Lake) -> None:
    lake.declare(TABLES[:1])
    path = lake.empty_part(TABLES[0].name)
    lake.publish(lake.stage(OLD.clear(), path, {}), path)
    lake.declare(TABLES[:1])
    assert lake.schema(path) == polars_schema(TABLES[0])


def test_a_locked_week_makes_others_wait_and_other_weeks_do_not(lake: Lake) -> None:
    order: list[str] = []

    def take(week: date, label: str) -> None:
        with lake.lock(week):
            order.append(label)

    with lake.lock(WEEK):
        waiting = threading.Thread(target=take, args=(WEEK, "waited"))
        waiting.start()
        free = threading.Thread(target=take, args=(WEEK + timedelta(weeks=1), "other week"))
        free.start()
        free.join(10)
        waiting.join(0.2)
        assert waiting.is_alive()
        order.append("held")
    waiting.join(10)
    assert order == ["other week", "held", "waited"]


def test_a_long_wait_is_logged_once_with_what_is_waited_for_and_who_holds_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lock_wait, "REPORT_SECONDS", 0.1)
    for name, meant in ((LockName.week(WEEK), f"week {WEEK}"), (LockName.REPORTS, "reports")):
        caplog.clear()
        with lock_wait.working_on("run 1a2b3c4d"):
            wait_for(lake, name, looks=4)
        (line,) = [item for item in caplog.records if item.name == lock_wait.__name__]
        assert line.getMessage() == (
            f"waits for the lock of {meant}, which {socket.gethostname()} process {os.getpid()} "
            "(run 1a2b3c4d) holds"
        )
    assert "1a2b3c4d" not in lock_wait.this_process()


def test_a_short_wait_is_not_logged(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    wait_for(lake, LockName.week(WEEK), looks=2)
    assert "waits for" not in caplog.text


def wait_for(lake: Lake, name: LockName, looks: int) -> None:
    """Wait in another thread for a lock that is held here, and give up after so many looks."""
    left = iter(range(looks))

    def given_up() -> bool:
        time.sleep(0.1)
        return next(left, None) is None

    def take() -> None:
        with pytest.raises(LakeUnavailable), lake.lock_of(name, given_up):
            pass

    with lake.lock_of(name), ThreadPoolExecutor(1) as pool:
        pool.submit(take).result()


_HOLD = """
import sys
from datetime import date
from pathlib import Path
from spine_assets.lake.local import LocalLake
from spine_assets.lake.names import LockName
from spine_assets.lake.bucket.lake import ObjectLake
place, lease = sys.argv[1], float(sys.argv[2])
lake = ObjectLake(place, lease) if "://" in place else LocalLake(Path(place))
with lake.lock(date(2025, 11, 21)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_frees_its_week(lake: Lake) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(lake.place), str(LEASE_SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    taken = threading.Event()

    def take() -> None:
        with lake.lock(WEEK):
            taken.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    assert not taken.wait(1.5 * LEASE_SECONDS)  # it is renewed
    process.send_signal(signal.SIGKILL)
    process.communicate()
    waiting.join(10)
    assert taken.is_set()


def test_a_lock_is_freed_when_its_holder_fails(lake: Lake) -> None:
    with pytest.raises(ZeroDivisionError), lake.lock(WEEK):
        raise ZeroDivisionError
    with lake.lock(WEEK):
        pass


def test_remove_deletes_the_tables_and_keeps_held_locks(lake: Lake) -> None:
    lake.remove()  # nothing there yet is no error
    lake.declare(TABLES)
    with lake.lock(WEEK):
        lake.remove()
        assert lake.entries() == ["_locks"]
        assert f"{WEEK}.lock" in lake.entries("_locks")
