"""`spine db build`: a file of tables that holds what the views show, whole or not there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from spine_assets.cli import main
from spine_assets.core.tables import Table
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.lake.local import LocalLake
from spine_assets.otc.captures import pins
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.warehouse.atomic_database import CannotBuild, replaced
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.database_file import MEMORY_GB, build_database, copy_steps
from spine_assets.warehouse.view_file import ensure_view_file
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

EARLIER, LAST_YEAR = WEEK - timedelta(weeks=1), date(2024, 12, 27)
EARLIER_OUT = "2025-12-15"  # publication of EARLIER
COMPUTED = tuple(table for table in TABLES if table.name not in {"otc_raw", "otc_rejects"})
ROWS = {
    "otc_raw": 9,
    "otc_rejects": 2,
    "otc_venue_volume": 5,
    "otc_control_totals": 4,  # of two symbols, of their venue, and over all
    "otc_firm_totals": 1,
    "otc_symbol_summary": 5,
    "otc_venue_share": 3,
    "otc_restatements": 1,
}
OF_ONE_WEEK = ("otc_rejects", "otc_control_totals", "otc_firm_totals", "otc_restatements")
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
    return house.root


@pytest.fixture
def full(made: Path, tmp_path: Path) -> House:
    """These weeks, in a folder of each test's own."""
    shutil.copytree(made, tmp_path / "data")
    return House(tmp_path / "data")


def correct(house: House, shares: str, updated: str) -> None:
    """A later file of WEEK, built: other shares of AAAA, all else as it was."""
    changed = line("AAAA", shares=shares, updated=updated)
    house.drop(f"{updated}.csv", delivered(changed, line("BBBB"), line("")))
    house.built()


@contextmanager
def opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A file, read."""
    connection = duckdb.connect(str(path), read_only=True)
    try:
        yield connection
    finally:
        connection.close()


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


def shares_of(path: Path) -> object:
    """The shares in a file's `otc_venue_volume`."""
    with opened(path) as connection:
        return rows_of(connection, f"SELECT sum(share_volume) FROM {VENUES}")[0][0]


def views_upon(tables: Iterable[str]) -> set[str]:
    """The views for analysis that need no other tables than these."""
    known = {*tables, "otc_weeks_calendar"}
    made = [view for view in VIEWS if known >= {*view.deps}]
    return {view.name for view in made} | {view.every_week for view in made if view.by_week}


def left_beside(path: Path) -> set[str]:
    """Everything in the folder of a file but the file."""
    return {item.name for item in path.parent.iterdir()} - {path.name}


def test_tables_hold_what_the_views_show_with_the_same_columns_and_types(
    full: House, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "otc.duckdb"
    built = build_database(path, full.lake, TABLES)
    assert (built.file, built.size) == (path, path.stat().st_size)
    assert left_beside(path) == set()
    names = [*ROWS, "otc_pins", "otc_raw_current", "otc_raw_as_of(TIMESTAMP '2026-01-20 12:00')"]
    names += [f"{macro}('AAAA', '{WEEK}')" for macro in ("otc_trace", "otc_trace_up")]
    with connect(full.lake, TABLES) as connection:
        connection.execute(f"ATTACH '{path}' AS built (READ_ONLY)")
        shown = {name: rows_of(connection, f"FROM {name} ORDER BY ALL") for name in names}
        types = {name: rows_of(connection, f"DESCRIBE FROM {name}") for name in names}
        connection.execute("USE built")
        for name in names:
            assert rows_of(connection, f"FROM {name} ORDER BY ALL") == shown[name]
            described = rows_of(connection, f"DESCRIBE FROM {name}")
            assert [row[:2] for row in described] == [row[:2] for row in types[name]]
    assert built.rows == {name: len(shown[name]) for name in ROWS}
    assert {name: len(shown[name]) for name in ("otc_pins", "otc_raw_current")} == {
        "otc_pins": 1,
        "otc_raw_current": 6,
    }


def test_the_file_outlives_the_lake_and_holds_tables_and_views_upon_them(
    full: House, tmp_path: Path
) -> None:
    path = tmp_path / "otc.duckdb"
    build_database(path, full.lake, TABLES)
    full.lake.remove()
    with opened(path) as connection:
        kinds = dict(
            rows_of(connection, "SELECT table_name, table_type FROM information_schema.tables")
        )
        assert kinds == dict.fromkeys((*ROWS, "otc_pins", "spine_build"), "BASE TABLE") | (
            dict.fromkeys(("otc_raw_current", *views_upon(ROWS)), "VIEW")
        )
        assert len(rows_of(connection, "FROM otc_raw_current")) == 6


def test_a_year_is_sorted_by_what_is_asked_for_and_then_by_week(
    full: House, tmp_path: Path
) -> None:
    path = tmp_path / "otc.duckdb"
    build_database(path, full.lake, TABLES)
    with opened(path) as connection:
        for table, column in ((VENUES, "symbol"), (SYMBOLS, "symbol"), ("otc_venue_share", "mpid")):
            stored = rows_of(
                connection, f"SELECT year(week_ending), {column}, week_ending FROM {table}"
            )
            assert stored == sorted(stored)
        raw = rows_of(connection, "SELECT week_ending, capture_id, source_line FROM otc_raw")
        assert raw == sorted(raw)


def test_spine_build_tells_which_build_of_which_week_was_copied(
    full: House, tmp_path: Path
) -> None:
    path = tmp_path / "otc.duckdb"
    before = datetime.now(UTC).replace(tzinfo=None)
    built = build_database(path, full.lake, TABLES)
    with opened(path) as connection:
        found = rows_of(
            connection, "SELECT table_name, week_ending, row_count, capture_id FROM spine_build"
        )
        ((first, last),) = rows_of(
            connection, "SELECT min(copied_at), max(copied_at) FROM spine_build"
        )
    assert before <= first == last <= datetime.now(UTC).replace(tzinfo=None)
    expected = {}
    for name in ROWS:
        for week in full.lake.weeks(name):
            stored = full.table(name, week)
            if stored.height:
                expected[name, week] = (stored.height, stored["capture_id"].max())
    assert {(name, week): rest for name, week, *rest in found} == {
        key: list(value) for key, value in expected.items()
    }
    assert built.weeks == {name: sum(key[0] == name for key in expected) for name in ROWS}


def test_tables_and_columns_carry_their_meaning(full: House, tmp_path: Path) -> None:
    path = tmp_path / "otc.duckdb"
    build_database(path, full.lake, TABLES)
    with opened(path) as connection:
        tables = dict(rows_of(connection, "SELECT table_name, comment FROM duckdb_tables()"))
        columns = {
            (table, column): comment
            for table, column, comment in rows_of(
                connection, "SELECT table_name, column_name, comment FROM duckdb_columns()"
            )
        }
    assert {table.name: tables[table.name] for table in TABLES} == {t.name: t.grain for t in TABLES}
    assert columns[SYMBOLS, "hhi_high"] == ("hhi plus the squared share of each bucket (0-1)")
    assert columns[VENUES, "symbol"] == "Issue symbol as FINRA writes it; case matters"
    assert all(columns[key] for key in columns if key[0] in tables)


@pytest.mark.parametrize(
    ("tables", "since", "rows"),
    [
        (COMPUTED, None, {name: ROWS[name] for name in list(ROWS)[2:]}),
        (COMPUTED[:1], EARLIER, {VENUES: 4}),
        (TABLES[:1], WEEK, {"otc_raw": 6}),
        (COMPUTED[:1], WEEK + timedelta(weeks=1), {VENUES: 0}),
    ],
)
def test_tables_and_the_first_week_can_be_chosen(
    full: House, tmp_path: Path, tables: tuple[Table, ...], since: date | None, rows: dict[str, int]
) -> None:
    path = tmp_path / "otc.duckdb"
    steps: list[None] = []
    built = build_database(path, full.lake, tables, since=since, advance=lambda: steps.append(None))
    assert built.rows == rows
    assert len(steps) == len(copy_steps(full.lake, tables, since))
    with opened(path) as connection:
        found = {name for (name,) in rows_of(connection, "SHOW TABLES")}
        macros = {
            name
            for (name,) in rows_of(
                connection, "SELECT function_name FROM duckdb_functions() WHERE NOT internal"
            )
        }
    current = {"otc_raw_current"} if "otc_raw" in rows else set()
    assert found == {*rows, "otc_pins", "spine_build", *current, *views_upon(rows)}
    assert ("otc_raw_as_of" in macros) == ("otc_raw" in rows)
    assert ("otc_trace_up" in macros) == ({VENUES, SYMBOLS} <= set(rows))


def test_a_year_is_copied_to_its_last_day(house: House, tmp_path: Path) -> None:
    """The last Friday of 2021 was the last day of the year."""
    last, next_year = date(2021, 12, 31), date(2022, 1, 7)
    for week, updated in ((last, "2022-01-31"), (next_year, "2022-02-07")):
        house.drop(f"{week}.csv", delivered(line(updated=updated)))
        house.built(week=week)
    built = build_database(tmp_path / "otc.duckdb", house.lake, COMPUTED[:1])
    assert (built.rows, built.weeks) == ({VENUES: 2}, {VENUES: 2})


def test_an_empty_lake_gives_empty_tables(tmp_path: Path) -> None:
    built = build_database(tmp_path / "otc.duckdb", LocalLake(tmp_path / "lake"), TABLES)
    assert built.rows == built.weeks == dict.fromkeys(ROWS, 0)


def test_a_week_that_is_published_meanwhile_is_old_or_new_in_each_table(
    full: House, tmp_path: Path
) -> None:
    path = tmp_path / "otc.duckdb"
    before = full.table(VENUES)["capture_id"].unique().to_list()
    left = len(copy_steps(full.lake, COMPUTED[:1]))  # the venues are copied then, nothing else

    def publish() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            full.built(force=True, now=datetime(2026, 1, 20, 13, tzinfo=UTC))

    build_database(path, full.lake, COMPUTED, advance=publish)
    after = full.table(VENUES)["capture_id"].unique().to_list()
    assert before != after
    with opened(path) as connection:
        found = {
            name: rows_of(
                connection, f"SELECT DISTINCT capture_id FROM {name} WHERE week_ending = '{WEEK}'"
            )
            for name in (VENUES, SYMBOLS)
        }
    assert found[VENUES] == [tuple(before)]
    assert found[SYMBOLS] == [(full.table(SYMBOLS)["capture_id"][0],)]
    assert found[SYMBOLS] != found[VENUES]


_READER = """
import sys
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for _ in range(2):
    found = connection.execute("SELECT sum(share_volume) FROM otc_venue_volume").fetchone()
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
_BUILDER = """
import sys
from pathlib import Path
from spine_assets.warehouse.database_file import build_database
from spine_assets.lake.local import LocalLake
from spine_assets.otc.tables.registry import TABLES

def wait():
    print("a part is copied", flush=True)
    sys.stdin.readline()

build_database(Path(sys.argv[1]), LocalLake(Path(sys.argv[2])), TABLES, advance=wait)
"""


def test_who_has_the_earlier_file_open_goes_on_reading_it(full: House, tmp_path: Path) -> None:
    path = tmp_path / "otc.duckdb"
    build_database(path, full.lake, COMPUTED)
    before = shares_of(path)
    with running(_READER, path) as reader:
        assert reader.stdout is not None
        first = reader.stdout.readline()
        correct(full, "9", "2026-01-05")
        build_database(path, full.lake, COMPUTED)
        assert shares_of(path) != before
        answer, _ = reader.communicate("go\n", timeout=20)
        assert answer == first


def test_a_killed_build_leaves_the_earlier_file_and_the_next_one_cleans_up(
    full: House, tmp_path: Path
) -> None:
    path = tmp_path / "otc.duckdb"
    build_database(path, full.lake, TABLES)
    before = path.read_bytes()
    with running(_BUILDER, path, full.lake.root) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "a part is copied\n"
        with pytest.raises(CannotBuild, match="being built by another process"):
            build_database(path, full.lake, TABLES)
        builder.kill()
        builder.wait()
    assert path.read_bytes() == before
    assert left_beside(path) - {"data"}
    build_database(path, full.lake, TABLES)
    assert left_beside(path) == {"data"}


def text_file(path: Path, house: House) -> None:
    path.write_text("my notes")


def empty_file(path: Path, house: House) -> None:
    path.touch()


def other_database(path: Path, house: House) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE otc_raw AS SELECT 1 AS mine")


def view_file(path: Path, house: House) -> None:
    ensure_view_file(path, house.lake, TABLES)


def with_own_table(path: Path, house: House) -> None:
    build_database(path, house.lake, COMPUTED)
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE watchlist AS SELECT 1 AS mine")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (text_file, "is not a file of `spine db build`"),
        (empty_file, "is not a file of `spine db build`"),
        (other_database, "is not a file of `spine db build`"),
        (view_file, "is not a file of `spine db build`"),
        (with_own_table, "also holds watchlist"),
    ],
)
def test_what_is_no_such_file_is_not_replaced(
    full: House, tmp_path: Path, make: Callable[[Path, House], None], said: str
) -> None:
    path = tmp_path / "precious"
    make(path, full)
    before = path.read_bytes()
    with pytest.raises(CannotBuild, match=said):
        build_database(path, full.lake, COMPUTED)
    assert path.read_bytes() == before


def test_a_file_that_is_open_for_writing_is_not_replaced(full: House, tmp_path: Path) -> None:
    path = tmp_path / "otc.duckdb"
    build_database(path, full.lake, COMPUTED)
    before = path.read_bytes()
    with running(_WRITER, path) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(CannotBuild, match="open for writing elsewhere"):
            build_database(path, full.lake, COMPUTED)
    assert path.read_bytes() == before


def test_a_log_of_the_earlier_file_is_not_replayed_upon_the_new_one(
    full: House, tmp_path: Path
) -> None:
    path = tmp_path / "otc.duckdb"
    build_database(path, full.lake, COMPUTED)
    code = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('CREATE VIEW mine AS SELECT 1'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert left_beside(path) == {"data", "otc.duckdb.wal"}
    build_database(path, full.lake, COMPUTED)
    assert left_beside(path) == {"data"}
    with opened(path) as connection:
        assert ("mine",) not in rows_of(connection, "SHOW TABLES")


def test_a_disk_without_room_is_a_clear_error_and_leaves_the_earlier_file(
    full: House, tmp_path: Path
) -> None:
    path = tmp_path / "otc.duckdb"
    build_database(path, full.lake, COMPUTED)
    before = path.read_bytes()
    for room in (1_000, 100_000, 300_000):
        with files_limited_to(room), pytest.raises(CannotBuild, match="no space for"):
            build_database(path, full.lake, TABLES)
        assert path.read_bytes() == before
        assert left_beside(path) == {"data"}


def test_too_little_memory_says_how_to_give_more(tmp_path: Path) -> None:
    with pytest.raises(CannotBuild, match="give it with --memory"), replaced(tmp_path / "a"):
        raise duckdb.OutOfMemoryException("could not allocate block")


@pytest.mark.parametrize("name", ["it's.duckdb", "a [1]*.duckdb", 'Größe "株".db', "week=1.duckdb"])
def test_a_file_may_have_any_name_but_one_with_a_question_mark(
    full: House, tmp_path: Path, name: str
) -> None:
    for _ in range(2):
        build_database(tmp_path / name, full.lake, COMPUTED)
    assert shares_of(tmp_path / name) == shares_of(tmp_path / name)
    assert left_beside(tmp_path / name) == {"data"}
    with pytest.raises(CannotBuild, match="question mark"):
        build_database(tmp_path / f"{name}?", full.lake, COMPUTED)


class TestCommand:
    @pytest.fixture(autouse=True)
    def _in_project(self, full: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(full.root.parent)
        for name in ("SPINE_DATA_DIR", "SPINE_LAKE", "SPINE_DATABASE_PATH"):
            monkeypatch.delenv(name, raising=False)

    def build(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["db", "build", *words])

    def test_json_tells_file_size_time_rows_and_weeks(self, tmp_path: Path) -> None:
        told = json.loads(self.build("otc.duckdb", "--all", "--json").stdout)
        assert told.pop("seconds") > 0
        assert told == {
            "file": "otc.duckdb",
            "bytes": (tmp_path / "otc.duckdb").stat().st_size,
            "since": None,
            "tables": {
                name: {"rows": rows, "weeks": 1 if name in OF_ONE_WEEK else 3}
                for name, rows in ROWS.items()
            },
            "run_log": {},
        }

    def test_by_default_what_was_delivered_is_left_out(self) -> None:
        done = self.build("otc.duckdb", "--since", str(EARLIER))
        assert done.exit_code == 0, done.output
        assert [row.split() for row in done.stdout.splitlines()] == [
            [VENUES, "4", "rows", "2", "weeks"],
            ["otc_control_totals", "4", "rows", "1", "weeks"],
            ["otc_firm_totals", "1", "rows", "1", "weeks"],
            [SYMBOLS, "4", "rows", "2", "weeks"],
            ["otc_venue_share", "2", "rows", "2", "weeks"],
            ["otc_restatements", "1", "rows", "1", "weeks"],
        ]
        assert "wrote otc.duckdb: " in done.stderr

    def test_the_tables_that_are_named_are_copied(self) -> None:
        told = json.loads(self.build("otc.duckdb", "--table", "otc_raw", "--json").stdout)
        assert list(told["tables"]) == ["otc_raw"]

    @pytest.mark.parametrize("file", ["data/spine.duckdb", "data/../data/spine.duckdb"])
    def test_the_file_of_views_is_refused(self, file: str) -> None:
        assert CliRunner().invoke(main, ["db", "init"]).exit_code == 0
        done = self.build(file)
        assert done.exit_code == 1
        assert "is the file of views" in done.output

    def test_a_file_that_is_something_else_is_refused_in_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "notes").write_text("mine")
        done = self.build("notes")
        assert done.exit_code == 1
        assert "is not a file of `spine db build`" in done.output
        assert "Traceback" not in done.output

    def test_the_memory_that_is_shown_is_the_default(self) -> None:
        help_text = CliRunner().invoke(main, ["db", "build", "--help"]).output
        assert f"[default: {MEMORY_GB};" in help_text

    def test_named_tables_and_all_contradict_each_other(self) -> None:
        assert self.build("otc.duckdb", "--all", "--table", "otc_raw").exit_code == 2
        assert "did you mean otc_raw" in self.build("otc.duckdb", "--table", "otc_rw").output


def test_a_lock_that_a_build_left_does_not_stop_the_next(full: House, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".otc.duckdb.building"):
        pass
    assert build_database(tmp_path / "otc.duckdb", full.lake, COMPUTED).rows[VENUES] == 5
