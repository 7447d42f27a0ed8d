"""Row rules: which typed rows count as volume of a venue, and which are rejects.

A row either passes all rules or becomes one reject with one primary reason; nothing is
dropped. Frames hold the current captures of one week.
"""

from __future__ import annotations

import polars as pl

from spine_assets.otc.reasons import Reason
from spine_assets.weeks import Tier, VenueClass

DE_MINIMIS = "DE_MINIMIS"
"""Identity of FINRA's pool of firms below the reporting threshold; not a venue."""

_DE_MINIMIS_NAME = "de minimis firms"
_VENUE_GRAIN = ("ATS_W_SMBL_FIRM", "OTC_W_SMBL_FIRM")  # all other summary types repeat it
_KEY = ("tier_name", "symbol", "venue_class", "venue")


def split(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part current raw rows of a week into (accepted, broken).

    Accepted rows gain `tier_name` (ours) and `venue` (identity); broken rows gain
    `reason`, `field` and `detail`. Heights add up to the input's.
    """
    if rows.is_empty():
        empty = _identified(rows)
        return empty, _with_reason(empty, pl.lit(None, pl.String))
    judged = _with_reason(_identified(rows), _row_reason())
    sound = judged.filter(pl.col("reason").is_null())
    alone, twins = _part_twins(sound)
    settled, losers = _settle(twins)
    broken = pl.concat([judged.filter(pl.col("reason").is_not_null()), losers])
    accepted = pl.concat([alone, settled]).drop("reason", "field", "detail")
    return accepted, broken


def _identified(rows: pl.DataFrame) -> pl.DataFrame:
    """Add our tier name and the identity of the venue."""
    firm = pl.col("venue_name")
    pooled = firm.str.to_lowercase().str.replace_all(r"\s+", " ") == _DE_MINIMIS_NAME
    venue = (
        pl.when(pl.col("venue_class") == VenueClass.ATS.value)
        .then(pl.col("mpid"))
        .when(pooled)
        .then(pl.lit(DE_MINIMIS))
        .when(pl.col("firm_crd").is_not_null())
        .then(pl.lit("CRD") + pl.col("firm_crd"))
        .when(firm != "")
        .then(pl.lit("FIRM:") + firm)
    )
    names = {
        text: tier.value for tier in Tier for text in (tier.description, tier.api_id, tier.value)
    }
    folded = pl.col("tier").str.replace_all(r"\s+", " ").str.strip_chars().str.to_lowercase()
    tier_name = folded.replace_strict(
        {text.lower(): name for text, name in names.items()}, return_dtype=pl.String
    )
    return rows.with_columns(venue=venue, tier_name=tier_name)


def _row_reason() -> pl.Expr:
    """The first rule that a row breaks by itself."""
    overlapping = pl.col("summary_type").is_not_null() & ~pl.col("summary_type").is_in(_VENUE_GRAIN)
    return (
        pl.when(overlapping)
        .then(pl.lit(Reason.SUMMARY_TYPE.value))
        .when(pl.col("symbol") == "")
        .then(pl.lit(Reason.BLANK_SYMBOL.value))
        .when(pl.col("venue").is_null())
        .then(pl.lit(Reason.BLANK_MPID.value))
        .when((pl.col("share_volume") < 0) | (pl.col("trade_count") < 0))
        .then(pl.lit(Reason.NEGATIVE.value))
    )


def _with_reason(rows: pl.DataFrame, reason: pl.Expr) -> pl.DataFrame:
    """Add reason, the field at fault and what was found."""
    field = pl.col("reason").replace_strict(
        {
            Reason.SUMMARY_TYPE.value: "summaryTypeCode",
            Reason.BLANK_SYMBOL.value: "issueSymbolIdentifier",
            Reason.BLANK_MPID.value: "MPID",
            Reason.NEGATIVE.value: "totalWeeklyShareQuantity",
        },
        default=None,
        return_dtype=pl.String,
    )
    negative = pl.format("{} shares, {} trades", "share_volume", "trade_count")
    detail = (
        pl.when(pl.col("reason") == Reason.SUMMARY_TYPE.value)
        .then(pl.format("{} overlaps the venue rows", "summary_type"))
        .when(pl.col("reason") == Reason.NEGATIVE.value)
        .then(negative)
        .when(pl.col("reason").is_not_null())
        .then(pl.lit("blank"))
    )
    return rows.with_columns(reason=reason).with_columns(field=field, detail=detail)


def _part_twins(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows whose key stands once, and the others."""
    repeated = pl.len().over(_KEY) > 1
    flagged = rows.with_columns(_repeated=repeated)
    return (
        flagged.filter(~pl.col("_repeated")).drop("_repeated"),
        flagged.filter(pl.col("_repeated")).drop("_repeated"),
    )


def _settle(twins: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part rows that share a key into (kept, rejected).

    Exact twins after the first are duplicates; of different figures the one with the
    latest update date wins, and without a single latest none does.
    """
    order = twins.sort("source_file", "source_line")
    first = pl.col("record_hash").is_first_distinct().over(_KEY)
    newest = pl.col("last_update_date").max().over(_KEY)
    distinct = order.with_columns(_first=first)
    duplicates = distinct.filter(~pl.col("_first"))
    rivals = distinct.filter("_first").with_columns(_newest=pl.col("last_update_date") == newest)
    alone_newest = pl.col("_newest") & (pl.col("_newest").sum().over(_KEY) == 1)
    rivals = rivals.with_columns(_wins=alone_newest)
    settled = rivals.filter("_wins").drop("_first", "_newest", "_wins")
    losers = pl.concat(
        [
            duplicates.drop("_first").with_columns(
                reason=pl.lit(Reason.DUPLICATE_ROW.value), detail=pl.lit("the row stands before")
            ),
            rivals.filter(~pl.col("_wins"))
            .drop("_first", "_newest", "_wins")
            .with_columns(
                reason=pl.lit(Reason.CONFLICTING_KEY.value),
                detail=pl.lit("the same key has other figures"),
            ),
        ]
    )
    return settled, losers
