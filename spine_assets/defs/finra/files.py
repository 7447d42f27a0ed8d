"""The asset of fetched files: upstream of `otc_raw`, in a group of its own.

Each run fetches one week, because one process at a time sends requests to FINRA, and a week that
FINRA does not offer must not look fetched. If the tables of `otc` are selected too, the week is
fetched and then built. `spine fetch` fetches complete histories.
"""

from datetime import date

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import AssetGroup
from spine_assets.core.weeks import Tier
from spine_assets.defs.finra.resource import Finra, finra_client
from spine_assets.defs.otc.specs import FETCHED, FILE_GRAIN
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
from spine_assets.otc.delivery.placement import Grain

MAX_RETRIES = 2
FIRST_WAIT_SECONDS = 60  # the client itself has waited for minutes; then twice as long


# A multi-asset of one asset: `dg.asset` warns that its backfill policy is in beta.
@dg.multi_asset(
    name=FETCHED,
    specs=[
        dg.AssetSpec(
            FETCHED,
            partitions_def=WEEKS,
            group_name=AssetGroup.FINRA.value,
            kinds={"api", "file"},
            owners=[OWNER],
            description="A week's data from FINRA's query API, as files in the landing folder, "
            "and FINRA's control totals of it. FINRA is always asked; what it has not changed is "
            f"not fetched again.\n\n{FILE_GRAIN}",
        )
    ],
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
)
def finra_weekly_files(
    context: dg.AssetExecutionContext, finra: Finra
) -> dg.MaterializeResult[None]:
    """Fetch what is missing of a week, and what FINRA has changed."""

    def begin(task: FetchTask) -> OnPage:
        context.log.info(f"fetching week {task.offer.week_ending}, {task.offer.tier}")
        return lambda rows, total: None

    week = date.fromisoformat(context.partition_key)
    settings = load_settings()
    holdings = open_holdings(settings)
    with finra_client() as client:
        offers = offered(client)
        if not any((week, tier) in offers for tier in Tier):
            raise dg.Failure(not_offered(week, tuple(Tier), offers), allow_retries=False)
        tasks = plan(offers, holdings, Wanted(weeks={week}, recheck=True))
        report = fetch_all(client, holdings, settings, tasks, begin, finra.now)
        requests = client.requests
    for item in report.fetched:
        named = ", ".join(map(str, (*item.key, item.grain)))
        context.log.info(f"week {named}: {item.outcome}, {item.rows:,} rows {item.file or ''}")
    if report.failures:
        failure = dg.Failure(
            "\n".join(f"{tier}: {error}" for (_, tier), error in report.failures.items()),
            allow_retries=False,
        )
        if report.is_transient and context.retry_number < MAX_RETRIES:
            wait = FIRST_WAIT_SECONDS * 2**context.retry_number
            raise dg.RetryRequested(MAX_RETRIES, wait) from failure
        raise failure
    return dg.MaterializeResult(metadata=_metadata(report.fetched, requests))


def _metadata(found: list[Fetched], requests: int) -> dict[str, dg.MetadataValue | int]:
    records = [
        dg.TableRecord(
            {
                "tier": item.key[1].value,
                "class": item.key[2].value,
                "grain": item.grain.value,
                "outcome": item.outcome.value,
                "rows": item.rows,
                "file": item.file or "",
            }
        )
        for item in found
    ]
    fetched = [item for item in found if item.outcome is FetchOutcome.FETCHED]
    new = [item for item in fetched if item.grain is Grain.VENUES]
    return {
        "new_files": len(new),
        "new_rows": sum(item.rows for item in new),
        "new_totals": len(fetched) - len(new),
        "requests": requests,
        **({"answers": dg.MetadataValue.table(records)} if records else {}),
    }


finra_fetch_job = dg.define_asset_job(
    "finra_fetch",
    selection=dg.AssetSelection.assets(FETCHED),
    config=LOGGED,
    description="Fetch a week from FINRA into the landing folder, whose sensor builds it.",
)
