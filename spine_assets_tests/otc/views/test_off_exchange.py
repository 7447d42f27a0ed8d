"""`otc_off_exchange_share`: FINRA's figures over consolidated files, against plain fractions."""

from __future__ import annotations

import warnings
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spine_assets
from spine_assets.core.settings import Settings
from spine_assets.lake.format import declare
from spine_assets.lake.local import LocalLake
from spine_assets.lake.opening import open_lake
from spine_assets.otc.build.consolidated import load
from spine_assets.otc.state.results import CheckResult, TableBuilt
from spine_assets.otc.tables.consolidated import TABLE
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.steps.workspace import Workspace
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.database import refresh
from spine_assets.warehouse.database_contents import contents_of
from spine_assets_tests.support.analysis_lake import OTC, T1, T2, Row, ask, lake_of, one
from spine_assets_tests.support.examples import examples

W1, W2, THANKSGIVING = date(2025, 11, 14), date(2025, 11, 21), date(2025, 11, 28)
MONDAY = {week: week - timedelta(days=4) for week in (W1, W2, THANKSGIVING)}
SHARE = "FROM otc_off_exchange_share_all ORDER BY week_ending, symbol"


def full(week: date, *more: Row) -> list[Row]:
    """A complete week of both classes: each tier has a row of `FILL` in each."""
    venues = ("UBSA", "CRD1")
    fill = [Row(week, tier, "FILL", venue, "1") for tier in (T1, T2, OTC) for venue in venues]
    return [*fill, *more]


def csv(place: Path, name: str, *lines: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def weekly(place: Path, *lines: str) -> None:
    csv(place, "weeks.csv", "week_ending,symbol,share_volume", *lines)


def daily(place: Path, *lines: str) -> None:
    csv(place, "days.csv", "trade_date,symbol,share_volume", *lines)


def loaded(lake: LocalLake, place: Path) -> CheckResult:
    """Load, and return the check."""
    (check,) = (item for item in load(lake, place) if isinstance(item, CheckResult))
    return check


def shares(lake: LocalLake, place: Path) -> list[dict[str, Any]]:
    assert loaded(lake, place).passed
    with connect(lake, TABLES) as connection:
        return ask(connection, SHARE)


def refused(tmp_path: Path) -> str:
    """Why nothing is loaded."""
    lake = LocalLake(tmp_path / "lake")
    check = loaded(lake, tmp_path / "given")
    assert not check.passed
    assert check.is_blocking_failure
    assert not lake.part(TABLE.name, None).exists()
    return check.summary


def test_a_share_is_of_all_trading_and_the_market_is_of_nms_stocks_alone(tmp_path: Path) -> None:
    rows = full(W1, Row(W1, T1, "A", "UBSA", "30"), Row(W1, T2, "A", "CRD1", "10.5"))
    weekly(tmp_path / "given", f"{W1},A,162", f"{W1},*,1000")
    answer = shares(lake_of(tmp_path / "lake", rows), tmp_path / "given")
    a, market, other = (one(answer, symbol=name) for name in ("A", "*", "FILL"))
    assert (a["off_exchange_share"], a["ats_share"]) == (0.25, pytest.approx(30 / 162))
    assert (a["off_exchange_shares"], a["ats_shares"]) == (Fraction("40.5"), 30)
    assert (a["state"], a["is_complete"]) == ("complete", True)
    # Rows of the tier OTC trade on no exchange, and no consolidated tape has them.
    assert (market["off_exchange_shares"], market["ats_shares"]) == (Fraction("44.5"), 32)
    assert market["off_exchange_share"] == pytest.approx(0.0445)
    assert (other["state"], other["off_exchange_share"]) == ("no consolidated volume", None)


def test_days_are_summed_to_their_week_and_a_missing_one_leaves_no_share(tmp_path: Path) -> None:
    rows = [
        *full(W1, Row(W1, T1, "A", "UBSA", "10"), Row(W1, T1, "B", "UBSA", "10")),
        *full(THANKSGIVING, Row(THANKSGIVING, T1, "A", "CRD1", "10")),
    ]
    days = [MONDAY[W1] + timedelta(days=n) for n in range(5)]
    holiday = [MONDAY[THANKSGIVING] + timedelta(days=n) for n in (0, 1, 2, 4)]
    daily(
        tmp_path / "given",
        *(f"{day},A,{n}" for n, day in enumerate(days, 8)),
        *(f"{day},B,100" for day in days[:4]),
        *(f"{day},A,10" for day in holiday),
    )
    answer = shares(lake_of(tmp_path / "lake", rows), tmp_path / "given")
    assert one(answer, symbol="A", week_ending=W1)["off_exchange_share"] == 0.2
    assert one(answer, symbol="A", week_ending=THANKSGIVING)["off_exchange_share"] == 0.25
    cut = one(answer, symbol="B")
    assert (cut["state"], cut["consolidated_shares"]) == ("trading days missing", None)
    lake = LocalLake(tmp_path / "lake")
    stored = lake.read(lake.part(TABLE.name, None))
    assert stored.filter(symbol="B")["missing_days"].to_list() == [[W1]]


def test_a_share_that_is_not_known_is_null_and_says_why(tmp_path: Path) -> None:
    rows = [
        *full(W1, Row(W1, T1, "LOW", "UBSA", "10")),
        Row(W2, T1, "A", "UBSA", "5"),  # two tiers are not loaded
    ]
    weekly(
        tmp_path / "given",
        *(f"{W1},LOW,9", f"{W1},BRK.B,100", f"{W1},FILL,0"),
        *(f"{W2},A,10", f"{W2},*,10", f"{THANKSGIVING},A,10"),
    )
    answer = shares(lake_of(tmp_path / "lake", rows), tmp_path / "given")
    states = {(row["week_ending"], row["symbol"]): row["state"] for row in answer}
    assert states == {
        (W1, "LOW"): "consolidated below off-exchange",
        (W1, "BRK.B"): "no row",
        (W1, "FILL"): "consolidated below off-exchange",
        (W1, "*"): "no consolidated volume",
        (W2, "A"): "incomplete week",
        (W2, "*"): "incomplete week",
        (THANKSGIVING, "A"): "not loaded",
    }
    assert all(row["off_exchange_share"] is row["ats_share"] is None for row in answer)


def test_of_one_class_alone_the_part_of_ats_is_known_and_no_more(tmp_path: Path) -> None:
    rows = [Row(W1, tier, "A", "UBSA", "10") for tier in (T1, T2, OTC)]
    weekly(tmp_path / "given", f"{W1},A,60", f"{W1},*,200")
    answer = shares(lake_of(tmp_path / "lake", rows), tmp_path / "given")
    for symbol, part in (("A", 0.5), ("*", 0.1)):
        row = one(answer, symbol=symbol)
        assert (row["state"], row["off_exchange_share"]) == ("one class loaded", None)
        assert (row["ats_share"], row["off_exchange_shares"]) == (part, None)


NAMES = st.sampled_from("ABC")
VOLUMES = st.integers(0, 40)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    reported=st.dictionaries(st.tuples(NAMES, st.sampled_from(["UBSA", "CRD1"])), VOLUMES),
    by_week=st.dictionaries(NAMES, VOLUMES),
    by_day=st.dictionaries(st.tuples(NAMES, st.integers(0, 4)), VOLUMES, max_size=15),
)
def test_shares_are_those_of_plain_fractions(
    tmp_path_factory: pytest.TempPathFactory,
    reported: dict[tuple[str, str], int],
    by_week: dict[str, int],
    by_day: dict[tuple[str, int], int],
) -> None:
    root = tmp_path_factory.mktemp("fractions")
    rows = full(W1, *(Row(W1, T1, s, venue, str(n)) for (s, venue), n in reported.items()))
    weekly(root / "given", *(f"{W1},{symbol},{n}" for symbol, n in by_week.items()))
    days = {key: n for key, n in by_day.items() if key[0] not in by_week}
    daily(
        root / "given",
        *(f"{MONDAY[W1] + timedelta(days=day)},{s},{n}" for (s, day), n in days.items()),
    )
    answer = shares(lake_of(root / "lake", rows), root / "given")
    for symbol in "ABC":
        found = [row for row in answer if row["symbol"] == symbol]
        venues = {venue: n for (name, venue), n in reported.items() if name == symbol}
        of_days = [n for (name, _), n in days.items() if name == symbol]
        whole = by_week.get(symbol, sum(of_days) if len(of_days) == 5 else None)
        part = sum(venues.values()) if venues else None
        if not (venues or of_days or symbol in by_week):
            assert not found
        elif not whole or part is None or part > whole:
            assert [row["off_exchange_share"] for row in found] == [None]
        else:
            (row,) = found
            assert row["off_exchange_share"] == float(Fraction(part, whole))
            assert row["ats_share"] == float(Fraction(venues.get("UBSA", 0), whole))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([f"{W1},A,5", f"{W1},A,5"], "row 2: week_ending '2025-11-14' stands twice"),
        ([f"{W1},A,-5"], "row 1: share_volume '-5' is not a plain number"),
        ([f'{W1},A,"5,000"'], "row 1: share_volume '5,000' is not a plain number"),
        ([f"{W1},A,5", "", "2025-11-13,B,5"], "row 3: week_ending '2025-11-13' is not a Friday"),
        (["11/14/2025,A,5"], "row 1: week_ending '11/14/2025' is not a Friday as YYYY-MM-DD"),
        ([f"{W1},,5"], "row 1: symbol '' is blank; the total of the market has the symbol *"),
        ([f"{W1},A,5,6"], "cannot be read"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_nothing_is_loaded(
    tmp_path: Path, lines: list[str], problem: str
) -> None:
    weekly(tmp_path / "given", *lines)
    found = refused(tmp_path)
    assert problem in found
    assert "weeks.csv" in found


@pytest.mark.parametrize("day", ["2025-11-15", "2025-11-27", "20251114"])
def test_a_day_without_trading_is_refused(tmp_path: Path, day: str) -> None:
    daily(tmp_path / "given", f"{day},A,5")
    assert f"days.csv, row 1: trade_date '{day}' is not a trading day" in refused(tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        "week_ending,symbol,volume",
        "week_ending,trade_date,symbol,share_volume",
        "symbol,share_volume",
        "week_ending,symbol,share_volume,exchange",
    ],
)
def test_other_columns_are_refused_with_those_that_are_needed(tmp_path: Path, header: str) -> None:
    csv(tmp_path / "given", "odd.csv", header)
    found = refused(tmp_path)
    assert f"its columns are {header.replace(',', ', ')}, and must be" in found
    assert "odd.csv" in found


def test_a_week_is_given_once_over_all_files_and_forms(tmp_path: Path) -> None:
    weekly(tmp_path / "given", f"{W1},A,5")
    daily(tmp_path / "given", f"{W1},A,5")
    assert "is given by days and as a week with this symbol (A)" in refused(tmp_path)
    daily(tmp_path / "given")
    csv(tmp_path / "given", "more.csv", "Symbol, Week_Ending ,SHARE_VOLUME", f"A,{W1},6")
    assert "stands twice with this symbol (A)" in refused(tmp_path)
    (tmp_path / "given" / "notes.txt").touch()
    assert "notes.txt cannot be read; files end in .csv" in refused(tmp_path)


def test_parquet_with_types_is_read_as_its_csv_is(tmp_path: Path) -> None:
    lake, given = lake_of(tmp_path / "lake", full(W1)), tmp_path / "given"
    weekly(given, f"{W1},A,1500000", f"{W1},*,2.5")
    assert loaded(lake, given).passed
    before = lake.read(lake.part(TABLE.name, None))
    one_file = tmp_path / "one.parquet"
    for day in (W1, datetime(W1.year, W1.month, W1.day)):  # noqa: DTZ001 - as pandas stores days
        pl.DataFrame(
            {"week_ending": [day] * 2, "symbol": ["A", "*"], "share_volume": [1.5e6, 2.5]}
        ).write_parquet(one_file)
        assert loaded(lake, one_file).passed
        after = lake.read(lake.part(TABLE.name, None))
        assert after.drop("source_files").equals(before.drop("source_files"))


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    """A data folder with a week, and consolidated volume in its own folder."""
    data = tmp_path / "data"
    lake = lake_of(data / "lake", full(W1, Row(W1, T1, "A", "UBSA", "30")))
    weekly(data / "consolidated", f"{W1},A,120")
    assert loaded(lake, data / "consolidated").passed
    return Settings(data_dir=data, lake=None, database_path=None, consolidated=None)


def test_python_and_the_database_answer_alike_and_each_week_has_a_row(place: Settings) -> None:
    def answer() -> pl.DataFrame:
        otc = spine_assets.open(place.data_dir)
        return otc.off_exchange_share("A", "GONE", since=W1, until=W2)

    found = answer()
    columns = found.select("symbol", "week_ending", "state", "off_exchange_share")
    assert columns.rows() == [
        ("A", W1, "complete", 0.25),
        ("A", W2, "not loaded", None),
        ("GONE", W1, "no consolidated volume", None),
        ("GONE", W2, "not loaded", None),
    ]
    contents = contents_of(LocalLake(place.data_dir / "lake"))
    refresh(place.warehouse_path, contents, memory_bytes=10**9)
    assert answer().equals(found)
    market = spine_assets.open(place.data_dir).off_exchange_share()
    assert market.select("symbol", "state").rows() == [("*", "no consolidated volume")]


def test_files_that_changed_since_they_were_loaded_are_named(place: Settings) -> None:
    otc = spine_assets.open(place.data_dir)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        otc.off_exchange_share("A")
    weekly(place.consolidated_path, f"{W1},A,60")
    with pytest.warns(UserWarning, match=r"changed since they were loaded: spine run otc\.conso"):
        assert otc.off_exchange_share("A")["off_exchange_share"].to_list() == [0.25]
    assert loaded(LocalLake(place.data_dir / "lake"), place.consolidated_path).passed
    assert otc.off_exchange_share("A")["off_exchange_share"].to_list() == [0.5]


def test_files_that_are_removed_leave_an_empty_table(place: Settings) -> None:
    lake = LocalLake(place.data_dir / "lake")
    (place.consolidated_path / "weeks.csv").unlink()
    answer = shares(lake, place.consolidated_path)
    assert {row["state"] for row in answer} == {"no consolidated volume"}


def test_a_tenant_may_read_it(place: Settings) -> None:
    with Workspace.of(place, "acme").connect() as connection:
        sql = "SELECT off_exchange_share FROM otc_off_exchange_share WHERE state = 'complete'"
        assert connection.execute(sql).fetchall() == [(0.25,)]


def test_a_lake_in_a_bucket_has_it_too(bucket: str, tmp_path: Path) -> None:
    lake = open_lake(f"{bucket}/lake")
    declare(lake, (*TABLES, TABLE), "otc_raw")
    weekly(tmp_path, f"{W1},A,120")
    for unchanged in (False, True):
        built, check = load(lake, tmp_path)
        assert isinstance(built, TableBuilt)
        assert isinstance(check, CheckResult)
        assert (built.unchanged, check.passed) == (unchanged, True)
    with connect(lake, TABLES) as connection:
        (row,) = ask(connection, SHARE)
    assert (row["symbol"], row["consolidated_shares"], row["state"]) == ("A", 120, "not loaded")
