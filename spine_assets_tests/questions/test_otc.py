"""Answers over small lakes typed in by hand, from the lake, the database and as of another time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import spine_assets
from spine_assets.core.settings import Settings
from spine_assets.core.weeks import WeekError
from spine_assets.questions.declared import QUESTIONS, NothingFound
from spine_assets.questions.lines import line_number
from spine_assets.questions.otc import Otc
from spine_assets.questions.sources import AnswerSource
from spine_assets.warehouse.core_tables import CORE_TABLES
from spine_assets.warehouse.database import refresh
from spine_assets.warehouse.database_contents import DagsterTables, contents_of
from spine_assets_tests.support.analysis_lake import BUCKET, OTC, T1, T2, Row, lake_of

W1, W2, W3, W4, W5 = (date(2025, 11, 7) + timedelta(weeks=n) for n in range(5))  # W4: Thanksgiving


def place(root: Path, *rows: Row) -> Settings:
    lake_of(root / "data" / "lake", rows)
    return Settings(data_dir=root / "data", lake=None, database_path=None)


def asked(settings: Settings) -> Otc:
    return Otc(AnswerSource(settings))


def refreshed(settings: Settings) -> None:
    """Make the database, with the tables of Dagster's records as a run does."""
    contents = contents_of(AnswerSource(settings).lake)
    recorded = DagsterTables(CORE_TABLES)
    refresh(settings.warehouse_path, contents, memory_bytes=10**9, recorded=recorded)


def full(week: date, *more: Row) -> list[Row]:
    """A complete week: each tier has an ATS row."""
    return [Row(week, tier, f"F{tier[-1]}", "UBSA", "10") for tier in (T1, T2, OTC)] + [*more]


@pytest.fixture
def history(tmp_path: Path) -> Settings:
    """Two complete weeks, one that lacks a tier, none for W4, and a week with another class."""
    return place(
        tmp_path,
        *full(
            W1,
            Row(W1, T1, "A", "UBSA", "60", 2, issue="Alpha"),
            Row(W1, T2, "A", "INCR", "40.5", 1, issue="Alpha"),
            Row(W1, T1, "GONE", "UBSA", "5"),
        ),
        *full(
            W2,
            Row(W2, T2, "A", "UBSA", "150", 3, issue="Alpha Inc"),
            Row(W2, T2, "A", "INCR", "50", 2, issue="Alpha Inc"),
            Row(W2, OTC, "NEW", "INCR", "7"),
        ),
        Row(W3, T1, "F1", "UBSA", "10"),
        Row(W3, T1, "A", "UBSA", "30"),
        *full(W5, *(Row(W5, t, "A", "CRD1", "100", name="Firm One") for t in (T1, T2, OTC))),
    )


def rows(frame: pl.DataFrame, *names: str) -> list[tuple[object, ...]]:
    return frame.select(names).rows()


def test_a_symbol_is_one_row_a_week_over_its_tiers_and_each_week_says_what_is_known(
    history: Settings,
) -> None:
    found = asked(history).symbol("A")
    assert rows(found, "week_ending", "state", "total_volume", "total_trades", "tiers") == [
        (W1, "complete", 100.5, 3, [T1, T2]),
        (W2, "complete", 200.0, 5, [T2]),
        (W3, "incomplete week", 30.0, 1, [T1]),
        (W4, "not loaded", None, None, None),
        (W5, "complete", 300.0, 3, [T1, T2, OTC]),
    ]
    assert found["issue_name"].to_list() == ["Alpha", "Alpha Inc", "Issue", None, "Issue"]
    assert found["trading_days"].to_list() == [5, 5, 5, 4, 5]


def test_changes_are_between_weeks_of_the_same_tiers_and_classes(history: Settings) -> None:
    found = asked(history).symbol("A")
    assert rows(found, "prior_week_ending", "is_comparable", "volume_change") == [
        (None, False, None),
        (W1, True, 99.5),
        (W2, False, None),
        (None, None, None),
        (W3, False, None),
    ]
    assert found["volume_change_pct"][1] == pytest.approx(100 * 99.5 / 100.5)


def test_a_class_that_is_not_loaded_is_null_and_not_zero(history: Settings) -> None:
    found = asked(history).symbol("A")
    assert rows(found, "ats_volume", "non_ats_volume", "ats_share_pct", "classes") == [
        (100.5, None, None, ["ATS"]),
        (200.0, None, None, ["ATS"]),
        (30.0, None, None, ["ATS"]),
        (None, None, None, None),
        (0.0, 300.0, 0.0, ["ATS", "NON_ATS"]),
    ]


def test_a_week_without_a_row_is_told_apart_from_one_that_lacks_a_tier(history: Settings) -> None:
    found = asked(history).symbol("GONE")
    assert found["state"].to_list() == [
        *("complete", "no row", "not known", "not loaded", "no row"),
    ]
    assert found["total_volume"].to_list() == [5, None, None, None, None]


def test_movers_are_over_tiers_so_that_a_symbol_that_changed_its_tier_is_not_new(
    history: Settings,
) -> None:
    found = asked(history).movers(W2)
    by_symbol = {row["symbol"]: row for row in found.to_dicts()}
    assert {name: row["kind"] for name, row in by_symbol.items()} == {
        "A": "UP",
        "GONE": "GONE",
        "NEW": "NEW",
        "F1": "SAME",
        "F2": "SAME",
        "FC": "SAME",
    }
    first = found.row(0, named=True)
    assert (first["symbol"], first["rank"], first["volume_change"]) == ("A", 1, 99.5)
    assert (by_symbol["NEW"]["rank"], by_symbol["NEW"]["prior_volume"]) == (None, None)
    assert (by_symbol["GONE"]["total_volume"], by_symbol["GONE"]["prior_volume"]) == (None, 5)
    assert asked(history).movers(W2, top=1).height == 1
    not_alike = asked(history).movers(W5)
    assert not_alike["kind"].null_count() == not_alike.height


def test_a_holiday_week_is_compared_by_trading_day(tmp_path: Path) -> None:
    weeks = [*full(W3, Row(W3, T1, "A", "UBSA", "100")), *full(W4, Row(W4, T1, "A", "UBSA", "80"))]
    found = asked(place(tmp_path, *weeks)).movers(W4).filter(pl.col("symbol") == "A")
    assert found["volume_change_pct"][0] == pytest.approx(-20)
    assert found["volume_change_per_day_pct"][0] == pytest.approx(0)


def test_who_trades_a_symbol_and_what_a_venue_trades(history: Settings) -> None:
    found = asked(history).symbol_venues("A", week=W2)
    assert rows(found, "rank", "venue_id", "share_volume", "share_pct", "prior_volume") == [
        (1, "UBSA", 150.0, 75.0, 60.0),
        (2, "INCR", 50.0, 25.0, 40.5),
    ]
    assert found["share_change_points"][0] == pytest.approx(75 - 100 * 60 / 100.5)
    traded = asked(history).venue_symbols("ubsa", week=W2)
    assert rows(traded, "rank", "symbol", "share_volume", "share_pct")[0] == (1, "A", 150.0, 75.0)
    assert traded["venue_share_pct"].sum() == pytest.approx(100)


def test_several_are_answered_as_each_alone(history: Settings) -> None:
    otc = asked(history)
    assert otc.symbol("F2", "A").equals(pl.concat([otc.symbol("F2"), otc.symbol("A")]))
    assert otc.symbol_venues("F2", "A", week=W2).equals(
        pl.concat([otc.symbol_venues("F2", week=W2), otc.symbol_venues("A", week=W2)])
    )
    assert otc.venue("UBSA", "INCR", "UBSA").equals(
        pl.concat([otc.venue("UBSA"), otc.venue("INCR")])
    )
    each = [otc.venue_symbols(venue, week=W2) for venue in ("UBSA", "INCR")]
    assert otc.venue_symbols("UBSA", "INCR", week=W2).equals(pl.concat(each))
    first = otc.venue_symbols("UBSA", "INCR", week=W2, top=1)
    assert first.equals(pl.concat(frame.head(1) for frame in each))


def test_the_venues_of_a_week_are_those_of_each_alone(history: Settings) -> None:
    otc = asked(history)
    found = otc.venues(W2)
    assert rows(found, "rank", "venue_id", "total_volume", "is_comparable") == [
        (1, "UBSA", 180.0, True),
        (2, "INCR", 57.0, True),
    ]
    for row in found.iter_rows(named=True):
        alone = otc.venue(row["venue_id"], since=W2, until=W2).row(0, named=True)
        assert {
            name: value for name, value in row.items() if name in alone
        }.items() <= alone.items()


def test_a_bucket_counts_in_totals_and_has_no_rank(tmp_path: Path) -> None:
    settings = place(
        tmp_path,
        *full(W1, Row(W1, T1, "A", BUCKET, "90"), Row(W1, T1, "A", "CRD7", "10", name="Seven")),
    )
    assert rows(asked(settings).symbol_venues("A", week=W1), "venue_id", "rank", "share_pct") == [
        (BUCKET, None, 90.0),
        ("CRD7", 1, 10.0),
    ]


def test_a_venue_is_found_by_mpid_crd_or_a_name_that_one_venue_has(tmp_path: Path) -> None:
    named = [
        Row(W1, T1, "A", "CRD7", "10", name="Seven Securities LLC"),
        Row(W1, T1, "A", "CRD8", "20", name="Eight Securities LLC"),
    ]
    otc = asked(place(tmp_path, *full(W1, *named)))
    for asked_for in ("CRD7", "crd7", "7", "seven", "Seven Securities LLC"):
        assert otc.venue(asked_for)["venue_id"].to_list() == ["CRD7"]
    with pytest.raises(NothingFound, match=r"2 venues have securities .* CRD7 .*and CRD8"):
        otc.venue("securities")
    with pytest.raises(NothingFound, match=r"did you mean UBSA"):
        otc.venue("UBSX")


def test_the_market_is_of_all_symbols_and_compares_like_with_like(history: Settings) -> None:
    found = asked(history).market()
    assert rows(found, "week_ending", "state", "total_volume", "symbol_count") == [
        (W1, "complete", 135.5, 5),
        (W2, "complete", 237.0, 5),
        (W3, "incomplete week", 40.0, 2),
        (W4, "not loaded", None, None),
        (W5, "complete", 330.0, 4),
    ]
    assert found["volume_change_pct"].to_list() == [
        *(None, pytest.approx(100 * 101.5 / 135.5), None, None, None),
    ]


def test_symbols_are_compared_side_by_side(history: Settings) -> None:
    found = asked(history).compare("A", "F1", since=W1, until=W2)
    assert rows(found, "week_ending", "A", "F1", "is_alike") == [
        (W1, 100.5, 10.0, True),
        (W2, 200.0, 10.0, True),
    ]
    gaps = asked(history).compare("A", "NEW", measure="total_trades")
    assert gaps["is_alike"].to_list() == [False, True, False, False, False]
    with pytest.raises(NothingFound, match="state is not a figure"):
        asked(history).compare("A", "F1", measure="state")


def test_weeks_are_chosen_from_what_is_loaded(history: Settings) -> None:
    otc = asked(history)
    assert (otc.weeks(), otc.newest()) == ([W1, W2, W3, W5], W5)
    assert otc.symbol("A", weeks=2)["week_ending"].to_list() == [W4, W5]
    assert otc.symbol("A", since=W2, until=str(W3))["week_ending"].to_list() == [W2, W3]
    with pytest.raises(NothingFound, match=f"week {W4} is not loaded"):
        otc.movers(W4)
    with pytest.raises(WeekError, match="Thursday"):
        otc.movers("2025-11-20")
    with pytest.raises(WeekError, match="after its end"):
        otc.symbol("A", since=W2, until=W1)


def test_nothing_found_says_what_is_there(history: Settings, tmp_path: Path) -> None:
    otc = asked(history)
    with pytest.raises(NothingFound, match="no symbol a; symbols are upper case: A"):
        otc.symbol("a")
    with pytest.raises(NothingFound, match=r"no row of GONF .*did you mean GONE\?"):
        otc.symbol("GONF")
    empty = Settings(data_dir=tmp_path / "empty", lake=None, database_path=None)
    with pytest.raises(NothingFound, match="no week is loaded"):
        asked(empty).market()
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        spine_assets.open(tmp_path / "mistyped")
    with pytest.raises(ValueError, match="time zone"):
        spine_assets.open(tmp_path, as_of=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="one of them"):
        spine_assets.open(tmp_path, as_of=datetime.now(UTC), published=W1)


def test_a_line_joins_weeks_that_are_alike_and_next_to_each_other(history: Settings) -> None:
    found = asked(history).symbol("A", "GONE")
    lines = found.select("symbol", "week_ending", number=line_number("symbol"))
    assert rows(lines.filter(symbol="A"), "week_ending", "number") == [
        (W1, 1),
        (W2, 1),
        (W3, 2),
        (W4, 3),
        (W5, 4),
    ]
    market = asked(history).market().select(number=line_number())
    assert market["number"].to_list() == [1, 1, 2, 3, 4]


def test_each_answer_has_its_declared_columns_also_without_rows(history: Settings) -> None:
    otc = asked(history)
    answers = {
        "symbol": otc.symbol("A"),
        "symbol_venues": otc.symbol_venues("A"),
        "venue": otc.venue("UBSA"),
        "venues": otc.venues(),
        "venue_symbols": otc.venue_symbols("UBSA"),
        "market": otc.market(),
        "movers": otc.movers(),
        "restated": otc.restated(),
    }
    for question in QUESTIONS:
        if question.name in answers:
            assert dict(answers[question.name].schema) == question.schema
            required = [c.name for c in question.columns if not c.nullable]
            assert not any(answers[question.name][name].null_count() for name in required)
    assert answers["restated"].is_empty()


def test_the_database_and_the_lake_give_the_same_answers(history: Settings) -> None:
    def answers() -> list[pl.DataFrame]:
        otc = spine_assets.open(history.data_dir)
        return [otc.symbol("A", "F1"), otc.venue("UBSA", "CRD1"), otc.market(), otc.movers(W2)]

    from_lake = answers()
    refreshed(history)
    with AnswerSource(history).opened(W1, W5) as connection:
        assert connection.sql(
            "SELECT path FROM duckdb_databases() WHERE path IS NOT NULL"
        ).fetchall()
    for before, after in zip(from_lake, answers(), strict=True):
        assert before.equals(after)


def test_a_week_that_the_database_lacks_is_in_the_answer(history: Settings) -> None:
    refreshed(history)
    lake_of(history.data_dir / "lake", full(W4, Row(W4, T1, "A", "UBSA", "77")))
    found = asked(history).symbol("A")
    assert found.filter(pl.col("week_ending") == W4)["total_volume"].to_list() == [77.0]


def test_a_first_file_of_one_tier_is_answered_and_said_to_be_incomplete(tmp_path: Path) -> None:
    otc = asked(place(tmp_path, Row(W1, OTC, "A", "UBSA", "60"), Row(W1, OTC, "B", "INCR", "40")))
    assert (otc.usual_week(), otc.is_complete(W1)) == (W1, False)
    assert rows(otc.venues(), "venue_id", "market_share_pct") == [("UBSA", 60.0), ("INCR", 40.0)]
    assert rows(otc.movers(), "symbol", "total_volume") == [("A", 60.0), ("B", 40.0)]
    assert otc.symbol("A")["state"].to_list() == ["incomplete week"]
    # It is not known that nothing is reported of it: two tiers are not loaded.
    with pytest.raises(
        NothingFound, match=r"no row of C in .*; 1 of the loaded weeks lacks a tier"
    ):
        otc.symbol("C")


def test_a_firm_is_not_loaded_in_a_week_without_its_class(history: Settings) -> None:
    found = asked(history).venue("CRD1")
    assert rows(found, "week_ending", "state", "classes") == [
        (W1, "not loaded", ["ATS"]),
        (W2, "not loaded", ["ATS"]),
        (W3, "not loaded", ["ATS"]),
        (W4, "not loaded", None),
        (W5, "complete", ["ATS", "NON_ATS"]),
    ]
    assert asked(history).venue("INCR")["state"].to_list() == [
        *("complete", "complete", "not known", "not loaded", "no row"),
    ]


def test_an_answer_about_a_week_says_what_is_loaded_in_it(history: Settings) -> None:
    otc = asked(history)
    for week, state, classes in ((W2, "complete", ["ATS"]), (W3, "incomplete week", ["ATS"])):
        for frame in (
            otc.venues(week),
            otc.movers(week),
            otc.symbol_venues("A", week=week),
            otc.venue_symbols("UBSA", week=week),
        ):
            assert {*rows(frame.explode("classes"), "state", "classes")} == {(state, classes[0])}
            assert frame["classes"].to_list() == [classes] * frame.height


def test_a_project_is_told_from_its_data_folder(history: Settings) -> None:
    (history.data_dir.parent / "dagster.yaml").write_text("")
    with pytest.raises(FileNotFoundError, match=r"is a project; open its data folder, .*/data"):
        spine_assets.open(history.data_dir.parent)
