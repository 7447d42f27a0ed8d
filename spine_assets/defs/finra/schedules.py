"""Schedule: FINRA is asked which weeks it has restated, and these are fetched."""

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane, run_tags
from spine_assets.defs.finra.files import finra_fetch_job
from spine_assets.defs.finra.offered_sensor import PIPELINE
from spine_assets.defs.finra.resource import Finra, finra_client
from spine_assets.defs.otc.schedules import NEW_YORK, scheduled
from spine_assets.finra.batch import open_holdings, open_looks
from spine_assets.finra.errors import FinraUnavailable
from spine_assets.finra.fetching import offered
from spine_assets.finra.restatements import Restatements
from spine_assets.orchestration.run_config import LOGGED


@dg.schedule(
    name="finra_restatements",
    job=finra_fetch_job,
    cron_schedule="0 6 * * *",
    execution_timezone=NEW_YORK,
    description="Daily 06:00: asks FINRA which weeks it has changed, and fetches those. For those "
    "who do not use the sensor finra_offered, which does so too. Off by default.",
)
def finra_restatements(
    context: dg.ScheduleEvaluationContext, finra: Finra
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request a fetch of each week that is here and that FINRA may have changed."""
    settings = load_settings()
    holdings, looks = open_holdings(settings), open_looks(settings)
    with finra_client(in_a_tick=True) as client:
        try:
            look = Restatements(offered(client), holdings, looks, finra.now()).ask(client)
        except FinraUnavailable as error:  # tomorrow's tick looks from the last look on
            return dg.SkipReason(f"FINRA's API cannot be read now: {error}")
    weeks = settings.built_weeks({week for week, _, _ in look.changed})
    if not weeks:
        return dg.SkipReason("FINRA has changed nothing that is here")
    return [
        dg.RunRequest(
            run_key=f"{scheduled(context)}:{week}",
            run_config=LOGGED,
            partition_key=str(week),
            tags=run_tags(PIPELINE, Lane.SLOW, "schedule"),
        )
        for week in weeks
    ]
