"""Partitions of our weeks, and how assets of other teams are joined with them.

Our keys are week-ending Fridays, and Dagster's time window of a key *starts* at that Friday. So
the windows are not the trading weeks, and Dagster's default mapping joins a Wednesday with the
week before its own. Dagster's daemon and web server know only its built-in mappings; therefore
`trading_week_mapping` is one of them, with offsets by which each day meets its week.

Dagster checks the keys of its own pages and commands, and not those that come as tags: a run from
a later to an earlier week has no keys and succeeds, and a Thursday is taken as it is. So steps ask
`weeks_of` for theirs.

Belongs here: partitions, mappings between them, and those of a run. Does not belong here: the
arithmetic of weeks (`core.weeks`).
"""

from __future__ import annotations

from datetime import date

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import PARTITION, RANGE_END, RANGE_START
from spine_assets.core.weeks import (
    FIRST_WEEK,
    WeekError,
    monday_of,
    parse_week,
    require_friday,
    weeks_between,
)

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
"""All weeks that FINRA has published."""


def our_weeks() -> dg.WeeklyPartitionsDefinition:
    """Weeks of our own assets: those from `SPINE_FIRST_WEEK` on."""
    return trading_weeks(load_settings().first_week)


def weeks_of(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> list[date]:
    """The weeks of a run, oldest first.

    Raises:
        Failure: the run has no week, its range ends before it begins, or a key is no Friday.
    """
    tags = context.run.tags
    first, last = (tags.get(PARTITION) or tags.get(end) for end in (RANGE_START, RANGE_END))
    if first is None or last is None:
        raise _refused("the run names no week: give it a partition or a range of partitions")
    try:
        weeks = weeks_between(parse_week(first), parse_week(last))
    except WeekError as error:
        raise _refused(str(error)) from error
    if not weeks:
        raise _refused(f"the range {first}...{last} ends before it begins: give the earlier first")
    return weeks


def week_of(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> date:
    """The week of a run that may have one alone.

    Raises:
        Failure: as of `weeks_of`, or the run has several weeks.
    """
    first, *others = weeks_of(context)
    if others:
        raise _refused(f"the run has {len(others) + 1} weeks, and this step works on one")
    return first


def _refused(description: str) -> dg.Failure:
    return dg.Failure(description, allow_retries=False)
