"""What is the same for all weeks of a run: the lake, the deliveries, DuckDB and the clock.

Does not belong here: what is known of one week (`otc.state.week_inputs`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import duckdb

from spine_assets.lake.base import Lake
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.state.venue_totals import VenueTotals


@dataclass(frozen=True)
class RunContext:
    """What a run builds weeks with.

    Attributes:
        connect: Opens a DuckDB connection.
        venue_totals: Totals of the weeks before, as this run has read or built them.
        given_up: Called while a week waits for its lock; true ends the wait.
    """

    lake: Lake
    landing: Landing
    connect: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    venue_totals: VenueTotals = field(default_factory=VenueTotals)
    given_up: Callable[[], bool] | None = None

    @property
    def today(self) -> date:
        """The day in UTC."""
        return self.now().astimezone(UTC).date()
