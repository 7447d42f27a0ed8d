"""Many weeks in one run: the same tables as week by week, each file read once."""

from __future__ import annotations

import gzip
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.dev.sample import generate_week
from spine_assets.otc.build import week_range
from spine_assets.otc.build.week import build_week
from spine_assets.otc.build.week_range import Limits, ManyWeeks
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pending import uncaptured
from spine_assets.otc.delivery import archives, deliveries
from spine_assets.otc.delivery.scan import Scan
from spine_assets.otc.delivery.week_guess import guess_week
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.results import NoInput, TableBuilt, WeekResult
from spine_assets_tests.conftest import ALL, WEEK, House, check_of, delivered, line

WEEKS = [WEEK - timedelta(weeks=n) for n in range(5, -1, -1)]
THREE = Limits(threads=3)
# Of two builds at different moments these differ, and nothing else.
BUILT_AT = [
    *("captured_at", "capture_id", "build_id"),
    *("input_min_capture_id", "input_max_capture_id"),
]


def deliver(house: House, weeks: list[date]) -> None:
    for week in weeks:
        for file in generate_week(week, rows=90, include_non_ats=week == WEEKS[2]):
            house.drop(file.path, file.content)


def open_run(house: House, weeks: list[date], limits: Limits = THREE) -> ManyWeeks:
    scan = Scan(house.landing, house.index)
    place = RunContext(house.lake, scan.landing(), lambda: closing(duckdb.connect(":memory:")))
    return ManyWeeks(weeks, ALL, place, scan, limits=limits)


def run(house: House, weeks: list[date], limits: Limits = THREE) -> list[WeekResult]:
    return list(open_run(house, weeks, limits).results())


def test_the_tables_and_checks_are_those_of_week_by_week(house: House, tmp_path: Path) -> None:
    deliver(house, WEEKS)
    other = House(tmp_path / "other")
    deliver(other, WEEKS)
    results = run(house, WEEKS)
    single = [other.built(week=week, now=datetime.now(UTC)) for week in WEEKS]
    assert [item.week for item in results] == WEEKS
    for week in WEEKS:
        for table in ALL:
            one, alone = (
                place.table(table, week).drop(BUILT_AT, strict=False) for place in (house, other)
            )
            assert_frame_equal(one, alone)
    for result, expected in zip(results, single, strict=True):
        assert result.error is None
        for table, check in (
            ("otc_venue_volume", "continuity"),
            ("otc_venue_share", "share_shift"),
        ):
            assert check_of(result, table, check) == check_of(expected, table, check)


def test_each_file_is_read_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(house, WEEKS)
    opened: Counter[str] = Counter()
    read = archives.read_contents

    def counting(path: Path, only: str | None = None) -> object:
        opened[path.name] += 1
        return read(path, only)

    monkeypatch.setattr(deliveries, "read_contents", counting)
    results = run(house, WEEKS)
    assert all(item.error is None for item in results)
    assert set(opened.values()) == {1}
    assert len(opened) == sum(1 for path in house.landing.rglob("*") if path.is_file())
    assert not Scan(house.landing, house.index).pending  # and the index knows them all


def test_a_week_whose_file_was_taken_for_another_weeks_is_told_again(house: House) -> None:
    """The first line was revised on another week's publication day; all lines decide."""
    before, later = WEEKS[-2], WEEKS[-1]
    day, revised = (str(publication_day(week, Tier.OTC)) for week in (before, later))
    rows = [line("AAAA", updated=revised), *(line(f"B{n}", updated=day) for n in range(4))]
    house.drop("misleading.csv", delivered(*rows))
    house.drop("sound.csv", delivered(line("CCCC", updated=revised)))
    house.drop("tier1.csv", tier_1_of(before))
    assert guess_week("misleading.csv", house.landing / "misleading.csv") == later
    results = run(house, [before, later], Limits(threads=1))
    assert [item.week for item in results] == [before, later, before]
    assert all(item.error is None for item in results)
    assert house.table("otc_raw", before).height == 6
    scan = Scan(house.landing, house.index)
    assert uncaptured(scan.landing(), captures.names(house.lake)) == []


def test_a_week_whose_only_file_was_taken_for_another_weeks_is_built(house: House) -> None:
    before, later = WEEKS[-2], WEEKS[-1]
    day, revised = (str(publication_day(week, Tier.OTC)) for week in (before, later))
    rows = [line("AAAA", updated=revised), *(line(f"B{n}", updated=day) for n in range(4))]
    house.drop("misleading.csv", delivered(*rows))
    results = run(house, [before, later])
    assert [(item.week, item.error) for item in results] == [(before, None)]
    assert house.table("otc_raw", before).height == 5


def tier_1_of(week: date) -> bytes:
    updated = str(publication_day(week, Tier.NMS_TIER_1))
    return delivered(line("TTTT", tier="NMS Tier 1", updated=updated))


def test_a_week_that_only_seemed_to_have_a_file_is_no_failure(house: House) -> None:
    before, later = WEEKS[-2], WEEKS[-1]
    day, revised = (str(publication_day(week, Tier.OTC)) for week in (before, later))
    rows = [line("AAAA", updated=revised), *(line(f"B{n}", updated=day) for n in range(4))]
    house.drop("misleading.csv", delivered(*rows))
    house.drop("tier1.csv", tier_1_of(before))
    results = run(house, [before, later], Limits(threads=1))
    assert [item.week for item in results] == [before, before]
    alone = run(house, [later])
    assert isinstance(alone[0].error, NoInput)


def test_a_week_that_was_not_requested_is_not_built(house: House) -> None:
    """Its file was taken for one of another week, which was."""
    before, later = WEEKS[-2], WEEKS[-1]
    day, revised = (str(publication_day(week, Tier.OTC)) for week in (before, later))
    rows = [line("AAAA", updated=revised), *(line(f"B{n}", updated=day) for n in range(4))]
    house.drop("misleading.csv", delivered(*rows))
    for week in (WEEKS[0], later):
        house.drop(f"{week}.csv", tier_1_of(week))
    results = run(house, [WEEKS[0], later], Limits(threads=1))
    assert [(item.week, item.error) for item in results] == [(WEEKS[0], None), (later, None)]
    assert house.lake.weeks("otc_raw") == [WEEKS[0], later]


def test_weeks_whose_files_are_gone_are_built_from_their_captures(house: House) -> None:
    deliver(house, WEEKS[:2])
    run(house, WEEKS[:2])
    shutil.rmtree(house.landing)
    results = run(house, WEEKS)
    assert [(item.week, item.error) for item in results] == [(week, None) for week in WEEKS[:2]]


def test_an_unusable_file_is_named_by_the_week_that_it_claims(house: House) -> None:
    for week in WEEKS[:3]:
        house.drop(f"{week}.csv", tier_1_of(week))
    house.drop("notes.csv", b"no data")
    house.drop(f"week_ending={WEEKS[1]}/notes.csv", b"no data either")
    found = {
        item.week: [
            row["what"]
            for row in check_of(item, "otc_raw", "delivery").samples
            if row["finding"] == "unusable_file"
        ]
        for item in run(house, WEEKS[:3])
    }
    assert found == {
        WEEKS[0]: [],
        WEEKS[1]: [f"week_ending={WEEKS[1]}/notes.csv"],
        WEEKS[2]: [],
    }


def test_a_content_that_is_delivered_as_a_later_week_too_is_told_of_both(house: House) -> None:
    content = delivered(line("AAAA", updated="2025-12-30"))
    for week in WEEKS[-2:]:
        house.drop(f"week_ending={week}/otc.csv", content)
    results = run(house, WEEKS[-2:], Limits(threads=1))
    last = {item.week: check_of(item, "otc_raw", "delivery") for item in results}
    assert [last[week].passed for week in WEEKS[-2:]] == [False, False]


@pytest.mark.parametrize(("memory", "most"), [(1, 1), (10_000_000_000, 3)])
def test_so_many_weeks_are_under_way_as_memory_allows(
    house: House, monkeypatch: pytest.MonkeyPatch, memory: int, most: int
) -> None:
    deliver(house, WEEKS)
    counted = Together(most)

    def build(*args: object, **more: object) -> WeekResult:
        with counted:
            return build_week(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(week_range, "build_week", build)
    results = run(house, WEEKS, Limits(memory_bytes=memory, threads=3))
    assert [item.week for item in results] == WEEKS
    assert counted.highest == most


def test_the_next_week_begins_only_if_it_fits_beside_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is memory for one week and a half; the last week is built alone in any case."""
    deliver(house, WEEKS[:3])
    opened = open_run(house, WEEKS[:3])
    most = max(opened._bytes_for(week) for week in WEEKS[:2])
    counted = Together(2, seconds=0.5)

    def build(*args: object, **more: object) -> WeekResult:
        with counted:
            return build_week(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(week_range, "build_week", build)
    memory = week_range._AT_REST_BYTES + most * 3 // 2
    run(house, WEEKS[:3], Limits(memory_bytes=memory, threads=2))
    assert counted.highest == 1


class Together:
    """Counts who is inside at once, and waits a moment for as many as may be."""

    def __init__(self, most: int, seconds: float = 5.0) -> None:
        self.now = self.highest = 0
        self._most, self._seconds = most, seconds
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self.now += 1
            self.highest = max(self.highest, self.now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.highest >= self._most, timeout=self._seconds)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self.now -= 1


def test_who_stops_listening_ends_the_run(house: House) -> None:
    deliver(house, WEEKS)
    # One thread is at most two weeks ahead, however long the first result takes.
    results = open_run(house, WEEKS, Limits(threads=1)).results()
    assert next(results).week == WEEKS[0]
    assert isinstance(results, Iterator)
    results.close()  # type: ignore[attr-defined]
    built = house.lake.weeks("otc_venue_share")
    assert WEEKS[-1] not in built
    known = len(list(house.landing.rglob("*.csv"))) - len(Scan(house.landing, house.index).pending)
    assert known >= len(built)  # what was read is in the index


def test_a_crash_in_a_thread_crashes_the_run(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(house, WEEKS)

    def crash(*_: object, **__: object) -> WeekResult:
        raise ZeroDivisionError("a fault of the code must not pass for a bad week")

    monkeypatch.setattr(week_range, "build_week", crash)
    with pytest.raises(ZeroDivisionError):
        run(house, WEEKS)


API = "|weekStartDate"


@pytest.mark.parametrize(
    ("name", "content", "week"),
    [
        ("otc.csv", delivered(line()), WEEK),
        ("otc.csv.gz", gzip.compress(delivered(line())), WEEK),
        ("week_ending=2025-10-17/otc.csv", b"", date(2025, 10, 17)),
        ("week_ending=2025-10-16/otc.csv", delivered(line()), None),
        ("otc.zip", b"PK", None),
        ("otc.csv.gz", b"no gzip", None),
        ("page.csv", b"<html>\n<body>", None),
        ("empty.csv", b"", None),
        ("otc.csv", delivered(line(updated="2025-13-99")), None),
        ("otc.csv", delivered(line(updated="2025-12-24")), None),
    ],
)
def test_the_week_is_guessed(house: House, name: str, content: bytes, week: date | None) -> None:
    assert guess_week(name, house.drop(name, content)) == week


def test_a_column_tells_the_week_before_any_date(house: House) -> None:
    header, row = delivered(line()).decode().splitlines()
    path = house.drop("api.csv", f"{header}{API}\n{row}|2025-10-13\n".encode())
    assert guess_week("api.csv", path) == date(2025, 10, 17)


def test_the_week_after_compares_with_totals_it_need_not_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(house, WEEKS[:2])
    read: list[str] = []
    whole = pl.read_parquet

    def reading(path: Path, **more: object) -> pl.DataFrame:
        read.append(Path(path).parent.parent.name)
        return whole(path, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(pl, "read_parquet", reading)
    results = run(house, WEEKS[:2], Limits(threads=1))
    assert check_of(results[1], "otc_venue_volume", "continuity").facts["against"] == str(WEEKS[0])
    assert "otc_venue_volume" not in read


def test_a_week_without_captures_gets_what_its_tables_are_made_from(house: House) -> None:
    house.drop(f"{WEEKS[0]}.csv", tier_1_of(WEEKS[0]))
    run(house, WEEKS[:1])
    house.drop(f"{WEEKS[1]}.csv", tier_1_of(WEEKS[1]))
    opened = Scan(house.landing, house.index)
    many = ManyWeeks(WEEKS[:2], {"otc_venue_share"}, house.workplace(), opened, if_new=ALL)
    built = {
        item.week: [event.table for event in item.events if isinstance(event, TableBuilt)]
        for item in many.results()
    }
    assert built == {WEEKS[0]: ["otc_venue_share"], WEEKS[1]: [*ALL]}
