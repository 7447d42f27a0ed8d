"""Synthetic rows of a week's tier with all fields of FINRA's query API.

Belongs here: firm rows from the sample generator, and the summaries that overlap with them.
Does not belong here: when they are published (`archive`) and restated (`restating`).
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from spine_assets.core.weeks import Tier, VenueClass, monday_of
from spine_assets.dev.finra_sim.dataset import (
    CRD,
    FIELDS,
    FIRM,
    FORM,
    ISSUE,
    MPID,
    NOTIONAL,
    PRODUCT,
    PUBLISHED,
    REPORTED,
    SCHEMA,
    SHARES,
    SUMMARY_TYPE,
    SYMBOL,
    TIER,
    TRADES,
    UPDATED,
    WEEK,
)
from spine_assets.dev.sample import Rows, generate_week
from spine_assets.dev.sample.draws import hash_of
from spine_assets.dev.sample.figures import notional_text

PREFIX = {VenueClass.ATS: "ATS_W_", VenueClass.NON_ATS: "OTC_W_"}
REMOVED = "REMOVED"
"""End of the summary type of a row that a restatement removed; it is not served."""
FIRST_NON_ATS_WEEK = date(2016, 4, 8)
"""Week ending of FINRA's first non-ATS week (Monday 2016-04-04)."""
MARKET_WIDE = {"NMS": (Tier.NMS_TIER_1, Tier.NMS_TIER_2), "NA": tuple(Tier)}
"""`tierIdentifier` of FINRA's partitions with totals of several tiers, and which these are."""

_USUAL_PRICE_CENTS = 2000  # $20, for a symbol that only ATSs trade
_ATS_CRD = 995_000  # above the generator's made-up firms; CRD numbers of real firms are lower
_FORMS = 16  # see rendering: of 16 rows one has numbers as strings, and two have exponents
_WHO = (MPID, FIRM, CRD)
_WHAT = (SYMBOL, ISSUE, PRODUCT)
_WHERE = (TIER, "tierDescription", WEEK, "summaryStartDate")


def firm_rows(week_ending: date, tier: Tier, *, seed: int, rows: Rows) -> pl.DataFrame:
    """Rows by symbol and venue or firm, both classes, as first published."""
    both = _generated(week_ending, tier, seed, rows)
    published = both[UPDATED].min()
    return both.with_columns(
        pl.lit(tier.api_id).alias(TIER),
        pl.lit(monday_of(week_ending)).alias(WEEK),
        pl.lit(monday_of(week_ending)).alias("summaryStartDate"),
        pl.lit(published).alias(PUBLISHED),
        pl.lit(week_ending).alias(REPORTED),
    ).select(FIELDS.keys())


def with_summaries(rows: pl.DataFrame) -> pl.DataFrame:
    """Firm rows, and the same shares summed by symbol, by firm and in total."""
    parts = [
        _present(rows),
        _summed(rows, "SMBL", _WHAT),
        _summed(rows, "FIRM", _WHO),
        _summed(rows, "VOL_STATS", ()),
    ]
    return with_forms(pl.concat(parts, how="diagonal"))


def with_rows_alone(rows: pl.DataFrame) -> pl.DataFrame:
    """Firm rows without their sums."""
    return with_forms(_present(rows))


def _present(rows: pl.DataFrame) -> pl.DataFrame:
    """Firm rows without those that were removed, which only date the sums they were part of."""
    return rows.filter(~_is_removed())


def _is_removed() -> pl.Expr:
    return pl.col(SUMMARY_TYPE).str.ends_with(REMOVED)


def market_wide(tier_id: str, tiers: Sequence[pl.DataFrame], published: date) -> pl.DataFrame:
    """A partition of `MARKET_WIDE`, from the firm rows of its tiers: totals by product."""
    totals = _summed(pl.concat(tiers), "VOL_STATS", (PRODUCT,), where=_WHERE[2:])
    return with_forms(
        totals.with_columns(
            pl.lit(tier_id).alias(TIER),
            pl.lit(tier_id).alias("tierDescription"),
            pl.max_horizontal(UPDATED, pl.lit(published)).alias(UPDATED),
            pl.lit(published).alias(PUBLISHED),
        )
    )


def with_forms(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order of the fields, each with the form of its numbers in JSON."""
    absent = [pl.lit(None, SCHEMA[name]).alias(name) for name in FIELDS if name not in rows.columns]
    forms = hash_of(np.uint64(_FORMS), np.arange(rows.height)) % np.uint64(_FORMS)
    return rows.with_columns(*absent, pl.Series(FORM, forms.astype(np.uint8))).select(
        *(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()), FORM
    )


def _generated(week_ending: date, tier: Tier, seed: int, rows: Rows) -> pl.DataFrame:
    """Rows of the generator's files of both classes; ATSs trade at the price that firms report."""
    made = generate_week(week_ending, seed=seed, rows=rows, tiers=(tier,), include_non_ats=True)
    contents = {file.venue_class: file.content for file in made}
    firms = _read(gzip.decompress(contents[VenueClass.NON_ATS]))
    prices = firms.group_by(SYMBOL).agg(
        price=(_cents().sum() / pl.col(SHARES).sum().cast(pl.Float64)).floor().cast(pl.Int64)
    )
    venues = _read(contents[VenueClass.ATS]).join(
        prices, on=SYMBOL, how="left", maintain_order="left"
    )
    price = pl.col("price").fill_null(_USUAL_PRICE_CENTS)
    cents = venues.select(pl.col(SHARES).cast(pl.Int64) * price).to_series()
    amounts = notional_text(cents, (seed, tier, VenueClass.ATS), week_ending)
    venues = venues.with_columns(
        amounts.cast(SCHEMA[NOTIONAL]).alias(NOTIONAL),
        **{CRD: _ATS_CRD + pl.col(MPID).rank("dense"), SUMMARY_TYPE: pl.lit("ATS_W_SMBL_FIRM")},
    )
    both = [venues, firms] if week_ending >= FIRST_NON_ATS_WEEK else [venues]
    return pl.concat([_typed(frame, tier) for frame in both], how="diagonal")


def _read(content: bytes) -> pl.DataFrame:
    """A generated file; its figures as numbers, all else as text."""
    frame = pl.read_csv(content, separator="|", quote_char=None, infer_schema=False)
    figures = [name for name in (SHARES, TRADES, NOTIONAL) if name in frame.columns]
    return frame.with_columns(pl.col(name).cast(SCHEMA[name]) for name in figures)


def _cents() -> pl.Expr:
    """Dollar amounts as whole cents, whose sum does not depend on the order of its parts."""
    return (pl.col(NOTIONAL) * 100).round().cast(pl.Int64)


def _typed(frame: pl.DataFrame, tier: Tier) -> pl.DataFrame:
    """The rows of a file with the API's types; a second row of an issue is on the other tape."""
    nth = pl.int_range(pl.len()).over(SYMBOL, ISSUE, MPID, FIRM)
    is_utp = (pl.col(SYMBOL).str.len_bytes() > 3) == (nth == 0)
    tape = pl.when(is_utp).then(pl.lit("UTP")).otherwise(pl.lit("CTS"))
    blank = [pl.col(name).replace("", None) for name in (MPID, FIRM, SYMBOL) if name in frame]
    return frame.with_columns(
        *blank,
        (pl.lit("ORF") if tier is Tier.OTC else tape).alias(PRODUCT),
        pl.col(CRD).cast(pl.Int64, strict=False),
        pl.col(UPDATED).str.to_date(),
    ).select(name for name in FIELDS if name in {*frame.columns, PRODUCT})


def _summed(
    rows: pl.DataFrame, kind: str, by: Sequence[str], where: Sequence[str] = _WHERE
) -> pl.DataFrame:
    """One row for each class and each of the values of `by`."""
    prefix = pl.col(SUMMARY_TYPE).str.head(len("ATS_W_"))
    return (
        rows.group_by(*where, prefix, *by, maintain_order=True)
        .agg(
            *(pl.col(name).sum().cast(SCHEMA[name]) for name in (SHARES, TRADES)),
            (_cents().sum() / 100).alias(NOTIONAL),
            pl.col(UPDATED, REPORTED).max(),
            pl.col(PUBLISHED).min(),
            there=(~_is_removed()).any(),
        )
        .filter("there")
        .drop("there")
        .with_columns(pl.col(SUMMARY_TYPE) + kind)
    )
