"""Old runs are deleted by a schedule, for those who switch it on."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from spine_assets.orchestration.history.prune import delete, plan
from spine_assets.orchestration.history.prune_queries import vacuum

KEPT_DAYS = 180  # as long as the pages advise; failures of half a year are enough to compare


class PruneConfig(dg.Config):
    """Which runs are deleted."""

    older_than_days: int = KEPT_DAYS
    """Days since a run ended; what anything shown depends on is kept at any age."""


@dg.op
def prune_runs(context: dg.OpExecutionContext, config: PruneConfig) -> None:
    """Delete what `spine runs prune` would, and give the space back."""
    if config.older_than_days < 1:
        raise dg.Failure("older_than_days must be 1 or more", allow_retries=False)
    before = datetime.now(UTC) - timedelta(days=config.older_than_days)
    chosen = plan(context.instance, before)
    for _ in delete(context.instance, chosen):
        pass
    freed = vacuum(context.instance)
    context.log.info(
        f"deleted {len(chosen.delete)} runs that ended before {before:%Y-%m-%d}, kept "
        f"{sum(chosen.keep.values())} that something shown depends on; "
        + ("a database was in use and keeps its size" if freed is None else f"freed {freed} bytes")
    )


@dg.job(
    name="spine_prune_runs",
    description="Deletes old runs that nothing shown depends on, as spine runs prune does.",
)
def prune_runs_job() -> None:
    """The one step."""
    prune_runs()


@dg.schedule(
    name="spine_prune_runs",
    job=prune_runs_job,
    cron_schedule="0 3 1 * *",
    execution_timezone="UTC",
    description=f"On the first of each month, 03:00 UTC: deletes runs that ended more than "
    f"{KEPT_DAYS} days ago. Off by default.",
)
def spine_prune_runs() -> dg.RunRequest:
    """Request one run, with the default configuration."""
    return dg.RunRequest()
