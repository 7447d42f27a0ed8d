"""Options of a simulated FINRA, fixed when it starts; `simulator` has what changes later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from spine_assets.dev.finra_sim.dataset import MAX_PAGE_BYTES
from spine_assets.dev.sample import SAMPLE_SEED, Rows

CLIENT_ID, CLIENT_SECRET = "spine-sim", "synthetic"
"""Default credentials; only this server accepts them."""
UNENTITLED_ID = "spine-sim-without-data"
"""Gets tokens with the same secret, and 403 for data."""


@dataclass(frozen=True)
class SimOptions:
    """How a simulated FINRA behaves.

    Attributes:
        today: its first day, UTC.
        rows: about how many ATS rows a week has, or a mapping by tier; firms add half as many,
            and the summaries a third.
        seed: of the market and of everything random in it.
        weeks: weeks in `weeklySummary`, the newest.
        historic_weeks: weeks in `weeklySummaryHistoric`, those before.
        restated_share: part (0-1) of (week, tier, class) restated 2-164 days after publication.
        market_wide: whether each week also has FINRA's partitions `NMS` and `NA`, ten rows of
            totals published a week after the other tiers.
        totals: whether each tier also has FINRA's control totals of its rows.
        require_auth: whether data needs a token.
        clients: secrets by client id.
        entitled: client ids that may read data.
        token_seconds: lifetime of a token.
        requests_per_second: a client's limit; requests for tokens do not count.
        page_bytes: size limit of a page.
        cache_bytes: memory for generated weeks, and as much again for filtered ones.
    """

    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    rows: Rows = 10_000
    seed: int = SAMPLE_SEED
    weeks: int = 52
    historic_weeks: int = 208
    restated_share: float = 0.1
    market_wide: bool = True
    totals: bool = True
    require_auth: bool = False
    clients: Mapping[str, str] = field(
        default_factory=lambda: {CLIENT_ID: CLIENT_SECRET, UNENTITLED_ID: CLIENT_SECRET}
    )
    entitled: frozenset[str] = frozenset({CLIENT_ID})
    token_seconds: int = 1800  # FINRA's tokens hold half an hour
    requests_per_second: int = 20  # FINRA's limit for synchronous requests, by address
    page_bytes: int = MAX_PAGE_BYTES
    cache_bytes: int = 256 * 1024**2  # about two full-sized weeks
