"""One week from delivered files to published tables, without Dagster."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spine_assets.lake.base import LakeError
from spine_assets.otc.build import builders
from spine_assets.otc.build.week import build_week, check_week
from spine_assets.otc.captures import pins
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.freshness import part_of
from spine_assets.otc.state.results import BuildFailed, CheckResult, NoInput, Severity, WeekResult
from spine_assets.otc.tables import raw, symbol_summary, venue_volume
from spine_assets.otc.tables import registry as tables
from spine_assets.otc.tables.registry import TABLES
from spine_assets_tests.conftest import (
    ALL,
    NOW,
    OF_TOTALS,
    PUBLISHED,
    PUBLISHED_TIER_1,
    REVISED,
    SHARES,
    SYMBOLS,
    VENUES,
    WEEK,
    House,
    built_tables,
    check_of,
    delivered,
    files_limited_to,
    line,
    with_columns,
)

DERIVED = (VENUES, SYMBOLS, SHARES)
OF_A_BUILD = (
    *("captured_at", "capture_id", "build_id"),
    *("input_min_capture_id", "input_max_capture_id"),
)
FIRST = delivered(line("AAAA"), line("BBBB"), line("CCCC"))
# Lacks CCCC, has another figure for BBBB and a new symbol.
CORRECTED = delivered(line("AAAA"), line("BBBB", shares="7", updated=REVISED), line("DDDD"))
TIER_1 = delivered(line("AAAA", "UBSA", tier="NMS Tier 1", updated=PUBLISHED_TIER_1))
TIER_2 = delivered(line("EEEE", "UBSA", tier="NMS Tier 2"))
FIRMS = delivered(
    line("AAAA", "", "40", name="De Minimis Firms"), line("AAAA", "", "60", name="ACME LLC")
)
LATER = NOW + timedelta(days=1)


def volumes(house: House) -> dict[str, int]:
    frame = house.table(VENUES)
    return dict(frame.select("symbol", pl.col("share_volume").cast(pl.Int64)).iter_rows())


def derived(house: House) -> dict[str, pl.DataFrame]:
    """Derived tables without the columns that tell when and from what they were built."""
    found = {name: house.table(name) for name in DERIVED}
    return {
        name: frame.drop(column for column in OF_A_BUILD if column in frame.columns)
        for name, frame in found.items()
    }


def files(house: House) -> dict[str, object]:
    """Every file of the lake, and which one stands there."""
    lake = house.lake
    return {
        f"{table}/{folder}/{name}": lake.stamp(lake.root / table / folder / name)
        for table in lake.entries()
        if table != "_locks"
        for folder in lake.entries(table)
        for name in lake.entries(table, folder)
    }


def leftovers(house: House) -> list[str]:
    """Temporary files."""
    return [name for name in files(house) if name.endswith(".tmp")]


def versions(result: WeekResult) -> dict[str, str]:
    return {name: built.data_version for name, built in built_tables(result).items()}


def timeless(result: WeekResult) -> dict[str, str]:
    """Versions of the tables that tell what counts, and not in which order it came."""
    telling = {table.name for table in TABLES if table.depends_on_history}
    return {name: found for name, found in versions(result).items() if name not in telling}


def findings(result: WeekResult) -> list[tuple[str, str]]:
    samples = check_of(result, "otc_raw", "delivery").samples
    return sorted((row["finding"], row["what"]) for row in samples)


# --- a first build


def test_a_week_is_built_from_its_files(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.drop("tier1.csv", TIER_1)
    house.drop("tier2.csv", TIER_2)
    house.drop("firms.csv", FIRMS)
    result = house.built()
    assert list(built_tables(result)) == list(ALL)
    assert house.table("otc_raw").height == 7
    assert house.table(VENUES).select("tier", "symbol", "mpid").rows() == [
        ("NMS_TIER_1", "AAAA", "UBSA"),
        ("OTC", "AAAA", "OTCX"),
        ("OTC", "AAAA", "DE_MINIMIS"),
        ("OTC", "AAAA", "FIRM:ACME LLC"),
        ("OTC", "BBBB", "OTCX"),
        ("OTC", "CCCC", "OTCX"),
        ("NMS_TIER_2", "EEEE", "UBSA"),
    ]
    assert house.table(SYMBOLS).height == 5
    assert house.table(SHARES).filter(mpid="OTCX")["total_volume"].to_list() == [Decimal(300)]
    assert not house.table(SHARES)["is_complete"].any()  # firms of two tiers are not in
    assert not [event for event in result.events if not getattr(event, "passed", True)]


def test_each_declared_check_is_evaluated_once(house: House) -> None:
    house.drop("otc.csv", FIRST)
    declared = sorted((table.name, check.name) for table in TABLES for check in table.checks)
    assert len(declared) == 23
    for _ in range(2):  # a first build, then an unchanged one
        events = [event for event in house.built().events if isinstance(event, CheckResult)]
        assert sorted((event.table, event.check) for event in events) == declared
        assert all(event.summary for event in events)


def test_a_capture_is_named_by_its_time_and_content(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    (path,) = house.lake.files("otc_raw", WEEK)
    (capture,) = captures.stored(house.lake, WEEK)
    assert capture.capture_id == f"20260120T120000Z-{capture.sha256[:12]}"
    assert capture.file_name == path.name
    assert house.table("otc_raw")["captured_at"].unique().to_list() == [NOW.replace(tzinfo=None)]


def test_rejects_of_both_stages_are_kept_and_reconcile(house: House) -> None:
    bad = (line("", shares="3"), line("BBBB", shares="x"), line("CCCC", shares="4", trades=""))
    house.drop("otc.csv", delivered(line("AAAA"), *bad))
    result = house.built()
    found = house.table("otc_rejects").sort("source_line")
    assert found.select("stage", "reason", "source_line", "share_volume").rows() == [
        ("rule", "BLANK_SYMBOL", 3, Decimal(3)),
        ("parse", "NOT_A_NUMBER", 4, None),
        ("parse", "BLANK_NUMBER", 5, Decimal(4)),
    ]
    assert house.table("otc_raw").height == 2
    assert volumes(house) == {"AAAA": 100}
    for name in ("conservation", "schema"):
        assert check_of(result, "otc_raw", name).passed
    assert check_of(result, VENUES, "reconciles").passed
    rejects = check_of(result, "otc_raw", "rejects")
    assert (rejects.passed, rejects.severity) == (False, Severity.ERROR)  # 3 of 5 lines
    assert built_tables(result)["otc_rejects"].facts["rows"] == 3


def test_few_rejects_are_a_warning(house: House) -> None:
    house.drop("otc.csv", delivered(*(line(f"S{n}") for n in range(200)), line("", shares="3")))
    rejects = check_of(house.built(), "otc_raw", "rejects")
    assert (rejects.passed, rejects.severity) == (False, Severity.WARN)


def test_a_week_of_rejects_only_is_built_empty(house: House) -> None:
    house.drop("otc.csv", delivered(line(""), line("", shares="5")))
    house.built()
    assert [house.table(name).height for name in DERIVED] == [0, 0, 0]
    assert house.table("otc_rejects")["reason"].to_list() == ["BLANK_SYMBOL"] * 2


@pytest.mark.parametrize(
    ("rows", "total"),
    [
        ([line("AAAA", shares="9" * 22), line("AAAA", "OTCN", "9" * 22)], "1" + "9" * 21 + "8"),
        ([line("AAAA", shares="9" * 22), line("BBBB", shares="9" * 22)], "1" + "9" * 21 + "8"),
    ],
)
def test_quantities_too_large_to_add_do_not_crash_the_week(
    house: House, rows: list[str], total: str
) -> None:
    house.drop("otc.csv", delivered(*rows))
    result = house.build()  # an error that names the week is as good as a sum
    if result.error is None:
        assert house.table(SHARES)["total_volume"].sum() == Decimal(total)
    else:
        assert str(WEEK) in str(result.error)


@pytest.mark.parametrize("text", ["\u00a0OTC", "OTC\x0c"])
def test_a_tier_in_odd_white_space_is_refused_or_built(house: House, text: str) -> None:
    house.drop("otc.csv", delivered(line(tier=text)))
    result = house.build()
    assert isinstance(result.error, NoInput) or volumes(house) == {"AAAA": 100}


@pytest.mark.parametrize("end", [b"\r", b"\n\r", b"\r\n\r", b"\n\n", b" "])
def test_no_end_of_file_keeps_a_week_from_being_published(house: House, end: bytes) -> None:
    house.drop("otc.csv", FIRST + end)
    assert check_of(house.built(), "otc_raw", "conservation").passed
    assert volumes(house) == {"AAAA": 100, "BBBB": 100, "CCCC": 100}


@pytest.mark.parametrize("raw_name", [b"it's;--.csv", b"new\nline.csv", b"caf\xe9.csv"])
def test_a_week_is_built_from_a_file_of_any_name(house: House, raw_name: bytes) -> None:
    name = raw_name.decode("utf-8", "surrogateescape")
    house.drop(name, FIRST)
    house.built()
    (stored,) = house.table("otc_raw")["source_file"].unique().to_list()
    if raw_name.isascii():
        assert stored == name
    assert volumes(house) == {"AAAA": 100, "BBBB": 100, "CCCC": 100}


# --- captures


def test_a_correction_becomes_current_and_the_earlier_capture_stays(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    (before,) = house.lake.files("otc_raw", WEEK)
    kept = before.read_bytes()
    house.drop("corrected.csv", CORRECTED)
    result = house.built(now=LATER)
    assert volumes(house) == {"AAAA": 100, "BBBB": 7, "DDDD": 100}  # CCCC is gone
    assert house.table(SYMBOLS)["symbol"].to_list() == ["AAAA", "BBBB", "DDDD"]
    assert before.read_bytes() == kept
    assert house.table("otc_raw").height == 6
    assert built_tables(result)["otc_raw"].facts["captures"] == 2
    assert "capture_not_current" not in {kind for kind, _ in findings(result)}


def test_a_correction_in_the_same_file_is_a_new_capture(house: House) -> None:
    path = house.drop("otc.csv", FIRST)
    house.built()
    path.write_bytes(CORRECTED)
    house.built(now=LATER)
    assert len(captures.stored(house.lake, WEEK)) == 2
    assert volumes(house) == {"AAAA": 100, "BBBB": 7, "DDDD": 100}


def test_of_equal_update_dates_the_later_capture_is_current(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    house.drop("again.csv", FIRST.replace(b"|100|", b"|1|"))
    house.built(now=LATER)
    assert volumes(house) == {"AAAA": 1, "BBBB": 1, "CCCC": 1}


def test_the_same_content_under_another_name_is_no_new_capture(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.drop("otc copy.csv", FIRST)
    first = house.built()
    before = files(house)
    house.drop("deep/renamed.csv", FIRST)
    second = house.built(now=LATER)
    assert len(captures.stored(house.lake, WEEK)) == 1
    assert files(house) == before
    assert versions(second) == versions(first)
    told = built_tables(second)["otc_raw"].facts["same_content"]
    assert told == {"deep/renamed.csv": "otc copy.csv", "otc.csv": "otc copy.csv"}
    assert check_of(second, "otc_raw", "delivery").facts["same_content"] == 2


def test_a_content_that_is_captured_cannot_come_again_as_the_other_class(house: House) -> None:
    path = house.drop("otc.csv", FIRST)
    house.built()
    path.unlink()
    house.drop("class=non_ats/otc.csv", FIRST)
    result = house.built(now=LATER)
    assert ("unusable_file", "class=non_ats/otc.csv") in findings(result)
    assert len(captures.stored(house.lake, WEEK)) == 1
    assert volumes(house) == {"AAAA": 100, "BBBB": 100, "CCCC": 100}


def test_a_late_tier_joins_the_week(house: House) -> None:
    house.drop("tier1.csv", TIER_1)
    first = house.built()
    assert house.table(SHARES).select("tiers", "is_complete").row(0) == (["NMS_TIER_1"], False)
    assert findings(first) == [("tier_overdue", "NMS_TIER_2"), ("tier_overdue", "OTC")]
    house.drop("otc.csv", FIRST)
    house.drop("tier2.csv", TIER_2)
    second = house.built(now=LATER)
    assert house.table(SHARES)["is_complete"].to_list() == [True, True]
    assert house.table(VENUES).height == 5
    assert findings(second) == []


def test_a_tier_is_overdue_only_after_its_publication_day(house: House) -> None:
    house.drop("tier1.csv", TIER_1)
    published = datetime.fromisoformat("2025-12-22T12:00:00+00:00")
    assert findings(house.built(now=published)) == []
    assert len(findings(house.built(now=published + timedelta(days=1)))) == 2


def test_a_new_capture_that_does_not_become_current_warns(house: House) -> None:
    house.drop("corrected.csv", CORRECTED)
    house.built()
    house.drop("old.csv", FIRST)
    result = house.built(now=LATER)
    assert ("capture_not_current", "old.csv") in findings(result)
    delivery = check_of(result, "otc_raw", "delivery")
    assert (delivery.passed, delivery.severity, delivery.blocking) == (False, Severity.WARN, False)
    (told,) = (row["detail"] for row in delivery.samples if row["what"] == "old.csv")
    assert "2025-12-22" in told
    assert "2025-12-30" in told
    assert "spine captures use" in told
    assert volumes(house) == {"AAAA": 100, "BBBB": 7, "DDDD": 100}
    assert len(captures.stored(house.lake, WEEK)) == 2


def test_a_capture_that_is_not_current_is_told_until_somebody_decides(house: House) -> None:
    house.drop("corrected.csv", CORRECTED)
    house.built()
    house.drop("old.csv", FIRST)
    house.built(now=LATER)
    assert ("capture_not_current", "old.csv") in findings(house.built(now=LATER))
    (current,) = captures.current_of(house.lake, WEEK).values()
    pins.add(house.lake, WEEK, current.key, current.capture_id, LATER)
    assert findings(house.built(now=LATER)) == OVERDUE


OTHER_WEEK = "2025-12-29"  # tier 2 and OTC of the week after


def halves() -> bytes:
    """Rows half of which were updated on another week's publication day."""
    return delivered(*(line(f"S{n}", updated=(PUBLISHED, OTHER_WEEK)[n % 2]) for n in range(6)))


def test_a_file_half_of_another_week_is_refused_with_both_weeks(house: House) -> None:
    house.drop("otc.csv", halves())
    result = house.build()
    assert isinstance(result.error, NoInput)
    assert "would be week ending 2025-11-21 of OTC by its earliest rows" in str(result.error)
    assert "publication day of week ending 2025-11-28" in str(result.error)
    assert house.lake.files("otc_raw", WEEK) == []


def test_a_path_against_half_of_the_rows_is_told_until_somebody_decides(house: House) -> None:
    house.drop("week_ending=2025-11-21/otc.csv", halves())
    for now in (NOW, LATER):
        result = house.built(now=now)
        assert ("week_in_doubt", "week_ending=2025-11-21/otc.csv") in findings(result)
    assert (
        "publication day of week ending 2025-11-28"
        in check_of(result, "otc_raw", "delivery").samples[2]["detail"]
    )
    (current,) = captures.current_of(house.lake, WEEK).values()
    pins.add(house.lake, WEEK, current.key, current.capture_id, LATER)
    assert findings(house.built(now=LATER)) == OVERDUE


def test_names_in_stored_captures_and_in_the_index_are_those_of_older_versions(
    house: House,
) -> None:
    house.drop("week_ending=2025-11-21/otc.csv", halves())
    house.built()
    (path,) = house.lake.files("otc_raw", WEEK)
    facts = house.lake.metadata(path)["capture"]
    assert facts["or_week"] == "2025-11-28"
    assert "alternative_week" not in facts
    (capture,) = captures.stored(house.lake, WEEK)
    assert capture.alternative_week == date(2025, 11, 28)
    (delivery,) = house.scan().deliveries
    file = json.loads(house.index.read_text("utf-8"))["files"][delivery.name]
    placement = file["contents"][0]["placement"]
    assert list(placement) == [
        "week_ending",
        "tier",
        "venue_class",
        "week_source",
        "grain",
        "or_week",
    ]
    (known,) = house.scan().deliveries
    assert known == delivery


def test_a_refused_file_does_not_keep_a_table_from_being_built_alone(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    house.drop("halves.csv", halves())
    assert ("unusable_file", "halves.csv") in findings(house.built())
    assert set(built_tables(house.built({SHARES}))) == {SHARES}


def test_the_next_week_in_the_place_of_a_captured_one_is_refused(house: House) -> None:
    names = [f"S{n}" for n in range(30)]
    house.drop("otc.csv", delivered(*map(line, names)))
    house.built()
    others = (line(name, shares="55", updated=OTHER_WEEK) for name in names)
    house.drop("week_ending=2025-11-21/next.csv", delivered(*others))
    result = house.built(now=LATER)
    assert ("unusable_file", "week_ending=2025-11-21/next.csv") in findings(result)
    assert volumes(house) == dict.fromkeys(names, 100)


@pytest.mark.parametrize("together", [True, False])
def test_a_correction_of_all_rows_on_a_publication_day_is_no_other_week(
    house: House, together: bool
) -> None:
    house.drop("otc.csv", FIRST)
    if not together:
        house.built()
    rows = (("AAAA", "100"), ("BBBB", "7"), ("CCCC", "100"))
    corrected = (line(name, shares=shares, updated=OTHER_WEEK) for name, shares in rows)
    house.drop("week_ending=2025-11-21/corrected.csv", delivered(*corrected))
    house.built(now=LATER)
    assert volumes(house) == {"AAAA": 100, "BBBB": 7, "CCCC": 100}


def test_a_split_delivery_is_refused_both_parts(house: House) -> None:
    house.drop("part1.csv", delivered(line("AAAA")))
    house.drop("part2.csv", delivered(line("BBBB")))
    result = house.build()
    assert isinstance(result.error, NoInput)
    for part in ("part1.csv", "part2.csv"):
        assert part in str(result.error)
    assert "join them" in str(result.error)
    assert house.lake.files("otc_raw", WEEK) == []
    house.drop("joined.csv", delivered(line("AAAA"), line("BBBB")))
    result = house.built()
    assert volumes(house) == {"AAAA": 100, "BBBB": 100}
    assert ("capture_waiting", "part1.csv") in findings(result)


def test_the_second_part_of_a_delivery_is_refused_also_a_day_later(house: House) -> None:
    house.drop("part1.csv", delivered(line("AAAA")))
    house.built()
    house.drop("part2.csv", delivered(line("BBBB")))
    assert ("unusable_file", "part2.csv") in findings(house.built(now=LATER))
    assert volumes(house) == {"AAAA": 100}


def test_files_of_different_tiers_and_classes_are_no_split_delivery(house: House) -> None:
    house.drop("otc.csv", delivered(line("AAAA")))
    house.drop("firms.csv", delivered(line("BBBB", "", name="ACME LLC")))
    house.drop("tier2.csv", TIER_2)
    house.built()
    assert volumes(house) == {"AAAA": 100, "BBBB": 100, "EEEE": 100}


def test_a_file_that_is_gone_still_counts_once_it_was_captured(house: House) -> None:
    path = house.drop("otc.csv", FIRST)
    first = house.built()
    path.unlink()
    house.index.unlink()
    assert versions(house.built()) == versions(first)
    for name in (*DERIVED, "otc_rejects"):
        part_of(house.lake, name, WEEK).unlink()
    house.built(set(ALL) - {"otc_raw"})
    assert volumes(house) == {"AAAA": 100, "BBBB": 100, "CCCC": 100}


DELIVERIES = {
    "first.csv": FIRST,
    "corrected.csv": CORRECTED,
    "tier1.csv": TIER_1,
    "firms.csv": FIRMS,
}


def test_the_order_of_arrival_decides_nothing(tmp_path: Path) -> None:
    together = House(tmp_path / "together")
    for name, content in DELIVERIES.items():
        together.drop(name, content)
    last = timeless(together.built())
    expected = derived(together)
    for number, order in enumerate(list(permutations(DELIVERIES))[::5]):
        house = House(tmp_path / str(number))
        for step, name in enumerate(order):
            house.drop(name, DELIVERIES[name])
            result = house.built(now=NOW + timedelta(hours=step))
        assert timeless(result) == last
        for name, frame in derived(house).items():
            assert_frame_equal(frame, expected[name], check_exact=True)


# --- unchanged, forced, subsets


def test_an_unchanged_week_publishes_nothing_and_says_the_same_version(house: House) -> None:
    house.drop("otc.csv", FIRST)
    first = house.built()
    assert not any(built.unchanged for built in built_tables(first).values())
    before = files(house)
    second = house.built(now=LATER)
    assert files(house) == before
    assert all(built.unchanged for built in built_tables(second).values())
    assert versions(second) == versions(first)
    assert len(set(versions(first).values())) == len(ALL)


def test_checks_that_do_not_block_run_again_in_an_unchanged_week(house: House) -> None:
    """They look at other weeks too, one of which has come since."""
    house.drop("otc.csv", delivered(line("AAAA", trades="0")))
    first = house.built()
    house.drop("earlier.csv", delivered(line("AAAA", updated="2025-12-15")))
    house.built(week=WEEK - timedelta(weeks=1))
    again = house.built()
    assert built_tables(again)[VENUES].unchanged
    for result, compared in ((first, False), (again, True)):
        assert not check_of(result, VENUES, "volumes").passed
        assert ("against" in check_of(result, VENUES, "continuity").facts) is compared


def test_a_touched_file_changes_nothing(house: House) -> None:
    path = house.drop("otc.csv", FIRST)
    first = house.built()
    before = files(house)
    path.touch()
    assert versions(house.built(now=LATER)) == versions(first)
    assert files(house) == before


def test_force_builds_again_with_the_same_version(house: House) -> None:
    house.drop("otc.csv", FIRST)
    first = house.built()
    before, rows = files(house), derived(house)
    second = house.built(now=LATER, force=True)
    changed = {path.partition("/")[0] for path, now in files(house).items() if before[path] != now}
    assert changed == {*ALL} - {"otc_raw"}
    assert versions(second) == versions(first)
    assert not any(built_tables(second)[name].unchanged for name in DERIVED)
    for name, frame in derived(house).items():
        assert_frame_equal(frame, rows[name])
    assert house.table(SHARES)["capture_id"][0].startswith("20260121T120000Z-")


@pytest.mark.parametrize(
    ("raised", "stale"), [(SYMBOLS, {SYMBOLS}), (VENUES, {VENUES, SYMBOLS, SHARES})]
)
def test_new_content_and_new_code_change_the_version_of_all_that_is_made_from_it(
    house: House, monkeypatch: pytest.MonkeyPatch, raised: str, stale: set[str]
) -> None:
    house.drop("otc.csv", FIRST)
    first = versions(house.built())
    house.drop("tier1.csv", TIER_1)
    second = versions(house.built(now=LATER))
    same = {name for name in ALL if first[name] == second[name]}
    assert same == {*OF_TOTALS}
    changed = replace(tables.table(raised), code_version="next")
    monkeypatch.setattr(tables, "TABLES", tuple(changed if t.name == raised else t for t in TABLES))
    monkeypatch.setattr("spine_assets.otc.build.week.TABLES", tables.TABLES)
    result = house.built(now=LATER)
    third = versions(result)
    assert {name for name in ALL if second[name] != third[name]} == stale
    assert {name for name, b in built_tables(result).items() if not b.unchanged} == stale


def test_a_subset_reads_the_stored_tables(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built(("otc_raw", "otc_rejects", VENUES))
    result = house.built((SHARES,))
    assert list(built_tables(result)) == [SHARES]
    assert house.table(SHARES)["total_volume"].to_list() == [Decimal(300)]
    assert not house.lake.part(SYMBOLS, WEEK).exists()


@pytest.mark.parametrize(
    ("first", "wanted", "missing", "selection"),
    [
        (["otc_raw"], [SHARES], "otc_rejects", (*ALL[:4], SHARES)),
        (["otc_raw", "otc_rejects"], [SYMBOLS], VENUES, (*ALL[:3], SYMBOLS)),
        (["otc_raw"], [VENUES], "otc_rejects", ALL[:3]),
    ],
)
def test_a_subset_without_its_upstream_fails_and_names_the_selection(
    house: House, first: list[str], wanted: list[str], missing: str, selection: tuple[str, ...]
) -> None:
    house.drop("otc.csv", FIRST)
    house.built(first)
    result = house.build(wanted)
    assert f"needs {missing}, which is missing" in str(result.error)
    assert f"--select '{','.join(selection)}'" in str(result.error)
    assert f"--partition {WEEK}" in str(result.error)
    assert built_tables(result) == {}


def test_a_subset_upon_a_stale_upstream_fails(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    house.drop("corrected.csv", CORRECTED)
    result = house.build((SHARES,))
    assert "otc_raw is older than its files (corrected.csv)" in str(result.error)
    house.built(("otc_raw",))
    before = files(house)
    result = house.build((SHARES,))
    assert "otc_rejects, which is older than its inputs" in str(result.error)
    assert files(house) == before


@pytest.mark.parametrize("table", [VENUES, "otc_raw"])
def test_a_subset_upon_a_file_with_a_changed_byte_fails(house: House, table: str) -> None:
    """The file can be read as well as before: only its checksum shows it."""
    house.drop("otc.csv", FIRST)
    house.built()
    (path,) = house.lake.files(table, WEEK)
    sound = path.read_bytes()
    changed = sound.replace(b'"rows": 3', b'"rows": 4')
    assert changed != sound
    path.write_bytes(changed)
    result = house.build({SHARES}, force=True)
    assert isinstance(result.error, LakeError)
    assert "its bytes are not those that were written" in str(result.error)
    assert built_tables(result) == {}


def test_the_selection_that_a_stale_subset_names_works(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    house.drop("corrected.csv", CORRECTED)
    told = str(house.build((SHARES,)).error)
    selection = told.partition("--select '")[2].partition("'")[0].split(",")
    assert SHARES in selection
    assert house.build(selection).error is None


# --- failures


def lose_a_row(build: Any) -> Any:
    return lambda *args: build(*args)[1:]


def change_a_total(build: Any) -> Any:
    return lambda *args: build(*args).with_columns(
        total_volume=pl.col("total_volume") * 2, ats_volume=pl.col("ats_volume") * 2
    )


def blocked(house: House, table: str, check: str) -> WeekResult:
    """Build a corrected week in which one table's blocking check fails."""
    before = {name: house.lake.part(name, WEEK).read_bytes() for name in DERIVED}
    house.drop("corrected.csv", CORRECTED)
    result = house.build(now=LATER)
    assert f"{table} was not published" in str(result.error)
    failed = check_of(result, table, check)
    assert (failed.passed, failed.blocking, failed.severity) == (False, True, Severity.ERROR)
    assert list(built_tables(result)) == list(ALL[: ALL.index(table)])
    for name in DERIVED:
        if ALL.index(name) >= ALL.index(table):
            assert house.lake.part(name, WEEK).read_bytes() == before[name]
        else:
            assert house.lake.part(name, WEEK).read_bytes() != before[name]
    assert leftovers(house) == []
    return result


def test_a_lost_venue_row_blocks_and_the_old_week_stands(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    with monkeypatch.context() as patch:
        patch.setattr(venue_volume, "build", lose_a_row(venue_volume.build))
        blocked(house, VENUES, "reconciles")
    assert volumes(house) == {"AAAA": 100, "BBBB": 100, "CCCC": 100}
    house.built(now=LATER)
    assert volumes(house) == {"AAAA": 100, "BBBB": 7, "DDDD": 100}


@pytest.mark.parametrize("table", [SYMBOLS, SHARES])
def test_a_lost_row_of_a_summary_blocks(
    house: House, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    monkeypatch.setitem(builders.BUILDERS, table, lose_a_row(builders.BUILDERS[table]))
    blocked(house, table, "reconciles")


def test_a_wrong_total_blocks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    monkeypatch.setitem(builders.BUILDERS, SYMBOLS, change_a_total(symbol_summary.build))
    result = blocked(house, SYMBOLS, "reconciles")
    (sample, *_) = check_of(result, SYMBOLS, "reconciles").samples
    assert (sample["expected_shares"], sample["found_shares"]) == ("100", "200")


def test_a_value_out_of_its_range_blocks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    build = symbol_summary.build
    monkeypatch.setitem(
        builders.BUILDERS, SYMBOLS, lambda *args: build(*args).with_columns(hhi=pl.lit(1.5))
    )
    blocked(house, SYMBOLS, "schema")


def test_a_line_that_the_parser_loses_keeps_the_capture_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", FIRST)
    monkeypatch.setattr(raw, "build", lose_a_row(raw.build))
    result = house.build()
    assert "otc_raw was not published" in str(result.error)
    failed = check_of(result, "otc_raw", "conservation")
    assert not failed.passed
    assert failed.samples[0]["lines_missing"] == 1
    assert failed.samples[0]["shares_missing"] == "100"
    assert house.lake.files("otc_raw", WEEK) == []
    assert house.lake.files("otc_rejects", WEEK) == []


def test_a_full_disk_is_an_error_of_the_week_and_loses_nothing(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    house.drop("corrected.csv", CORRECTED)
    before = derived(house)
    with files_limited_to(1_500):  # less than any table's file
        result = house.build(now=LATER)
    assert isinstance(result.error, LakeError)
    assert "run the week again" in str(result.error)
    for name, frame in derived(house).items():
        assert_frame_equal(frame, before[name])
    house.built(now=LATER)
    assert volumes(house) == {"AAAA": 100, "BBBB": 7, "DDDD": 100}


def test_leftovers_of_a_killed_run_are_removed(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    (capture,) = captures.stored(house.lake, WEEK)
    good = captures.rejects_path(house.lake, capture)
    orphan = good.parent / f"parse.OTC.ATS.20260101T000000Z-{'f' * 12}.parquet"
    house.lake.publish(house.lake.stage_bytes(good.read_bytes(), orphan), orphan)
    if house.place is None:  # what is staged for a bucket is nowhere near it
        part = house.lake.part(VENUES, WEEK)
        (part.parent / f".{part.name}.0123.tmp").write_bytes(b"half")
    house.built()
    assert not orphan.exists()
    assert good.exists()
    assert leftovers(house) == []


def test_a_run_killed_between_rejects_and_raw_is_completed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB", shares="x")))

    class Killed(BaseException):
        pass

    def killed(lake: object, staged: Path, target: Path) -> None:
        if target.parent.parent.name == "otc_raw":
            raise Killed
        published(house.lake, staged, target)

    kind = type(house.lake)
    published = kind.publish
    with monkeypatch.context() as patch:
        patch.setattr(kind, "publish", killed)
        patch.setattr(kind, "append", killed)
        with pytest.raises(Killed):
            house.build()
    assert len(house.lake.files("otc_rejects", WEEK)) == 1
    assert house.lake.files("otc_raw", WEEK) == []
    house.built(now=LATER)
    assert house.table("otc_rejects").height == 1
    assert house.table("otc_raw").height == 1


def test_two_builds_of_a_week_at_once_give_one_capture(house: House) -> None:
    house.drop("otc.csv", FIRST)
    results: list[WeekResult] = []
    threads = [threading.Thread(target=lambda: results.append(house.build())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [result.error for result in results] == [None] * 4
    assert len(captures.stored(house.lake, WEEK)) == 1
    assert sum(not built_tables(result)[SHARES].unchanged for result in results) == 1
    assert volumes(house) == {"AAAA": 100, "BBBB": 100, "CCCC": 100}


# --- no input


def test_a_week_without_input_lists_every_unusable_file(house: House) -> None:
    house.drop("empty.csv", b"")
    house.drop("page.csv", b"<html>")
    house.drop("other week.csv", TIER_1)
    result = house.build(week=date(2025, 10, 3))
    assert isinstance(result.error, NoInput)
    told = str(result.error)
    assert "2025-10-03: no usable file" in told
    assert "empty.csv: the file is empty" in told
    assert "page.csv: this is an HTML" in told
    assert "other week.csv" not in told
    (check,) = result.events
    assert isinstance(check, CheckResult)
    assert (check.table, check.check, check.passed) == ("otc_raw", "delivery", False)
    assert check.samples == []  # they claim no week; the check `usable` names them
    assert house.lake.weeks("otc_raw") == []


def test_unusable_files_warn_where_the_week_has_its_own(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.drop("empty.csv", b"")
    house.drop(f"week_ending={WEEK}/empty.csv", b"")
    result = house.built()
    assert ("unusable_file", f"week_ending={WEEK}/empty.csv") in findings(result)
    assert ("unusable_file", "empty.csv") not in findings(result)  # it claims no week


def test_a_file_that_changed_after_the_scan_is_refused(house: House) -> None:
    path = house.drop("otc.csv", FIRST)
    place = house.workplace()
    path.write_bytes(CORRECTED)
    result = build_week(WEEK, ALL, place).finish()
    assert "otc.csv changed while it was read" in str(result.error)


# --- checks that warn


def test_a_cut_file_is_told_as_truncated(house: House) -> None:
    house.drop("otc.csv", FIRST[:-3])
    assert ("truncated_file", "otc.csv") in findings(house.built())


def test_a_file_of_half_the_usual_rows_is_told_as_truncated(house: House) -> None:
    house.drop("a.csv", delivered(*(line(f"S{n}", updated="2025-12-15") for n in range(7))))
    house.built(week=WEEK - timedelta(weeks=1))
    house.drop("b.csv", FIRST)
    assert ("truncated_file", "b.csv") in findings(house.built())


def test_a_correction_that_lacks_many_rows_is_told_also_when_it_is_longer(house: House) -> None:
    house.drop("part1.csv", delivered(*(line(f"A{n}") for n in range(10))))
    house.built()
    house.drop("part2.csv", delivered(line("A0"), *(line(f"B{n}") for n in range(20))))
    result = house.built(now=LATER)
    assert ("truncated_file", "part2.csv") in findings(result)
    told = check_of(result, "otc_raw", "delivery").summary
    assert "it lacks 9 of the 10 rows of the capture it replaces" in told


def test_a_renamed_venue_is_no_lost_row(house: House) -> None:
    house.drop("first.csv", delivered(*(line(f"A{n}") for n in range(10))))
    house.built()
    renamed = (line(f"A{n}", name="OTCX NEW NAME") for n in range(10))
    house.drop("second.csv", delivered(*renamed))
    assert findings(house.built(now=LATER)) == OVERDUE


def test_one_content_in_two_weeks_is_told_in_both(house: House) -> None:
    late = delivered(line("AAAA", updated="2026-01-06"))
    weeks = (WEEK - timedelta(weeks=1), WEEK)
    for week in weeks:
        house.drop(f"week_ending={week}/otc.csv", late)
    for week in weeks:
        told = findings(house.built(week=week))
        assert ("content_of_two_weeks", f"week_ending={week}/otc.csv") in told


def test_a_class_that_recent_weeks_had_is_missed(house: House) -> None:
    for name, content in (("ats.csv", FIRST), ("firms.csv", FIRMS)):
        published = content.replace(PUBLISHED.encode(), b"2025-12-15")
        house.drop(f"before/{name}", published.replace(REVISED.encode(), b"2025-12-15"))
    house.built(week=WEEK - timedelta(weeks=1))
    house.drop("ats.csv", FIRST)
    assert ("class_missing", "OTC NON_ATS") in findings(house.built())
    house.drop("firms.csv", FIRMS)
    assert findings(house.built()) == OVERDUE


@pytest.mark.parametrize(("last", "told"), [("totalNotionalSum", True), ("weekStartDate", False)])
def test_a_last_line_without_an_end_is_told_where_a_cut_would_not_show(
    house: House, last: str, told: bool
) -> None:
    header, row = with_columns(**{last: "2025-11-17" if last == "weekStartDate" else "1234"})
    house.drop("otc.csv", delivered(row, header=header)[:-1])
    assert (("truncated_file", "otc.csv") in findings(house.built())) is told


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (line("ODD", shares="0", trades="0"), "zero volume"),
        (line("ODD", trades="0"), "volume without trades"),
        (line("ODD", shares="99999999999", trades="1"), "outlying trade size"),
    ],
)
def test_odd_figures_load_with_a_warning(house: House, row: str, found: str) -> None:
    house.drop("otc.csv", delivered(line("AAAA"), row))
    volumes_check = check_of(house.built(), VENUES, "volumes")
    assert (volumes_check.passed, volumes_check.severity) == (False, Severity.WARN)
    assert [(s["finding"], s["symbol"]) for s in volumes_check.samples] == [(found, "ODD")]
    assert house.table(VENUES).height == 2


OVERDUE = [("tier_overdue", "NMS_TIER_1"), ("tier_overdue", "NMS_TIER_2")]


def two_weeks(house: House, before: bytes, now: bytes) -> WeekResult:
    published = b"2025-12-15"  # tier 2 and OTC of the week before
    house.drop("week_ending=2025-11-14/otc.csv", before.replace(PUBLISHED.encode(), published))
    house.drop("week_ending=2025-11-21/otc.csv", now)
    house.built(week=WEEK - timedelta(weeks=1))
    return house.built()


@pytest.mark.parametrize(
    ("shares", "swings"), [("100", False), ("150", False), ("151", True), ("49", True)]
)
def test_a_swing_of_volume_over_half_warns(house: House, shares: str, swings: bool) -> None:
    result = two_weeks(house, delivered(line()), delivered(line(shares=shares)))
    assert check_of(result, VENUES, "continuity").passed is not swings


@pytest.mark.parametrize(("left", "warns"), [(5, False), (4, False), (3, True)])
def test_losing_over_a_fifth_of_the_venues_warns(house: House, left: int, warns: bool) -> None:
    rows = [line(mpid=f"M{n}", shares="100" if n < 3 else "1") for n in range(5)]
    result = two_weeks(house, delivered(*rows), delivered(*rows[:left]))
    check = check_of(result, VENUES, "continuity")
    assert check.passed is not warns
    assert check.facts["venues"] == left


@pytest.mark.parametrize(("moved", "warns"), [(10, False), (11, True)])
def test_a_venue_that_moves_over_ten_points_warns(house: House, moved: int, warns: bool) -> None:
    def shared(part: int) -> bytes:
        return delivered(line(shares=str(part)), line(mpid="OTCN", shares=str(100 - part)))

    check = check_of(two_weeks(house, shared(50), shared(50 + moved)), SHARES, "share_shift")
    assert check.passed is not warns
    assert check.facts["largest_move_points"] in {float(moved), -float(moved)}


def test_weeks_are_compared_like_for_like(house: House) -> None:
    earlier = delivered(line("AAAA", shares="100", updated="2025-12-15"))
    house.drop("earlier.csv", earlier)
    house.built(week=WEEK - timedelta(weeks=1))
    house.drop("otc.csv", delivered(line("AAAA", shares="100")))
    house.drop("tier1.csv", TIER_1)
    check = check_of(house.built(), VENUES, "continuity")
    assert check.passed
    assert check.facts["like_for_like"] == "OTC ATS"
    assert check.facts["volume_change_pct"] == 0


# --- checks alone


def test_checks_run_on_a_week_as_it_stands(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    before = files(house)
    wanted = [("otc_raw", "conservation"), (VENUES, "reconciles"), (SHARES, "schema")]
    result = check_week(WEEK, wanted, house.workplace(LATER))
    assert result.error is None
    assert built_tables(result) == {}
    assert [check_of(result, *name).passed for name in wanted] == [True] * 3
    assert len(result.events) == 3
    assert files(house) == before


def test_a_check_finds_a_table_that_was_changed_by_hand(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built()
    part = house.lake.part(SHARES, WEEK)
    facts = house.lake.metadata(part)
    doubled = house.lake.read(part).with_columns(total_volume=pl.col("total_volume") * 2)
    house.lake.publish(house.lake.stage(doubled, part, facts), part)
    result = check_week(WEEK, [(SHARES, "reconciles")], house.workplace())
    assert not check_of(result, SHARES, "reconciles").passed
    assert result.error is None  # nothing was to be published


def test_checks_of_a_table_that_is_missing_name_what_to_run(house: House) -> None:
    house.drop("otc.csv", FIRST)
    house.built(("otc_raw",))
    result = check_week(WEEK, [(SHARES, "schema")], house.workplace())
    assert isinstance(result.error, BuildFailed)
    assert "missing" in str(result.error)
    assert "--select" in str(result.error)
