"""The check for overdue tiers, with its job and schedule.

It is a check of `finra_otc_files` and not of `otc_raw`, because it covers all weeks at once, also
those that have never had a run, and the group `otc` holds only weekly checks.
"""

from datetime import UTC, date, datetime

import dagster as dg

from spine_assets.alerts.ongoing import ARRIVED, FILES
from spine_assets.alerts.text_parts import weeks_text
from spine_assets.core.text import counted
from spine_assets.defs.otc.schedules import NEW_YORK
from spine_assets.defs.resources import Spine
from spine_assets.orchestration.asset_specs import check_description
from spine_assets.orchestration.run_config import logged
from spine_assets.orchestration.site import our_key, our_name, our_resource, ours
from spine_assets.otc.captures.overdue import DOWNLOAD, HOLDS, REMEDY, Overdue, overdue
from spine_assets.otc.checks.context import SAMPLE_ROWS

_QUESTION = "has every tier arrived that was due by FINRA's publication calendar?"


def _tiers_arrived(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Overdue tiers of all weeks, as of now."""
    spine: Spine = our_resource(context, "spine")
    place = spine.workplace()
    missing = overdue(place.lake, place.landing, datetime.now(UTC).date())
    metadata: dict[str, dg.MetadataValue | int] = {"overdue": len(missing)}
    if missing:
        metadata["sample"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "week_ending": str(item.week_ending),
                        "tier": item.tier.value,
                        "due": str(item.due),
                    }
                )
                for item in missing[-SAMPLE_ROWS:][::-1]
            ]
        )
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_text(missing),
        metadata=metadata,
    )


def freshness() -> dg.Definitions:
    """The check, its job and its schedule."""
    check = dg.asset_check(
        asset=our_key(FILES),
        name=ARRIVED,
        description=check_description(HOLDS, REMEDY),
        required_resource_keys={our_name("spine")},
    )(ours(_tiers_arrived))
    job = dg.define_asset_job(
        our_name("otc_freshness"),
        selection=dg.AssetSelection.checks(check),
        config=logged(),
        description=_QUESTION,
    )
    weekdays = dg.ScheduleDefinition(
        name=our_name("otc_freshness_weekdays"),
        job=job,
        cron_schedule="0 9 * * 1-5",  # FINRA publishes on Mondays; the other days repeat the alert
        execution_timezone=NEW_YORK,
        description=f"Weekdays 09:00: {_QUESTION}",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    return dg.Definitions(asset_checks=[check], jobs=[job], schedules=[weekdays])


@dg.definitions
def freshness_defs() -> dg.Definitions:
    """Those without a prefix."""
    return freshness()


def _text(missing: list[Overdue]) -> str:
    if not missing:
        return "every tier that was due has arrived"
    weeks: dict[str, list[date]] = {}
    for item in missing:
        weeks.setdefault(item.tier.value, []).append(item.week_ending)
    listed = "; ".join(f"{tier} of {weeks_text(found)}" for tier, found in weeks.items())
    return f"{counted(len(missing), 'tier')} of weeks overdue: {listed}. For each: {DOWNLOAD}"
