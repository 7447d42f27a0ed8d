"""Each query that a page prints gives the right figures, also where a careless one would not.

The weeks are those of `support/recipe_world.py`; expected figures are computed by hand. A query
that a page shows for the first time is entered here, or in `NO_FIGURES` with the reason. A table
below a query is its answer on the sample, and compared with that too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from spine_assets.otc.build.consolidated import load
from spine_assets.otc.tables.registry import TABLES
from spine_assets.questions import declared
from spine_assets.warehouse.connection import connect
from spine_assets_tests.conftest import House
from spine_assets_tests.project.test_docs import ROOT
from spine_assets_tests.support.analysis_lake import ATS, BUCKET, NON_ATS, OTC, T1, T2, lake_of
from spine_assets_tests.support.recipe_world import (
    ACME,
    BETA,
    BY_NAME,
    FIRST_BOTH,
    HOLIDAY,
    MIXED,
    NO_TIER_2,
    ROWS,
    S1_TO_S6,
    S6,
    printed,
)
from spine_assets_tests.support.shown import blocks

PRINTED = printed()
_GIVEN = "week_ending,symbol,share_volume"  # of the file that the cookbook shows
BY_ITS_NAME = "Acme, L.L.C"
NO_FIGURES = {
    "FROM otc_rejects": "lines as they were delivered; test_bad_lines.py",
    "DESCRIBE ": "columns; test_views.py",
    "x_meta_": "runs and steps, no figures of the market; history/test_history.py",
    "core_": "manifest and anomalies; warehouse/test_core_tables.py",
    "otc_trace": "lines of one symbol; test_trace.py compares the macros with the Python trace",
    "otc_raw_as_of": "rows of captures; test_as_of.py",
    "FROM otc_restatements": "stored rows; test_restatements.py",
    "FROM watch_list": "a table that a pipeline declares; pipelines/test_tools.py",
    "FROM otc_notional_in": "lines with dollars; otc/views/test_notional.py",
    "FROM otc_off_exchange_share": "needs files of one's own; otc/views/test_off_exchange.py",
    "FROM otc_venue_volume": "the table itself, to a file",
    "FROM otc_venue_share WHERE": "the same",
}
Rows = list[tuple[Any, ...]]
Ask = Callable[[str], Rows]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(lake_of(tmp_path_factory.mktemp("recipes"), ROWS), TABLES) as connection:
        yield connection


@pytest.fixture
def ask(opened: duckdb.DuckDBPyConnection) -> Ask:
    return lambda sql: opened.execute(sql).fetchall()


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-12)


def at(sql: str, week: date) -> str:
    """A query of the page for another week, as the page tells to change it."""
    assert str(MIXED) in sql or str(S6) in sql
    return sql.replace(str(MIXED), str(week)).replace(str(S6), str(week))


RECIPES: dict[tuple[str, str], Callable[[Ask, str], None]] = {}
"""By page and a text that only this query of the page has."""


def recipe(page: str, text: str) -> Callable[[Callable[[Ask, str], None]], None]:
    def enter(check: Callable[[Ask, str], None]) -> None:
        RECIPES[page, text] = check

    return enter


def owner(page: str, sql: str) -> list[str]:
    """What claims a printed query."""
    return [text for at_page, text in RECIPES if at_page == page and text in sql] or [
        text for text in NO_FIGURES if text in sql
    ]


# --- README and start


NEWEST = [  # 268 of 748: the pool of 280 is no venue
    (HOLIDAY, 1, ACME, "CRD7", Decimal(268), near(26800 / 748)),
    (HOLIDAY, 2, "UBS ATS", "UBSA", Decimal(184), near(18400 / 748)),
    (HOLIDAY, 3, "OTC LINK", "OTCX", Decimal(16), near(1600 / 748)),
    (HOLIDAY, None, "De Minimis Firms", BUCKET, Decimal(280), near(28000 / 748)),
]
SHARES_MIXED = [  # 250 by CRD and 85 by name are one firm, the largest
    (1, ACME, "CRD7", Decimal(335), near(33500 / 935)),
    (2, BETA, "CRD8", Decimal(300), near(30000 / 935)),
    (3, "UBS ATS", "UBSA", Decimal(230), near(23000 / 935)),
    (4, "OTC LINK", "OTCX", Decimal(20), near(2000 / 935)),
    (None, "De Minimis Firms", BUCKET, Decimal(50), near(5000 / 935)),
]


@recipe("commands.md", "otc_venue_trend")
def _(ask: Ask, sql: str) -> None:
    rows = ask(sql)
    assert [(row[0], row[1]) for row in rows[:4]] == [(row[0], row[3]) for row in NEWEST]


@recipe("start.md", "share_volume FROM otc_venue_volume WHERE symbol")
def _(ask: Ask, sql: str) -> None:
    assert ask(sql) == [
        (BETA, "CRD8", NON_ATS, Decimal(300)),
        (ACME, "CRD7", NON_ATS, Decimal(250)),
        ("UBS ATS", "UBSA", ATS, Decimal(150)),
        ("De Minimis Firms", BUCKET, NON_ATS, Decimal(50)),
    ]


@recipe("start.md", "otc_symbol_trend_all")
def _(ask: Ask, sql: str) -> None:
    assert ask(sql) == [
        *((week, T1, 100, 100, None) for week in S1_TO_S6[:5]),
        (S6, T1, 130, 130, None),
        (FIRST_BOTH, T1, 500, 120, 380),
        (NO_TIER_2, T1, 500, 120, 380),
        (BY_NAME, T1, 500, 110, 390),
        (MIXED, T1, 750, 150, 600),
        (HOLIDAY, T1, 600, 120, 480),
    ]


@recipe("cookbook.md", "venue_count > 5")
def _(ask: Ask, sql: str) -> None:
    assert ask(sql) == []
    assert ask(sql.replace("> 5", "> 1")) == [
        ("PMCY", T1, 3, near((150**2 + 250**2 + 300**2) / 750**2), 750),
        ("PNK", OTC, 2, near((20**2 + 25**2) / 45**2), 45),
        ("TWO", T2, 2, near((10**2 + 60**2) / 70**2), 70),
    ]


# --- the cookbook


@recipe("cookbook.md", "venue_name, mpid, share_volume, trade_count")
def _(ask: Ask, sql: str) -> None:
    rows = ask(sql)
    of_symbol = [row for row in ROWS if row.symbol == "PMCY"]
    assert len(rows) == len(of_symbol) == 22
    assert rows[-3:] == [
        (HOLIDAY, T1, NON_ATS, "De Minimis Firms", BUCKET, 280, 1),
        (HOLIDAY, T1, NON_ATS, ACME, "CRD7", 200, 1),
        (HOLIDAY, T1, ATS, "UBS ATS", "UBSA", 120, 1),
    ]


@recipe("cookbook.md", "SELECT rank, venue_name, mpid, total_volume")
def _(ask: Ask, sql: str) -> None:
    assert ask(sql) == SHARES_MIXED
    assert ask(at(sql, HOLIDAY)) == [row[1:] for row in NEWEST]
    assert ask(at(sql, S6)) == [
        (1, "UBS ATS", "UBSA", 140, near(14000 / 150)),
        (2, "OTC LINK", "OTCX", 10, near(1000 / 150)),
    ]


@recipe("cookbook.md", "FROM otc_firm_totals AS f")
def _(ask: Ask, sql: str) -> None:
    """These weeks have no totals of FINRA, so no firm has one; `test_control` has the figures."""
    assert ask(sql) == []


@recipe("cookbook.md", "avg_6w_volume")
def _(ask: Ask, sql: str) -> None:
    both = [ATS, NON_ATS]
    assert ask(sql) == [
        *((week, T1, 100, 100.0, n, [ATS]) for n, week in enumerate(S1_TO_S6[:5], start=1)),
        (S6, T1, 130, 105.0, 6, [ATS]),
        (FIRST_BOTH, T1, 500, 500.0, 1, both),  # not the mean with five weeks of ATSs alone
        (NO_TIER_2, T1, 500, 500.0, 2, both),
        (BY_NAME, T1, 500, 500.0, 3, both),
        (MIXED, T1, 750, 562.5, 4, both),
        (HOLIDAY, T1, 600, 570.0, 5, both),
    ]


@recipe("cookbook.md", "ORDER BY abs(volume_change)")
def _(ask: Ask, sql: str) -> None:
    assert ask(sql) == [
        ("PMCY", "PMCY Inc.", T1, 750, 500, 250, BY_NAME),
        ("TWO", "TWO Inc.", T2, 70, 20, 50, BY_NAME),
        ("PNK", "PNK Inc.", OTC, 45, 40, 5, BY_NAME),
    ]
    assert ask(at(sql, FIRST_BOTH)) == []  # PMCY has 500 after 130, by files of another class
    assert ask(at(sql, NO_TIER_2)) == []  # TWO is not gone: its tier is not loaded
    assert ask(at(sql, BY_NAME)) == [("PNK", "PNK Inc.", OTC, 40, 20, 20, NO_TIER_2)]
    assert ask(at(sql, HOLIDAY))[0] == ("PMCY", "PMCY Inc.", T1, 600, 750, -150, MIXED)


@recipe("cookbook.md", "AS newest")
def _(ask: Ask, sql: str) -> None:
    assert ask(sql) == [(HOLIDAY,)]


@recipe("cookbook.md", "non_ats_volume, ats_share_pct")
def _(ask: Ask, sql: str) -> None:
    assert ask(at(sql, MIXED)) == [
        ("PMCY", [T1], 150, 600, 20.0, "CRD8"),
        ("NEWS", [T1], 70, 0, 100.0, "UBSA"),
        ("TWO", [T2], 10, 60, near(1000 / 70), "CRD7"),
        ("PNK", [OTC], 20, 25, near(2000 / 45), "CRD7"),
    ]
    assert ask(at(sql, S6))[0] == ("PMCY", [T1], 130, None, None, "UBSA")
    # The pool of 280 is the largest outside of ATSs, and no firm.
    assert ask(at(sql, HOLIDAY))[0] == ("PMCY", [T1], 120, 480, 20.0, "CRD7")


def test_the_page_shows_the_queries_that_are_measured() -> None:
    measured = (ROOT / "benchmarks/queries.sql").read_text("utf-8").split("\n-- ")[1:]
    page = (ROOT / "docs/cookbook.md").read_text("utf-8")
    assert len(measured) == 4
    for query in measured:
        _, sql = query.split("\n", 1)
        assert f"```sql\n{sql.strip()}\n```" in page


def test_a_variable_holds_the_newest_week(opened: duckdb.DuckDBPyConnection) -> None:
    (text,) = (block.text for block in blocks("text") if "SET VARIABLE" in block.text)
    setting, question = (part for part in text.split(";\n") if part.strip())
    opened.execute(setting)
    rows = opened.execute(question).fetchall()
    assert {row[0] for row in rows} == {HOLIDAY}
    assert sorted(row[2] for row in rows) == ["NEWS", "PMCY", "PNK", "TWO"]


@recipe("cookbook.md", "FROM otc_symbol_week\nWHERE")
def _(ask: Ask, sql: str) -> None:
    rows = ask(sql.replace("RIR", "PMCY"))
    assert {tuple(row[1]) for row in rows} == {(T1,)}
    # Not NO_TIER_2, which is also the week before BY_NAME.
    assert [(week, *figures) for week, _, *figures in reversed(rows)] == [
        *((week, 100, None, None if week == S1_TO_S6[0] else 0.0) for week in S1_TO_S6[:-1]),
        (S6, 130, None, 30.0),
        (FIRST_BOTH, 500, 24.0, None),
        (BY_NAME, 500, 22.0, None),
        (MIXED, 750, 20.0, 50.0),
        (HOLIDAY, 600, 20.0, -20.0),
    ]


@recipe("cookbook.md", "FROM otc_market_structure_in")
def _(ask: Ask, sql: str) -> None:
    rows = {(row[1], row[0]): row[2:] for row in ask(sql)}
    weeks = [*S1_TO_S6[2:], FIRST_BOTH, BY_NAME, MIXED]  # not NO_TIER_2
    assert list(rows) == [(tier, week) for tier in ("ALL", T1, T2, OTC) for week in reversed(weeks)]
    classes, ats, hhi, effective, top, top_share = rows["ALL", MIXED]
    assert (classes, ats) == ([ATS, NON_ATS], near(25000 / 935))
    squares = 335**2 + 300**2 + 230**2 + 20**2
    assert (hhi, effective) == (near(squares / 935**2), near(935**2 / squares))
    assert (top, top_share) == (ACME, near(33500 / 935))
    assert rows["ALL", S6][:2] == ([ATS], None)
    assert rows[T1, MIXED][4] == BETA


@recipe("cookbook.md", "rank <= 3")
def _(ask: Ask, sql: str) -> None:
    assert ask(sql) == [
        (T1, ATS, 1, "UBS ATS", "UBSA", 100.0, 2),
        (T1, NON_ATS, 1, BETA, "CRD8", 50.0, 1),
        (T1, NON_ATS, 2, ACME, "CRD7", near(25000 / 600), 1),
        (T2, ATS, 1, "UBS ATS", "UBSA", 100.0, 1),
        (T2, NON_ATS, 1, BY_ITS_NAME, "CRD7", 100.0, 1),
        (OTC, ATS, 1, "OTC LINK", "OTCX", 100.0, 1),
        (OTC, NON_ATS, 1, BY_ITS_NAME, "CRD7", 100.0, 1),
    ]


@recipe("cookbook.md", "FROM otc_weeks_calendar")
def _(ask: Ask, sql: str) -> None:
    rows = ask(sql)
    assert (HOLIDAY, 4, "Thanksgiving Day") in rows
    assert len(rows) == 11  # ten holidays of 2025 and a day of mourning


@recipe("cookbook.md", "AS avg_trade_size")
def _(ask: Ask, sql: str) -> None:
    assert ask(sql) == [
        (BETA, "CRD8", 1, 300.0),
        (ACME, "CRD7", 1, 250.0),
        ("UBS ATS", "UBSA", 3, near(230 / 3)),
        ("De Minimis Firms", BUCKET, 1, 50.0),
        (BY_ITS_NAME, "FIRM:Acme, L.L.C", 2, 42.5),
        ("OTC LINK", "OTCX", 1, 20.0),
    ]


# --- the printed queries


@pytest.mark.parametrize("query", PRINTED, ids=[f"{i.page}-{i.sql[:40]}" for i in PRINTED])
def test_every_printed_query_is_checked(query: Any) -> None:
    assert len(owner(query.page, query.sql)) == 1, query.sql


def test_every_check_is_of_one_printed_query() -> None:
    for page, text in RECIPES:
        assert len([i for i in PRINTED if i.page == page and text in i.sql]) == 1, text


@pytest.mark.parametrize(("page", "text"), list(RECIPES), ids=str)
def test_a_printed_query_is_right(ask: Ask, page: str, text: str) -> None:
    (sql,) = (item.sql for item in PRINTED if item.page == page and text in item.sql)
    RECIPES[page, text](ask, sql)


# --- the answers that pages show, on the sample

_ANSWERED = re.compile(r"^```(sql|bash)\n((?:(?!```).*\n)+)```\n\n((?:\|.*\n)+)", re.M)
_SAMPLE = ROOT / "data" / "sample"
_SAMPLE_WEEKS = [date(2025, 9, 5) + timedelta(weeks=n) for n in range(12)]
_PAGES = ("docs/start.md", "docs/cookbook.md")


def answered() -> list[tuple[str, str, list[list[str]]]]:
    """Page, query and the table below it, row by row with its heading."""
    found = []
    for page in _PAGES:
        for language, text, table in _ANSWERED.findall((ROOT / page).read_text("utf-8")):
            if language == "bash" and "spine query" not in text:
                continue
            sql = text if language == "sql" else shlex.split(text)[2]
            rows = [
                [cell.strip() for cell in row.strip("|\n").split("|")]
                for row in table.splitlines()
                if not re.fullmatch(r"[|:-]+", row)
            ]
            found.append((page, sql, rows))
    return found


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sample as `make demo` loads it: first its files, then the late and the corrected one."""
    house = House(tmp_path_factory.mktemp("sample"))
    for part in ("first", "later"):
        for path in (path for path in (_SAMPLE / part).rglob("*") if path.is_file()):
            house.drop(str(path.relative_to(_SAMPLE / part)), path.read_bytes())
        for week in _SAMPLE_WEEKS:
            house.built(week=week)
    given = tmp_path_factory.mktemp("given") / "volume.csv"
    (example,) = (item.text for item in blocks("text") if _GIVEN in item.text)
    given.write_text(example, "utf-8")
    load(house.lake, given)
    with connect(house.lake, TABLES) as connection:
        yield connection


def is_shown(shown: str, value: Any) -> bool:
    """Whether a cell shows the value, to as many places as it has."""
    if value is None or isinstance(value, list):
        return shown == ", ".join(value or [])
    if isinstance(value, int | float | Decimal):
        places = len(shown.partition(".")[2])
        return bool(abs(float(shown.replace(",", "")) - float(value)) <= 0.5000001 / 10**places)
    return shown == str(value)


def test_the_answer_in_the_readme_is_that_of_the_sample(
    sample: duckdb.DuckDBPyConnection,
) -> None:
    text = (ROOT / "README.md").read_text("utf-8").partition("spine venue\n```\n\n")[2]
    shown = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in text.partition("\n\n")[0].splitlines()
    ]
    found = sample.sql(declared.VENUES.sql, params={"week": _SAMPLE_WEEKS[-1]}).select(
        "rank, venue_name, venue_id, venue_class, total_volume, market_share_pct"
    )
    for row, answer in zip(shown[2:-1], found.fetchall(), strict=False):
        assert all(map(is_shown, row, answer)), (row, answer)
    assert len(shown) == 6


@pytest.mark.parametrize(
    ("page", "sql", "table"), answered(), ids=[f"{a[0]}-{a[1][:40]}" for a in answered()]
)
def test_an_answer_shown_is_that_of_the_sample(
    sample: duckdb.DuckDBPyConnection, page: str, sql: str, table: list[list[str]]
) -> None:
    found = sample.execute(sql)
    assert table[0] == [column[0] for column in found.description]
    rows, shown = found.fetchall(), table[1:]
    is_cut = shown[-1][0] == "…"
    if is_cut:
        shown = shown[:-1]
    assert shown
    assert len(rows) > len(shown) if is_cut else len(rows) == len(shown)
    for row, cells in zip(rows, shown, strict=False):
        assert [is_shown(*both) for both in zip(cells, row, strict=True)] == [True] * len(row), row


def test_every_query_of_the_cookbook_has_its_answer() -> None:
    with_answer = {sql.strip().rstrip(";") for page, sql, _ in answered() if "cookbook" in page}
    of_sql = {
        item.text.strip().rstrip(";") for item in blocks("sql") if item.page.name == "cookbook.md"
    }
    assert len(of_sql) >= 15
    assert of_sql == with_answer
