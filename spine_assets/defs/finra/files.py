"""The job that fetches a week from FINRA into the landing folder.

It is a job and no asset: what it makes are the delivered files, and `finra_otc_files` shows them,
whoever delivered them. So nobody who selects all assets, or everything upstream of a table, sends
requests to FINRA. Each run fetches one week, because one process at a time sends requests, and a
week that FINRA does not offer must not look fetched. `spine fetch` fetches complete histories.
"""

from collections.abc import Iterator
from datetime import date
from functools import cache

import dagster as dg

from spine_assets.core.settings import Settings, load_settings
from spine_assets.core.weeks import Tier
from spine_assets.defs.finra.resource import Finra, finra_client
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
from spine_assets.orchestration.landing_events import report_delivered
from spine_assets.orchestration.partitions import WEEKS, week_of
from spine_assets.orchestration.run_config import logged
from spine_assets.orchestration.site import Site, current, our_name, our_resource, ours, within
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.delivery.scan import Scan
from spine_assets.otc.delivery.week_guess import guess_week

FETCH = "finra_weekly_files"
MAX_RETRIES = 2
FIRST_WAIT_SECONDS = 60  # the client itself has waited for minutes; then twice as long


def finra_weekly_files(context: dg.OpExecutionContext) -> Iterator[dg.Output[None]]:
    """Fetch a week and report what of it is delivered now."""
    finra: Finra = our_resource(context, "finra")

    def begin(task: FetchTask) -> OnPage:
        context.log.info(f"fetching week {task.offer.week_ending}, {task.offer.tier}")
        return lambda rows, total: None

    week = week_of(context)
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
    report_delivered(context.instance, _landing_of(week, settings), [week])
    if report.failures:
        failure = dg.Failure(
            "\n".join(f"{tier}: {error}" for (_, tier), error in report.failures.items()),
            allow_retries=False,
        )
        if report.is_transient and context.retry_number < MAX_RETRIES:
            wait = FIRST_WAIT_SECONDS * 2**context.retry_number
            raise dg.RetryRequested(MAX_RETRIES, wait) from failure
        raise failure
    yield dg.Output(None, metadata=_metadata(report.fetched, requests))


def _landing_of(week: date, settings: Settings) -> Landing:
    """The landing folder with all files read that may be of a week."""
    opened = Scan(settings.landing_path, settings.landing_index_path)
    opened.examine([item for item in opened.pending if guess_week(item.name, item.path) == week])
    opened.save()
    return opened.landing()


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


def fetch_job() -> dg.JobDefinition:
    """The job of the current site, the same object at each call."""
    return _made(current())


@cache
def _made(site: Site) -> dg.JobDefinition:
    with within(site):
        step = dg.op(
            name=our_name(FETCH),
            out=dg.Out(dg.Nothing),
            required_resource_keys={our_name("finra")},
            description="Fetch what is missing of a week, and what FINRA has changed, with its "
            "control totals. FINRA is always asked; what it has not changed is not fetched again.",
        )(ours(finra_weekly_files))

        @dg.job(
            name=our_name("finra_fetch"),
            partitions_def=WEEKS,
            config=logged(),
            description="Fetch a week from FINRA into the landing folder, whose sensor builds it.",
        )
        def made() -> None:
            step()

        return made


finra_fetch_job = fetch_job()
