"""Row rules: which typed rows count as volume of a venue, and which are rejects.

A row either passes all rules or becomes one reject with one primary reason; none is lost. Frames
have the current captures of one week. Does not belong here: what identifies a venue (`venue_id`).
"""

from __future__ import annotations

import polars as pl

from spine_assets.core.table_schema import is_in_order, plain_shares
from spine_assets.otc.delivery.reasons import RejectReason
from spine_assets.otc.tables.venue_id import identified

_VENUE_GRAIN = ("ATS_W_SMBL_FIRM", "OTC_W_SMBL_FIRM")  # all other summary types repeat it
ORDER = ("symbol", "tier_name", "venue_class", "venue_id")
"""What identifies an accepted row within its week, in the order of `otc_venue_volume`."""

_FIGURES = ("share_volume", "trade_count", "last_update_date")


def split(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Current raw rows of a week -> (accepted, broken).

    Both gain `tier_name` and `venue_id`. Accepted rows are in the order of `ORDER`; broken rows
    gain `reason`, `field` and `detail`. Heights add up to the input's.
    """
    judged = _judged(identified(rows))
    is_broken = judged["reason"].is_not_null()
    broken = judged.filter(is_broken)
    # Files come in the order of tier and class, and their rows by symbol and venue. A stable sort
    # by symbol alone then gives the full order in a quarter of the time.
    sound = (judged.filter(~is_broken) if broken.height else judged).sort(
        ORDER[0], maintain_order=True
    )
    if not is_in_order(sound, ORDER, strictly=True):
        repeated = sound.select(pl.len().over(ORDER) > 1).to_series()
        settled, losers = _settle(sound.filter(repeated))
        broken = pl.concat([broken, losers])
        sound = pl.concat([sound.filter(~repeated), settled]).sort(ORDER)
    return sound.drop("reason", "field", "detail"), broken


def _broken_rules() -> dict[RejectReason, tuple[pl.Expr, pl.Expr, pl.Expr]]:
    """The rules of a single row, primary reason first: (broken, field, what was found)."""
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
    """Add the primary reason, its field, and all that was found; null for accepted rows."""
    rules = _broken_rules()
    details = [
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
    # Texts cost much, so they are made for the few broken rows alone.
    worded = sound.filter(bad).with_columns(
        field=pl.coalesce(fields), detail=pl.concat_str(details, separator="; ", ignore_nulls=True)
    )
    return pl.concat([sound.filter(~bad), worded])


def _settle(twins: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that share a key -> (kept, rejected).

    Rows of the same figures and update date are duplicates, whatever else differs: the first is
    kept. Of different figures the one with the latest update date is kept; if several have that
    date, none is.
    """
    ordered = twins.sort("source_file", "source_line")
    first = ordered.select(pl.int_range(pl.len()).over([*ORDER, *_FIGURES]) == 0).to_series()
    newest = pl.col("last_update_date") == pl.col("last_update_date").max().over(ORDER)
    rivals = ordered.filter(first).with_columns(_newest=newest)
    wins = rivals.select(pl.col("_newest") & (pl.col("_newest").sum().over(ORDER) == 1)).to_series()
    rivals = rivals.drop("_newest")
    duplicates = ordered.filter(~first).with_columns(
        reason=pl.lit(RejectReason.DUPLICATE_ROW.value),
        detail=pl.lit("the same figures stand before"),
    )
    conflicting = rivals.filter(~wins).with_columns(
        reason=pl.lit(RejectReason.CONFLICTING_KEY.value),
        detail=pl.lit("the same key has other figures"),
    )
    return rivals.filter(wins), pl.concat([duplicates, conflicting])
