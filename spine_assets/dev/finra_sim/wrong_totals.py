"""Control totals that are wrong: a sum that is some shares off, or is missing.

Belongs here: what such a total is, and what it does to a week's rows. Does not belong here: the
right sums (`market`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

from spine_assets.core.weeks import Tier, VenueClass, require_friday
from spine_assets.dev.finra_sim.dataset import FIRM, MPID, SCHEMA, SHARES, SUMMARY_TYPE, SYMBOL
from spine_assets.dev.finra_sim.market import PREFIX


@dataclass(frozen=True)
class WrongTotal:
    """One of FINRA's sums: so many shares more or less than its rows, or missing.

    Attributes:
        kind: by symbol, by firm or of everything.
        name: the symbol, or the firm by MPID or name; the largest where none is given.
        shares: how many too many, negative for too few; None: the row is missing.
    """

    week_ending: date
    tier: Tier
    venue_class: VenueClass
    kind: Literal["SMBL", "FIRM", "VOL_STATS"]
    name: str | None = None
    shares: int | None = None


class CannotMisstate(ValueError):
    """There is no such total."""


def misstated(rows: pl.DataFrame, wrong: WrongTotal) -> pl.DataFrame:
    """A week's rows with one wrong total.

    Raises:
        CannotMisstate: there is no such total.
        WeekError: the week does not end on a Friday.
    """
    require_friday(wrong.week_ending)
    of_kind = pl.col(SUMMARY_TYPE) == PREFIX[wrong.venue_class] + wrong.kind
    named = pl.coalesce(MPID, FIRM) if wrong.kind == "FIRM" else pl.col(SYMBOL)
    if wrong.name is not None:
        of_kind &= named.eq_missing(wrong.name)
    largest = pl.when(of_kind).then(pl.col(SHARES))
    this = (of_kind & (largest == largest.max())).fill_null(value=False)
    if not rows.select(this.any()).item():
        raise CannotMisstate(
            f"{wrong.week_ending} {wrong.tier} {wrong.venue_class} has no total {wrong.kind} of "
            f"{wrong.name}"
        )
    this &= this.cum_sum() == 1
    if wrong.shares is None:
        return rows.filter(~this)
    off = (pl.col(SHARES) + wrong.shares).cast(SCHEMA[SHARES])
    return rows.with_columns(pl.when(this).then(off).otherwise(pl.col(SHARES)).alias(SHARES))
