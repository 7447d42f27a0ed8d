"""The database of tables: what it holds, how it follows the lake, and who may have it open."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from spine_assets.core.settings import WrongSetting
from spine_assets.core.tables import Table
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.format import empty
from spine_assets.lake.local import LocalLake
from spine_assets.otc.captures import pins
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets.warehouse.database import differing_weeks, refresh
from spine_assets.warehouse.database_check import compare
from spine_assets.warehouse.database_contents import Contents, DagsterTables, contents_of
from spine_assets.warehouse.database_copy import CannotRefresh, OpenElsewhere
from spine_assets.warehouse.database_objects import ABOUT
from spine_assets.warehouse.run_tables import RunLog
from spine_assets_tests.conftest import (
    REVISED,
    WEEK,
    House,
    delivered,
    files_limited_to,
    line,
    running,
)
from spine_assets_tests.support.control_totals import Part, Trade
from spine_assets_tests.support.databases import MEMORY_BYTES, beside, opened, refreshed, rows_of

EARLIER, LAST_YEAR = WEEK - timedelta(weeks=1), date(2024, 12, 27)
EARLIER_OUT = "2025-12-15"  # publication of EARLIER
NEW, NEW_OUT = WEEK - timedelta(weeks=2), "2025-12-08"
_HEADER_BYTES = 3 * 4096  # of a DuckDB file: one that is fixed, and two that take turns
ROWS = {
    "otc_raw": 9,
    "otc_rejects": 2,
    "otc_venue_volume": 5,
    "otc_control_totals": 4,  # of two symbols, of their venue, and over all
    "otc_firm_totals": 1,
    "otc_symbol_summary": 5,
    "otc_venue_share": 3,
    "otc_restatements": 1,
    "otc_pins": 1,
}
VENUES, SYMBOLS = "otc_venue_volume", "otc_symbol_summary"
TOTALS = Part(
    WEEK,
    Tier.OTC,
    VenueClass.ATS,
    (Trade("AAAA", "OTCX", "7.5", 2), Trade("BBBB", "OTCX", "100", 2)),
    updated=date.fromisoformat(REVISED),
)
"""What FINRA says of WEEK after its correction."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three weeks of two years, a correction, its totals, a pin, and a reject of either stage."""
    house = House(tmp_path_factory.mktemp("made") / "data")
    house.drop("otc.csv", delivered(line("BBBB"), line("AAAA"), line(""), line("C", shares="x")))
    house.drop("a.csv", delivered(line("C", updated=EARLIER_OUT), line("A", updated=EARLIER_OUT)))
    house.drop("b.csv", delivered(line("AAAA", updated="2025-01-27")))
    for week in (WEEK, EARLIER, LAST_YEAR):
        house.built(week=week)
    house.drop("totals.csv", TOTALS.totals_text().encode())
    correct(house, "7.5", REVISED)
    (capture,) = house.table("otc_raw", LAST_YEAR)["capture_id"]
    key = (Tier.OTC, VenueClass.ATS)
    pins.add(house.lake, LAST_YEAR, key, capture, datetime(2026, 1, 19, tzinfo=UTC))
    refreshed(house.root / "spine.duckdb", house.lake)
    return house.root


@pytest.fixture
def full(made: Path, tmp_path: Path) -> House:
    """These weeks and their database, in a folder of each test's own."""
    shutil.copytree(made, tmp_path / "data")
    return House(tmp_path / "data")


@pytest.fixture
def path(full: House) -> Path:
    """The database."""
    return full.root / "spine.duckdb"


def correct(house: House, shares: str, updated: str) -> None:
    """A later file of WEEK, built: other shares of AAAA, all else as it was."""
    changed = line("AAAA", shares=shares, updated=updated)
    house.drop(f"{updated}.csv", delivered(changed, line("BBBB"), line("")))
    house.built()


def shares_of(path: Path, week: date = WEEK) -> object:
    """The shares of a week in `otc_venue_volume`."""
    return rows_of(path, f"SELECT sum(share_volume) FROM {VENUES} WHERE week_ending = '{week}'")[0][
        0
    ]


def differences(path: Path, house: House) -> list[str]:
    return [f"{item.table} {item.week}" for item in compare(path, contents_of(house.lake))]


class TestContents:
    def test_tables_and_views_answer_as_those_over_the_lake_with_the_same_types(
        self, full: House, path: Path
    ) -> None:
        names = [*ROWS, "otc_raw_current", "otc_raw_as_of(TIMESTAMP '2026-01-20 12:00')"]
        names += [view.every_week if view.by_week else view.name for view in VIEWS]
        names += [f"{macro}('AAAA', '{WEEK}')" for macro in ("otc_trace", "otc_trace_up")]
        with connect(full.lake, TABLES) as lake, opened(path) as database:
            for name in names:
                wanted, found = (
                    one.execute(f"FROM {name} ORDER BY ALL").fetchall() for one in (lake, database)
                )
                types = [
                    [row[:2] for row in one.execute(f"DESCRIBE FROM {name}").fetchall()]
                    for one in (lake, database)
                ]
                assert (name, found) == (name, wanted)
                assert types[0] == types[1]
                assert name not in ROWS or len(found) == ROWS[name]

    def test_each_table_view_and_column_has_a_comment(self, path: Path) -> None:
        objects = rows_of(
            path,
            "SELECT table_name, comment FROM duckdb_tables() "
            "UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE NOT internal",
        )
        columns = rows_of(
            path,
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal",
        )
        assert {*ROWS, "otc_raw_current", "spine_build", *(view.name for view in VIEWS)} <= {
            name for name, _ in objects
        }
        assert [name for name, comment in objects if not comment] == []
        assert [(table, column) for table, column, comment in columns if not comment] == []
        meanings = {(table, column): comment for table, column, comment in columns}
        assert meanings[SYMBOLS, "hhi_high"] == "hhi plus the squared share of each bucket (0-1)"

    def test_a_copied_folder_answers_from_itself_and_names_no_path(
        self, full: House, path: Path, tmp_path: Path
    ) -> None:
        place = tmp_path / "Größe der Welt"
        shutil.copytree(full.root, place)
        shutil.rmtree(full.root)
        assert shares_of(place / "spine.duckdb") == shares_of(place / "spine.duckdb", WEEK)
        rows = rows_of(place / "spine.duckdb", "FROM otc_symbol_trend_all")
        assert len(rows) == ROWS[SYMBOLS]
        text = (place / "spine.duckdb").read_bytes()
        assert str(tmp_path).encode() not in text
        copied = LocalLake(place / "lake")
        before = (place / "spine.duckdb").stat().st_mtime_ns
        assert refreshed(place / "spine.duckdb", copied).loaded == {}
        assert (place / "spine.duckdb").stat().st_mtime_ns == before

    def test_a_year_is_sorted_by_what_is_asked_for_and_then_by_week(self, path: Path) -> None:
        for table, column in ((VENUES, "symbol"), (SYMBOLS, "symbol"), ("otc_venue_share", "mpid")):
            stored = rows_of(path, f"SELECT year(week_ending), {column}, week_ending FROM {table}")
            assert stored == sorted(stored)
        raw = rows_of(path, "SELECT week_ending, capture_id, source_line FROM otc_raw")
        assert raw == sorted(raw)

    def test_spine_build_lists_the_build_of_each_week(self, full: House, path: Path) -> None:
        found = rows_of(
            path, "SELECT table_name, week_ending, row_count, capture_id FROM spine_build"
        )
        expected = {}
        for name in {*ROWS} - {"otc_pins"}:
            for week in full.lake.weeks(name):
                stored = full.table(name, week)
                expected[name, week] = (stored.height, stored["capture_id"].max())
        assert {
            (name, week): (rows, build) for name, week, rows, build in found if name != "otc_pins"
        } == expected

    def test_an_empty_lake_gives_empty_tables(self, tmp_path: Path) -> None:
        lake = LocalLake(tmp_path / "lake")
        assert refreshed(tmp_path / "spine.duckdb", lake).rows == {}
        assert rows_of(tmp_path / "spine.duckdb", "FROM otc_venue_share") == []
        assert rows_of(tmp_path / "spine.duckdb", "FROM otc_movers") == []

    def test_tables_may_be_left_to_views_over_the_lake(self, full: House, path: Path) -> None:
        contents = contents_of(full.lake, "otc_venue_volume, otc_symbol_summary")
        refresh(path, contents, memory_bytes=MEMORY_BYTES)
        kinds = dict(rows_of(path, "SELECT table_name, table_type FROM information_schema.tables"))
        assert (kinds[VENUES], kinds["otc_raw"]) == ("BASE TABLE", "VIEW")
        assert len(rows_of(path, "FROM otc_raw_current")) == 6
        refreshed(path, full.lake)
        assert differences(path, full) == []
        with pytest.raises(WrongSetting, match="there is no table otc_rw; known are otc_control"):
            contents_of(full.lake, "otc_rw")

    @pytest.mark.parametrize(
        ("tables", "since", "rows"),
        [
            (TABLES[2:3], EARLIER, {VENUES: 4}),
            (TABLES[:1], WEEK, {"otc_raw": 6}),
            (TABLES[2:3], WEEK + timedelta(weeks=1), {}),
        ],
    )
    def test_another_file_may_hold_some_tables_from_some_week_on(
        self,
        full: House,
        tmp_path: Path,
        tables: tuple[Table, ...],
        since: date,
        rows: dict[str, int],
    ) -> None:
        file = tmp_path / "otc.duckdb"
        contents = Contents(full.lake, tables, since=since, declared=False)
        assert refresh(file, contents, memory_bytes=MEMORY_BYTES).rows == rows


class TestFollowing:
    def test_only_a_week_that_changed_is_loaded_again(self, full: House, path: Path) -> None:
        before = path.stat().st_mtime_ns
        assert refreshed(path, full.lake).loaded == {}
        assert path.stat().st_mtime_ns == before
        correct(full, "9", "2026-01-05")
        found = refreshed(path, full.lake)
        assert {week for weeks in found.loaded.values() for week in weeks} == {WEEK}
        assert {"otc_firm_totals", "otc_control_totals", "otc_pins"} & {*found.loaded} == set()
        assert shares_of(path) == 109
        assert differences(path, full) == []

    def test_weeks_that_the_lake_has_no_more_are_removed(self, full: House, path: Path) -> None:
        for table in TABLES:
            shutil.rmtree(full.lake.folder(table.name, EARLIER), ignore_errors=True)
        assert refreshed(path, full.lake).removed[VENUES] == [EARLIER]
        assert rows_of(path, f"FROM otc_raw WHERE week_ending = '{EARLIER}'") == []
        empty(full.lake)
        assert refreshed(path, full.lake).rows == {}
        assert rows_of(path, "FROM otc_raw") == []

    def test_a_week_whose_tables_are_of_two_builds_keeps_its_earlier_state(
        self, full: House, path: Path
    ) -> None:
        delivered_shares = (
            f"SELECT sum(share_volume) FROM otc_raw_current WHERE week_ending = '{WEEK}'"
        )
        before = rows_of(path, delivered_shares)
        file = delivered(line("AAAA", shares="9", updated="2026-01-05"), line("BBBB"), line(""))
        full.drop("later.csv", file)
        full.built({"otc_raw"})  # as a run that was killed after its first table
        found = refreshed(path, full.lake)
        assert {*found.left} == {WEEK}
        assert "not all of its tables are made from its current captures" in found.left[WEEK]
        assert rows_of(path, delivered_shares) == before == [(Decimal("207.5"),)]
        assert differing_weeks(path, contents_of(full.lake)) == [WEEK]
        full.built()
        assert refreshed(path, full.lake).left == {}
        assert rows_of(path, delivered_shares) == [(209,)]

    @pytest.mark.parametrize("number", range(1, len(TABLES)))
    def test_a_new_week_whose_build_was_killed_is_not_there(
        self, full: House, path: Path, number: int
    ) -> None:
        lines = (line("AAAA", updated=NEW_OUT), line("BBBB", updated=NEW_OUT))
        full.drop("new.csv", delivered(*lines))
        full.built({table.name for table in TABLES[:number]}, week=NEW)
        found = refreshed(path, full.lake)
        assert {*found.left} == {NEW}
        for table in TABLES:
            assert rows_of(path, f"FROM {table.name} WHERE week_ending = '{NEW}'") == []
        full.built(week=NEW)
        assert not refreshed(path, full.lake).left
        assert len(rows_of(path, f"FROM otc_raw WHERE week_ending = '{NEW}'")) == 2

    def test_a_week_with_a_damaged_file_keeps_its_earlier_state_in_all_tables(
        self, full: House, path: Path
    ) -> None:
        correct(full, "9", "2026-01-05")
        full.built(week=EARLIER, force=True)
        part = full.lake.part("otc_venue_share", WEEK)
        content = bytearray(part.read_bytes())
        content[100:120] = bytes(20)
        part.write_bytes(content)
        found = refreshed(path, full.lake)
        assert {*found.left} == {WEEK}
        assert "its bytes are not those that were written" in found.left[WEEK]
        assert {week for weeks in found.loaded.values() for week in weeks} == {EARLIER}
        assert shares_of(path) == 107.5

    def test_a_week_that_a_run_builds_keeps_its_earlier_state(
        self, full: House, path: Path
    ) -> None:
        correct(full, "9", "2026-01-05")
        with full.lake.lock(WEEK), ThreadPoolExecutor() as other:  # a run locks in its own process
            found = other.submit(refreshed, path, full.lake).result()
        assert found.left == {WEEK: "a run builds it"}
        assert shares_of(path) == 107.5
        refreshed(path, full.lake)
        assert shares_of(path) == 109

    def test_what_dagster_records_is_read_once_for_callers_that_waited_but_weeks_always(
        self, full: House, path: Path
    ) -> None:
        read: list[datetime] = []

        def request(asked: datetime) -> int:
            """How often Dagster is read."""

            def records() -> list[RunLog]:
                read.append(asked)
                return []

            before, log = len(read), DagsterTables(CORE_TABLES, records)
            contents = contents_of(full.lake)
            refresh(path, contents, memory_bytes=MEMORY_BYTES, recorded=log, requested=asked)
            return len(read) - before

        first = datetime.now(UTC).replace(tzinfo=None)
        assert request(first) == 1
        assert request(first) == 0
        assert request(datetime.now(UTC).replace(tzinfo=None)) == 1
        correct(full, "9", "2026-01-05")
        assert request(first) == 1
        assert shares_of(path) == 109
        # As by a clock that was a year ahead, and is set right.
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"UPDATE {ABOUT} SET refreshed_at = refreshed_at + INTERVAL 1 YEAR")
        assert request(first) == 1
        correct(full, "10", "2026-01-06")
        assert request(first) == 1
        assert shares_of(path) == 110

    def test_appended_weeks_are_sorted_on_request(self, full: House, path: Path) -> None:
        correct(full, "9", "2026-01-05")
        refreshed(path, full.lake)
        unsorted = (
            f"SELECT count(*) FROM spine_build WHERE NOT is_sorted AND table_name = '{SYMBOLS}'"
        )
        assert rows_of(path, unsorted) == [(1,)]
        refresh(path, contents_of(full.lake), memory_bytes=MEMORY_BYTES, sort=True)
        assert rows_of(path, unsorted) == [(0,)]
        stored = rows_of(path, f"SELECT year(week_ending), symbol, week_ending FROM {SYMBOLS}")
        assert stored == sorted(stored)
        assert differences(path, full) == []

    def test_a_year_that_is_over_is_sorted(self, full: House, path: Path) -> None:
        first = date(2026, 1, 2)
        correct(full, "9", "2026-01-05")
        full.drop("next.csv", delivered(line("AAAA", updated="2026-02-02")))
        full.built(week=first, now=datetime(2026, 2, 3, tzinfo=UTC))
        refreshed(path, full.lake)
        unsorted = "SELECT week_ending FROM spine_build WHERE NOT is_sorted AND table_name = "
        assert rows_of(path, f"{unsorted}'{VENUES}'") == []

    def test_check_finds_a_value_that_was_changed(self, full: House, path: Path) -> None:
        assert differences(path, full) == []
        with duckdb.connect(str(path)) as connection:
            connection.execute(
                f"UPDATE {SYMBOLS} SET top_mpid = 'x' WHERE week_ending = '{EARLIER}'"
            )
            connection.execute(f"DELETE FROM otc_raw WHERE week_ending = '{LAST_YEAR}'")
        found = [*compare(path, contents_of(full.lake))]
        assert [(item.table, item.week) for item in found] == [
            ("otc_raw", LAST_YEAR),
            (SYMBOLS, EARLIER),
        ]
        assert found[0].reason == "only in the lake"
        assert found[1].reason.startswith("hash of all rows: ")


_READER = """
import sys
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for _ in range(2):
    found = connection.execute("SELECT sum(share_volume) FROM otc_venue_volume").fetchall()
    print(found, flush=True)
    sys.stdin.readline()
"""
_WRITER = """
import sys
import duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
"""
_REFRESHER = """
import sys
from pathlib import Path
from spine_assets.lake.format import empty
from spine_assets.lake.local import LocalLake
from spine_assets.warehouse.database import refresh
from spine_assets.warehouse.database_contents import contents_of

def wait(done, of):
    print("a year is loaded", flush=True)
    sys.stdin.readline()

lake = LocalLake(Path(sys.argv[2]))
refresh(Path(sys.argv[1]), contents_of(lake), memory_bytes=10**9, advance=wait)
"""


class TestOthers:
    """Who reads, writes to or has made something in the database."""

    def test_who_has_it_open_keeps_the_earlier_one(self, full: House, path: Path) -> None:
        with running(_READER, path) as reader:
            assert reader.stdout is not None
            first = reader.stdout.readline()
            correct(full, "9", "2026-01-05")
            refreshed(path, full.lake)
            assert shares_of(path) == 109
            answer, _ = reader.communicate("go\n", timeout=20)
            assert answer == first

    def test_one_that_is_open_for_writing_is_refreshed_later(self, full: House, path: Path) -> None:
        correct(full, "9", "2026-01-05")
        before, there = path.read_bytes(), beside(path)
        with running(_WRITER, path) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            with pytest.raises(OpenElsewhere, match="open for writing in another process"):
                refreshed(path, full.lake)
        assert path.read_bytes() == before
        assert beside(path) == there
        refreshed(path, full.lake)
        assert shares_of(path) == 109

    def test_nobody_can_begin_to_write_while_it_is_copied(self, full: House, path: Path) -> None:
        correct(full, "9", "2026-01-05")
        with running(_REFRESHER, path, full.lake.root) as refresher:
            assert refresher.stdout is not None
            assert refresher.stdout.readline() == "a year is loaded\n"
            with pytest.raises(duckdb.IOException, match="lock"):
                duckdb.connect(str(path))
            assert shares_of(path) == 107.5
            refresher.communicate("go\n", timeout=20)
        assert shares_of(path) == 109

    def test_who_reads_the_header_before_the_rename_and_all_else_after_sees_the_earlier_state(
        self, full: House, path: Path, tmp_path: Path
    ) -> None:
        """DuckDB opens a file by its name once for the header and once more for the blocks."""
        shutil.copytree(full.lake.root, tmp_path / "larger")
        larger = House(full.root, str(tmp_path / "larger"))
        lines = [line(f"S{n:05}", shares=str(n), updated=REVISED) for n in range(1, 30_000)]
        larger.drop(f"week_ending={WEEK}/larger.csv", delivered(line("AAAA"), *lines))
        larger.built()
        everything = " UNION ALL ".join(
            f"SELECT '{name}', count(*), sum(hash(t)) FROM {name} AS t"
            for name in (VENUES, "otc_raw")
        )
        mixed, sizes = tmp_path / "mixed.duckdb", []
        for number in range(6):
            before, earlier = path.read_bytes(), rows_of(path, everything)
            refreshed(path, (larger, full)[number % 2].lake)
            assert rows_of(path, everything) != earlier
            mixed.write_bytes(before[:_HEADER_BYTES] + path.read_bytes()[_HEADER_BYTES:])
            assert rows_of(mixed, everything) == earlier
            sizes.append(path.stat().st_size)
        assert sizes == sorted(sizes)  # all earlier blocks are still there
        assert sizes[-1] <= 2 * sizes[0]  # what a refresh makes free is used by the next

    def test_what_a_person_made_survives(self, full: House, path: Path) -> None:
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE watchlist (symbol VARCHAR PRIMARY KEY)")
            connection.execute("INSERT INTO watchlist VALUES ('AAAA')")
            connection.execute("CREATE SCHEMA mine")
            connection.execute(
                "CREATE VIEW mine.watched AS "
                "FROM otc_venue_volume SEMI JOIN watchlist USING (symbol)"
            )
            connection.execute("CREATE MACRO twice(x) AS 2 * x")
        correct(full, "9", "2026-01-05")
        refreshed(path, full.lake)
        asked = f"SELECT twice(sum(share_volume)) FROM mine.watched WHERE week_ending = '{WEEK}'"
        assert rows_of(path, asked) == [(18,)]
        other = (replace(TABLES[0], grain="something else"), *TABLES[1:])
        refreshed(path, full.lake, other)  # as a version with other declarations
        assert rows_of(path, asked) == [(18,)]
        comment = "SELECT comment FROM duckdb_tables() WHERE table_name = 'otc_raw'"
        assert rows_of(path, comment) == [("something else",)]
        with pytest.raises(duckdb.ConstraintException), duckdb.connect(str(path)) as connection:
            connection.execute("INSERT INTO watchlist VALUES ('AAAA')")

    def test_a_name_that_a_person_has_taken_is_not_overwritten(
        self, full: House, path: Path
    ) -> None:
        refreshed(path, full.lake, TABLES[:3])
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"CREATE TABLE {SYMBOLS} AS SELECT 1 AS mine")
        with pytest.raises(CannotRefresh, match=f"a table {SYMBOLS} of your own"):
            refreshed(path, full.lake)
        assert rows_of(path, f"FROM {SYMBOLS}") == [(1,)]

    def test_a_file_of_views_of_an_earlier_version_becomes_a_database(
        self, full: House, tmp_path: Path
    ) -> None:
        old = tmp_path / "old.duckdb"
        with duckdb.connect(str(old)) as connection:  # of DuckDB's newest storage version
            connection.execute("CREATE VIEW otc_raw AS SELECT 1 AS week_ending")
            connection.execute("CREATE MACRO otc_raw_as_of(ts) AS TABLE FROM otc_raw")
            connection.execute("CREATE TABLE watchlist AS SELECT 'AAAA' AS symbol")
        refreshed(old, full.lake)
        assert rows_of(old, "FROM watchlist") == [("AAAA",)]
        assert differences(old, full) == []
        assert rows_of(
            old, "SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal"
        ) == [("v1.0.0+",)]

    def test_the_log_of_a_session_that_was_killed_is_kept_and_not_replayed_twice(
        self, full: House, path: Path
    ) -> None:
        code = (
            "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
            "c.execute('CREATE TABLE mine AS SELECT 1 AS n'); os._exit(9)"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=False)
        assert f"{path.name}.wal" in beside(path)
        correct(full, "9", "2026-01-05")
        refreshed(path, full.lake)
        assert f"{path.name}.wal" not in beside(path)
        assert rows_of(path, "FROM mine") == [(1,)]
        assert shares_of(path) == 109


class TestFailures:
    def test_a_killed_refresh_leaves_the_earlier_one_and_the_next_cleans_up(
        self, full: House, path: Path
    ) -> None:
        correct(full, "9", "2026-01-05")
        before, there = path.read_bytes(), beside(path)
        with running(_REFRESHER, path, full.lake.root) as refresher:
            assert refresher.stdout is not None
            assert refresher.stdout.readline() == "a year is loaded\n"
            refresher.kill()
            refresher.wait()
        assert path.read_bytes() == before
        assert beside(path) > there
        left = path.with_name(f".{path.name}.{'0' * 32}.tmp")
        for _ in range(2):  # the second time nothing is to be loaded
            left.touch()
            refreshed(path, full.lake)
            assert beside(path) == there
        assert shares_of(path) == 109

    @pytest.mark.parametrize("room", [1_000, 100_000, 3_000_000])
    def test_a_disk_without_room_leaves_the_earlier_one(
        self, full: House, path: Path, room: int
    ) -> None:
        correct(full, "9", "2026-01-05")
        before, there = path.read_bytes(), beside(path)
        with files_limited_to(room), pytest.raises(CannotRefresh, match="no space for"):
            refreshed(path, full.lake)
        assert path.read_bytes() == before
        assert beside(path) == there

    @pytest.mark.parametrize(
        "make", [lambda path: path.write_text("my notes"), lambda path: path.touch()]
    )
    def test_what_is_no_database_is_not_replaced(
        self, full: House, tmp_path: Path, make: Callable[[Path], object]
    ) -> None:
        path = tmp_path / "precious"
        make(path)
        before = path.read_bytes()
        with pytest.raises(CannotRefresh, match="is not a database"):
            refreshed(path, full.lake)
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        "name", ["it's.duckdb", "a [1]*.duckdb", 'Größe "株".db', "week=1.duckdb"]
    )
    def test_it_may_have_any_name_but_one_with_a_question_mark(
        self, full: House, tmp_path: Path, name: str
    ) -> None:
        for _ in range(2):
            refreshed(tmp_path / name, full.lake)
        assert shares_of(tmp_path / name) == 107.5
        assert beside(tmp_path / name) == {"data"}
        with pytest.raises(CannotRefresh, match="question mark"):
            refreshed(tmp_path / f"{name}?", full.lake)
