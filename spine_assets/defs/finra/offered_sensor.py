"""Sensor: weeks and tiers that FINRA offers and that are not fetched yet become runs.

It is off by default, because each tick sends FINRA two small requests.
"""

import hashlib
import json
from datetime import UTC, date, datetime

import dagster as dg

from spine_assets.core.settings import load_settings
from spine_assets.core.tags import Lane
from spine_assets.defs.finra.files import finra_fetch_job
from spine_assets.defs.finra.resource import finra_client
from spine_assets.defs.otc import retry_policy
from spine_assets.defs.otc.retry_policy import Verdict
from spine_assets.finra.batch import open_holdings
from spine_assets.finra.errors import FinraUnavailable
from spine_assets.finra.fetching import missing, offered
from spine_assets.otc.captures.pending import WeekInput
from spine_assets.otc.delivery.placement import Key

INTERVAL_SECONDS = 1_800  # FINRA publishes on Mondays; half an hour later is soon enough
MOST_REQUESTS = 20  # per tick; fetches run one after another
PIPELINE = "finra.fetch"
_HASH_DIGITS = 12


def offered_sensor(interval_seconds: int) -> dg.SensorDefinition:
    """The sensor, with a tick every so many seconds."""

    @dg.sensor(
        name="finra_offered",
        job=finra_fetch_job,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Fetches what FINRA offers and is missing, a run per week. Off by default.",
    )
    def finra_offered(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Request a fetch of each week of which a tier or class is missing."""
        with finra_client(in_a_tick=True) as client:
            try:
                offers = offered(client)
            except FinraUnavailable as error:
                return dg.SkipReason(f"FINRA's API cannot be read now: {error}")
        wanted = _by_week(missing(offers, open_holdings(load_settings())))
        requests: list[dg.RunRequest] = []
        waiting = 0
        busy = retry_policy.under_way(context.instance) if wanted else set()
        for item in reversed(wanted):  # the newest week first
            judged = retry_policy.judge(context.instance, item, datetime.now(UTC))
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
                requests.append(retry_policy.request(item, judged.attempt, PIPELINE, Lane.SLOW))
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SkipReason(
            f"{len(offers)} tiers of weeks are offered; {len(wanted)} weeks are incomplete, "
            f"{waiting} of them are being fetched or wait for their next attempt"
        )

    return finra_offered


finra_offered = offered_sensor(INTERVAL_SECONDS)


def _by_week(keys: list[Key]) -> list[WeekInput]:
    """What is missing of each week, the oldest first."""
    by_week: dict[date, list[Key]] = {}
    for key in keys:
        by_week.setdefault(key[0], []).append(key)
    hashes = {week: _hash(missing_keys) for week, missing_keys in by_week.items()}
    return [WeekInput(week, f"fetch:{value}", value) for week, value in hashes.items()]


def _hash(keys: list[Key]) -> str:
    text = json.dumps([list(map(str, key)) for key in keys])
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]
