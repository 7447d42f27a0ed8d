"""The code location as it is, but for a sensor that looks every few seconds and FINRA's clock.

Loaded by daemons of tests instead of `spine_assets.definitions`: weeks pass in seconds there.
"""

from datetime import UTC, date, datetime, time

import dagster as dg
import httpx

from spine_assets import definitions
from spine_assets.core.settings import load_finra_settings
from spine_assets.defs.finra.offered_sensor import offered_sensor
from spine_assets.defs.finra.resource import Finra

LOOK_SECONDS = 5
AFTERNOON = time(20)  # UTC; FINRA publishes in the morning


class SimulatedFinra(Finra):
    """The afternoon of the simulated FINRA's day."""

    def now(self) -> datetime:
        """What the server says."""
        told = httpx.get(f"{load_finra_settings().url}/sim/clock").raise_for_status().json()
        return datetime.combine(date.fromisoformat(told["today"]), AFTERNOON, UTC)


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions, two of them replaced."""
    made = definitions.defs()
    looking = offered_sensor(LOOK_SECONDS)
    return dg.Definitions(
        assets=made.assets,
        asset_checks=made.asset_checks,
        jobs=made.jobs,
        schedules=made.schedules,
        sensors=[looking if item.name == looking.name else item for item in made.sensors or []],
        resources={**(made.resources or {}), "finra": SimulatedFinra()},
        loggers=made.loggers,
        executor=made.executor,
    )
