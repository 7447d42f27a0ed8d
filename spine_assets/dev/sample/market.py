"""Synthetic data made by our own seeded generator, not FINRA's: its markets.

Belongs here: the properties of each tier, and which symbol trades where and how much in the long
run. Does not belong here: names (`names`), and what a market does in a given week (`week`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.dev.sample.draws import Floats, Ints, hash_of, key_of, normal, uniform
from spine_assets.dev.sample.names import (
    MAX_SLOTS,
    issue_name_of,
    participants,
    symbol_of,
    trades_at,
)

ROWS_PER_WEEK = 190_000
"""ATS rows of a real week, all tiers together."""

Bools = npt.NDArray[np.bool_]
MarketKey = tuple[int, Tier, VenueClass]


@dataclass(frozen=True)
class Shape:
    """What sets a tier apart; sizes as in FINRA's real files."""

    file_word: str
    part_of_rows: float  # of all ATS rows of a week
    shares_per_row: float  # mean over ATS rows
    non_ats_ratio: float  # non-ATS shares to ATS shares
    venues: float  # mean ATS venues of a symbol in a full-sized market
    present: float  # part of the rows of a market that one week has
    trade_size: float  # median shares a trade
    size_slope: float  # how trade size grows with volume, both as logarithms
    size_spread: float  # standard deviation of the logarithm of trade size
    price: float  # median, dollars


SHAPES = {
    Tier.NMS_TIER_1: Shape("tier1", 0.35, 55e3, 2.2, 20, 0.875, 180, 0.15, 0.5, 90),
    Tier.NMS_TIER_2: Shape("tier2", 0.6235, 30e3, 2.2, 16, 0.875, 180, 0.15, 0.5, 18),
    Tier.OTC: Shape("otc", 0.0265, 200e3, 1.5, 1.75, 0.93, 220, 0.6, 1.0, 2),
}
_TOP_SYMBOLS, _TOP_PART = 10, 0.53  # the top 10 OTC symbols have 50-68% of the shares
_NMS_POWER = 0.75  # NMS volumes fall off more gently by rank
_THIN_TAIL = 4.0  # the least traded symbol lies so far (as a logarithm) below its power law
_ONE_VENUE_PART, _TWO_VENUES_PART = 0.42, 0.71  # with the private series half are on one venue
_FEW_ROWS = 5  # more doubled keys in a small file could be two versions of it joined
_MOST_SEATS = 64  # more than there are participants


@dataclass(frozen=True)
class Market:
    """The rows (symbol x participant) that a tier and class can have, in file order."""

    key: MarketKey
    text: pl.Series  # the delivered fields before the volume
    slot: Ints  # of each row's symbol
    item: Ints  # identity of each row
    log_shares: Floats
    log_trade_size: Floats
    unsteadiness: Floats  # deviation of log_shares from week to week
    chance: Floats  # that a week has the row if its symbol is listed
    lasting: Bools  # by slot: listed in all weeks
    cents: Ints  # price of a share, by row


@lru_cache(maxsize=2 * len(Tier) * len(VenueClass))
def market_of(seed: int, tier: Tier, venue_class: VenueClass, rows: int) -> Market:
    """The market whose ATS class has about `rows` rows a week; both classes share symbols."""
    key, shape = (seed, tier, venue_class), SHAPES[tier]
    slots = np.arange(_slot_count(tier, rows))
    symbols = np.array([symbol_of(tier, slot) for slot in slots.tolist()])
    who = participants(tier, venue_class)
    slot, seat = _seats_taken(key, slots, rows).nonzero()
    order = np.lexsort((np.array([p.mpid or p.name for p in who])[seat], symbols[slot]))
    slot, seat = slot[order], seat[order]
    parts = _parts_of_volume(key, slot, seat)
    ratio = shape.non_ats_ratio if venue_class is VenueClass.NON_ATS else 1.0
    log_shares = np.log(parts * _ats_total(tier, rows) * ratio)
    rank = parts.argsort(kind="stable").argsort(kind="stable") / len(parts)
    main_seat, main_symbol = _first_of_each(slot, -parts), _first_of_each(seat, slot)
    chance = 0.8 + 0.2 * rank  # four weeks of five have a thin row
    chance[main_seat] = chance[main_symbol] = 1.0  # no listed symbol and no venue blinks
    lasting = slots < _TOP_SYMBOLS
    lasting[slot[main_symbol]] = True
    price = shape.price * np.exp(normal(hash_of(key_of(seed, tier, "price"), slots)))
    return Market(
        key=key,
        text=_text_before_volume(key, symbols.tolist(), slot, seat),
        slot=slot,
        item=slot * _MOST_SEATS + seat,
        log_shares=log_shares,
        log_trade_size=_log_trade_size(key, log_shares, slot, seat),
        unsteadiness=0.4 - 0.3 * rank,
        chance=chance,
        lasting=lasting,
        cents=(100 * price).astype(np.int64)[slot] + 1,
    )


@lru_cache(maxsize=2 * len(Tier))
def thin_slots(seed: int, tier: Tier, rows: int) -> Ints:
    """Slots of symbols with few rows in both classes: doubled, they change a week little."""
    slots = np.arange(_slot_count(tier, rows))
    few = max(_FEW_ROWS, rows // 200)
    seats = [_seats_taken((seed, tier, each), slots, rows).sum(axis=1) for each in VenueClass]
    return np.asarray(((np.maximum(*seats) <= few) & (slots >= _TOP_SYMBOLS)).nonzero()[0])


def _ats_total(tier: Tier, rows: int) -> float:
    """ATS shares of a usual week: a small NMS market has the most traded symbols."""
    shape = SHAPES[tier]
    smallness = max(ROWS_PER_WEEK * shape.part_of_rows / rows, 1.0)
    return shape.shares_per_row * rows * (1.0 if tier is Tier.OTC else smallness**0.3)


def _slot_count(tier: Tier, rows: int) -> int:
    """How many symbols give about `rows` ATS rows a week."""
    all_seats = len(participants(tier, VenueClass.ATS))  # the first symbol trades everywhere
    slots = int(max(rows / SHAPES[tier].present - all_seats, 0) / _mean_seats(tier, rows)) + 1
    if slots > MAX_SLOTS:
        raise ValueError(f"{rows} rows of {tier} need more than {MAX_SLOTS} symbols")
    return slots


def _mean_seats(tier: Tier, rows: int) -> float:
    """Mean ATS venues of a symbol: a small sample has few, so as to hold more symbols."""
    venues = SHAPES[tier].venues
    return venues if tier is Tier.OTC else float(np.clip(rows**0.3, 5, venues))


def _seats_taken(key: MarketKey, slots: Ints, rows: int) -> Bools:
    """Who trades which symbol, slots x seats: bigger venues and bigger symbols more often."""
    _, tier, venue_class = key
    who = participants(tier, venue_class)
    draws = uniform(
        hash_of(key_of(*key, "seat"), slots[:, None] * _MOST_SEATS + np.arange(len(who)))
    )
    pull = np.log([p.share_pct for p in who]) - np.log(-np.log(draws))  # the strongest win
    depth, rank = uniform(hash_of(key_of(*key, "depth"), slots)), slots / len(slots)
    if venue_class is VenueClass.NON_ATS:
        pull[:, -1] = np.where(draws[:, -1] < 0.8, np.inf, -np.inf)  # the bucket, for most
        most = 2.0 if tier is Tier.OTC else 9.0
        count = 2 + (most * depth * (1 - 0.5 * rank)).astype(np.int64)
    elif tier is Tier.OTC:
        can = [[trades_at(tier, slot, p.mpid) for p in who] for slot in slots.tolist()]
        pull[~np.array(can)] = -np.inf
        count = 1 + (depth > _ONE_VENUE_PART).astype(np.int64) + (depth > _TWO_VENUES_PART)
    else:
        count = np.rint(_mean_seats(tier, rows) * (1.5 - rank)).astype(np.int64)
    count[0] = len(who)
    place = (-pull).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.asarray((place < count[:, None]) & (pull > -np.inf))


def _parts_of_volume(key: MarketKey, slot: Ints, seat: Ints) -> Floats:
    """Each row's part of all shares: symbols follow a power law, venues have their shares."""
    share = np.array([p.share_pct for p in participants(key[1], key[2])])
    of_symbol = _symbol_sizes(key[1], int(slot.max()) + 1)
    noise = normal(hash_of(key_of(*key, "split"), slot * _MOST_SEATS + seat))
    parts = share[seat] * np.exp(0.8 * noise)
    for _ in range(8):  # fit to both margins in turn; the venues' is the one kept exactly
        parts *= (of_symbol / np.bincount(slot, parts))[slot]
        parts *= (share / np.maximum(np.bincount(seat, parts, len(share)), 1e-300))[seat]
    return np.asarray(parts / parts.sum())


def _symbol_sizes(tier: Tier, count: int) -> Floats:
    """Relative volume by slot, falling; in the OTC tier the top 10 have their known part."""
    slots = np.arange(count, dtype=np.float64)
    tail = np.exp(-_THIN_TAIL * (slots / count) ** 2)
    low, high = (0.0, 4.0) if tier is Tier.OTC else (_NMS_POWER, _NMS_POWER)
    for _ in range(40):  # halving: the top part grows with the power
        power = (low + high) / 2
        sizes = (slots + 1) ** -power * tail
        if sizes[:_TOP_SYMBOLS].sum() < _TOP_PART * sizes.sum():
            low = power
        else:
            high = power
    return np.asarray(sizes)


def _first_of_each(group: Ints, order: npt.NDArray[np.generic]) -> Ints:
    """For each group the row that comes first in `order`."""
    by_order = np.lexsort((order, group))
    return np.asarray(by_order[np.unique(group[by_order], return_index=True)[1]])


def _log_trade_size(key: MarketKey, log_shares: Floats, slot: Ints, seat: Ints) -> Floats:
    """Logarithm of shares per trade: grows with volume, larger on block venues."""
    shape = SHAPES[key[1]]
    factor = np.array([p.trade_size_factor for p in participants(key[1], key[2])])
    noise = normal(hash_of(key_of(*key, "trade size"), slot * _MOST_SEATS + seat))
    above = log_shares - np.median(log_shares)
    size = np.log(shape.trade_size * factor[seat]) + shape.size_slope * above
    return np.asarray(size + shape.size_spread * noise)


def _text_before_volume(key: MarketKey, symbols: list[str], slot: Ints, seat: Ints) -> pl.Series:
    """The fields before the volume, already joined: they are the same in all weeks."""
    _, tier, venue_class = key
    issues = [f"{symbol}|{issue_name_of(tier, place)}" for place, symbol in enumerate(symbols)]
    who = participants(tier, venue_class)
    if venue_class is VenueClass.ATS:
        left = [f"{tier.description}|{issue}" for issue in issues]
        right = [f"|{p.name}|{p.mpid}" for p in who]
    else:
        left = [f"{tier.api_id}|{tier.description}|{issue}|" for issue in issues]
        right = [f"|{p.name}|{p.crd}|OTC_W_SMBL_FIRM" for p in who]
    return pl.Series(left)[slot] + pl.Series(right)[seat]
