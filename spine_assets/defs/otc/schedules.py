"""Schedules that find what the landing sensor missed; in New York time and off by default."""

from collections.abc import Iterable
from datetime import UTC, date

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane, run_tags, week_tags
from spine_assets.core.weeks import stretches
from spine_assets.defs.otc import retry_policy
from spine_assets.defs.otc.jobs import METRICS, our_job
from spine_assets.defs.scan_limits import a_tick
from spine_assets.lake.opening import open_lake
from spine_assets.orchestration.run_config import logged
from spine_assets.orchestration.site import our_name, our_tag, ours
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pending import uncaptured
from spine_assets.otc.delivery.scan import scan
from spine_assets.otc.tables import raw
from spine_assets.pipelines.weeks_to_build import stale_weeks

NEW_YORK = "America/New_York"  # FINRA's clock
# The last tier of a week is published five weeks after its Monday, and corrected for some more.
RECENT_WEEKS = 12

Requests = list[dg.RunRequest] | dg.SkipReason


def _otc_ingest_check(context: dg.ScheduleEvaluationContext) -> Requests:
    """Request a run of each week with something delivered that is not captured, or read again."""
    settings = load_settings()
    lake = open_lake(settings.lake_place)
    landing = scan(settings.landing_path, settings.landing_index_path, a_tick())
    wanted = [
        item
        for item in uncaptured(landing, captures.names(lake))
        if item.week_ending >= settings.first_week
    ]
    stale = settings.built_weeks(stale_weeks(lake, (raw.TABLE.name,)))
    again = {*stale} - {item.week_ending for item in wanted}
    if not wanted and not again:
        waiting = f"; {len(landing.waiting)} files are not read yet" if landing.waiting else ""
        return dg.SkipReason(f"everything delivered is captured{waiting}")
    at = scheduled(context)
    return _of_stretches(sorted(again), "otc.weekly", at) + [
        dg.RunRequest(
            run_key=f"{at}:{item.key}",
            run_config=logged(),
            partition_key=str(item.week_ending),
            tags={
                **run_tags("otc.weekly", Lane.NORMAL, "schedule"),
                retry_policy.INPUT: our_tag(item.key),
            },
        )
        for item in wanted
    ]


def _otc_recheck_recent(context: dg.ScheduleEvaluationContext) -> Requests:
    """Request the newest weeks, each stretch of adjacent ones in one run."""
    settings = load_settings()
    held = open_lake(settings.lake_place).weeks(raw.TABLE.name)
    weeks = settings.built_weeks(held)[-RECENT_WEEKS:]
    if not weeks:
        return dg.SkipReason("no week is captured yet")
    return _of_stretches(weeks, "otc.weekly", scheduled(context))


def _compute_otc_metrics(context: dg.ScheduleEvaluationContext) -> Requests:
    """Request the weeks in which a computed table is missing or stale."""
    settings = load_settings()
    weeks = settings.built_weeks(stale_weeks(open_lake(settings.lake_place), METRICS))
    if not weeks:
        return dg.SkipReason("every computed table is up to date")
    return _of_stretches(weeks, "compute_otc_metrics", scheduled(context))


def otc_schedules() -> tuple[dg.ScheduleDefinition, ...]:
    """The schedules of the current site."""
    return (
        dg.schedule(
            name=our_name("otc_ingest_check"),
            job=our_job("otc_weekly"),
            cron_schedule="0 7 * * 3",
            execution_timezone=NEW_YORK,
            description="Wednesdays 07:00: builds weeks whose files are not captured, also those "
            "that the landing sensor gave up, and weeks of which a capture is to be read again.",
        )(ours(_otc_ingest_check)),
        dg.schedule(
            name=our_name("otc_recheck_recent"),
            job=our_job("otc_weekly"),
            cron_schedule="30 7 * * 3",
            execution_timezone=NEW_YORK,
            description=f"Wednesdays 07:30: rechecks the last {RECENT_WEEKS} captured weeks. "
            "Corrections that arrived are built; for the rest only the checks run, as of today.",
        )(ours(_otc_recheck_recent)),
        dg.schedule(
            name=our_name("compute_otc_metrics"),
            job=our_job("compute_otc_metrics"),
            cron_schedule="0 22 * * 1-5",
            execution_timezone=NEW_YORK,
            description="Weekdays 22:00: builds the computed tables of every week in which one of "
            "them is stale.",
        )(ours(_compute_otc_metrics)),
    )


otc_ingest_check, otc_recheck_recent, compute_otc_metrics = otc_schedules()


def _of_stretches(weeks: Iterable[date], pipeline: str, at: str) -> list[dg.RunRequest]:
    """One request for each stretch of adjacent weeks."""
    return [
        dg.RunRequest(
            run_key=f"{at}:{pipeline}:{first}..{last}",
            run_config=logged(),
            tags={
                **run_tags(pipeline, Lane.NORMAL, "schedule"),
                **week_tags(str(first), str(last)),
            },
        )
        for first, last in stretches(weeks)
    ]


def scheduled(context: dg.ScheduleEvaluationContext) -> str:
    """The time of the tick, so that a repeated tick requests the same runs."""
    at = context.scheduled_execution_time
    return f"{at.astimezone(UTC):%Y%m%dT%H%MZ}"
