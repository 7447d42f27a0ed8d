"""Row rules: which typed rows count as volume of a venue, and which are rejects.

A row either passes all rules or becomes one reject with one primary reason; nothing is
dropped. Frames hold the current captures of one week.
"""

from __future__ import annotations

import polars as pl

from spine_assets.core.tables import is_in_order, plain_shares
from spine_assets.otc.delivery.reasons import RejectReason
from spine_assets.otc.tables.venue_id import identified

_VENUE_GRAIN = ("ATS_W_SMBL_FIRM", "OTC_W_SMBL_FIRM")  # all other summary types repeat it
ORDER = ("symbol", "tier_name", "venue_class", "venue_id")
"""What identifies an accepted row within its week, in the order of `otc_venue_volume`."""

_FIGURES = ("share_volume", "trade_count", "last_update_date")


def split(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part current raw rows of a week into (accepted, broken).

    Both gain `tier_name` and `venue_id`. Accepted rows are in the order of `ORDER`; broken rows
    gain `reason`, `field` and `detail`. Heights add up to the input's.
    """
    judged = _judged(identified(rows))
    unsound = judged["reason"].is_not_null()
    broken = judged.filter(unsound)
    # Files come in the order of tier and class, and their rows by symbol and venue: then a
    # stable sort by symbol alone makes the whole order, in a quarter of the time.
    sound = (judged.filter(~unsound) if broken.height else judged).sort(
        ORDER[0], maintain_order=True
    )
    if not is_in_order(sound, ORDER, strictly=True):
        alone, twins = _part_twins(sound)
        settled, losers = _settle(twins)
        broken = pl.concat([broken, losers])
        sound = pl.concat([alone, settled]).sort(ORDER)
    return sound.drop("reason", "field", "detail"), broken


def _broken_rules() -> dict[RejectReason, tuple[pl.Expr, pl.Expr, pl.Expr]]:
    """The rules of a single row, most telling first: (broken, field at fault, what was found)."""
    shares, trades = pl.col("share_volume"), pl.col("trade_count")
    summary = pl.col("summary_type")
    return {
        RejectReason.SUMMARY_TYPE: (
            summary.is_not_null() & ~summary.is_in(_VENUE_GRAIN),
            pl.lit("summaryTypeCode"),
            pl.format("{} overlaps the venue rows", summary),
        ),
        RejectReason.BLANK_SYMBOL: (
            pl.col("symbol") == "",
            pl.lit("issueSymbolIdentifier"),
            pl.lit("blank"),
        ),
        RejectReason.BLANK_MPID: (
            pl.col("venue_id").is_null(),
            pl.lit("MPID"),
            pl.lit("names no venue"),
        ),
        RejectReason.NEGATIVE: (
            (shares < 0) | (trades < 0),
            pl.when(shares < 0)
            .then(pl.lit("totalWeeklyShareQuantity"))
            .otherwise(pl.lit("totalWeeklyTradeCount")),
            pl.format("{} shares, {} trades", plain_shares("share_volume"), trades),
        ),
    }


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the primary reason, its field, and all that was found; null for sound rows."""
    rules = _broken_rules()
    told = [
        pl.when(broken).then(pl.format("{}: {}", pl.lit(reason.value), found))
        for reason, (broken, _, found) in rules.items()
    ]
    reasons = [
        pl.when(broken).then(pl.lit(reason.value)) for reason, (broken, _, _) in rules.items()
    ]
    fields = [pl.when(broken).then(field) for broken, field, _ in rules.values()]
    sound = rows.with_columns(reason=pl.coalesce(reasons)).with_columns(
        field=pl.lit(None, pl.String), detail=pl.lit(None, pl.String)
    )
    bad = sound["reason"].is_not_null()
    if not bad.any():
        return sound
    # The texts are written for broken rows only: there are few, and texts are dear.
    worded = sound.filter(bad).with_columns(
        field=pl.coalesce(fields), detail=pl.concat_str(told, separator="; ", ignore_nulls=True)
    )
    return pl.concat([sound.filter(~bad), worded])


def _part_twins(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows whose key stands once, and the others."""
    repeated = pl.len().over(ORDER) > 1
    flagged = rows.with_columns(_repeated=repeated)
    return (
        flagged.filter(~pl.col("_repeated")).drop("_repeated"),
        flagged.filter(pl.col("_repeated")).drop("_repeated"),
    )


def _settle(twins: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part rows that share a key into (kept, rejected).

    Rows of the same figures and update date are twins, whatever the blanks or names around
    them: those after the first are duplicates. Of different figures the one with the
    latest update date wins, and without a single latest none does.
    """
    order = twins.sort("source_file", "source_line")
    first = pl.int_range(pl.len()).over([*ORDER, *_FIGURES]) == 0
    newest = pl.col("last_update_date").max().over(ORDER)
    distinct = order.with_columns(_first=first)
    duplicates = distinct.filter(~pl.col("_first"))
    rivals = distinct.filter("_first").with_columns(_newest=pl.col("last_update_date") == newest)
    alone_newest = pl.col("_newest") & (pl.col("_newest").sum().over(ORDER) == 1)
    rivals = rivals.with_columns(_wins=alone_newest)
    settled = rivals.filter("_wins").drop("_first", "_newest", "_wins")
    losers = pl.concat(
        [
            duplicates.drop("_first").with_columns(
                reason=pl.lit(RejectReason.DUPLICATE_ROW.value),
                detail=pl.lit("the same figures stand before"),
            ),
            rivals.filter(~pl.col("_wins"))
            .drop("_first", "_newest", "_wins")
            .with_columns(
                reason=pl.lit(RejectReason.CONFLICTING_KEY.value),
                detail=pl.lit("the same key has other figures"),
            ),
        ]
    )
    return settled, losers
