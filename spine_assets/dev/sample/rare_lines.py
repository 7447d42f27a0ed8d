"""Synthetic data made by our own seeded generator, not FINRA's: what few weeks have.

A week's file of the usual lines gets further lines, each drawn from numbers of its own: the usual
lines are the same with and without them. Real weeks have these more rarely still; a week's oddity
does not last, while a real ticker keeps its new name.

Belongs here: two issues of one symbol, ATS lines without a venue, and the other spelling of the
pool of small firms. Does not belong here: intended defects (`committed`).
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.dev.sample.draws import Ints, hash_of, key_of, uniform
from spine_assets.dev.sample.market import MarketKey
from spine_assets.dev.sample.names import (
    DE_MINIMIS,
    issue_name_of,
    reassigned_name_of,
    symbol_of,
)

_CHANCE = 1 / 16  # that a week of a tier has one of these
_STREAM = 291  # of this one the committed sample has each of them, away from its defects
_UNATTRIBUTED_LINES = 2
_LEAST_PART, _PART_RANGE = 0.1, 0.5  # an added line has 10-60% of the shares of a usual one


def with_rare_lines(
    frame: pl.DataFrame, key: MarketKey, week_ending: date, thin: Ints
) -> pl.DataFrame:
    """The lines of `week_of` with what this week of the tier has besides.

    Args:
        frame: lines in the order of the file.
        key: of the market.
        week_ending: of the week.
        thin: slots of which one may have two issues.
    """
    lines = frame.with_row_index("place").with_columns(pl.col("place").cast(pl.Float64))
    added = [*_second_issue(lines, key, week_ending, thin), *_unattributed(lines, key, week_ending)]
    if added:
        lines = pl.concat([lines, *added]).sort("place", maintain_order=True)
    return _pool_spelled(lines, key, week_ending).drop("place")


def _second_issue(
    lines: pl.DataFrame, key: MarketKey, week_ending: date, thin: Ints
) -> list[pl.DataFrame]:
    """Second lines of a symbol at all its venues, equal in both classes.

    Its ticker was given to another issuer, or its listing moved to another tape. A file without
    `productTypeCode` shows the latter as lines that differ in their figures alone.
    """
    seed, tier, _ = key
    chance, kind = uniform(
        hash_of(key_of(seed, tier, "two issues", _STREAM, week_ending), np.arange(2))
    )
    possible = np.intersect1d(thin, lines["slot"].to_numpy())
    if chance >= _CHANCE or not len(possible):
        return []
    slot = _chosen(possible, key_of(seed, tier, "which symbol", week_ending), 1)[0]
    second = _parts(lines.filter(slot=slot), key, week_ending)
    if tier is Tier.OTC or kind < 0.5:  # OTC equities have one tape
        symbol = symbol_of(tier, slot)
        before, after = (
            f"|{symbol}|{name}|"
            for name in (issue_name_of(tier, slot), reassigned_name_of(tier, slot))
        )
        second = second.with_columns(pl.col("text").str.replace(before, after, literal=True))
    return [second.with_columns(pl.col("place") + 0.25)]


def _unattributed(lines: pl.DataFrame, key: MarketKey, week_ending: date) -> list[pl.DataFrame]:
    """ATS lines of tier 1 with neither MPID nor name."""
    seed, tier, venue_class = key
    (chance,) = uniform(hash_of(key_of(seed, "unattributed", _STREAM, week_ending), np.arange(1)))
    if tier is not Tier.NMS_TIER_1 or venue_class is VenueClass.NON_ATS or chance >= _CHANCE:
        return []
    slots = lines["slot"].unique().to_numpy()
    chosen = _chosen(slots, key_of(seed, "whose venue", week_ending), _UNATTRIBUTED_LINES)
    first = lines.filter(pl.col("slot").is_in(chosen)).unique("slot", keep="first")
    named = pl.col("text").str.replace(r"\|[^|]*\|[^|]*$", "||")
    return [_parts(first, key, week_ending).with_columns(named, pl.col("place") - 0.25)]


def _pool_spelled(lines: pl.DataFrame, key: MarketKey, week_ending: date) -> pl.DataFrame:
    """In some weeks the pool of small firms has a name in the singular."""
    (chance,) = uniform(hash_of(key_of(*key, "one firm", _STREAM, week_ending), np.arange(1)))
    if chance >= _CHANCE:
        return lines
    usual = f"|{DE_MINIMIS.name}|"
    return lines.with_columns(
        pl.col("text").str.replace(usual, usual.replace("Firms", "Firm"), literal=True)
    )


def _chosen(slots: Ints, key: np.uint64, count: int) -> list[int]:
    found: list[int] = slots[hash_of(key, slots).argsort(kind="stable")[:count]].tolist()
    return found


def _parts(usual: pl.DataFrame, key: MarketKey, week_ending: date) -> pl.DataFrame:
    """Lines like the usual ones with part of their figures, and never the same figures."""
    drawn = uniform(hash_of(key_of(*key, "part", week_ending), usual["item"].to_numpy()))
    part = pl.lit(pl.Series(_LEAST_PART + _PART_RANGE * drawn))
    shares = (pl.col("shares") * part).cast(pl.Int64).clip(1)
    trades = (pl.col("trades") * part).cast(pl.Int64).clip(1)
    same = shares == pl.col("shares")
    return usual.with_columns(shares=shares + same, trades=pl.min_horizontal(trades, shares))
