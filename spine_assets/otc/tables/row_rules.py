"""Row rules: which typed rows count as volume of a venue, and which are rejects.

A row either passes all rules or becomes one reject with one primary reason; none is lost. Frames
have the current captures of one week. Does not belong here: what identifies a venue (`venue_id`)
and what is true of a line before it is typed (`line_schema`).
"""

from __future__ import annotations

import polars as pl

from spine_assets.core.row_checks import breaks_any, failure_cases
from spine_assets.core.table_schema import is_in_order, plain_shares, stands_again
from spine_assets.otc.delivery.line_schema import MAX_SHARES, MAX_TRADES
from spine_assets.otc.delivery.reasons import RejectReason
from spine_assets.otc.delivery.venue_id import identified

_VENUE_GRAIN = ("ATS_W_SMBL_FIRM", "OTC_W_SMBL_FIRM")  # all other summary types repeat it
ORDER = ("symbol", "tier_name", "venue_class", "venue_id")
"""What identifies a row of `otc_venue_volume` within its week, in the order of that table. Accepted
rows of one key are its issues: a symbol that moved to another tape, or went to another issuer."""

_ISSUE = ("issue_name", "product_type")  # two issues of a symbol differ in one of them, mostly
_FIELDS = (
    *("tier", "issue_name", "venue_name", "mpid", "firm_crd", "product_type", "summary_type"),
    *("share_volume", "trade_count", "notional", "last_update_date", "initial_published_date"),
    *("last_reported_date", "extra"),
)
# Of the keys of a file: more that stand twice with other figures are no issues.
_MOST_TWICE = 0.01
_MOST_TWICE_KEYS = 5


def split(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Current raw rows of a week -> (accepted, broken).

    Both gain `venue_id`. Accepted rows are in the order of `ORDER`; broken rows gain `reason`,
    `field` and `detail`. Heights add up to the input's.
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
        sound = sound.sort(ORDER, maintain_order=True)
        repeated = sound.select(stands_again(ORDER)).to_series()
        issues, losers = _issues(sound.filter(repeated), sound)
        broken = pl.concat([broken, losers])
        sound = pl.concat([sound.filter(~repeated), issues]).sort(ORDER, maintain_order=True)
    return sound.drop("reason", "field", "detail"), broken


def versions_joined(rows: pl.DataFrame) -> int:
    """How many keys of a file stand twice, where those are too many to be issues; else 0.

    Such a file is two versions of one file, joined: the same issues with two figures each.

    Args:
        rows: Rows of `otc_raw` of one file.
    """
    key = ("symbol", "venue_id")
    venues = identified(rows)
    if is_in_order(venues, key, strictly=True):  # as FINRA writes its files
        return 0
    ordered = venues.sort(key)
    if is_in_order(ordered, key, strictly=True):
        return 0
    sound = _judged(ordered).filter(pl.col("reason").is_null())
    return _keys_joined(sound.filter(pl.len().over(key) > 1), sound.select(key).n_unique())


def _keys_joined(repeated: pl.DataFrame, keys: int) -> int:
    by_issue = (
        repeated.group_by("symbol", "venue_class", "venue_id", *_ISSUE)
        .agg(
            rows=pl.len(),
            figures=pl.struct("share_volume", "trade_count").n_unique(),
        )
        .filter(pl.col("rows") > 1)
    )
    twice = by_issue.select("symbol", "venue_class", "venue_id").n_unique()
    too_many = twice > _MOST_TWICE_KEYS and twice > _MOST_TWICE * keys
    return twice if too_many and (by_issue["figures"] > 1).any() else 0


def _rules() -> dict[str, dict[RejectReason, pl.Expr]]:
    """What holds of a single row that counts, by column; the most important column first."""
    summary = pl.col("summary_type")
    return {
        "summary_type": {
            RejectReason.SUMMARY_TYPE: summary.is_null() | summary.is_in(_VENUE_GRAIN)
        },
        "symbol": {RejectReason.BLANK_SYMBOL: pl.col("symbol") != ""},
        "venue_id": {RejectReason.BLANK_MPID: pl.col("venue_id").is_not_null()},
        "share_volume": _within(pl.col("share_volume"), MAX_SHARES),
        "trade_count": _within(pl.col("trade_count"), MAX_TRADES),
    }


def _within(quantity: pl.Expr, most: int) -> dict[RejectReason, pl.Expr]:
    """A quantity that can be; more than the most is here only where an earlier version read it."""
    return {RejectReason.NEGATIVE: quantity >= 0, RejectReason.IMPLAUSIBLE: quantity <= most}


_FIELD_OF = {
    "summary_type": "summaryTypeCode",
    "symbol": "issueSymbolIdentifier",
    "venue_id": "MPID",
    "share_volume": "totalWeeklyShareQuantity",
    "trade_count": "totalWeeklyTradeCount",
}
_FOUND = {
    "summary_type": pl.col("summary_type") + pl.lit(" overlaps the venue rows"),
    "symbol": pl.lit("blank"),
    "venue_id": pl.lit("names no venue"),
    "share_volume": pl.format("{} shares", plain_shares("share_volume")),
    "trade_count": pl.format("{} trades", "trade_count"),
}
"""What `detail` says of a row, by the column whose rule it breaks."""


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the primary reason, its field, and all that was found; null for accepted rows."""
    nothing = pl.lit(None, pl.String)
    sound = rows.with_columns(reason=nothing, field=nothing, detail=nothing)
    rules = _rules()
    bad = breaks_any(rows, pl.all_horizontal(h for of_it in rules.values() for h in of_it.values()))
    if not bad.any():
        return sound
    # Polars (2.1) fails in `format` where the rows of several files are in pieces.
    broken = rows.filter(bad).rechunk().with_columns(index=pl.int_range(pl.len()))
    named = {name: {str(reason): h for reason, h in of_it.items()} for name, of_it in rules.items()}
    found = broken.select("index", **_FOUND).unpivot(index="index", variable_name="column")
    cases = (
        failure_cases(broken, named).drop("value").with_columns(pl.col("column").cast(pl.String))
    )
    by_row = (
        cases.join(found, on=["index", "column"], how="left", maintain_order="left")
        .group_by("index", maintain_order=True)
        .agg(
            reason=pl.col("check").first(),
            field=pl.col("column").first().replace_strict(_FIELD_OF),
            detail=pl.format("{}: {}", "check", "value").str.join("; "),
        )
    )
    worded = broken.join(by_row, on="index", how="left", maintain_order="left").drop("index")
    return pl.concat([sound.filter(~bad), worded])


def _issues(repeated: pl.DataFrame, sound: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that share a key -> (issues of it, rejected).

    A line that is equal to another in every field is a duplicate, and the first is kept. Where a
    file is two versions joined, no row of a key with two figures is kept.
    """
    ordered = repeated.sort("source_file", "source_line")
    first = ordered.select(pl.int_range(pl.len()).over([*ORDER, *_FIELDS]) == 0).to_series()
    issues = ordered.filter(first)
    losers = [
        ordered.filter(~first).with_columns(
            reason=pl.lit(RejectReason.DUPLICATE_ROW.value),
            detail=pl.lit("the same line stands before"),
        )
    ]
    for (tier, venue_class), of_file in ordered.group_by("tier_name", "venue_class"):
        keys = (
            sound.filter(pl.col("tier_name") == tier, pl.col("venue_class") == venue_class)
            .select(ORDER)
            .n_unique()
        )
        if _keys_joined(of_file, keys):
            in_doubt = (
                (pl.col("tier_name") == tier)
                & (pl.col("venue_class") == venue_class)
                & (pl.struct("share_volume", "trade_count").n_unique().over([*ORDER, *_ISSUE]) > 1)
            )
            out = issues.select(in_doubt).to_series()
            losers.append(
                issues.filter(out).with_columns(
                    reason=pl.lit(RejectReason.CONFLICTING_KEY.value),
                    detail=pl.lit("the same key has other figures, as many have in this file"),
                )
            )
            issues = issues.filter(~out)
    return issues, pl.concat(losers)
