"""Is everything in that was due? A check on the delivered files, and its schedule.

It stands on `finra_otc_files` and not on `otc_raw`: it is about all weeks at once, also
those that no run was ever asked for, and the group `otc` holds weekly checks only.
"""

from datetime import UTC, datetime

import dagster as dg

from spine_assets.alerts.ongoing import ARRIVED
from spine_assets.alerts.wording import weeks_text
from spine_assets.core.text import counted
from spine_assets.defs.otc.specs import FILES
from spine_assets.defs.resources import Spine
from spine_assets.orchestration.asset_specs import check_description
from spine_assets.orchestration.run_config import LOGGED
from spine_assets.otc.captures.overdue import DOWNLOAD, HOLDS, REMEDY, Overdue, overdue
from spine_assets.otc.checks.context import SAMPLE_ROWS


@dg.asset_check(
    asset=FILES,
    name=ARRIVED,
    description=check_description(HOLDS, REMEDY),
)
def tiers_arrived(spine: Spine) -> dg.AssetCheckResult:
    """Overdue tiers of all weeks, as of now."""
    place = spine.workplace()
    missing = overdue(place.lake, place.landing, datetime.now(UTC).date())
    metadata: dict[str, dg.MetadataValue | int] = {"overdue": len(missing)}
    if missing:
        metadata["sample"] = dg.MetadataValue.table(
            records=[_record(item) for item in missing[-SAMPLE_ROWS:][::-1]]
        )
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_said(missing),
        metadata=metadata,
    )


otc_freshness = dg.define_asset_job(
    "otc_freshness",
    selection=dg.AssetSelection.checks(tiers_arrived),
    config=LOGGED,
    description="Is every tier in that was due by FINRA's publication calendar?",
)

weekday_mornings = dg.ScheduleDefinition(
    name="otc_freshness_weekdays",
    job=otc_freshness,
    cron_schedule="0 9 * * 1-5",  # FINRA publishes on Mondays; the rest reminds
    execution_timezone="America/New_York",
    description="Weekdays 09:00: is every tier in that was due by FINRA's publication calendar?",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)


def _said(missing: list[Overdue]) -> str:
    if not missing:
        return "every tier that was due is in"
    tiers: dict[str, list[Overdue]] = {}
    for item in missing:
        tiers.setdefault(item.tier.value, []).append(item)
    told = "; ".join(
        f"{tier} of {weeks_text(item.week_ending for item in items)}"
        for tier, items in tiers.items()
    )
    noun = counted(len(missing), "tier")
    return f"{noun} of weeks overdue: {told}. For each: {DOWNLOAD}"


def _record(item: Overdue) -> dg.TableRecord:
    return dg.TableRecord(
        {"week_ending": str(item.week_ending), "tier": item.tier.value, "due": str(item.due)}
    )
