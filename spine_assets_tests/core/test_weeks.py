"""Fridays, Mondays and FINRA's publication days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from exchange_calendars import get_calendar
from hypothesis import given, settings
from hypothesis import strategies as st

from spine_assets.core.weeks import (
    FIRST_WEEK,
    Tier,
    WeekError,
    monday_of,
    parse_week,
    publication_day,
    require_friday,
    tier_of,
    week_ending_of,
    week_published_on,
    weeks_between,
)

T1, T2, OTC = Tier.NMS_TIER_1, Tier.NMS_TIER_2, Tier.OTC
# Observed: Monday of the trading week, tier, first publication.
PUBLICATIONS = [
    (date(2025, 12, 8), T1, date(2025, 12, 29)),
    (date(2023, 12, 11), T1, date(2024, 1, 2)),  # New Year
    (date(2023, 5, 8), T1, date(2023, 5, 30)),  # Memorial Day
    (date(2023, 5, 29), T1, date(2023, 6, 20)),  # Juneteenth
    (date(2023, 8, 14), T1, date(2023, 9, 5)),  # Labor Day
    (date(2025, 9, 22), T1, date(2025, 10, 13)),  # Columbus Day publishes
    (date(2019, 10, 28), T2, date(2019, 12, 2)),
    (date(2019, 10, 28), OTC, date(2019, 12, 2)),
    (date(2019, 11, 4), T2, date(2019, 12, 9)),
    (date(2019, 11, 4), OTC, date(2019, 12, 9)),
    (date(2025, 11, 17), OTC, date(2025, 12, 22)),
    (date(2025, 11, 17), T1, date(2025, 12, 8)),
]
DAYS = st.dates(date(2014, 1, 1), date(2040, 12, 31))
# Weeks whose publication lies in the past of every clock this may run on.
PAST_WEEKS = st.integers(0, 590).map(lambda n: FIRST_WEEK + timedelta(weeks=n))


@pytest.mark.parametrize(("monday", "tier", "published"), PUBLICATIONS)
def test_publication_day_of_observed_weeks(monday: date, tier: Tier, published: date) -> None:
    assert publication_day(monday + timedelta(days=4), tier) == published


@pytest.mark.parametrize(("monday", "tier", "published"), PUBLICATIONS)
def test_observed_publication_days_tell_their_week(
    monday: date, tier: Tier, published: date
) -> None:
    assert week_published_on(published, tier) == monday + timedelta(days=4)


@pytest.mark.parametrize(
    "day",
    [
        date(2024, 1, 1),  # a closed Monday
        date(2024, 1, 3),  # the day after the moved publication
        date(2025, 12, 23),  # a Tuesday after an open Monday
        date(2025, 12, 21),  # a Sunday
    ],
)
def test_other_days_publish_no_week(day: date) -> None:
    assert [week_published_on(day, tier) for tier in Tier] == [None, None, None]


def test_the_same_day_is_another_week_for_another_tier() -> None:
    day = date(2025, 12, 22)
    assert week_published_on(day, T1) == date(2025, 12, 5)
    assert week_published_on(day, OTC) == date(2025, 11, 21)


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1, 1, 5), date(1970, 1, 1), date.max])
def test_absurd_days_publish_no_known_week(day: date) -> None:
    for tier in Tier:
        week = week_published_on(day, tier)
        assert week is None or not FIRST_WEEK <= week <= date(2040, 1, 1)


@given(PAST_WEEKS, st.sampled_from(list(Tier)))
@settings(deadline=None)
def test_publication_follows_the_lag_and_can_be_reversed(week: date, tier: Tier) -> None:
    day = publication_day(week, tier)
    lag = {T1: 21, T2: 35, OTC: 35}[tier]
    waited = (day - (week - timedelta(days=4))).days - lag
    assert waited in {0, 1}  # no Monday holiday is followed by a closed Tuesday
    assert week_published_on(day, tier) == week


def test_publication_days_agree_with_another_calendar_of_the_exchange() -> None:
    last = date(2027, 6, 1)  # the other package knows little more than a year from now
    sessions = get_calendar("XNYS", start=FIRST_WEEK, end=last).sessions
    expected = {day.date() for day in sessions}
    weeks = weeks_between(FIRST_WEEK, date(2027, 4, 2))
    for monday in (monday_of(week) for week in weeks):
        first = next(
            monday + timedelta(n) for n in (21, 22, 23) if monday + timedelta(n) in expected
        )
        assert publication_day(monday + timedelta(days=4), T1) == first


@given(DAYS)
def test_every_day_belongs_to_the_monday_to_sunday_week_of_one_friday(day: date) -> None:
    friday = week_ending_of(day)
    assert friday.isoweekday() == 5
    assert monday_of(friday).isoweekday() == 1
    assert monday_of(friday) <= day <= friday + timedelta(days=2)
    assert friday - monday_of(friday) == timedelta(days=4)


@given(DAYS.filter(lambda day: day.isoweekday() != 5))
def test_only_fridays_name_a_week(day: date) -> None:
    with pytest.raises(WeekError, match=str(week_ending_of(day))):
        require_friday(day)
    with pytest.raises(WeekError):
        monday_of(day)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2025-12-25", "2025-12-25 is a Thursday; weeks end on Fridays: 2025-12-26"),
        ("2025-12-22", "2025-12-22 is a Monday; weeks end on Fridays: 2025-12-26"),
        ("2025-12-28", "2025-12-28 is a Sunday; weeks end on Fridays: 2025-12-26"),
        ("2014-05-09", "2014-05-09 is before FINRA's first published week, 2014-05-16"),
        ("2025-13-01", "'2025-13-01' is not a date; give a week by its Friday"),
        ("22/12/2025", "'22/12/2025' is not a date"),
        ("", "'' is not a date"),
    ],
)
def test_parse_week_says_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(WeekError) as caught:
        parse_week(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "week"),
    [("2025-11-21", date(2025, 11, 21)), (" 2014-05-16\n", date(2014, 5, 16))],
)
def test_parse_week_reads_fridays(text: str, week: date) -> None:
    assert parse_week(text) == week


def test_weeks_between_includes_both_ends() -> None:
    assert weeks_between(date(2025, 12, 19), date(2026, 1, 2)) == [
        date(2025, 12, 19),
        date(2025, 12, 26),
        date(2026, 1, 2),
    ]
    assert weeks_between(date(2026, 1, 2), date(2025, 12, 19)) == []
    with pytest.raises(WeekError):
        weeks_between(date(2025, 12, 18), date(2026, 1, 2))


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("NMS Tier 1", T1),
        ("NMS Tier 2", T2),
        ("OTC", OTC),
        ("T1", T1),
        ("T2", T2),
        ("OTCE", OTC),
        ("NMS_TIER_2", T2),
        ("  nms  tier 1 ", T1),
        ("NMS Tier 3", None),
        ("", None),
    ],
)
def test_tier_of_knows_finras_names(text: str, tier: Tier | None) -> None:
    assert tier_of(text) is tier
