"""What a build of a week works with: the lake, the deliveries, DuckDB and the clock.

Belongs here: what is the same for every week of a run. What one week has stands in `week`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from spine_assets.lake.base import Lake
from spine_assets.otc.checks.context import Connect
from spine_assets.otc.delivery.deliveries import Landing
from spine_assets.otc.state.venue_totals import VenueTotals


@dataclass(frozen=True)
class Workplace:
    """Where weeks are built: the lake, what was delivered, DuckDB and the clock."""

    lake: Lake
    landing: Landing
    connect: Connect
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    venue_totals: VenueTotals = field(default_factory=VenueTotals)
    given_up: Callable[[], bool] | None = None
    """Asked while a week waits for its lock; true ends the wait."""
