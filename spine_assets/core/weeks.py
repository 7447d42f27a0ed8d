"""Weeks, tiers and FINRA's publication calendar.

Belongs here: the arithmetic of business time (which Friday, which Monday) and of
FINRA's clock (when a tier of a week is published). Does not belong here: the week of a
file (`otc.delivery.placement`) and Dagster's partitions (`orchestration.partitions`).

Three clocks are kept apart everywhere: the trading week, FINRA's publication and
update dates, and our capture time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache

from spine_assets.core.errors import Explained

FIRST_WEEK = date(2014, 5, 16)
"""Week ending of FINRA's first published ATS week (Monday 2014-05-12)."""

SESSIONS = 5
"""Trading days of a week without a holiday."""

_FRIDAY = 4  # date.weekday() of the day that names a week
_MONDAY_TO_FRIDAY = timedelta(days=4)
_WEEK = timedelta(days=7)
_PLAUSIBLE_DAYS = 300


class WeekError(Explained, ValueError):
    """A text or date that does not name a week this platform knows."""


class Tier(StrEnum):
    """FINRA's three groups of issues, under the names our tables use."""

    NMS_TIER_1 = "NMS_TIER_1"
    NMS_TIER_2 = "NMS_TIER_2"
    OTC = "OTC"

    @property
    def description(self) -> str:
        """`tierDescription` of the download file, for example `NMS Tier 1`."""
        return _TIER_FACTS[self][0]

    @property
    def api_id(self) -> str:
        """`tierIdentifier` of the query API: `T1`, `T2` or `OTCE`."""
        return _TIER_FACTS[self][1]

    @property
    def lag_days(self) -> int:
        """Days from a week's Monday to its first publication, before holidays."""
        return _TIER_FACTS[self][2]


# FINRA Rule 6110/6610: tier 1 is published two weeks after the week's end, the other
# two tiers four weeks after it; counted from the week's Monday that is 21 and 35 days.
_TIER_FACTS = {
    Tier.NMS_TIER_1: ("NMS Tier 1", "T1", 21),
    Tier.NMS_TIER_2: ("NMS Tier 2", "T2", 35),
    Tier.OTC: ("OTC", "OTCE", 35),
}


class VenueClass(StrEnum):
    """Who executed: an alternative trading system, or a broker-dealer outside one."""

    ATS = "ATS"
    NON_ATS = "NON_ATS"


def tier_of(text: str) -> Tier | None:
    """The tier that a delivered `tierDescription`, API id or our own name means."""
    wanted = " ".join(text.split()).casefold()
    for tier in Tier:
        if wanted in {tier.description.casefold(), tier.api_id.casefold(), tier.value.casefold()}:
            return tier
    return None


def monday_of(week_ending: date) -> date:
    """The Monday that FINRA names the week by (`weekStartDate`)."""
    require_friday(week_ending)
    return week_ending - _MONDAY_TO_FRIDAY


def week_ending_of(day: date) -> date:
    """The Friday that names the Monday-to-Sunday week which holds `day`."""
    return day - timedelta(days=day.weekday()) + _MONDAY_TO_FRIDAY


def require_friday(week_ending: date) -> date:
    """Return `week_ending`, or raise WeekError naming the Friday of its week."""
    if week_ending.weekday() != _FRIDAY:
        raise WeekError(
            f"{week_ending} is a {week_ending:%A}; weeks end on Fridays: "
            f"{week_ending_of(week_ending)}"
        )
    return week_ending


def parse_week(text: str) -> date:
    """Read `YYYY-MM-DD` as a week ending.

    Raises:
        WeekError: not a date, not a Friday (names the nearest one), or before the
            first published week.
    """
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise WeekError(
            f"{text!r} is not a date; give a week by its Friday, for example 2025-11-21"
        ) from None
    require_friday(day)
    if day < FIRST_WEEK:
        raise WeekError(f"{day} is before FINRA's first published week, {FIRST_WEEK}")
    return day


def weeks_between(first: date, last: date) -> list[date]:
    """All week endings from `first` to `last`, both included."""
    days = (require_friday(last) - require_friday(first)).days
    return [first + _WEEK * n for n in range(days // 7 + 1)]


def stretches(weeks: Iterable[date], most: int | None = None) -> list[tuple[date, date]]:
    """First and last week of each run of adjacent weeks, oldest first.

    Args:
        weeks: Week endings, in any order.
        most: Longest stretch, in weeks; longer ones are cut.
    """
    found: list[list[date]] = []
    for week in sorted(set(weeks)):
        adjacent = found and week - found[-1][-1] == _WEEK
        if adjacent and (most is None or len(found[-1]) < most):
            found[-1].append(week)
        else:
            found.append([week])
    return [(part[0], part[-1]) for part in found]


def publication_day(week_ending: date, tier: Tier) -> date:
    """First publication of a tier of a week by FINRA.

    The week's Monday plus the tier's lag; when that Monday is an exchange holiday
    (XNYS, not the federal calendar: Columbus Day publishes), the next session.
    """
    day = monday_of(week_ending) + timedelta(days=tier.lag_days)
    while not _is_session(day):
        day += timedelta(days=1)
    return day


def week_published_on(day: date, tier: Tier) -> date | None:
    """The week ending whose first publication of `tier` is exactly `day`, if any.

    Only Mondays and the sessions right after closed Mondays are such days.
    """
    if not FIRST_WEEK <= day <= last_plausible_day():
        return None
    monday = day - timedelta(days=day.weekday())
    week_ending = week_ending_of(monday - timedelta(days=tier.lag_days))
    return week_ending if publication_day(week_ending, tier) == day else None


def sessions_of(week_ending: date) -> list[date]:
    """Days of a week on which the New York exchanges trade, of `SESSIONS` in a full week."""
    days = [monday_of(week_ending) + timedelta(days=n) for n in range(SESSIONS)]
    return [day for day in days if _is_session(day)]


def last_plausible_day() -> date:
    """A week or publication after this day, most of a year from now, is taken for a mistake."""
    return datetime.now(UTC).date() + timedelta(days=_PLAUSIBLE_DAYS)


def closings(week_ending: date) -> dict[date, str]:
    """Days from Monday to Friday on which the New York exchanges (XNYS) were closed, and why.

    A day that closed early does not count.
    """
    days = (monday_of(week_ending) + timedelta(days=n) for n in range(_FRIDAY + 1))
    return {day: _closed_days(day.year)[day] for day in days if not _is_session(day)}


def _is_session(day: date) -> bool:
    """Whether the New York exchanges trade on a day (calendar XNYS)."""
    return day.weekday() <= _FRIDAY and day not in _closed_days(day.year)


@cache
def _closed_days(year: int) -> dict[date, str]:
    """Holidays and special closings of a year and their names, some of them on weekends."""
    from holidays import financial_holidays  # takes a tenth of a second

    # All at once: the package's own object is filled while it is read, and threads that build
    # weeks would see it half filled.
    return dict(financial_holidays("NYSE", years=year))
