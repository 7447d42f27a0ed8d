"""Synthetic data made by our own seeded generator, not FINRA's: weeks as files.

Belongs here: the content and names of a week's files, and writing them. Does not belong here: which
symbol trades where (`market`), and defects (`committed`).
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from spine_assets.core.weeks import Tier, VenueClass, monday_of, publication_day, require_friday
from spine_assets.dev.sample.figures import notional_text, share_text
from spine_assets.dev.sample.market import ROWS_PER_WEEK, SHAPES, MarketKey, market_of, thin_slots
from spine_assets.dev.sample.rare_lines import with_rare_lines
from spine_assets.dev.sample.week import week_of
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
_CSV_BATCH_ROWS = 1024  # what is written at once stays in the processor's cache


@dataclass(frozen=True)
class SampleFile:
    """One file of a delivery; `path` is relative, with forward slashes."""

    path: str
    content: bytes
    week_ending: date
    tier: Tier
    venue_class: VenueClass


def ats_name(week_ending: date, tier: Tier) -> str:
    """Name of a tier's ATS file, with the publication day."""
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
) -> Iterator[SampleFile]:
    """The files of one week, ATS first: the same bytes for the same arguments.

    Args:
        week_ending: a Friday.
        seed: of the generator; another seed is another market.
        rows: about how many ATS rows the week has, or a mapping by tier.
        market_rows: rows that the market could have, by default `rows`; a week of fewer
            rows leaves out the least traded symbols of the same market.
        tiers: the tiers to make.
        include_non_ats: also the non-ATS files, gzipped and with FINRA's API columns.

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
            published = publication_day(week_ending, tier)
            frame = with_rare_lines(
                week_of(market, week_ending, slots),
                market.key,
                week_ending,
                thin=thin_slots(seed, tier, possible[tier]),
            ).with_columns(updated=pl.lit(str(published)))
            if venue_class is VenueClass.ATS:
                name = ats_name(week_ending, tier)
                content = _ats_bytes(frame)
            else:
                name = f"otc_nonats_{SHAPES[tier].file_word}.csv.gz"
                name = f"week_ending={week_ending}/class=non_ats/{name}"
                content = _non_ats_bytes(frame, market.key, week_ending, published)
            yield SampleFile(name, content, week_ending, tier, venue_class)


def write_sample(
    out: Path,
    weeks: Iterable[date],
    *,
    seed: int = SAMPLE_SEED,
    rows_per_week: Rows = ROWS_PER_WEEK,
    tiers: Iterable[Tier] = tuple(Tier),
    include_non_ats: bool = False,
    workers: int | None = None,
    after_week: Callable[[], object] = lambda: None,
) -> list[Path]:
    """Write many weeks into a landing folder, each file atomically.

    At most `workers` weeks (by default one per processor) are in memory at a time. `after_week` is
    called in this thread after each week, in order.
    """
    make = partial(
        generate_week,
        seed=seed,
        rows=rows_per_week,
        tiers=tuple(tiers),
        include_non_ats=include_non_ats,
    )

    def write_week(week_ending: date) -> list[Path]:
        return [_replace(out / file.path, file.content) for file in make(week_ending)]

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


def _replace(path: Path, content: bytes) -> Path:
    """Write a file, and delete what a writer that was killed left beside it."""
    atomic_write.remove_leftovers(path)
    return atomic_write.write(path, content)


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


def _ats_bytes(frame: pl.DataFrame) -> bytes:
    return _csv(ATS_HEADER, frame.select("text", "shares", "trades", "updated"))


def _non_ats_bytes(
    frame: pl.DataFrame, key: MarketKey, week_ending: date, published: date
) -> bytes:
    columns = frame.select(
        "text",
        share_text(frame["shares"], key, week_ending).alias("shares"),
        "trades",
        notional_text(frame["shares"] * frame["cents"], key, week_ending).alias("notional"),
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
