"""Synthetic data made by our own seeded generator, not FINRA's: shares and dollars as text.

Belongs here: fractions of shares, and dollar amounts, which FINRA sends as floating-point numbers.
Does not belong here: how many shares are traded (`market`, `week`).
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.dev.sample.draws import Ints, hash_of, key_of
from spine_assets.dev.sample.market import MarketKey

_FIRST_FRACTIONS = date(2026, 2, 27)
"""Week ending of the first week with fractions of shares: of NMS stocks, and not at an ATS."""
_FRACTIONS_IN_100 = 13  # about so many rows of such a week have a fraction
_FIRST_CENTS = date(2025, 3, 14)
"""Week ending of the first week whose dollar amounts are not whole."""
_NOISE_EVERY = (
    16  # one amount of so many is not the nearest number to its cents: 163.70999999999998
)


def share_text(shares: pl.Series, key: MarketKey, week_ending: date) -> pl.Series:
    """Shares of a file's rows, some with a fraction of up to six decimals in newer weeks."""
    whole = shares.cast(pl.String)
    _, tier, venue_class = key
    if tier is Tier.OTC or venue_class is VenueClass.ATS or week_ending < _FIRST_FRACTIONS:
        return whole
    drawn = hash_of(key_of(*key, "fraction", week_ending), np.arange(len(shares)))
    millionths = (drawn // np.uint64(100) % np.uint64(10**6)).astype(np.int64)
    millionths[drawn % np.uint64(100) >= _FRACTIONS_IN_100] = 0
    parts = pl.Series(millionths).cast(pl.String).str.zfill(6)
    return (whole + "." + parts).str.strip_chars_end("0").str.strip_chars_end(".")


def notional_text(cents: pl.Series, key: MarketKey, week_ending: date) -> pl.Series:
    """Dollar amounts of a file's rows: whole ones in older weeks, with some noise in newer ones."""
    dollars = (cents // 100).cast(pl.String)
    if week_ending < _FIRST_CENTS:
        return dollars
    exact = dollars + "." + (cents % 100).cast(pl.String).str.zfill(2)
    drawn = hash_of(key_of(*key, "noise", week_ending), np.arange(len(cents)))
    noisy: Ints = (drawn % np.uint64(_NOISE_EVERY) == 0).nonzero()[0]
    below = np.nextafter(cents.gather(noisy).to_numpy() / 100, 0.0).tolist()
    return exact.scatter(noisy, [repr(amount) for amount in below])
