"""How concentrated a market is: the Herfindahl-Hirschman index over venues, and the largest one.

Firms pooled in the De Minimis bucket cannot be told apart, so the index leaves them out of the
squares (a lower bound), and the high one takes the bucket for one firm (an upper bound). The whole
volume, bucket included, is the divisor of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from spine_assets.core.tables import exact_sum
from spine_assets.otc.tables.venue_id import DE_MINIMIS


@dataclass(frozen=True)
class Concentration:
    """How concentrated some volume is.

    Attributes:
        shares: The volume, bucket included.
        venues: Identified venues.
        hhi: Sum of squared shares of identified venues, 0-1; None where there is no volume.
        hhi_high: The same with the bucket taken for one firm.
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


def concentration(by_venue: pl.DataFrame) -> Concentration:
    """Concentration of a frame with one row a venue: `mpid` and `total_volume`."""
    ordered = by_venue.sort("total_volume", "mpid", descending=[True, False])
    total = exact_sum(ordered["total_volume"])
    identified = ordered.filter(pl.col("mpid") != DE_MINIMIS)
    if not total:
        return Concentration(total, identified.height, None, None, None, None)
    part = pl.col("total_volume").cast(pl.Float64) / float(total)
    high, hhi = (frame.select((part**2).sum()).item() for frame in (ordered, identified))
    if not identified.height:
        return Concentration(total, 0, hhi, high, None, None)
    top = identified.row(0, named=True)
    percent = float(top["total_volume"]) / float(total) * 100
    return Concentration(total, identified.height, hhi, high, top["mpid"], percent)
