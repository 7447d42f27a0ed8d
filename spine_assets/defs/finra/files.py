"""The asset of fetched files: upstream of `otc_raw`, in a group of its own.

Each run fetches one week, since FINRA is asked by one process at a time and a week that it does
not offer must not look fetched. Chosen together with the tables of `otc`, a week is fetched and
then built. Whole histories are fetched by `spine fetch`.
"""

from collections.abc import Callable
from datetime import date

import dagster as dg

from spine_assets.core.settings import load_finra_settings, load_settings
from spine_assets.core.weeks import Tier
from spine_assets.defs.finra.resource import Finra
from spine_assets.defs.otc.specs import FETCHED
from spine_assets.finra.batch import fetch_all, not_offered, open_holdings
from spine_assets.finra.fetching import (
    Fetched,
    FetchOutcome,
    FetchTask,
    OnPage,
    Wanted,
    offered,
    plan,
)
from spine_assets.orchestration.asset_specs import OWNER
from spine_assets.orchestration.partitions import WEEKS
from spine_assets.orchestration.run_config import LOGGED

GROUP = "finra"
MAX_RETRIES = 2
FIRST_WAIT_SECONDS = 60  # the client itself waited for minutes; then twice as long


class FetchConfig(dg.Config):
    """Options of a run."""

    recheck: bool = False
    """Also ask again for what came long after its publication."""


# A multi-asset of one: `dg.asset` warns that its backfill policy is in beta, this does not.
@dg.multi_asset(
    name=FETCHED,
    specs=[
        dg.AssetSpec(
            FETCHED,
            partitions_def=WEEKS,
            group_name=GROUP,
            kinds={"api", "file"},
            owners=[OWNER],
            description="A week's answers of FINRA's query API, as files in the landing folder. "
            "What is here and has not changed is not fetched again.\n\n**Grain:** one file a week, "
            "tier and class; one line a symbol and venue, with shares and trades of the week.",
        )
    ],
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
)
def finra_weekly_files(
    context: dg.AssetExecutionContext, config: FetchConfig, finra: Finra
) -> dg.MaterializeResult[None]:
    """Fetch what is missing of a week, and what FINRA has changed."""
    from spine_assets.finra.client import FinraClient  # its libraries load when FINRA is asked

    week = date.fromisoformat(context.partition_key)
    settings = load_settings()
    holdings = open_holdings(settings)
    with FinraClient(load_finra_settings()) as client:
        offers = offered(client)
        if not any((week, tier) in offers for tier in Tier):
            raise dg.Failure(not_offered(week, tuple(Tier), offers), allow_retries=False)
        tasks = plan(offers, holdings, Wanted(weeks={week}, recheck=config.recheck))
        report = fetch_all(client, holdings, settings, tasks, _moved(context), finra.now)
        requests = client.requests
    for item in report.fetched:
        context.log.info(f"{_named(item)}: {item.outcome}, {item.rows:,} rows {item.file or ''}")
    if report.failures:
        failure = dg.Failure(
            "\n".join(f"{tier}: {said}" for (_, tier), said in report.failures.items()),
            allow_retries=False,
        )
        if report.is_transient and context.retry_number < MAX_RETRIES:
            wait = FIRST_WAIT_SECONDS * 2**context.retry_number
            raise dg.RetryRequested(MAX_RETRIES, wait) from failure
        raise failure
    return dg.MaterializeResult(metadata=_metadata(report.fetched, requests))


def _moved(context: dg.AssetExecutionContext) -> Callable[[FetchTask], OnPage]:
    """A line in the log for each tier that is begun."""

    def begin(task: FetchTask) -> OnPage:
        context.log.info(f"asking for week {task.offer.week_ending}, {task.offer.tier}")
        return lambda rows, total: None

    return begin


def _named(item: Fetched) -> str:
    week, tier, venue_class = item.key
    return f"week {week}, {tier}, {venue_class}"


def _metadata(found: list[Fetched], requests: int) -> dict[str, dg.MetadataValue | int]:
    records = [
        dg.TableRecord(
            {
                "tier": item.key[1].value,
                "class": item.key[2].value,
                "outcome": item.outcome.value,
                "rows": item.rows,
                "file": item.file or "",
            }
        )
        for item in found
    ]
    new = [item for item in found if item.outcome is FetchOutcome.FETCHED]
    return {
        "new_files": len(new),
        "new_rows": sum(item.rows for item in new),
        "requests": requests,
        **({"answers": dg.MetadataValue.table(records)} if records else {}),
    }


finra_fetch_job = dg.define_asset_job(
    "finra_fetch",
    selection=dg.AssetSelection.assets(FETCHED),
    config=LOGGED,
    description="Fetch a week from FINRA into the landing folder, whose sensor builds it.",
)
