"""Whatever is delivered in whatever order, each week shows the right file or none.

`python -m spine_assets_tests.abuse.fuzz_deliveries` plays more histories, and shortens those that
fail.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spine_assets.otc.captures import current
from spine_assets_tests.abuse.fuzz_deliveries import Found, judge
from spine_assets_tests.abuse.histories import (
    Build,
    Drop,
    File,
    History,
    Part,
    Row,
    Slot,
    Step,
    published,
)
from spine_assets_tests.abuse.history_oracle import Content, Oracle, Verdict, proposal
from spine_assets_tests.abuse.play_history import play

HISTORIES = range(20)
WEEK = date(2024, 6, 14)
NEXT = WEEK + timedelta(weeks=1)
SLOT = Slot(WEEK, "OTC", "ATS")
DAY, NEXT_DAY = date(2024, 7, 15), date(2024, 7, 22)  # Mondays, 35 days after those of the weeks
MORNING = datetime(2024, 9, 2, 8, tzinfo=UTC)


def rows(count: int, *, first: int = 1, updated: date = DAY) -> tuple[Row, ...]:
    """Symbols of one venue, with shares and trades that tell them apart."""
    return tuple(Row(f"S{n:02}", "VENA", first + n, 1, updated) for n in range(count))


def a_file(number: int, made: tuple[Row, ...], **claims: Any) -> File:
    return File(number, "by hand", (Part(SLOT, made, True),), **{"form": "pipe", **claims})


def next_week(number: int, made: tuple[Row, ...]) -> File:
    of_next = tuple(row._replace(updated=NEXT_DAY) for row in made)
    return File(number, "by hand", (Part(Slot(NEXT, "OTC", "ATS"), of_next, True),), "pipe")


def of_the_week_after_next(number: int) -> File:
    slot = Slot(NEXT + timedelta(weeks=1), "OTC", "ATS")
    made = rows(30, first=900, updated=published(slot.week, slot.tier))
    return File(number, "by hand", (Part(slot, made, True),), "pipe")


def delivered(oracle: Oracle, file: File) -> tuple[Content, Verdict]:
    """A file arrives; what must become of it."""
    oracle.landing[file.number] = file
    (found,) = [pair for pair in oracle.uncaptured() if pair[0].file is file]
    return found[0], oracle.verdict(*found)[0]


class TestOracle:
    def test_a_week_is_published_five_weeks_after_its_monday_or_the_day_after_a_holiday(
        self,
    ) -> None:
        assert (published(WEEK, "OTC"), published(NEXT, "OTC")) == (DAY, NEXT_DAY)
        assert published(date(2024, 8, 2), "OTC") == date(2024, 9, 3)  # Labor Day

    def test_the_greatest_of_those_with_nine_tenths_of_the_keys_is_current(self) -> None:
        oracle = Oracle()
        for number, count in enumerate((30, 27, 26)):
            file = a_file(number, rows(count, updated=DAY + timedelta(days=number)))
            oracle.capture(Content(file.sha256, file.parts[0], file), SLOT, MORNING)
        assert [*oracle.states(SLOT).values()] == ["older", "current", "waiting"]

    def test_a_retracted_capture_is_neither_current_nor_the_fullest(self) -> None:
        oracle = Oracle()
        whole, part = (a_file(number, rows(count)) for number, count in enumerate((30, 3)))
        for file in (whole, part):
            oracle.capture(Content(file.sha256, file.parts[0], file), SLOT, MORNING)
        oracle.retract(SLOT, whole.sha256)
        assert [*oracle.states(SLOT).values()] == ["retracted", "current"]
        oracle.pin(SLOT, whole.sha256)
        assert [*oracle.states(SLOT).values()] == ["pinned", "waiting"]

    @pytest.mark.parametrize(
        ("claims", "week"),
        [
            ({}, WEEK),
            ({"day": DAY}, WEEK),
            ({"day": NEXT_DAY}, None),
            ({"day": NEXT_DAY, "folder": f"week_ending={WEEK}/"}, WEEK),
            ({"folder": f"week_ending={NEXT}/"}, None),  # updated before it was published
        ],
    )
    def test_dates_propose_a_week_and_names_can_contradict(
        self, claims: dict[str, Any], week: date | None
    ) -> None:
        file = a_file(0, rows(30), **claims)
        found = proposal(file, file.parts[0]).slot
        assert (found.week if found else None) == week

    def test_a_file_with_the_figures_of_the_week_before_is_refused(self) -> None:
        oracle = Oracle()
        content, verdict = delivered(oracle, a_file(0, rows(30)))
        assert verdict is Verdict.ACCEPT
        oracle.capture(content, SLOT, MORNING)
        assert delivered(oracle, a_file(1, rows(30, updated=NEXT_DAY)))[1] is Verdict.REFUSE
        assert delivered(oracle, a_file(2, rows(19, updated=NEXT_DAY)))[1] is Verdict.ACCEPT

    def test_a_file_with_other_figures_than_its_week_is_refused(self) -> None:
        oracle = Oracle()
        content, _ = delivered(oracle, a_file(0, rows(30)))
        oracle.capture(content, SLOT, MORNING)
        assert delivered(oracle, a_file(1, rows(30, first=500)))[1] is Verdict.REFUSE


def failures(seeds: range) -> list[Found]:
    found = [judge(seed, shorten=False) for seed in seeds]
    return [item for item in found if item.kind]


def test_no_history_shows_a_wrong_file() -> None:
    assert failures(HISTORIES) == []


def test_a_rule_that_does_not_hold_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a file would be current."""
    monkeypatch.setattr(current, "_LEAST_TENTHS", 0)
    assert any(judge(seed, shorten=False).kind == "shown" for seed in HISTORIES)


class TestHistoriesThatOnceWentWrong:
    """The shortest forms of what longer runs found."""

    def play(self, folder: Path, *steps: Step) -> None:
        failures, _ = play(folder / "data", History(0, steps))
        assert failures == []

    @pytest.mark.parametrize("threads", [0, 1, 2])
    def test_a_week_in_other_dates_beside_that_week(self, tmp_path: Path, threads: int) -> None:
        """In a range with threads both weeks were built at once. A third one is the last."""
        files = [
            a_file(0, rows(3_000), folder=f"week_ending={WEEK}/"),
            a_file(1, rows(60, updated=NEXT_DAY)),
            of_the_week_after_next(2),
        ]
        self.play(tmp_path, *map(Drop, files), Build(threads))

    def test_a_week_in_other_dates_beside_that_week_with_each_row_twice(
        self, tmp_path: Path
    ) -> None:
        twice = a_file(0, rows(30) * 2, folder=f"week_ending={WEEK}/")
        self.play(tmp_path, Drop(twice), Drop(a_file(1, rows(30, updated=NEXT_DAY))), Build(0))

    @pytest.mark.parametrize("claims", [{}, {"form": "api csv", "with_week": True}])
    def test_a_week_in_other_dates_before_that_week(
        self, tmp_path: Path, claims: dict[str, Any]
    ) -> None:
        """Nothing contradicts it when it arrives; when the right file does, it is named."""
        wrong, right = a_file(0, rows(30, updated=NEXT_DAY)), a_file(1, rows(30), **claims)
        self.play(tmp_path, Drop(wrong), Build(0), Drop(right), Build(0))

    def test_a_week_in_other_dates_beside_the_right_file_and_a_row_of_it(
        self, tmp_path: Path
    ) -> None:
        """A row that shares no key with the wrong file does not vouch for it."""
        right, wrong = next_week(0, rows(30, first=500)), a_file(1, rows(30, updated=NEXT_DAY))
        row = next_week(2, (Row("RARE", "VENA", 7, 1, NEXT_DAY),))
        steps = (Drop(right), Build(0), Drop(row), Build(0), Drop(wrong), Build(0))
        self.play(tmp_path, *steps)

    def test_a_whole_file_beside_a_row_that_it_lacks(self, tmp_path: Path) -> None:
        row = Row("GONE", "VENA", 7, 1, DAY)
        part = File(1, "a row", (Part(SLOT, (row,), False),), "pipe")
        self.play(tmp_path, Drop(a_file(0, rows(30))), Drop(part), Build(0))
