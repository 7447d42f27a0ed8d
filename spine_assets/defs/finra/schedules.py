"""Schedule: the newest weeks are checked again, because FINRA restates some of them."""

import dagster as dg

from spine_assets.core.tags import Lane, run_tags
from spine_assets.defs.finra.files import finra_fetch_job
from spine_assets.defs.finra.offered_sensor import PIPELINE
from spine_assets.defs.finra.resource import finra_client
from spine_assets.defs.otc.schedules import NEW_YORK, scheduled
from spine_assets.finra.fetching import newest, offered
from spine_assets.orchestration.run_config import LOGGED

# Revisions were seen 7-11 days after publication; four weeks are more than twice that.
WEEKS_OF_A_TIER = 4


@dg.schedule(
    name="finra_restatements",
    job=finra_fetch_job,
    cron_schedule="0 6 * * 3",
    execution_timezone=NEW_YORK,
    description=f"Wednesdays 06:00: asks FINRA whether the newest {WEEKS_OF_A_TIER} weeks of "
    "each tier have changed, and fetches those that have. Off by default.",
)
def finra_restatements(
    context: dg.ScheduleEvaluationContext,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request a fetch of each week of which a tier was published recently."""
    with finra_client() as client:
        weeks = newest(offered(client), WEEKS_OF_A_TIER)
    if not weeks:
        return dg.SkipReason("FINRA offers no week now")
    return [
        dg.RunRequest(
            run_key=f"{scheduled(context)}:{week}",
            run_config=LOGGED,
            partition_key=str(week),
            tags=run_tags(PIPELINE, Lane.SLOW, "schedule"),
        )
        for week in weeks
    ]
