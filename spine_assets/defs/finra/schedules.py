"""Schedule: the newest weeks are asked for again, since FINRA restates some of them."""

from datetime import UTC

import dagster as dg

from spine_assets.core.settings import load_finra_settings
from spine_assets.core.tags import Lane, run_tags
from spine_assets.defs.finra.files import finra_fetch_job
from spine_assets.defs.finra.offered_sensor import PIPELINE
from spine_assets.defs.otc.schedules import NEW_YORK
from spine_assets.finra.fetching import newest, offered
from spine_assets.orchestration.run_config import LOGGED

# Revisions were seen 7-11 days after publication; twice that and more is looked at.
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
    """Ask for a fetch of each week that a tier was published of not long ago."""
    from spine_assets.finra.client import FinraClient  # its libraries load when FINRA is asked

    with FinraClient(load_finra_settings()) as client:
        weeks = newest(offered(client), WEEKS_OF_A_TIER)
    if not weeks:
        return dg.SkipReason("FINRA offers no week now")
    at = context.scheduled_execution_time.astimezone(UTC)
    return [
        dg.RunRequest(
            run_key=f"{at:%Y%m%dT%H%MZ}:{week}",
            run_config=LOGGED,
            partition_key=str(week),
            tags=run_tags(PIPELINE, Lane.SLOW, "schedule"),
        )
        for week in weeks
    ]
