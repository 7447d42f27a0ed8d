"""Which answer is the newest, and whether FINRA may have changed it since: by days of New York."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta

import pytest

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.finra.holdings import Holding, Holdings
from spine_assets.finra.last_checked import LastChecked
from spine_assets_tests.conftest import NOW, PUBLISHED, WEEK, House, delivered, line

KEY = (WEEK, Tier.OTC, VenueClass.ATS)  # published on Monday, 2025-12-22


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def held(moment: str) -> Holding:
    return Holding(KEY, at(moment), 1, date(2025, 12, 22))


@pytest.mark.parametrize(
    ("moment", "may_lack"),
    [
        ("2025-12-22T20:00", True),
        ("2025-12-23T04:59", True),  # 23:59 in New York
        ("2025-12-23T05:00", False),
    ],
)
def test_what_came_on_the_day_of_its_last_change_may_lack_later_ones(
    moment: str, may_lack: bool
) -> None:
    assert held(moment).may_lack_that_day(NOW + timedelta(days=1000)) is may_lack
    assert held(moment).may_lack_that_day(at("2025-01-01T12:00"))


@pytest.mark.parametrize("days", [-1, 1])
def test_the_newest_of_a_fetched_file_and_a_capture_counts(house: House, days: int) -> None:
    """The captured file has two rows, the fetched one has three."""
    house.drop("otc.csv", delivered(line("AAAA"), line("BBBB")))
    house.built()
    (house.landing / "otc.csv").unlink()
    fetched_at = NOW + timedelta(days=days)
    name = f"finra/2025/week_{WEEK}.OTCE.class=ats.{fetched_at:%Y%m%dT%H%M%SZ}.csv.gz"
    house.drop(name, gzip.compress(delivered(line("AAAA"), line("BBBB"), line("CCCC"))))
    holdings = Holdings(house.landing, house.lake, LastChecked(house.root / "looks.json"))
    newest = holdings.latest(KEY)
    assert newest is not None
    assert (newest.at, newest.rows) == ((fetched_at, 3) if days > 0 else (NOW, 2))
    assert newest.last_update == date.fromisoformat(PUBLISHED)
    holdings.mark_checked(KEY, NOW + timedelta(days=2))
    checked = holdings.latest(KEY)
    assert checked is not None
    assert (checked.at, checked.rows) == (NOW + timedelta(days=2), newest.rows)


def test_totals_are_a_part_of_their_answer_and_no_answer_by_themselves(house: House) -> None:
    name = f"finra/2025/week_{WEEK}.OTCE.class=ats.totals.20251223T140000Z.csv.gz"
    house.drop(name, gzip.compress(delivered(line("AAAA"))))
    looks = LastChecked(house.root / "looks.json")
    holdings = Holdings(house.landing, house.lake, looks)
    assert KEY not in holdings
    assert holdings.latest(KEY) is None
    assert holdings.checked_at(KEY, at("2025-12-24T14:00")) is None
    totals = holdings.totals(KEY)
    assert totals is not None
    assert (totals.rows, totals.at) == (1, at("2025-12-23T14:00"))
    holdings.mark_checked(KEY, at("2025-12-24T14:00"))
    again = holdings.totals(KEY)
    assert again is not None
    checked = at("2025-12-24T14:00")
    assert again.at == holdings.checked_at(KEY, checked) == checked
    assert holdings.checked_at(KEY, checked - timedelta(seconds=1)) is None
