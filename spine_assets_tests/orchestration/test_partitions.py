"""Assets of days, weeks and months meet the trading weeks that they belong to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from spine_assets.core.weeks import FIRST_WEEK, WeekError, week_ending_of
from spine_assets.orchestration.partitions import (
    monday_weeks,
    trading_days,
    trading_months,
    trading_week_mapping,
    trading_weeks,
)

NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)  # a Tuesday; the newest key is 2026-01-09
WEEKS = trading_weeks()
MONDAYS = monday_weeks()
MONTHS = trading_months(date(2014, 6, 1))
DAYS = dg.DailyPartitionsDefinition("2014-05-12")

Partitions = dg.TimeWindowPartitionsDefinition


def upstream(downstream: Partitions, *keys: str, now: datetime = NOW) -> tuple[list[str], ...]:
    """Weeks that partitions depend on, and those of them that do not exist."""
    found = trading_week_mapping(downstream).get_upstream_mapped_partitions_result_for_partitions(
        downstream.empty_subset().with_partition_keys(keys), downstream, WEEKS, current_time=now
    )
    missing = found.required_but_nonexistent_subset
    return list(found.partitions_subset.get_partition_keys()), list(missing.get_partition_keys())


def dependents(downstream: Partitions, *weeks: str) -> list[str]:
    """Partitions that depend on weeks."""
    found = trading_week_mapping(downstream).get_downstream_partitions_for_partitions(
        WEEKS.empty_subset().with_partition_keys(weeks), WEEKS, downstream, current_time=NOW
    )
    return list(found.get_partition_keys())


def test_dagsters_own_mapping_joins_a_wednesday_with_the_week_before() -> None:
    """The reason for ours: this is what a dependency without it means."""
    found = dg.TimeWindowPartitionMapping().get_upstream_mapped_partitions_result_for_partitions(
        DAYS.empty_subset().with_partition_keys(["2025-11-19"]), DAYS, WEEKS, current_time=NOW
    )
    assert [*found.partitions_subset.get_partition_keys()] == ["2025-11-14"]


def test_a_day_depends_on_its_own_week_whichever_weekday_and_year() -> None:
    for key in DAYS.get_partition_keys(current_time=datetime(2026, 1, 12, tzinfo=UTC))[::41]:
        week = week_ending_of(date.fromisoformat(key))
        assert upstream(DAYS, key) == ([str(week)], []), key


def test_a_week_has_seven_days() -> None:
    days = [str(date(2025, 11, 17) + timedelta(days=n)) for n in range(7)]
    assert dependents(DAYS, "2025-11-21") == days
    more = [str(date(2025, 12, 1) + timedelta(days=n)) for n in range(7)]
    assert dependents(DAYS, "2025-11-21", "2025-12-05") == [*days, *more]
    assert dependents(DAYS, "2014-05-16")[0] == "2014-05-12"


def test_a_day_of_a_week_without_key_depends_on_nothing_and_trading_days_end_before() -> None:
    assert upstream(DAYS, "2026-01-12") == ([], [])
    for hours in range(0, 24 * 15, 11):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        last = trading_days(date(2025, 1, 1)).get_partition_keys(current_time=now)[-1]
        week = week_ending_of(date.fromisoformat(last))
        assert upstream(DAYS, last, now=now) == ([str(week)], []), now


def test_a_day_before_the_first_week_misses_it() -> None:
    days = dg.DailyPartitionsDefinition("2014-05-01")
    assert upstream(days, "2014-05-11") == ([], ["2014-05-09"])


def test_weeks_by_monday_meet_the_week_of_their_friday() -> None:
    for key in MONDAYS.get_partition_keys(current_time=datetime(2026, 1, 12, tzinfo=UTC))[::41]:
        week = str(week_ending_of(date.fromisoformat(key)))
        assert upstream(MONDAYS, key) == ([week], [])
        assert dependents(MONDAYS, week) == [key]
    three = ["2025-11-10", "2025-11-17", "2025-11-24"]
    assert upstream(MONDAYS, *three)[0] == ["2025-11-14", "2025-11-21", "2025-11-28"]
    assert upstream(MONDAYS, "2026-01-12") == ([], ["2026-01-16"])


def test_a_weekly_asset_by_monday_reads_the_days_of_its_week() -> None:
    """Weekly below daily: Dagster's default mapping is right, because the windows are the weeks."""
    default = dg.TimeWindowPartitionMapping()
    found = default.get_upstream_mapped_partitions_result_for_partitions(
        MONDAYS.empty_subset().with_partition_keys(["2025-11-17"]), MONDAYS, DAYS, current_time=NOW
    )
    days = [str(date(2025, 11, 17) + timedelta(days=n)) for n in range(7)]
    assert [*found.partitions_subset.get_partition_keys()] == days
    back = default.get_downstream_partitions_for_partitions(
        DAYS.empty_subset().with_partition_keys(days[-1:]), DAYS, MONDAYS, current_time=NOW
    )
    assert [*back.get_partition_keys()] == ["2025-11-17"]


def test_a_month_has_the_weeks_whose_fridays_lie_in_it() -> None:
    every = MONTHS.get_partition_keys(current_time=datetime(2026, 1, 12, tzinfo=UTC))
    for month in every[-30:]:
        first = date.fromisoformat(month)
        days = [first + timedelta(days=n) for n in range(31)]
        fridays = [str(d) for d in days if d.weekday() == 4 and d.month == first.month]
        assert upstream(MONTHS, month) == (fridays, []), month
        assert {*dependents(MONTHS, *fridays)} == {month}


def test_weeks_depend_on_the_same_week_wherever_they_begin() -> None:
    later = trading_weeks(date(2025, 10, 3))
    assert upstream(later, "2025-11-21") == (["2025-11-21"], [])
    assert dependents(later, "2025-11-21") == ["2025-11-21"]
    assert upstream(WEEKS, "2014-05-16") == (["2014-05-16"], [])


@pytest.mark.parametrize(
    ("partitions", "reason"),
    [
        (dg.MonthlyPartitionsDefinition("2025-01-01"), "trading_months"),
        (dg.WeeklyPartitionsDefinition("2025-01-05"), "monday_weeks"),
        (dg.HourlyPartitionsDefinition("2025-01-01-00:00"), "use days"),
        (dg.DailyPartitionsDefinition("2025-01-01", timezone="America/New_York"), "in UTC"),
    ],
)
def test_partitions_that_cannot_be_joined_are_refused(partitions: Partitions, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        trading_week_mapping(partitions)


def test_a_first_week_is_a_friday() -> None:
    assert trading_weeks().get_first_partition_key() == str(FIRST_WEEK)
    with pytest.raises(WeekError, match="weeks end on Fridays: 2025-10-03"):
        trading_weeks(date(2025, 10, 1))
