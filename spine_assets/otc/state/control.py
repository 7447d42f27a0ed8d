"""Our sums of a week beside FINRA's control totals, tier by tier and class by class.

Belongs here: which sums are compared, and when two agree. Does not belong here: what a check says
about them (`checks.control`), and where FINRA's totals are from (`tables.control_totals`).

By symbol, sums must be equal. By venue they must be equal too, unless some rows name no venue (De
Minimis, unattributed): those are part of the venues' totals, so that a total may exceed its named
rows, while the sums over all venues are still equal. Lines that were rejected are in FINRA's totals
and not in our rows: a difference that is just their shares is explained.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import polars as pl

from spine_assets.core.table_schema import polars_schema, polars_type
from spine_assets.core.tables import Type
from spine_assets.otc.captures.model import Capture
from spine_assets.otc.delivery.reasons import RejectReason
from spine_assets.otc.delivery.venue_id import UNATTRIBUTED, is_bucket, known_by_crd
from spine_assets.otc.tables import control_totals, rejects, venue_volume
from spine_assets.otc.tables.control_totals import SummaryType, of_firms

PART = ("tier", "venue_class")
PROOFS = "proofs"
"""The fact of a built `otc_venue_share` by which status knows them."""
_FIGURES = ("shares", "trades")
_SHARES = polars_type(Type.SHARES_SUM)
_FIELDS = r'[^|,\t"]+'  # of a rejected line, whatever it is delimited by


class Proof(StrEnum):
    """Whether FINRA's totals prove that all rows of a tier are loaded."""

    PROVEN = "proven"
    DIFFERS = "differs"
    NOT_DELIVERED = "not delivered"


class OurSums(NamedTuple):
    """Our rows of a week added up, once for all that compares them.

    Attributes:
        by_symbol: `share_volume` and `trade_count` by tier, venue_class and symbol.
        by_venue: The same by tier, venue_class, mpid and venue_name, and the latest
            `last_update_date`.
    """

    by_symbol: pl.DataFrame
    by_venue: pl.DataFrame


def our_sums(venues: pl.DataFrame) -> OurSums:
    """`otc_venue_volume` of a week, in the order of its table, added up."""
    figures = pl.col("share_volume", "trade_count").sum()
    # Rows are sorted by symbol, so each change of symbol or part starts a new group.
    changed = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in ("symbol", *PART))
    by_symbol = (
        venues.with_columns(_group=changed.fill_null(False).cum_sum().set_sorted())
        .group_by("_group", maintain_order=True)
        .agg(pl.first(*PART, "symbol"), figures)
        .drop("_group")
    )
    by_venue = venues.group_by(*PART, "mpid", "venue_name").agg(
        figures, pl.col("last_update_date").max()
    )
    return OurSums(by_symbol, by_venue)


class Compared(NamedTuple):
    """Our sums beside FINRA's, as `by_symbol` and `by_venue` give them."""

    by_symbol: pl.DataFrame
    by_venue: pl.DataFrame


def compared(ours: OurSums, totals: pl.DataFrame, rejected: pl.DataFrame) -> Compared:
    """Everything of a week that can be compared.

    Args:
        ours: Sums of `otc_venue_volume` of the week.
        totals: Its `otc_control_totals`.
        rejected: As `rejected_lines` gives it.
    """
    if totals.is_empty():  # as of most weeks that were downloaded by hand
        return _nothing_compared()
    return Compared(
        by_symbol(ours.by_symbol, totals, rejected), by_venue(ours.by_venue, totals, rejected)
    )


@cache
def _nothing_compared() -> Compared:
    """Both without rows."""
    ours = our_sums(pl.DataFrame(schema=polars_schema(venue_volume.TABLE)))
    totals = pl.DataFrame(schema=polars_schema(control_totals.TABLE))
    rejected = rejected_lines(pl.DataFrame(schema=polars_schema(rejects.TABLE)), [])
    return Compared(
        by_symbol(ours.by_symbol, totals, rejected), by_venue(ours.by_venue, totals, rejected)
    )


def proofs(ours: OurSums, totals: pl.DataFrame, found: Compared) -> dict[str, Proof]:
    """By tier that has rows: whether all its totals agree, and those by symbol are in.

    Args:
        ours: Sums of `otc_venue_volume` of a week.
        totals: Its `otc_control_totals`.
        found: The two compared.
    """
    proven = {}
    differing = {
        tier
        for pairs in found
        for tier in pairs.filter(~pl.col("agrees") & ~pl.col("is_explained"))["tier"]
    }
    missing = {tier for tier, _ in parts_without(ours.by_venue, totals, SummaryType.SYMBOL)}
    for tier in ours.by_venue["tier"].unique().sort():
        proof = Proof.NOT_DELIVERED if tier in missing else Proof.PROVEN
        proven[tier] = Proof.DIFFERS if tier in differing else proof
    return proven


def parts_without(
    venues: pl.DataFrame, totals: pl.DataFrame, kind: SummaryType
) -> list[tuple[str, str]]:
    """Tiers and classes that have rows, and no totals of this kind."""
    delivered = totals.filter(pl.col("summary_type") == kind.value).select(PART)
    return venues.select(PART).unique().join(delivered, on=PART, how="anti").sort(PART).rows()


def rejected_lines(rows: pl.DataFrame, current: Iterable[Capture]) -> pl.DataFrame:
    """Rows of `otc_rejects` of the current captures.

    Returns:
        `tier`, `venue_class`, `reason`, `place` (a number of its own), `line`, `shares`.
    """
    captures = pl.DataFrame(
        [(item.tier.value, item.venue_class.value, item.capture_id) for item in current],
        schema=dict.fromkeys((*PART, "capture_id"), pl.String),
        orient="row",
    )
    return (
        rows.join(captures, on="capture_id")
        .with_row_index("place")
        .select(*PART, "reason", "place", line="raw_line", shares="share_volume")
    )


def by_symbol(venues: pl.DataFrame, totals: pl.DataFrame, rejected: pl.DataFrame) -> pl.DataFrame:
    """Each symbol of which either side has a figure, and each tier and class over all symbols.

    Args:
        venues: Our sums by symbol, or the rows themselves.
        totals: As in `compared`.
        rejected: As in `compared`.

    Returns:
        tier, venue_class, symbol (null over all), `finra_shares`, `our_shares`, `finra_trades`,
        `our_trades` (null where a side has none), `rejected_shares`, `agrees`, `is_explained`.
    """
    symbols, all_of_them = (
        totals.filter(pl.col("summary_type") == kind.value)
        for kind in (SummaryType.SYMBOL, SummaryType.ALL)
    )
    each = _paired(venues, symbols, "symbol")
    lines = rejected.select(
        *PART, "place", "shares", symbol=pl.col("line").str.extract_all(_FIELDS)
    ).explode("symbol")
    blank = rejected.filter(pl.col("reason") == RejectReason.BLANK_SYMBOL.value).select(
        *PART, "place", "shares", symbol=pl.lit("")
    )
    each = _with_rejected(each, pl.concat([lines, blank]).unique(), "symbol")
    whole = _with_rejected(_paired(venues, all_of_them), rejected)
    pairs = pl.concat([each, whole.with_columns(symbol=pl.lit(None, pl.String))], how="diagonal")
    return _judged(pairs, _are_equal())


def by_venue(venues: pl.DataFrame, totals: pl.DataFrame, rejected: pl.DataFrame) -> pl.DataFrame:
    """Each named venue of which either side has a figure, and each tier and class over all venues.

    Args:
        venues: Our sums by venue, or the rows themselves.
        totals: As in `compared`.
        rejected: As in `compared`.

    Returns:
        As `by_symbol`, with `mpid` (null over all) and `venue_name` instead of the symbol.
    """
    firms = of_firms(totals)
    ours, theirs = known_by_crd(venues, firms), known_by_crd(firms, venues)
    is_named = ~is_bucket(pl.col("mpid"))
    pools = ours.filter(~is_named).select(PART).unique().with_columns(has_pool=True)
    each = _paired(ours.filter(is_named), theirs.filter(is_named), "mpid", within=theirs)
    each = each.join(pools, on=PART, how="left")
    names = pl.concat(frame.select("mpid", "venue_name").unique() for frame in (theirs, ours))
    names = names.group_by("mpid").agg(pl.col("venue_name").max())
    each = each.join(names, on="mpid", how="left")
    texts = pl.col("mpid").str.replace("^(CRD|FIRM:)", "")
    lines = rejected.select(
        *PART, "place", "shares", text=pl.col("line").str.extract_all(_FIELDS)
    ).explode("text")
    each = _with_rejected(each.with_columns(text=texts), lines.unique(), "text").drop("text")
    whole = _with_rejected(_paired(ours, theirs), rejected)
    without = ours.filter(pl.col("mpid") != UNATTRIBUTED)
    named = _paired(without, theirs).select(*PART, named=pl.struct("our_shares", "our_trades"))
    whole = whole.join(named, on=PART, how="left")
    at_least = [
        pl.col(f"finra_{name}").fill_null(0) >= pl.col(f"our_{name}").fill_null(0)
        for name in _FIGURES
    ]
    # FINRA may leave unattributed volume out of its totals by firm, which have no firm for it.
    is_without = pl.all_horizontal(
        pl.col(f"finra_{name}") == pl.col("named").struct.field(f"our_{name}") for name in _FIGURES
    ).fill_null(False)
    pairs = [
        _judged(
            each, _are_equal() | (pl.col("has_pool").fill_null(False) & pl.all_horizontal(at_least))
        ).drop("has_pool"),
        _judged(whole.with_columns(mpid=pl.lit(None, pl.String)), _are_equal() | is_without).drop(
            "named"
        ),
    ]
    return pl.concat(pairs, how="diagonal")


def _paired(
    venues: pl.DataFrame, totals: pl.DataFrame, *by: str, within: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Sums of both sides, of the tiers and classes for which there are rows and totals.

    Args:
        venues: Our rows.
        totals: FINRA's totals.
        by: What they are sums by, besides tier and class.
        within: The totals that say which tiers and classes are delivered.
    """
    keys = [*PART, *by]
    both = venues.select(PART).unique()
    both = both.join((totals if within is None else within).select(PART).unique(), on=PART)
    sides = [
        frame.join(both, on=PART, how="semi")
        .group_by(keys)
        .agg(
            pl.col("share_volume").sum().cast(_SHARES).alias(f"{side}_shares"),
            pl.col("trade_count").sum().alias(f"{side}_trades"),
        )
        for side, frame in (("finra", totals), ("our", venues))
    ]
    return sides[0].join(sides[1], on=keys, how="full", coalesce=True, nulls_equal=True)


def _with_rejected(pairs: pl.DataFrame, lines: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Pairs with the shares of the rejected lines that belong to each."""
    keys = [*PART, *by]
    sums = lines.group_by(keys).agg(rejected_shares=pl.col("shares").sum().cast(_SHARES))
    return pairs.join(sums, on=keys, how="left")


def _are_equal() -> pl.Expr:
    return pl.all_horizontal(
        pl.col(f"finra_{name}").fill_null(0) == pl.col(f"our_{name}").fill_null(0)
        for name in _FIGURES
    )


def _judged(pairs: pl.DataFrame, agrees: pl.Expr) -> pl.DataFrame:
    missing = pl.col("finra_shares").fill_null(0) - pl.col("our_shares").fill_null(0)
    rejected = pl.col("rejected_shares").fill_null(0)
    return pairs.with_columns(
        agrees=agrees, is_explained=~agrees & (missing == rejected) & (missing != 0)
    )
