"""A lake is copied whole, to a bucket and back, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from spine_assets.cli import main
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.base import Lake, LakeError
from spine_assets.lake.local import LocalLake
from spine_assets.lake.names import FORMAT_FILE, LockName
from spine_assets.lake.opening import open_lake
from spine_assets.maintenance.copy_lake import LakeCopy
from spine_assets.maintenance.lake_inventory import LakeName, contents
from spine_assets.otc.captures import pins
from spine_assets.otc.tables.registry import TABLES
from spine_assets.report import NAME as REPORTS
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import NOW, REVISED, WEEK, House, delivered, line
from spine_assets_tests.support.s3 import S3Server
from spine_assets_tests.support.s3_front import Front, fronting

EARLIER = date(2025, 11, 14)
KEY = (Tier.OTC, VenueClass.ATS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    """Two weeks, one corrected and pinned, pages, a tenant's table, one without weeks."""
    house = House(tmp_path_factory.mktemp("house"))
    house.landing.mkdir()
    house.drop("earlier.txt", delivered(line(updated="2025-12-15")))
    house.drop("first.txt", delivered(line(), line("BBBB", shares="250.5"), "broken"))
    house.built(week=EARLIER)
    house.built()
    house.drop("second.txt", delivered(line(updated=REVISED), line("BBBB", shares="250.5")))
    house.built(now=NOW + timedelta(days=1))
    lake = house.lake
    pins.add(lake, WEEK, KEY, "", datetime(2026, 1, 22, tzinfo=UTC))
    for target in (
        lake.folder(REPORTS, WEEK) / "report.html",
        lake.folder(REPORTS, WEEK) / "venues.svg",
        lake.root / REPORTS / "index.html",
    ):
        lake.publish(lake.stage_bytes(b"<html>", target), target)
    for own in (lake, lake.within("_tenants", "acme")):
        for target in (own.part("of_all", None), own.part("of_weeks", WEEK)):
            own.publish(own.stage(pl.DataFrame({"n": [1, 2]}), target, {}), target)
    with connect(lake, TABLES):  # makes the empty files
        return lake


@pytest.fixture
def front(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    with fronting(s3_server) as front:
        for name, value in front.environment().items():
            monkeypatch.setenv(name, value)
        yield front


def files(lake: Lake) -> dict[str, bytes]:
    """All files of a local lake but locks and its format, by name."""
    assert isinstance(lake.root, Path)
    return {
        str(path.relative_to(lake.root)): path.read_bytes()
        for path in lake.root.rglob("*")
        if path.is_file() and "_locks" not in path.parts and path.name != FORMAT_FILE
    }


def spine(*words: object) -> Result:
    return CliRunner().invoke(main, ["lake", "copy", *map(str, words)])


def test_all_files_are_known_by_the_lock_they_change_under(made: LocalLake) -> None:
    found = contents(made)
    names = {str(name) for names in found.values() for name in names}
    assert names == {name for name in files(made) if not name.startswith("_tenants/")}
    assert [*map(str, found)] == ["tables", str(EARLIER), str(WEEK), "of_all-all", "reports"]
    week = found[LockName.week(WEEK)]
    tables = [name.table for name in week]
    assert tables.index("otc_delivered") < tables.index("otc_rejects") < tables.index("otc_raw")
    assert tables.index("otc_raw") < tables.index("otc_pins")
    assert tables.index("otc_pins") < tables.index("otc_venue_volume") < tables.index(REPORTS)
    kept = {str(name).split("/")[0] for name in week if name.is_never_replaced}
    assert kept == {"otc_delivered", "otc_pins"}


@pytest.mark.cluster
def test_a_lake_comes_back_from_a_bucket_byte_by_byte(
    made: LocalLake, front: Front, tmp_path: Path
) -> None:
    url = f"{front.new_bucket()}/some/lake"
    there = LakeCopy(made, open_lake(url)).copy()
    assert (there.files, there.written, there.equal, there.weeks) == (len(files(made)),) * 2 + (
        0,
        2,
    )
    back = LakeCopy(open_lake(url), LocalLake(tmp_path / "back")).copy()
    assert files(LocalLake(tmp_path / "back")) == files(made)
    assert back.digest == there.digest
    assert LakeCopy(made, open_lake(url)).compare().is_complete


@pytest.mark.cluster
def test_a_bucket_answers_as_the_folder_does(made: LocalLake, front: Front) -> None:
    lake = open_lake(f"{front.new_bucket()}/lake")
    LakeCopy(made, lake).copy()
    asked = "SELECT * FROM otc_venue_volume ORDER BY ALL"
    with connect(made, TABLES) as one, connect(lake, TABLES) as other:
        assert one.execute(asked).fetchall() == other.execute(asked).fetchall()


def test_what_is_there_is_left_as_it_is(made: LocalLake, tmp_path: Path) -> None:
    target = LocalLake(tmp_path / "copy")
    first = LakeCopy(made, target).copy()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    second = LakeCopy(made, target).copy()
    assert (first.written, second.written, second.equal) == (first.files, 0, first.files)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == written
    assert second.digest == first.digest


def test_a_changed_byte_of_the_target_is_found_and_mended_only_when_asked(
    made: LocalLake, tmp_path: Path
) -> None:
    target = LocalLake(tmp_path / "copy")
    LakeCopy(made, target).copy()
    built, page = target.part("otc_venue_volume", WEEK), target.root / REPORTS / "index.html"
    (captured, *_) = target.files("otc_raw", WEEK)
    (content_file, *_) = target.files("otc_delivered", WEEK, ".zst")
    for path in (built, page, captured, content_file):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    paths = (built, page, captured, content_file)
    changed = sorted(str(path.relative_to(target.root)) for path in paths)
    found = spine(made.place, target.place, "--verify-only", "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["differing"] == changed
    assert LakeCopy(made, target).copy().differing == changed
    kept = str(content_file.relative_to(target.root))
    again = spine(made.place, target.place, "--replace")
    assert again.exit_code == 1  # what was delivered is never replaced
    assert kept in again.stderr
    assert LakeCopy(made, target).compare().differing == [kept]


def test_a_damaged_file_is_not_copied(made: LocalLake, tmp_path: Path) -> None:
    source = LocalLake(tmp_path / "source")
    LakeCopy(made, source).copy()
    (of_contents, *_) = source.files("otc_delivered", WEEK, ".zst")
    paths = (of_contents, source.part("otc_venue_share", WEEK))
    for path in paths:
        content = bytearray(path.read_bytes())
        content[40] ^= 1
        path.write_bytes(content)
    copied = LakeCopy(source, LocalLake(tmp_path / "copy")).copy()
    assert copied.damaged == [str(path.relative_to(source.root)) for path in paths]
    assert not copied.is_complete
    assert not LocalLake(tmp_path / "copy").part("otc_venue_share", WEEK).exists()


def test_what_the_target_holds_beyond_the_source_is_told_and_stays(
    made: LocalLake, tmp_path: Path
) -> None:
    target = LocalLake(tmp_path / "copy")
    LakeCopy(made, target).copy()
    more = target.part("otc_venue_volume", date(2025, 11, 7))
    target.publish(target.stage_bytes(b"x", more), more)
    found = LakeCopy(made, target).copy()
    assert found.extra == ["otc_venue_volume/week_ending=2025-11-07/data.parquet"]
    assert found.is_complete
    assert more.exists()


def test_a_plan_copies_nothing(made: LocalLake, tmp_path: Path) -> None:
    told = json.loads(spine(made.place, tmp_path / "copy", "--dry-run", "--json").stdout)
    assert (told["files"], told["weeks"], told["there"]) == (len(files(made)), 2, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("lake", "lake", "overlap"),
        ("lake", "lake/inner", "overlap"),
        ("none", "copy", "holds no table"),
        ("lake", "ftp://host/lake", "neither a folder nor a bucket"),
    ],
)
def test_places_that_cannot_be_meant_are_refused(
    made: LocalLake, tmp_path: Path, source: str, target: str, said: str
) -> None:
    (tmp_path / "lake").symlink_to(made.place)
    names = [name if "://" in name else str(tmp_path / name) for name in (source, target)]
    refused = spine(*names)
    assert refused.exit_code != 0
    assert said in refused.stderr


def test_a_comparison_with_nothing_is_refused(made: LocalLake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no lake at"):
        LakeCopy(made, LocalLake(tmp_path / "none")).compare()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.cluster
def test_a_copy_is_done_by_requests_that_fail_now_and_then(made: LocalLake, front: Front) -> None:
    lake = open_lake(f"{front.new_bucket()}/lake")
    front.cut_puts(after=100, named="otc_symbol_summary")
    front.deny_puts(named="otc_raw")
    front.drop_answers(named="otc_venue_volume")
    front.slow_down(2)
    assert LakeCopy(made, lake).copy().is_complete


@pytest.mark.cluster
def test_captures_that_a_list_does_not_show_yet_are_copied(
    made: LocalLake, front: Front, tmp_path: Path
) -> None:
    bucket = front.new_bucket()
    lake = open_lake(f"{bucket}/lake")
    LakeCopy(made, lake).copy()
    front.stale_listing(bucket)
    name = lake.folder("otc_raw", WEEK) / "OTC.ATS.20260201T000000Z-0123456789ab.parquet"
    with lake.lock(WEEK):
        lake.append(lake.stage(pl.DataFrame({"n": [1]}), name, {}), name)
    LakeCopy(lake, LocalLake(tmp_path / "copy")).copy()
    assert (LocalLake(tmp_path / "copy").folder("otc_raw", WEEK) / name.name).exists()


@contextmanager
def writing(lake: LocalLake) -> Iterator[None]:
    """Publish the week's tables anew, again and again, as runs do: all of one build."""
    ended = threading.Event()

    def build() -> None:
        number = 0
        while not ended.wait(0.02):  # lets the copy have the lock, too
            number += 1
            with lake.lock(WEEK):
                for name in ("one", "two", "three"):
                    target = lake.part(name, WEEK)
                    frame = pl.DataFrame({"build": [number]})
                    lake.publish(lake.stage(frame, target, {}), target)

    thread = threading.Thread(target=build)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_week_that_is_written_meanwhile_arrives_as_one_build_left_it(tmp_path: Path) -> None:
    source = LocalLake(tmp_path / "source")
    for name in ("one", "two", "three"):
        target = source.part(name, WEEK)
        source.publish(source.stage(pl.DataFrame({"build": [0]}), target, {}), target)
    with writing(source):
        for number in range(4):
            copy = LocalLake(tmp_path / str(number))
            assert LakeCopy(source, copy).copy().is_complete
            builds = {
                copy.read(copy.part(name, WEEK))["build"].item() for name in ("one", "two", "three")
            }
            assert len(builds) == 1


KILLED = """
import sys
from pathlib import Path
from spine_assets.maintenance.copy_lake import LakeCopy
from spine_assets.lake.opening import open_lake

LakeCopy(open_lake(Path(sys.argv[1])), open_lake(sys.argv[2])).copy()
"""


@pytest.mark.cluster
def test_a_copy_that_is_killed_in_a_put_is_completed_by_the_next(
    made: LocalLake, front: Front
) -> None:
    url = f"{front.new_bucket()}/lake"
    held = front.hold_put(after=50, named="otc_venue_volume/week_ending=2025")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(made.place), url],
        env={**os.environ, **front.environment()},
    )
    try:
        assert held.wait(60)
    finally:
        os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    lake = open_lake(url)
    assert not LakeCopy(made, lake).compare().is_complete
    again = LakeCopy(made, lake).copy()
    assert again.is_complete
    assert again.equal
    assert again.written
    assert LakeCopy(made, lake).compare().digest == again.digest


def test_a_copy_leaves_no_temporary_file_of_one_that_was_killed(
    made: LocalLake, tmp_path: Path
) -> None:
    target = LocalLake(tmp_path / "copy")
    left = target.stage_bytes(b"half", target.part("otc_venue_volume", WEEK))
    assert LakeCopy(made, target).copy().is_complete
    assert not left.exists()


def test_names_tell_where_a_file_is(made: LocalLake) -> None:
    name = LakeName(3, "t", "week_ending=2025-11-21", "data.parquet")
    assert name.at(made) == made.part("t", WEEK)
    assert LakeName(4, "t", "", "index.html").at(made) == made.root / "t" / "index.html"
