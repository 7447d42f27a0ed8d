"""Sensor: what FINRA offers and is not fetched yet, or has changed since, becomes runs.

It is off by default, because each tick sends FINRA two small requests. Once a day it also asks what
FINRA has changed (`finra.restatements`), which is up to seven more.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane
from spine_assets.defs.finra.files import fetch_job
from spine_assets.defs.finra.resource import Finra, finra_client
from spine_assets.defs.otc import retry_policy
from spine_assets.defs.otc.retry_policy import Verdict
from spine_assets.finra.batch import open_holdings, open_looks
from spine_assets.finra.errors import FinraUnavailable
from spine_assets.finra.fetching import missing, offered
from spine_assets.finra.restatements import Restatements
from spine_assets.orchestration.site import our_name, our_resource, ours
from spine_assets.otc.captures.pending import WeekInput
from spine_assets.otc.delivery.placement import Key

INTERVAL_SECONDS = 1_800  # FINRA publishes on Mondays; half an hour later is soon enough
MOST_REQUESTS = 20  # per tick; fetches run one after another
PIPELINE = "finra.fetch"
_HASH_DIGITS = 12


def offered_sensor(interval_seconds: int) -> dg.SensorDefinition:
    """The sensor, with a tick every so many seconds."""

    @dg.sensor(
        name=our_name("finra_offered"),
        job=fetch_job(),
        required_resource_keys={our_name("finra")},
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Fetches what FINRA offers and is missing or has changed, a run per week. Off "
        "by default.",
    )
    @ours
    def finra_offered(
        context: dg.SensorEvaluationContext, **_: object
    ) -> dg.SensorResult | dg.SkipReason:
        """Request a fetch of each week of which a tier or class is missing or has changed.

        dagster 1.13.27 also hands on the resources by name where a sensor is called in a test.
        """
        finra: Finra = our_resource(context, "finra")
        settings = load_settings()
        holdings, looks = open_holdings(settings), open_looks(settings)
        with finra_client(in_a_tick=True) as client:
            try:
                offers = offered(client)
            except FinraUnavailable as error:
                return dg.SkipReason(f"FINRA's API cannot be read now: {error}")
            restated = Restatements(offers, holdings, looks, finra.now())
            try:
                look = restated.ask_once_a_day(client)
            except FinraUnavailable as error:  # the next tick continues
                context.log.warning(f"FINRA cannot be asked now what it has changed: {error}")
                look = restated.known()
        lacking = _by_week(dict.fromkeys(missing(offers, holdings)) | dict(look.changed))
        wanted = [item for item in lacking if item.week_ending >= settings.first_week]
        requests: list[dg.RunRequest] = []
        waiting = 0
        busy = retry_policy.under_way(context.instance) if wanted else set()
        every = retry_policy.judge_all(context.instance, wanted, datetime.now(UTC))
        for item in reversed(wanted):  # the newest week first
            judged = every[item.week_ending]
            if item.week_ending in busy or judged.verdict is Verdict.WAIT:
                waiting += 1
            elif judged.verdict is Verdict.GIVEN_UP:
                context.log.warning(
                    f"fetching week {item.week_ending} failed {retry_policy.MAX_ATTEMPTS} times; "
                    f"look at run {judged.run_id} and then run "
                    f"spine fetch --week {item.week_ending}"
                )
            elif judged.verdict is Verdict.ASK and len(requests) < MOST_REQUESTS:
                # The slow lane has one place, so that one run at a time sends requests to FINRA.
                requests.append(retry_policy.request([(item, judged.attempt)], PIPELINE, Lane.SLOW))
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SkipReason(
            f"{len(offers)} tiers of weeks are offered; {len(wanted)} weeks are incomplete or have "
            f"changed, {waiting} of them are being fetched or wait for their next attempt"
        )

    return finra_offered


finra_offered = offered_sensor(INTERVAL_SECONDS)


def _by_week(keys: Mapping[Key, datetime | None]) -> list[WeekInput]:
    """What to fetch of each week, the oldest first; with a time what changed, and since when."""
    by_week: dict[date, list[tuple[Key, datetime | None]]] = {}
    for key, since in sorted(keys.items()):
        by_week.setdefault(key[0], []).append((key, since))
    hashes = {week: _hash(items) for week, items in by_week.items()}
    return [WeekInput(week, f"fetch:{value}", value) for week, value in hashes.items()]


def _hash(items: list[tuple[Key, datetime | None]]) -> str:
    days = [[*map(str, key), str(since.date() if since else "")] for key, since in items]
    text = json.dumps(days)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]
