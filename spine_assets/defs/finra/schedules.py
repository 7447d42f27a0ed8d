"""Schedule: FINRA is asked which weeks it has restated, and these are fetched."""

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane, run_tags
from spine_assets.defs.finra.files import fetch_job
from spine_assets.defs.finra.offered_sensor import PIPELINE
from spine_assets.defs.finra.resource import Finra, finra_client
from spine_assets.defs.otc.schedules import NEW_YORK, scheduled
from spine_assets.finra.batch import open_holdings, open_looks
from spine_assets.finra.errors import FinraUnavailable
from spine_assets.finra.fetching import offered
from spine_assets.finra.restatements import Restatements
from spine_assets.orchestration.run_config import logged
from spine_assets.orchestration.site import our_name, our_resource, ours


def restatements_schedule() -> dg.ScheduleDefinition:
    """The schedule of the current site."""
    return dg.schedule(
        name=our_name("finra_restatements"),
        job=fetch_job(),
        required_resource_keys={our_name("finra")},
        cron_schedule="0 6 * * *",
        execution_timezone=NEW_YORK,
        description="Daily 06:00: asks FINRA which weeks it has changed, and fetches those. For "
        "those who do not use the sensor finra_offered, which does so too. Off by default.",
    )(ours(_tick))


def _tick(
    context: dg.ScheduleEvaluationContext, **_: object
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request a fetch of each week that is here and that FINRA may have changed.

    dagster 1.13.27 also hands on the resources by name where a schedule is called in a test.
    """
    finra: Finra = our_resource(context, "finra")
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
            run_config=logged(),
            partition_key=str(week),
            tags=run_tags(PIPELINE, Lane.SLOW, "schedule"),
        )
        for week in weeks
    ]


finra_restatements = restatements_schedule()
