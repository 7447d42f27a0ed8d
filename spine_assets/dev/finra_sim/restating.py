"""Restatements: published rows that are changed, removed or added later.

Belongs here: what a restatement is and what it does to a week's firm rows. Does not belong
here: from which day on it is visible (`archive`).

Of about 167,600 rows of a real week 3 had been restated. In 248 weeks of two large symbols
restatements came at the delays below, and one changed every row of its week.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np
import polars as pl

from spine_assets.core.weeks import Tier, VenueClass, publication_day, require_friday
from spine_assets.dev.finra_sim.dataset import (
    CRD,
    FIRM,
    ISSUE,
    MPID,
    NOTIONAL,
    REPORTED,
    SCHEMA,
    SHARES,
    SUMMARY_TYPE,
    SYMBOL,
    TRADES,
    UPDATED,
)
from spine_assets.dev.finra_sim.market import PREFIX, REMOVED
from spine_assets.dev.sample.draws import hash_of, key_of, uniform
from spine_assets.otc.delivery.provenance import MARK

_DELAYS = (2, 7, 7, 7, 11, 42, 43, 49, 50, 51, 99, 99, 107, 164)  # days after publication
_EVERY_ROW_SHARE = 0.2  # of restatements; the others change some rows
_ROWS = 5
_LEAST_LEFT = 3  # a tier of fewer rows loses none


@dataclass(frozen=True)
class Change:
    """One row of a restatement: without figures it is removed; with figures changed, or added.

    `venue` is the MPID of an ATS or the name of a firm; `issue_name` is that of an added row.
    """

    symbol: str
    venue: str
    share_volume: Decimal | int | None = None
    trade_count: int | None = None
    issue_name: str | None = None


@dataclass(frozen=True)
class Restatement:
    """Changes to a week's tier and class from a day on.

    `rows` are the changes, or how many rows a seeded choice changes, of which it removes one and
    adds one; None changes every row.
    """

    week_ending: date
    tier: Tier
    venue_class: VenueClass
    day: date
    rows: int | tuple[Change, ...] | None = _ROWS


class CannotRestate(ValueError):
    """A restatement names rows that do not exist."""


@lru_cache(maxsize=4096)  # called for each partition of each request
def usual_restatements(
    week_ending: date, tier: Tier, *, seed: int, share: float
) -> tuple[Restatement, ...]:
    """Restatements of a tier, one per class with the probability `share`."""
    found = []
    for venue_class in VenueClass:
        key = key_of(seed, "restated", week_ending, tier, venue_class)
        chance, when, how = uniform(hash_of(key, np.arange(3)))
        if chance < share:
            delay = _DELAYS[int(when * len(_DELAYS))]
            day = publication_day(week_ending, tier) + timedelta(delay)
            rows = None if how < _EVERY_ROW_SHARE else _ROWS
            found.append(Restatement(week_ending, tier, venue_class, day, rows))
    return tuple(found)


def restated(rows: pl.DataFrame, plan: Restatement, seed: int) -> pl.DataFrame:
    """Firm rows after a restatement.

    Raises:
        CannotRestate: a row to remove does not exist, or there is no row of the class.
        WeekError: the week does not end on a Friday.
    """
    require_friday(plan.week_ending)
    mine = pl.col(SUMMARY_TYPE) == PREFIX[plan.venue_class] + "SMBL_FIRM"
    if rows.filter(mine).is_empty():
        raise CannotRestate(f"{plan.week_ending} {plan.tier} has no {plan.venue_class} rows")
    if plan.rows is None:
        return rows.with_columns(
            pl.when(mine).then(value).otherwise(pl.col(name)).alias(name)
            for name, value in _every_figure(plan.day).items()
        )
    changes = plan.rows if isinstance(plan.rows, tuple) else _chosen(rows.filter(mine), plan, seed)
    for change in changes:
        rows = _changed(rows, mine, change, plan)
    return rows


def _changed(rows: pl.DataFrame, mine: pl.Expr, change: Change, plan: Restatement) -> pl.DataFrame:
    """Rows after one change; of two issues of a symbol, figures change in the first alone."""
    venue = MPID if plan.venue_class is VenueClass.ATS else FIRM
    this = mine & pl.col(SYMBOL).eq_missing(change.symbol) & pl.col(venue).eq_missing(change.venue)
    there = not rows.filter(this).is_empty()
    if change.share_volume is None and change.trade_count is None:
        if not there:
            raise CannotRestate(
                f"{plan.week_ending} {plan.tier} {plan.venue_class} has no row of "
                f"{change.symbol} at {change.venue}"
            )
        # The sums that it was part of have changed on that day.
        gone = {SUMMARY_TYPE: pl.lit(PREFIX[plan.venue_class] + REMOVED), **_dates(plan.day)}
        gone |= {name: pl.lit(0, SCHEMA[name]) for name in (SHARES, TRADES, NOTIONAL)}
        return rows.with_columns(
            pl.when(this).then(value).otherwise(pl.col(name)).alias(name)
            for name, value in gone.items()
        )
    new = _figures(change, plan.day)
    if there:
        first = this & (this.cum_sum() == 1)
        return rows.with_columns(
            pl.when(first).then(value).otherwise(pl.col(name)).alias(name)
            for name, value in new.items()
        )
    like = rows.filter(mine)
    same_venue = like.filter(pl.col(venue).eq_missing(change.venue))
    row = (like if same_venue.is_empty() else same_venue).head(1)
    issue = change.issue_name or f"{change.symbol} Invented Holdings Inc. Common Stock"
    issue = issue.removesuffix(MARK) + MARK
    named = {SYMBOL: change.symbol, ISSUE: issue}
    if same_venue.is_empty():
        named |= {venue: change.venue} | ({FIRM: change.venue} if venue == MPID else {})
        row = row.with_columns(pl.lit(None, SCHEMA[CRD]).alias(CRD))
    texts = [pl.lit(value).alias(name) for name, value in named.items()]
    return pl.concat([rows, row.with_columns(*texts, **new)])


def _figures(change: Change, day: date) -> dict[str, pl.Expr]:
    """New values of a changed row; a figure that is not given stays."""
    new = _dates(day)
    if change.share_volume is not None:
        shares = pl.lit(str(change.share_volume)).cast(SCHEMA[SHARES])
        price = pl.col(NOTIONAL) / pl.col(SHARES).cast(pl.Float64)
        new[SHARES] = shares
        new[NOTIONAL] = (price.fill_nan(0.0) * float(change.share_volume)).round(2)
    if change.trade_count is not None:
        new[TRADES] = pl.lit(change.trade_count, SCHEMA[TRADES])
    return new


def _every_figure(day: date) -> dict[str, pl.Expr]:
    """New values of all rows: an eighth more shares, and three more trades."""
    eighth = pl.col(SHARES).cast(pl.Int64) // 8
    shares = (pl.col(SHARES) + eighth + 100).cast(SCHEMA[SHARES])
    return {**_dates(day), SHARES: shares, TRADES: pl.col(TRADES) + 3}


def _dates(day: date) -> dict[str, pl.Expr]:
    reported = day - timedelta(days=1 if day.weekday() else 3)  # the last business day before
    return {UPDATED: pl.lit(day), REPORTED: pl.lit(reported)}


def _chosen(rows: pl.DataFrame, plan: Restatement, seed: int) -> Iterator[Change]:
    """A seeded choice: one row is removed, one added, the others get new figures."""
    count = plan.rows if isinstance(plan.rows, int) else _ROWS
    venue = MPID if plan.venue_class is VenueClass.ATS else FIRM
    key = key_of(seed, plan.week_ending, plan.tier, plan.venue_class, plan.day)
    order = hash_of(key, np.arange(rows.height)).argsort(kind="stable")
    picked = rows[order.tolist()].head(count).select(SYMBOL, venue, SHARES, TRADES).rows()
    if count >= _LEAST_LEFT and rows.height > _LEAST_LEFT:
        gone, came, *picked = picked
        yield Change(gone[0], gone[1])
        yield Change(f"QZ{plan.day:%j%y}", came[1], came[2], came[3])
    for symbol, who, shares, trades in picked:
        yield Change(symbol, who, shares + shares // 8 + 100, trades + 3)
