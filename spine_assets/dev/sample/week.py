"""Synthetic data made by our own seeded generator, not FINRA's: one week of a market.

A symbol's size and slow drift carry over from week to week, so that swings look real. Does not
belong here: the market in the long run (`market`), and the week's files (`files`).
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from spine_assets.core.weeks import Tier, monday_of, publication_day
from spine_assets.dev.sample.draws import Floats, hash_of, key_of, normal, uniform
from spine_assets.dev.sample.market import Bools, Market

_LISTED_CYCLE, _LISTED_WEEKS = 260, 252  # a symbol is unlisted for 8 weeks in about 5 years
_DRIFT_WEEKS = 8  # a symbol's level is drawn at this interval, and interpolated in between
_DRIFT = 0.2  # standard deviation of that level, as a logarithm
_HOLIDAY_SHARES, _HOLIDAY_TRADES = 0.78, 0.63  # a holiday week has about 37% fewer trades


def week_of(market: Market, week_ending: date, slots: int) -> pl.DataFrame:
    """One week of a market's first slots: text, shares, trades, cents, slot and item, by row."""
    week = week_ending.toordinal() // 7
    drawn = hash_of(key_of(*market.key, "week", week), market.item)
    here = _listed(market, week)[market.slot] & (uniform(drawn) < market.chance)
    rows = (here & (market.slot < slots)).nonzero()[0]
    slot, drawn = market.slot[rows], drawn[rows]
    again = hash_of(np.uint64(0), drawn.astype(np.int64))
    closed = _has_closed_monday(week_ending)
    level = 0.02 * normal(hash_of(key_of(*market.key, "level"), np.array([week])))
    level += np.log(_HOLIDAY_SHARES if closed else 1.0)
    log_shares = market.log_shares[rows] + level + _drift(market, week)[slot]
    log_shares += market.unsteadiness[rows] * normal(again)
    shares = np.maximum(np.exp(log_shares), 1.0).astype(np.int64)
    lots = (shares > 400) & (drawn & np.uint64(1) == 0)  # half of the larger rows: round lots
    shares = np.where(lots, shares // 100 * 100, shares)
    size = np.exp(market.log_trade_size[rows] + 0.1 * normal(drawn))
    size *= _HOLIDAY_SHARES / _HOLIDAY_TRADES if closed else 1.0
    trades = np.clip(np.rint(shares / size), 1, shares).astype(np.int64)
    columns = {"text": market.text[rows], "shares": shares, "trades": trades}
    columns |= {"cents": market.cents[rows], "slot": slot, "item": market.item[rows]}
    return pl.DataFrame(columns)


def _listed(market: Market, week: int) -> Bools:
    """By slot: whether the symbol is listed, the same for both classes."""
    seed, tier, _ = market.key
    start = hash_of(key_of(seed, tier, "listed"), np.arange(len(market.lasting)))
    start %= np.uint64(_LISTED_CYCLE)
    age = (start + np.uint64(week)) % np.uint64(_LISTED_CYCLE)
    return np.asarray((age < _LISTED_WEEKS) | market.lasting)


def _drift(market: Market, week: int) -> Floats:
    """By slot: how far the symbol's level is from its long-run level, as a logarithm."""
    slots = np.arange(len(market.lasting))
    knot, past = divmod(week, _DRIFT_WEEKS)
    ends = [normal(hash_of(key_of(*market.key[:2], "drift", knot + n), slots)) for n in (0, 1)]
    part = past / _DRIFT_WEEKS
    return np.asarray(_DRIFT * ((1 - part) * ends[0] + part * ends[1]))


def _has_closed_monday(week_ending: date) -> bool:
    """Whether the exchange is closed on the week's Monday, as publication then slips."""
    slips = publication_day(week_ending - timedelta(Tier.NMS_TIER_1.lag_days), Tier.NMS_TIER_1)
    return slips != monday_of(week_ending)
