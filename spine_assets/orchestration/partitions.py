"""Partitions of our weeks, and how assets of other teams are joined with them.

Our keys are week-ending Fridays, and Dagster's time window of a key *starts* at that Friday. So
the windows are not the trading weeks, and Dagster's default mapping joins a Wednesday with the
week before its own. Dagster's daemon and web server know only its built-in mappings; therefore
`trading_week_mapping` is one of them, with offsets by which each day meets its week.

Belongs here: partitions, and mappings between them. Does not belong here: the arithmetic of
weeks (`core.weeks`).
"""

from __future__ import annotations

from datetime import date

import dagster as dg

from spine_assets.core.weeks import FIRST_WEEK, monday_of, require_friday

_DAYS_UNTIL_KNOWN = 10  # the key of a week exists seven days after its Friday; its Monday is older
_FIRST_FRIDAY = "0 0 * * 5#1"
_MONDAY_TO_FRIDAY = 4


def trading_weeks(first: date = FIRST_WEEK) -> dg.WeeklyPartitionsDefinition:
    """Weeks with the same keys as our tables: week-ending Fridays.

    Args:
        first: The first week, a Friday; default: the first one that FINRA published.

    Raises:
        WeekError: `first` is not a Friday.
    """
    return dg.WeeklyPartitionsDefinition(str(require_friday(first)), day_offset=5)


def monday_weeks(first: date = FIRST_WEEK) -> dg.WeeklyPartitionsDefinition:
    """Weeks by their Monday, as FINRA names them; their time windows are the trading weeks.

    For weekly assets that also read daily ones: Dagster's default mapping between these weeks and
    days is right.

    Args:
        first: The Friday of the first week.
    """
    return dg.WeeklyPartitionsDefinition(str(monday_of(first)), day_offset=1)


def trading_days(first: date) -> dg.DailyPartitionsDefinition:
    """Days, each of which exists as soon as the key of its week exists.

    A day of an ordinary `DailyPartitionsDefinition` exists up to ten days before the key of its
    week. Until then it has no upstream week, and an automation condition sees nothing missing.
    """
    return dg.DailyPartitionsDefinition(str(first), end_offset=-_DAYS_UNTIL_KNOWN)


def trading_months(first: date) -> dg.TimeWindowPartitionsDefinition:
    """Months of the weeks whose Fridays lie in them, with keys such as `2025-11-01`.

    A calendar month cannot be mapped to weeks: its first and last days share weeks with other
    months. Here a week belongs to the month of its Friday.

    Args:
        first: A day of the first month.
    """
    return dg.TimeWindowPartitionsDefinition(
        start=str(first.replace(day=1)), cron_schedule=_FIRST_FRIDAY, fmt="%Y-%m-01"
    )


def trading_week_mapping(
    downstream: dg.TimeWindowPartitionsDefinition,
) -> dg.TimeWindowPartitionMapping:
    """How an asset of days, weeks or months depends on one of our weekly tables.

        dg.AssetDep("otc_venue_share", partition_mapping=trading_week_mapping(DAYS))

    Args:
        downstream: Partitions of the asset that depends on ours: days in UTC, `trading_weeks`,
            `monday_weeks` or `trading_months`.

    Raises:
        ValueError: the partitions are others, such as calendar months or weeks from Sunday.
    """
    if downstream.timezone != "UTC":
        raise ValueError(f"weeks are in UTC, and these partitions in {downstream.timezone}")
    offsets = {
        "0 0 * * *": (_MONDAY_TO_FRIDAY, _MONDAY_TO_FRIDAY),  # Monday + 4 begins the window
        "0 0 * * 1": (1, 0),  # the instant of the next Monday lies in the Friday's window
        "0 0 * * 5": (0, 0),
        _FIRST_FRIDAY: (0, 0),
    }.get(downstream.cron_schedule)
    if offsets is None:
        raise ValueError(
            f"no mapping joins weeks with partitions that begin at {downstream.cron_schedule!r}; "
            "use days, trading_weeks, monday_weeks or trading_months"
        )
    return dg.TimeWindowPartitionMapping(*offsets)


WEEKS = trading_weeks()
"""Weeks of all executable assets of the `otc` group."""
