"""FINRA as runs, sensors and schedules use it: a client, and the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from spine_assets.core.settings import load_finra_settings

if TYPE_CHECKING:
    from spine_assets.finra.client import FinraClient


def finra_client(*, in_a_tick: bool = False) -> FinraClient:
    """A client with the settings of the environment.

    Args:
        in_a_tick: Give up within the minute that Dagster gives a sensor's tick.
    """
    from spine_assets.finra.client import FinraClient, Patience  # httpx is slow to import

    patience = Patience(attempts=3, most_seconds=10.0) if in_a_tick else None
    return FinraClient(load_finra_settings(), patience)


class Finra(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The clock of fetches; that of a simulated FINRA differs."""

    def now(self) -> datetime:
        """The current time, which names files and decides which answers are settled."""
        return datetime.now(UTC)


@dg.definitions
def resources() -> dg.Definitions:
    """The real clock."""
    return dg.Definitions(resources={"finra": Finra()})
