"""Parquet files appear whole or not at all, and a week has one holder at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from spine_assets.lake import LakeError
from spine_assets.local_lake import LocalLake
from spine_assets.otc.tables import TABLES
from spine_assets.table import polars_schema
from spine_assets_tests.conftest import WEEK, files_limited_to

NAME = "otc_venue_volume"
OLD = pl.DataFrame({"n": [1]})
NEW = pl.DataFrame({"n": [2, 3]})


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


def store(lake: LocalLake, frame: pl.DataFrame, week: date = WEEK, name: str = NAME) -> Path:
    target = lake.part(name, week)
    lake.publish(lake.stage(frame, target, {"of": week}), target)
    return target


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_published_week_lies_where_hive_readers_look(lake: LocalLake) -> None:
    target = store(lake, OLD)
    assert target == lake.root / NAME / "week_ending=2025-11-21" / "data.parquet"
    assert lake.files(NAME, WEEK) == [target]
    assert pl.read_parquet(target).equals(OLD)


def test_metadata_is_kept_beside_the_rows(lake: LocalLake, tmp_path: Path) -> None:
    assert lake.metadata(store(lake, OLD)) == {"of": "2025-11-21"}
    plain = tmp_path / "plain.parquet"
    OLD.write_parquet(plain)
    assert lake.metadata(plain) == {}


def test_a_staged_file_is_no_file_of_the_week_until_it_is_published(lake: LocalLake) -> None:
    target = store(lake, OLD)
    staged = lake.stage(NEW, target, {})
    assert staged.parent == target.parent
    assert lake.files(NAME, WEEK) == [target]
    assert pl.read_parquet(target).equals(OLD)
    lake.publish(staged, target)
    assert lake.files(NAME, WEEK) == [target]
    assert pl.read_parquet(target).equals(NEW)
    assert names_in(target.parent) == ["data.parquet"]


def test_a_reader_that_opened_the_old_file_keeps_it(lake: LocalLake) -> None:
    target = store(lake, OLD)
    with target.open("rb") as held:
        store(lake, NEW)
        assert pl.read_parquet(held).equals(OLD)


def test_a_failed_write_leaves_the_old_file_and_no_other(lake: LocalLake) -> None:
    target = store(lake, OLD)
    large = pl.DataFrame({"n": [os.urandom(1_000) for _ in range(100)]})
    with files_limited_to(20_000), pytest.raises(LakeError) as caught:
        lake.stage(large, target, {})
    assert str(target) in str(caught.value)
    assert "run the week again" in str(caught.value)
    assert names_in(target.parent) == ["data.parquet"]
    assert pl.read_parquet(target).equals(OLD)


def test_a_lake_that_is_a_file_is_told_as_a_lake_error(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("in the way")
    lake = LocalLake(tmp_path / "lake")
    with pytest.raises(LakeError, match="cannot write"):
        store(lake, OLD)
    with pytest.raises(LakeError, match="cannot lock"), lake.lock(WEEK):
        pass


def test_a_changed_byte_is_told_wherever_it_is(lake: LocalLake) -> None:
    target = store(lake, OLD)
    lake.verify(target)
    written = target.read_bytes()
    key = written.index(b"spine_seal")
    for place in {*range(0, len(written), 7)} - {*range(key, key + len("spine_seal"))}:
        changed = bytearray(written)
        changed[place] ^= 1
        target.write_bytes(changed)
        with pytest.raises(LakeError, match="not those that were written"):
            lake.verify(target)


def test_a_file_of_the_time_before_seals_is_taken_as_it_is(lake: LocalLake) -> None:
    target = store(lake, OLD)
    OLD.write_parquet(target)
    lake.verify(target)


def test_weeks_are_those_with_a_whole_file_oldest_first(lake: LocalLake) -> None:
    later = WEEK + timedelta(weeks=1)
    store(lake, OLD, later)
    store(lake, OLD, WEEK)
    lake.stage(OLD, lake.part(NAME, WEEK + timedelta(weeks=2)), {})
    lake.declare(TABLES)
    assert lake.weeks(NAME) == [WEEK, later]
    assert lake.weeks("otc_raw") == []


def test_leftovers_of_a_week_are_removed_and_nothing_else(lake: LocalLake) -> None:
    other = WEEK + timedelta(weeks=1)
    target = store(lake, OLD)
    for table, week in ((NAME, WEEK), ("otc_raw", WEEK), (NAME, other)):
        lake.stage(NEW, lake.part(table, week), {})
    assert lake.remove_leftovers(WEEK) == 2
    assert names_in(target.parent) == ["data.parquet"]
    assert len(names_in(lake.folder(NAME, other))) == 1
    assert lake.remove_leftovers(WEEK) == 0


def test_declared_tables_have_an_empty_file_with_their_columns(lake: LocalLake) -> None:
    lake.declare(TABLES)
    for table in TABLES:
        (path,) = (lake.root / table.name).glob("*/*.parquet")
        assert pl.read_parquet_schema(path) == polars_schema(table)
        before = path.stat().st_mtime_ns
        lake.declare(TABLES)
        assert path.stat().st_mtime_ns == before


def test_an_outdated_empty_file_is_replaced(lake: LocalLake) -> None:
    lake.declare(TABLES[:1])
    (path,) = (lake.root / TABLES[0].name).glob("*/*.parquet")
    OLD.clear().write_parquet(path)
    lake.declare(TABLES[:1])
    assert pl.read_parquet_schema(path) == polars_schema(TABLES[0])


def test_a_locked_week_makes_others_wait_and_other_weeks_do_not(lake: LocalLake) -> None:
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


_HOLD = """
import sys
from datetime import date
from pathlib import Path
from spine_assets.local_lake import LocalLake
with LocalLake(Path(sys.argv[1])).lock(date(2025, 11, 21)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_frees_its_week(lake: LocalLake) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(lake.root)],
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
    assert not taken.wait(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    waiting.join(10)
    assert taken.is_set()


def test_a_lock_is_freed_when_its_holder_fails(lake: LocalLake) -> None:
    with pytest.raises(ZeroDivisionError), lake.lock(WEEK):
        raise ZeroDivisionError
    with lake.lock(WEEK):
        pass


def test_remove_deletes_the_tables_and_keeps_held_locks(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    lake.remove()  # nothing there yet is no error
    lake.declare(TABLES)
    with lake.lock(WEEK):
        lake.remove()
        assert [path.name for path in lake.root.iterdir()] == ["_locks"]
        assert (lake.root / "_locks" / f"{WEEK}.lock").exists()
