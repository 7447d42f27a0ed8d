"""Parts of a volume, and how concentrated it is: the Herfindahl-Hirschman index over venues.

The index is the sum of the squared shares of the venues. Who traded the volume of a bucket (small
firms, unattributed rows) is not known, so `hhi` leaves it out of the squares (a lower bound) and
`hhi_high` counts each bucket as one venue (an upper bound). The total, buckets included, is the
divisor of both. In SQL
the same formula is in `otc/views/sql/hhi.sql`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from spine_assets.core.tables import exact_sum
from spine_assets.otc.delivery.venue_id import is_bucket


@dataclass(frozen=True)
class Concentration:
    """How concentrated some volume is.

    Attributes:
        shares: The volume, buckets included.
        venues: Identified venues.
        hhi: Sum of squared shares of identified venues, 0-1; None where there is no volume.
        hhi_high: The same with each bucket counted as one venue.
        top_mpid: Identified venue of the largest volume, ties by mpid.
        top_share_pct: Its share of the volume, percent.
    """

    shares: Decimal
    venues: int
    hhi: float | None
    hhi_high: float | None
    top_mpid: str | None
    top_share_pct: float | None

    @property
    def effective_venues(self) -> float | None:
        """Equally large venues that would give this index."""
        return 1 / self.hhi if self.hhi else None


def square(volume: pl.Expr) -> pl.Expr:
    """The square of a venue's volume, as DOUBLE."""
    return volume.cast(pl.Float64) ** 2


def hhi(squares: pl.Expr, total: pl.Expr) -> pl.Expr:
    """The index, 0-1, from the sum of the venues' squares; null where the total is 0."""
    return pl.when(total > 0).then(squares / square(total))


def percent(part: pl.Expr, total: pl.Expr) -> pl.Expr:
    """Percent of a total, as DOUBLE; null where the total is 0."""
    return pl.when(total > 0).then(part.cast(pl.Float64) / total.cast(pl.Float64) * 100)


def concentration(by_venue: pl.DataFrame) -> Concentration:
    """Concentration of a frame with one row per venue: `mpid` and `total_volume`."""
    ordered = by_venue.sort("total_volume", "mpid", descending=[True, False])
    identified = ordered.filter(~is_bucket(pl.col("mpid")))
    total = exact_sum(ordered["total_volume"])
    whole, volume = pl.lit(float(total)), pl.col("total_volume")
    low, high = (
        frame.select(hhi(square(volume).sum(), whole)).item() for frame in (identified, ordered)
    )
    return Concentration(
        total,
        identified.height,
        low,
        high,
        identified["mpid"][0] if total and identified.height else None,
        identified.select(percent(volume.max(), whole)).item(),
    )
