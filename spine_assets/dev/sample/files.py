"""Synthetic data made by our own seeded generator, not FINRA's: weeks as files.

Belongs here: what a market does in a week, that week's files, and writing them. Does not
belong here: which symbol trades where (`market`), and defects (`committed`).

A symbol's size and slow drift carry over from week to week, so that swings look real.
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from spine_assets.core.weeks import Tier, VenueClass, monday_of, publication_day, require_friday
from spine_assets.dev.sample.market import (
    ROWS_PER_WEEK,
    SHAPES,
    Bools,
    Floats,
    Market,
    hash_of,
    key_of,
    market_of,
    normal,
    uniform,
)
from spine_assets.lake import atomic_write

SAMPLE_SEED = 2014
"""Seed of the committed sample."""

ATS_HEADER = (
    "tierDescription|issueSymbolIdentifier|issueName|marketParticipantName|MPID"
    "|totalWeeklyShareQuantity|totalWeeklyTradeCount|lastUpdateDate"
)
NON_ATS_HEADER = (
    "tierIdentifier|tierDescription|issueSymbolIdentifier|issueName|MPID|marketParticipantName"
    "|firmCRDNumber|summaryTypeCode|totalWeeklyShareQuantity|totalWeeklyTradeCount"
    "|totalNotionalSum|weekStartDate|lastUpdateDate|initialPublishedDate|lastReportedDate"
)

Rows = int | Mapping[Tier, int]
_LISTED_CYCLE, _LISTED_WEEKS = 260, 252  # a symbol is away 8 weeks in about 5 years
_DRIFT_WEEKS = 8  # a symbol's level is drawn afresh so often, and moves evenly between
_DRIFT = 0.2  # deviation of that level, as a logarithm
_CSV_BATCH_ROWS = 1024  # what is written at once stays in the processor's cache
_HOLIDAY_SHARES, _HOLIDAY_TRADES = 0.78, 0.63  # a holiday week has about 37% fewer trades


@dataclass(frozen=True)
class SampleFile:
    """One file of a delivery; `path` is relative, with forward slashes."""

    path: str
    content: bytes
    week_ending: date
    tier: Tier
    venue_class: VenueClass


def ats_name(week_ending: date, tier: Tier) -> str:
    """Name of a tier's ATS file: it tells the publication day."""
    published = publication_day(week_ending, tier)
    return f"finra_otc_weekly_{SHAPES[tier].file_word}_{published:%Y%m%d}.csv"


def generate_week(
    week_ending: date,
    *,
    seed: int = SAMPLE_SEED,
    rows: Rows = ROWS_PER_WEEK,
    market_rows: Rows | None = None,
    tiers: Iterable[Tier] = tuple(Tier),
    include_non_ats: bool = False,
    revised_share: float = 0.0,
) -> Iterator[SampleFile]:
    """The files of one week, ATS first: the same bytes for the same arguments.

    Args:
        week_ending: a Friday.
        seed: of the generator; another seed is another market.
        rows: about how many ATS rows the week has; a mapping says it for each tier.
        market_rows: rows that the market could fill, by default `rows`; a week of fewer
            rows leaves out the least traded symbols of the same market.
        tiers: those to make, by default all.
        include_non_ats: also the non-ATS files, gzipped and with FINRA's API columns.
        revised_share: part of the rows (0-1) revised 7-10 days after publication.

    Raises:
        WeekError: `week_ending` is not a Friday.
        ValueError: more rows than there are symbols for.
    """
    require_friday(week_ending)
    wanted, possible = _rows_by_tier(rows), _rows_by_tier(market_rows or rows)
    for venue_class in VenueClass if include_non_ats else (VenueClass.ATS,):
        for tier in tiers:
            market = market_of(seed, tier, venue_class, possible[tier])
            slots = _slots_for(seed, tier, wanted[tier], possible[tier])
            frame = _week_of(market, week_ending, slots)
            published = publication_day(week_ending, tier)
            frame = frame.with_columns(updated=_update_days(frame, published, revised_share))
            if venue_class is VenueClass.ATS:
                name = ats_name(week_ending, tier)
                content = _ats_bytes(frame)
            else:
                name = f"otc_nonats_{SHAPES[tier].file_word}.csv.gz"
                name = f"week_ending={week_ending}/class=non_ats/{name}"
                content = _non_ats_bytes(frame, week_ending, published)
            yield SampleFile(name, content, week_ending, tier, venue_class)


def write_sample(  # noqa: PLR0913 - options of one generator, each with its usual value
    out: Path,
    weeks: Iterable[date],
    *,
    seed: int = SAMPLE_SEED,
    rows_per_week: Rows = ROWS_PER_WEEK,
    tiers: Iterable[Tier] = tuple(Tier),
    include_non_ats: bool = False,
    revised_share: float = 0.0,
    workers: int | None = None,
    after_week: Callable[[], object] = lambda: None,
) -> list[Path]:
    """Write many weeks into a landing folder, each file whole or not at all.

    Memory is that of `workers` weeks (one a processor by default), however many there are.
    `after_week` is called in this thread for each week that is written, in order.
    """
    make = partial(
        generate_week,
        seed=seed,
        rows=rows_per_week,
        tiers=tuple(tiers),
        include_non_ats=include_non_ats,
        revised_share=revised_share,
    )

    def write_week(week_ending: date) -> list[Path]:
        return [atomic_write.write(out / file.path, file.content) for file in make(week_ending)]

    written: list[Path] = []

    def add(paths: list[Path]) -> None:
        written.extend(paths)
        after_week()

    remaining = iter(weeks)
    for week in islice(remaining, 1):  # alone: it makes the markets that all weeks share
        add(write_week(week))
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for paths in pool.map(write_week, remaining):
            add(paths)
    return written


def _rows_by_tier(rows: Rows) -> Mapping[Tier, int]:
    if isinstance(rows, int):
        return {tier: max(round(rows * shape.part_of_rows), 1) for tier, shape in SHAPES.items()}
    return rows


def _slots_for(seed: int, tier: Tier, wanted: int, possible: int) -> int:
    """How many of a market's slots give about `wanted` of its `possible` ATS rows."""
    slot = market_of(seed, tier, VenueClass.ATS, possible).slot
    if wanted >= possible:
        return int(slot.max()) + 1
    return int((np.bincount(slot).cumsum() * SHAPES[tier].present).searchsorted(wanted)) + 1


def _week_of(market: Market, week_ending: date, slots: int) -> pl.DataFrame:
    """One week of a market's first slots: text, shares, trades, cents and a hash, by row."""
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
    return pl.DataFrame({**columns, "cents": market.cents[rows], "drawn": again})


def _listed(market: Market, week: int) -> Bools:
    """By slot: whether the symbol is listed, the same for both classes."""
    seed, tier, _ = market.key
    start = hash_of(key_of(seed, tier, "listed"), np.arange(len(market.lasting)))
    start %= np.uint64(_LISTED_CYCLE)
    age = (start + np.uint64(week)) % np.uint64(_LISTED_CYCLE)
    return np.asarray((age < _LISTED_WEEKS) | market.lasting)


def _drift(market: Market, week: int) -> Floats:
    """By slot: how far the symbol's level stands from its long-run one, as a logarithm."""
    slots = np.arange(len(market.lasting))
    knot, past = divmod(week, _DRIFT_WEEKS)
    ends = [normal(hash_of(key_of(*market.key[:2], "drift", knot + n), slots)) for n in (0, 1)]
    part = past / _DRIFT_WEEKS
    return np.asarray(_DRIFT * ((1 - part) * ends[0] + part * ends[1]))


def _has_closed_monday(week_ending: date) -> bool:
    """Whether the exchange is closed on the week's Monday, as publication then slips."""
    slips = publication_day(week_ending - timedelta(Tier.NMS_TIER_1.lag_days), Tier.NMS_TIER_1)
    return slips != monday_of(week_ending)


def _update_days(frame: pl.DataFrame, published: date, revised_share: float) -> pl.Expr:
    """`lastUpdateDate`: the publication day, or for a part of the rows 7-10 days later."""
    if not revised_share:
        return pl.lit(str(published))
    drawn = frame["drawn"].to_numpy()
    later = np.where(uniform(drawn) < revised_share, 7 + drawn % np.uint64(4), 0)
    return pl.lit(published) + pl.duration(days=pl.lit(pl.Series(later.astype(np.int64))))


def _ats_bytes(frame: pl.DataFrame) -> bytes:
    return _csv(ATS_HEADER, frame.select("text", "shares", "trades", "updated"))


def _non_ats_bytes(frame: pl.DataFrame, week_ending: date, published: date) -> bytes:
    cents = pl.col("shares") * pl.col("cents")
    columns = frame.select(
        "text",
        "shares",
        "trades",
        pl.format("{}.{}", cents // 100, (cents % 100).cast(pl.String).str.zfill(2)).alias(
            "notional"
        ),
        week_start=pl.lit(str(monday_of(week_ending))),
        updated="updated",
        first_published=pl.lit(str(published)),
        last_reported=pl.lit(str(week_ending)),
    )
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as file:  # no time: reproducible
        file.write(_csv(NON_ATS_HEADER, columns))
    return packed.getvalue()


def _csv(header: str, frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO(f"{header}\n".encode())
    buffer.seek(0, io.SEEK_END)
    frame.write_csv(
        buffer,
        include_header=False,
        separator="|",
        quote_style="never",
        batch_size=_CSV_BATCH_ROWS,
    )
    return buffer.getvalue()
