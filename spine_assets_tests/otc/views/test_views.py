"""Views upon the tables: what is declared is what DuckDB answers, and ranges open few files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spine_assets.core.views import View
from spine_assets.lake.local import LocalLake
from spine_assets.otc.state.stored_tables import GIVEN
from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views import weeks_calendar
from spine_assets.otc.views.registry import VIEWS
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.reading import nodes
from spine_assets.warehouse.views import needs_analysis
from spine_assets_tests.project.test_docs import ROOT
from spine_assets_tests.support.analysis_lake import OTC, T1, T2, Row, ask, lake_of
from spine_assets_tests.support.databases import refreshed
from spine_assets_tests.support.pages import described

ANALYSIS = [view for view in VIEWS if view.by_week]
LAST = date(2025, 11, 21)
WEEKS = [LAST - timedelta(weeks=n) for n in range(20)]
BACK = {  # weeks that a view looks back, and how often each is opened
    "otc_symbol_week": 4,
    "otc_off_exchange_share": 4,
    "otc_notional": 0,
    "otc_symbol_trend": 5,
    "otc_venue_trend": 5,
    "otc_market_structure": 0,
    "otc_movers": 4,
    "otc_tier_venue_share": 4,
}
SYMBOLS = 50
OF_LOADED = {"week_ending", "tier", "venue_class"}
named = pytest.mark.parametrize("view", ANALYSIS, ids=[view.name for view in ANALYSIS])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    """Twenty weeks of so many symbols that DuckDB joins by weeks; the newest without tier 2."""
    rows = [
        Row(week, tier, f"AAA{number}", mpid, "10")
        for number in range(SYMBOLS)
        for week in WEEKS
        for tier in (T1, T2, OTC)
        for mpid in ("UBSA", "CRD1")
        if (week, tier) != (LAST, T2)
    ]
    return lake_of(tmp_path_factory.mktemp("views"), rows)


@pytest.fixture(scope="module")
def opened(lake: LocalLake) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(lake, TABLES) as connection:
        yield connection


def columns_of(connection: duckdb.DuckDBPyConnection, source: str) -> list[tuple[str, str]]:
    rows = connection.execute(f"DESCRIBE FROM {source}").fetchall()
    return [(name, type_) for name, type_, *_ in rows]


def declared(view: View) -> list[tuple[str, str]]:
    return [(column.name, column.type.value) for column in view.columns]


def test_views_answer_with_the_declared_columns_and_types(
    opened: duckdb.DuckDBPyConnection,
) -> None:
    whole_range = "(DATE '2025-01-03', DATE '2025-12-26')"
    for view in VIEWS:
        sources = [view.name]
        if view.by_week:
            sources += [view.every_week, f"{view.macro}{whole_range}"]
        for source in sources:
            assert columns_of(opened, source) == declared(view), source


@named
def test_rows_are_as_declared(opened: duckdb.DuckDBPyConnection, view: View) -> None:
    rows = ask(opened, f"FROM {view.every_week}")
    keys = [tuple(row[name] for name in view.key) for row in rows]
    assert len(rows) >= len(WEEKS)
    assert len(set(keys)) == len(keys)
    for column in view.columns:
        values = [row[column.name] for row in rows]
        known = [value for value in values if value is not None]
        assert column.nullable or len(known) == len(values), column.name
        if column.isin:
            assert set(known) <= set(column.isin)
        if column.ge is not None and column.le is not None:
            assert all(column.ge <= value <= column.le for value in known), column.name


@pytest.mark.parametrize("view", VIEWS, ids=[view.name for view in VIEWS])
def test_declarations_name_columns_that_exist(view: View) -> None:
    names = {column.name for column in view.columns}
    tables = (*TABLES, *GIVEN)
    columns = {table.name: {column.name for column in table.columns} for table in tables}
    columns |= {item.name: {column.name for column in item.columns} for item in VIEWS}
    assert {*view.key, *view.formulas, *view.lineage} <= names
    for sources in view.lineage.values():
        for upstream, column in sources:
            assert upstream in view.deps
            assert column in columns[upstream]


@named
def test_an_incomplete_week_is_in_the_range_and_not_in_the_view(
    opened: duckdb.DuckDBPyConnection, view: View
) -> None:
    def weeks(source: str) -> dict[date, bool]:
        found = ask(opened, f"SELECT DISTINCT week_ending, is_complete FROM {source}")
        return {row["week_ending"]: row["is_complete"] for row in found}

    assert weeks(view.name) == dict.fromkeys(WEEKS[1:], True)
    assert weeks(view.every_week) == {**dict.fromkeys(WEEKS, True), LAST: False}
    two_weeks = f"{view.macro}('{WEEKS[1]}', '{LAST}')"
    assert weeks(two_weeks) == {WEEKS[1]: True, LAST: False}


@named
@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        (f"DATE '{LAST}', DATE '{LAST}'", None),
        (f"'{LAST}', '{LAST}'", None),
        ("$first, $last", {"first": LAST, "last": LAST}),
    ],
    ids=["dates", "texts", "parameters"],
)
def test_a_range_opens_the_files_of_its_weeks_alone(
    opened: duckdb.DuckDBPyConnection,
    view: View,
    arguments: str,
    parameters: dict[str, date] | None,
) -> None:
    explained = f"EXPLAIN (ANALYZE, FORMAT json) FROM {view.macro}({arguments})"
    ((_, plan),) = opened.execute(explained, parameters).fetchall()
    read = scans(plan)
    far = [scan for scan in read if int(scan["Total Files Read"]) > BACK[view.name] + 1]
    assert len(far) < len(read)
    # Names are looked up in the smallest table, in all weeks until it is clear that none is needed.
    assert len(far) <= (1 if {"otc_venue_share", "otc_symbol_week"} & {*view.deps} else 0)
    assert all("/otc_venue_share/" in scan["Filename(s)"] for scan in far)


@named
@pytest.mark.parametrize("source", ["name", "every_week"])
def test_a_week_by_filter_opens_the_files_of_its_weeks_alone(
    opened: duckdb.DuckDBPyConnection, view: View, source: str
) -> None:
    """Of all weeks it reads which tiers and classes are loaded, and the table of venues' names."""
    asked = f"FROM {getattr(view, source)} WHERE week_ending = '{WEEKS[1]}'"
    ((_, plan),) = opened.execute(f"EXPLAIN (ANALYZE, FORMAT json) {asked}").fetchall()
    read = scans(plan)
    assert read
    # Beside the files of the weeks that the view looks at, the empty file may be opened.
    for scan in (scan for scan in read if int(scan["Total Files Read"]) > BACK[view.name] + 2):
        columns = {*scan["Projections"]}
        assert columns <= OF_LOADED or "/otc_venue_share/" in scan["Filename(s)"], columns


def scans(plan: str) -> list[dict[str, Any]]:
    """What each scan of a plan says of the files that it reads."""
    return [node for node in nodes(json.loads(plan)) if "Total Files Read" in node]


def test_comments_tell_the_grain_and_that_weeks_are_complete(
    opened: duckdb.DuckDBPyConnection,
) -> None:
    views = dict(opened.execute("SELECT view_name, comment FROM duckdb_views()").fetchall())
    macros = dict(
        opened.execute("SELECT function_name, comment FROM duckdb_functions()").fetchall()
    )
    for view in ANALYSIS:
        assert views[view.name].startswith(f"{view.grain}; only complete weeks")
        assert views[view.every_week].startswith(f"{view.grain}; all weeks")
        assert macros[view.macro].startswith(f"{view.grain}; Fridays, both included")


def test_the_database_answers_where_it_is_opened_or_attached(
    lake: LocalLake, tmp_path: Path
) -> None:
    path = tmp_path / "spine.duckdb"
    refreshed(path, lake)
    for view in ANALYSIS:
        with duckdb.connect(str(path), read_only=True) as connection:
            opened = connection.execute(f"FROM {view.every_week} ORDER BY ALL").fetchall()
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{path}' AS spine (READ_ONLY)")
            attached = connection.execute(f"FROM spine.{view.every_week} ORDER BY ALL").fetchall()
        assert opened == attached
        assert len(opened) >= len(WEEKS)


def test_a_database_has_the_views_whose_tables_it_has(
    lake: LocalLake, opened: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "otc.duckdb"
    by_name = {table.name: table for table in TABLES}
    expected = {
        ("otc_venue_volume", "otc_symbol_summary", "otc_venue_share"): {
            view.name for view in ANALYSIS if "otc_raw" not in view.deps
        },
        ("otc_venue_volume", "otc_venue_share"): {
            "otc_symbol_week",
            "otc_off_exchange_share",
            "otc_venue_trend",
            "otc_tier_venue_share",
        },
        ("otc_venue_volume", "otc_symbol_summary"): {"otc_symbol_trend", "otc_movers"},
        ("otc_venue_share",): set(),
        ("otc_symbol_summary",): set(),
    }
    for names, views in expected.items():
        refreshed(path, lake, tuple(by_name[name] for name in names))
        with duckdb.connect(str(path), read_only=True) as connection:
            rows = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
            held = {name for (name,) in rows.fetchall()}
            plain = {"otc_weeks_calendar"} | (
                {"otc_venues"} if "otc_venue_share" in names else set()
            )
            assert held == {*plain, *views, *(f"{name}_all" for name in views)}
            for name in views:
                told = connection.execute(f"FROM {name}_all ORDER BY ALL").fetchall()
                shown = ask(opened, f"FROM {name}_all ORDER BY ALL")
                assert told == [tuple(row.values()) for row in shown]


@pytest.mark.parametrize(
    ("sql", "needed"),
    [
        ("SELECT * FROM otc_symbol_summary JOIN otc_raw_current USING (week_ending)", False),
        ("FROM otc_raw_as_of(now())", False),
        ("FROM otc_movers", True),
        ("FROM OTC_Movers_in($first, $last)", True),
        ('FROM "otc_market_structure" JOIN otc_venue_share USING (week_ending)', True),
        ("FROM otc_loaded_in('2025-11-21', '2025-11-21')", True),
        ("SHOW TABLES", True),
        ("FROM query('FROM otc_' || 'movers')", True),
    ],
)
def test_views_are_made_for_a_query_that_may_ask_them(sql: str, needed: bool) -> None:
    assert needs_analysis(sql) == needed


def test_tables_alone_are_there_without_the_views(lake: LocalLake) -> None:
    with connect(lake, TABLES, analysis=False) as connection:
        names = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    assert names == {*(table.name for table in (*TABLES, *GIVEN)), "otc_raw_current"}


# --- otc_weeks_calendar


def test_the_calendar_is_what_its_generator_writes() -> None:
    written = weeks_calendar.PATH.read_text("utf-8")
    assert written == weeks_calendar.text(), "python -m spine_assets.otc.views.weeks_calendar"


def test_the_calendar_knows_holidays_and_days_of_mourning(
    opened: duckdb.DuckDBPyConnection,
) -> None:
    rows = ask(opened, "FROM otc_weeks_calendar ORDER BY week_ending")
    found = {row["week_ending"]: (row["trading_days"], row["holidays"]) for row in rows}
    assert list(found)[:: len(found) - 1] == [date(2014, 5, 16), date(2040, 12, 28)]
    assert all(b - a == timedelta(weeks=1) for a, b in zip(found, list(found)[1:], strict=False))
    assert found[date(2025, 11, 21)] == (5, None)
    assert found[date(2025, 11, 28)] == (4, "Thanksgiving Day")
    assert found[date(2025, 7, 4)] == (4, "Independence Day")  # the Friday itself
    assert found[date(2018, 12, 7)][0] == 4  # mourning for G. H. W. Bush, Wednesday
    assert "Jimmy Carter" in found[date(2025, 1, 10)][1]
    assert found[date(2025, 10, 17)] == (5, None)  # Columbus Day is a trading day
    assert found[date(2022, 1, 7)] == (5, None)  # New Year's Day 2022 was a Saturday


def test_a_query_needs_no_package_of_holidays(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from spine_assets.lake.local import LocalLake; "
        "from spine_assets.otc.tables.registry import TABLES; "
        "from spine_assets.warehouse.connection import connect\n"
        "with connect(LocalLake(Path('lake')), TABLES) as connection:\n"
        "    found = connection.execute('FROM otc_weeks_calendar').fetchall()\n"
        "print(len(found) > 1000, 'holidays' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]


@named
def test_the_dictionary_has_every_column_with_its_formula(view: View) -> None:
    page = (ROOT / "docs/data-dictionary.md").read_text("utf-8")
    for column in view.columns:
        line = described(page, view.name, column.name)
        assert column.description in line
        assert view.formulas.get(column.name, "") in line
