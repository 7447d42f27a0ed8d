"""Sensor: weeks and tiers that FINRA offers and that are not here become fetches.

Off by default: it asks FINRA, two small requests a tick.
"""

import hashlib
import json
from datetime import UTC, date, datetime

import dagster as dg

from spine_assets.core.settings import load_finra_settings, load_settings
from spine_assets.core.tags import Lane, run_tags
from spine_assets.defs.finra.files import finra_fetch_job
from spine_assets.defs.otc import retry_policy
from spine_assets.defs.otc.retry_policy import Verdict
from spine_assets.finra.batch import open_holdings
from spine_assets.finra.errors import FinraUnavailable
from spine_assets.finra.fetching import missing, offered
from spine_assets.otc.captures.pending import WeekInput
from spine_assets.otc.delivery.placement import Key

INTERVAL_SECONDS = 1_800  # FINRA publishes on Mondays, and nobody waits for the minute
MOST_REQUESTS = 20  # a tick; fetches run one after another
PIPELINE = "finra.fetch"
# A tick has a minute; what has not passed by then is asked at the next.
ATTEMPTS, MOST_SECONDS = 3, 10.0
_HASH_DIGITS = 12


def offered_sensor(interval_seconds: int) -> dg.SensorDefinition:
    """The sensor, looking every so many seconds."""

    @dg.sensor(
        name="finra_offered",
        job=finra_fetch_job,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Fetches what FINRA offers and is not here, a run a week. Off by default.",
    )
    def finra_offered(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Ask for a fetch of each week with an answer that is not here."""
        from spine_assets.finra.client import FinraClient, Patience  # load when FINRA is asked

        patience = Patience(attempts=ATTEMPTS, most_seconds=MOST_SECONDS)
        with FinraClient(load_finra_settings(), patience) as client:
            try:
                offers = offered(client)
            except FinraUnavailable as error:
                return dg.SkipReason(f"FINRA cannot be asked now: {error}")
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
                requests.append(_request(item, judged.attempt))
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SkipReason(
            f"{len(offers)} tiers of weeks are offered, {len(wanted)} weeks lack something, "
            f"{waiting} of these are being fetched or wait"
        )

    return finra_offered


finra_offered = offered_sensor(INTERVAL_SECONDS)


def _by_week(keys: list[Key]) -> list[WeekInput]:
    """What lacks of each week, the oldest first."""
    by_week: dict[date, list[Key]] = {}
    for key in keys:
        by_week.setdefault(key[0], []).append(key)
    return [WeekInput(week, f"fetch:{_hash(lack)}", _hash(lack)) for week, lack in by_week.items()]


def _hash(keys: list[Key]) -> str:
    told = json.dumps([list(map(str, key)) for key in keys])
    return hashlib.sha256(told.encode()).hexdigest()[:_HASH_DIGITS]


def _request(item: WeekInput, attempt: int) -> dg.RunRequest:
    """A fetch of a week; of each lack and attempt there is one at most."""
    return dg.RunRequest(
        run_key=item.key if attempt == 1 else f"{item.key}#{attempt}",
        partition_key=str(item.week_ending),
        # The slow lane has one place: FINRA is asked by one run at a time.
        tags={**run_tags(PIPELINE, Lane.SLOW, "sensor"), retry_policy.INPUT: item.key},
    )
