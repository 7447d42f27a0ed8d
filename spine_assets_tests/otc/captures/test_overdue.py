"""Overdue by each tier's own publication day, holidays included, and not a day earlier."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from spine_assets.core.weeks import Tier, stretches
from spine_assets.lake.local import LocalLake
from spine_assets.otc.captures.overdue import Overdue, overdue
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets_tests.conftest import (
    PUBLISHED_TIER_1,
    WEEK,
    House,
    delivered,
    line,
)

T1, T2, OTC = Tier
EMPTY = Landing((), ())
ID = "20260101T000000Z-0123456789ab"


def hold(root: Path, week: date, *tiers: Tier) -> None:
    """Files with the names of captures; nothing reads them."""
    folder = root / "lake" / "otc_raw" / f"week_ending={week}"
    folder.mkdir(parents=True, exist_ok=True)
    for tier in tiers:
        (folder / f"{tier}.ATS.{ID}.parquet").touch()


def missing(root: Path, today: date) -> list[tuple[date, Tier, date]]:
    found = overdue(LocalLake(root / "lake"), EMPTY, today)
    return [(item.week_ending, item.tier, item.due) for item in found]


def test_nothing_held_is_nothing_overdue(tmp_path: Path) -> None:
    assert missing(tmp_path, date(2026, 1, 1)) == []


def test_a_tier_is_overdue_from_the_day_after_its_publication_day(tmp_path: Path) -> None:
    hold(tmp_path, WEEK, T1)
    due = date(2025, 12, 22)  # 35 days after the Monday
    hold(tmp_path, WEEK + timedelta(weeks=1), T1)  # due on 2025-12-15
    hold(tmp_path, WEEK + timedelta(weeks=2), T1)  # due on 2025-12-22
    assert missing(tmp_path, due) == []
    assert missing(tmp_path, due + timedelta(days=1)) == [(WEEK, T2, due), (WEEK, OTC, due)]


def test_tier_1_is_due_after_21_days_and_the_others_later(tmp_path: Path) -> None:
    hold(tmp_path, WEEK, T2)
    assert missing(tmp_path, date(2025, 12, 8)) == []
    assert missing(tmp_path, date(2025, 12, 9)) == [(WEEK, T1, date(2025, 12, 8))]


@pytest.mark.parametrize(
    ("week", "tier", "due"),
    [
        (date(2025, 8, 15), T1, date(2025, 9, 2)),  # Labor Day, Monday 2025-09-01
        (date(2025, 12, 19), T2, date(2026, 1, 20)),  # Martin Luther King Day, 2026-01-19
        (date(2025, 9, 26), T1, date(2025, 10, 13)),  # Columbus Day: the exchanges are open
    ],
)
def test_holidays_of_the_exchange_move_the_day(
    tmp_path: Path, week: date, tier: Tier, due: date
) -> None:
    hold(tmp_path, week, *(other for other in Tier if other is not tier))
    found = [item for item in missing(tmp_path, due) if item[0] == week]
    assert found == []
    found = [item for item in missing(tmp_path, due + timedelta(days=1)) if item[0] == week]
    assert found == [(week, tier, due)]


def test_weeks_after_the_last_one_held_are_overdue_too(tmp_path: Path) -> None:
    hold(tmp_path, WEEK, *Tier)
    later = [WEEK + timedelta(weeks=n) for n in (1, 2, 3)]
    found = missing(tmp_path, date(2026, 1, 6))  # tier 1 of the third was due on 2025-12-29
    assert [week for week, tier, _ in found if tier is T1] == [
        *later,
        WEEK + timedelta(weeks=4),  # due on 2026-01-05
    ]
    assert [week for week, tier, _ in found if tier is T2] == later[:2]


def test_a_week_between_that_is_missing_altogether_is_told(tmp_path: Path) -> None:
    hold(tmp_path, WEEK, *Tier)
    hold(tmp_path, WEEK + timedelta(weeks=2), *Tier)
    between = WEEK + timedelta(weeks=1)
    found = [item for item in missing(tmp_path, date(2026, 1, 1)) if item[0] == between]
    assert [tier for _, tier, _ in found] == [T1, T2, OTC]


def test_a_file_in_the_landing_folder_counts_as_arrived(house: House) -> None:
    house.drop("otc.csv", delivered(line()))
    today = date(2025, 12, 23)
    before = overdue(house.lake, house.scan(), today)
    assert Overdue(WEEK, T1, date(2025, 12, 8)) in before
    assert OTC not in {item.tier for item in before if item.week_ending == WEEK}
    house.drop("t1.csv", delivered(line(tier="NMS Tier 1", updated=PUBLISHED_TIER_1)))
    after = overdue(house.lake, house.scan(), today)
    assert {item.tier for item in after if item.week_ending == WEEK} == {T2}


def test_captures_count_by_their_real_names(house: House) -> None:
    house.drop("otc.csv", delivered(line()))
    house.built()
    found = overdue(house.lake, EMPTY, date(2025, 12, 23))
    assert {item.tier for item in found if item.week_ending == WEEK} == {T1, T2}


def test_the_whole_history_is_told_from_names(tmp_path: Path) -> None:
    first = date(2014, 5, 16)
    for n in range(653):
        hold(tmp_path, first + timedelta(weeks=n), *Tier)
    gone = first + timedelta(weeks=300)
    (
        tmp_path / f"lake/otc_raw/week_ending={gone}/OTC.ATS.20260101T000000Z-0123456789ab.parquet"
    ).unlink()
    found = missing(tmp_path, first + timedelta(weeks=653))
    assert [(week, tier) for week, tier, _ in found] == [(gone, OTC)]


def test_ranges_join_unbroken_weeks_in_any_order() -> None:
    weeks = [WEEK + timedelta(weeks=n) for n in (4, 0, 1, 2, 1)]
    assert stretches(weeks) == [
        (WEEK, WEEK + timedelta(weeks=2)),
        (WEEK + timedelta(weeks=4), WEEK + timedelta(weeks=4)),
    ]
    assert stretches([]) == []
