"""Captures are read again when the rules change, and when a date in the future has come."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from spine_assets.otc.captures import delivered, reading, storage
from spine_assets.otc.past.as_of import table_as_of
from spine_assets.otc.state.freshness import Freshness, freshness
from spine_assets.otc.state.results import WeekResult
from spine_assets.otc.status import board
from spine_assets.otc.tables import raw
from spine_assets.pipelines.weeks_to_build import is_stale, missing
from spine_assets_tests.conftest import (
    NOW,
    OF_TOTALS,
    RAW,
    SYMBOLS,
    VENUES,
    WEEK,
    House,
    built_tables,
    line,
)
from spine_assets_tests.conftest import delivered as file_of
from spine_assets_tests.support.captures import capture
from spine_assets_tests.support.other_version import PARSER, upgrade

BEHIND = datetime(2025, 12, 22, 12, tzinfo=UTC)  # a day before the update of TOMORROWS
TOMORROW = BEHIND + timedelta(days=1)
OF_TOMORROW = "2025-12-23"
WITH_FUTURE = file_of(line(), line("BBBB", shares="70", updated=OF_TOMORROW))
LARGE_COUNT = file_of(line(trades="2"), line("BBBB", shares="50", trades="1234"))
REJECTS = "otc_rejects"


def symbols(house: House) -> dict[str, int]:
    """Shares by symbol in `otc_symbol_summary`."""
    rows = house.table(SYMBOLS).select("symbol", pl.col("total_volume").cast(pl.Int64))
    return dict(rows.sort("symbol").iter_rows())


def stored_rejects(house: House) -> dict[str, int]:
    """Parse rejects by reason."""
    return dict(house.table(REJECTS).group_by("reason").len().sort("reason").iter_rows())


def emptied(house: House) -> None:
    """Remove all delivered files."""
    for path in house.landing.rglob("*.csv"):
        path.unlink()


def unchanged(result: WeekResult) -> set[str]:
    """The tables that were not built again."""
    return {name for name, event in built_tables(result).items() if event.unchanged}


def without_contents(house: House) -> None:
    """Make the week as it was before contents were kept."""
    for path in house.lake.files(delivered.FOLDER, WEEK, delivered.SUFFIX):
        path.unlink()
    for item in storage.stored(house.lake, WEEK):
        for path in (storage.rejects_path(house.lake, item), storage.raw_path(house.lake, item)):
            facts = house.lake.metadata(path)["capture"]
            del facts["parser"], facts["judge_again_on"]
            rows = house.lake.read(path)
            if path.parent.parent.name == RAW:
                rows = rows.drop("last_reported_date")
            house.lake.publish(house.lake.stage(rows, path, {"capture": facts}), path)


def test_a_line_of_tomorrow_is_judged_again_tomorrow_without_force(house: House) -> None:
    house.drop("otc.csv", WITH_FUTURE)
    house.built(now=BEHIND)
    (before,) = storage.stored(house.lake, WEEK)
    assert (before.judge_again_on, before.rows) == (date(2025, 12, 23), 1)
    assert stored_rejects(house) == {"FUTURE_DATE": 1}
    assert symbols(house) == {"AAAA": 100}
    emptied(house)

    result = house.built(now=TOMORROW)

    (after,) = storage.stored(house.lake, WEEK)
    assert (after.judge_again_on, after.rows, after.reject_lines) == (None, 2, 0)
    assert (after.capture_id, after.captured_at) == (before.capture_id, before.captured_at)
    assert after.last_update_date == date(2025, 12, 23)
    assert symbols(house) == {"AAAA": 100, "BBBB": 70}
    assert stored_rejects(house) == {}
    assert unchanged(result) == {*OF_TOTALS}
    again = house.built(now=TOMORROW + timedelta(days=1))
    assert all(event.unchanged for event in built_tables(again).values())


def test_on_the_same_day_nothing_is_read_again(house: House) -> None:
    house.drop("otc.csv", WITH_FUTURE)
    house.built(now=BEHIND)
    result = house.built(now=BEHIND + timedelta(hours=11))
    assert all(event.unchanged for event in built_tables(result).values())


def test_of_several_future_dates_each_is_judged_when_it_has_come(house: House) -> None:
    lines = [line(), line("BBBB", updated="2025-12-24"), line("CCCC", updated=OF_TOMORROW)]
    house.drop("otc.csv", file_of(*lines, line("DDDD", shares="x", updated="2025-12-25")))
    days = []
    for day in range(5):
        house.built(now=BEHIND + timedelta(days=day))
        (item,) = storage.stored(house.lake, WEEK)
        days.append((item.rows, str(item.judge_again_on), stored_rejects(house)))
    assert days == [
        (1, "2025-12-23", {"FUTURE_DATE": 2, "NOT_A_NUMBER": 1}),
        (2, "2025-12-24", {"FUTURE_DATE": 1, "NOT_A_NUMBER": 1}),
        (3, "2025-12-25", {"NOT_A_NUMBER": 1}),  # its line has a second reason until then
        (3, "None", {"NOT_A_NUMBER": 1}),
        (3, "None", {"NOT_A_NUMBER": 1}),
    ]


def test_other_rules_read_old_captures_from_the_lake_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    assert symbols(house) == {"AAAA": 100, "BBBB": 50}
    emptied(house)
    upgrade(monkeypatch)
    result = house.built(now=NOW + timedelta(days=30))
    (item,) = storage.stored(house.lake, WEEK)
    assert (item.parser, item.rows, item.rejects) == (PARSER, 1, {"OUT_OF_RANGE": 1})
    assert item.captured_at == NOW.replace(tzinfo=None)
    assert symbols(house) == {"AAAA": 100}
    assert stored_rejects(house) == {"OUT_OF_RANGE": 1}
    assert unchanged(result) == {*OF_TOTALS}


def test_every_capture_of_the_week_is_read_again_so_as_of_uses_the_rules_of_today(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    corrected = LARGE_COUNT.replace(b"|100|2|2025-12-22", b"|900|2|2025-12-30")
    house.drop("otc2.csv", corrected)
    later = NOW + timedelta(days=1)
    house.built(now=later)
    upgrade(monkeypatch)
    house.built(now=later + timedelta(days=1))
    assert {item.parser for item in storage.stored(house.lake, WEEK)} == {PARSER}
    then = table_as_of(house.lake, SYMBOLS, WEEK, NOW)
    assert then.select("symbol", pl.col("total_volume").cast(pl.Int64)).rows() == [("AAAA", 100)]
    assert symbols(house) == {"AAAA": 900}


def test_a_capture_whose_content_is_nowhere_stays_as_it_was_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    without_contents(house)
    emptied(house)
    upgrade(monkeypatch)
    result = house.built()
    (item,) = storage.stored(house.lake, WEEK)
    assert (item.parser, item.rows) == ("1", 2)
    assert symbols(house) == {"AAAA": 100, "BBBB": 50}
    assert built_tables(result)[RAW].unchanged
    assert not built_tables(result)[VENUES].unchanged  # its rules may have changed as well
    assert all(event.unchanged for event in built_tables(house.built()).values())


def test_an_older_file_without_a_column_is_read_with_null_in_it(house: House) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    sound = house.table(RAW)
    without_contents(house)
    (item,) = storage.stored(house.lake, WEEK)
    assert storage.read_rows(house.lake, item).equals(sound)
    assert storage.read_rows(house.lake, item, ["last_reported_date", "symbol"]).rows() == [
        (None, "AAAA"),
        (None, "BBBB"),
    ]
    emptied(house)
    house.drop("tier1.csv", file_of(line(tier="NMS Tier 1", updated="2025-12-08")))
    house.built()
    assert symbols(house) == {"AAAA": 100, "BBBB": 50} | {"AAAA": 100}


def test_a_capture_takes_up_its_content_when_the_file_is_met_again(house: House) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    sound = house.table(RAW)
    without_contents(house)
    (old,) = storage.stored(house.lake, WEEK)
    assert old.parser == "1"
    house.built(now=NOW + timedelta(days=3))
    (item,) = storage.stored(house.lake, WEEK)
    assert delivered.held(house.lake, WEEK) == {item.sha256}
    assert item.parser == raw.TABLE.code_version
    assert house.table(RAW).equals(sound)


def test_derived_tables_are_built_again_after_another_reading_and_only_then(house: House) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    without_contents(house)
    emptied(house)
    first = house.built()
    assert unchanged(first) == {RAW, *OF_TOTALS}
    house.drop("otc.csv", LARGE_COUNT)
    second = house.built()
    assert unchanged(second) == {*OF_TOTALS}
    versions = [
        {
            event.data_version
            for name, event in built_tables(result).items()
            if name not in OF_TOTALS
        }
        for result in (first, second)
    ]
    assert versions[0].isdisjoint(versions[1])
    assert all(event.unchanged for event in built_tables(house.built()).values())


def test_a_run_without_otc_raw_refuses_an_outdated_capture_and_names_the_selection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    upgrade(monkeypatch)
    error = str(house.build((SYMBOLS,)).error)
    assert "otc_raw is older than its files (otc.csv) or its rules; run dagster" in error
    assert f"--select 'otc_raw,otc_rejects,otc_venue_volume,{SYMBOLS}'" in error


def test_the_board_and_the_choice_of_weeks_see_an_outdated_capture(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    known = storage.known_of(house.lake, WEEK)
    assert freshness(house.lake, RAW, WEEK, known, NOW.date()) is Freshness.FRESH
    emptied(house)
    upgrade(monkeypatch)
    assert freshness(house.lake, RAW, WEEK, known, NOW.date()) is Freshness.STALE
    (row,) = board(house.lake, house.scan(), NOW.date(), [WEEK])
    assert {*row.tables.values()} == {Freshness.STALE}
    assert is_stale(house.lake, (RAW,), WEEK)
    assert missing(house.scan(), house.lake, [WEEK]) == [WEEK]
    without_contents(house)  # so that nothing can be done about it
    known = storage.known_of(house.lake, WEEK)
    assert freshness(house.lake, RAW, WEEK, known, NOW.date()) is Freshness.FRESH


def test_a_content_that_the_rules_refuse_now_keeps_its_rows_and_is_named(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    upgrade(monkeypatch)
    monkeypatch.setattr("spine_assets.otc.delivery.file_format.MAX_LINES", 1)
    emptied(house)
    result = house.built()
    assert symbols(house) == {"AAAA": 100, "BBBB": 50}
    (finding,) = [
        row
        for event in result.events
        if getattr(event, "check", "") == "delivery"
        for row in event.samples  # type: ignore[union-attr]
        if row["what"] == "otc.csv"
    ]
    assert finding["detail"].startswith("what was read of it before stays (20260120T120000Z-")
    assert "more than 1" in finding["detail"]


def test_a_reading_without_rows_keeps_the_capture_and_its_date(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", file_of(line(trades="1234")))
    house.built()
    upgrade(monkeypatch)
    house.built()
    (item,) = storage.stored(house.lake, WEEK)
    assert (item.rows, item.last_update_date) == (0, date(2025, 12, 22))
    assert symbols(house) == {}


def test_a_kill_between_rejects_and_rows_leaves_a_capture_that_is_read_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", LARGE_COUNT)
    house.built()
    (item,) = storage.stored(house.lake, WEEK)
    rows_before = storage.raw_path(house.lake, item).read_bytes()
    emptied(house)
    upgrade(monkeypatch)
    house.built()
    storage.raw_path(house.lake, item).write_bytes(rows_before)  # as if only rejects were written
    house.built()
    assert (house.table(RAW).height, stored_rejects(house)) == (1, {"OUT_OF_RANGE": 1})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"parser": raw.TABLE.code_version}, False),
        ({"parser": "1"}, True),
        ({"parser": raw.TABLE.code_version, "judge_again_on": date(2026, 1, 20)}, True),
        ({"parser": raw.TABLE.code_version, "judge_again_on": date(2026, 1, 21)}, False),
    ],
)
def test_which_reading_is_outdated(changes: dict[str, object], expected: bool) -> None:
    item = replace(capture("one"), **changes)  # type: ignore[arg-type]
    assert reading.is_outdated(item, date(2026, 1, 20)) is expected
