"""`otc_venue_volume`: what each venue traded of each symbol in a week."""

from __future__ import annotations

import polars as pl

from spine_assets.core.table_schema import conform, is_in_order, stands_again
from spine_assets.core.tables import BuildStage, Check, Column, Table, Type
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables import run_figures
from spine_assets.otc.tables.common_checks import reconciles_check, schema_check
from spine_assets.otc.tables.row_rules import ORDER

TABLE = Table(
    name="otc_venue_volume",
    description="Shares and trades of a symbol executed off-exchange by one venue in one week. "
    "An absent row is not zero: FINRA reports what was reported to it.",
    grain="week x tier x symbol x venue class x venue",
    key=("week_ending", "tier", "symbol", "venue_class", "mpid"),
    sort=("symbol", "tier", "venue_class", "mpid"),
    deps=("otc_raw", "otc_rejects"),
    stage=BuildStage.NORMALIZE,
    code_version="2",  # 2: issues of one key are added up
    figures=run_figures.of_venue_volume,
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.SYMBOL,
        c.VENUE_CLASS,
        c.MPID,
        c.VENUE_NAME,
        c.ISSUE_NAME,
        c.shares("share_volume", "Shares executed by the venue in the week"),
        c.trades("trade_count", "Trades executed by the venue in the week"),
        c.AVG_TRADE_SIZE,
        Column(
            "issue_count",
            Type.COUNT,
            "Delivered lines that are added up here: 1, or more where a symbol moved to another "
            "tape or to another issuer within the week",
            "lines",
            ge=1,
        ),
        c.LAST_UPDATE_DATE,
        c.RECORD_HASH,
        c.CAPTURE_ID_OF_BUILD,
        c.BUILD_ID,
    ),
    checks=(
        schema_check(),
        reconciles_check(
            "Current otc_raw = lines added up in otc_venue_volume + rule rejects, in rows and in "
            "shares"
        ),
        Check(
            "volumes",
            "No row has zero volume, volume without trades, or an outlying trade size.",
            remedy="`spine anomalies --week WEEK` shows the rows, which are in the tables as "
            "delivered: leave them out of a query that they would distort. "
            "`spine fetch --week WEEK` asks whether FINRA has corrected them.",
        ),
        Check(
            "issues",
            "No symbol has several lines at one venue, as one does that moved to another tape or "
            "went to another issuer within the week.",
            remedy="The lines are added up, and the name is that of the larger one. "
            "`spine query \"FROM otc_venue_volume WHERE week_ending = 'WEEK' AND issue_count > 1\"`"
            " shows them. Where they are two companies, take the one you mean from "
            "otc_raw_current, by its issue_name or product_type.",
        ),
        Check(
            "continuity",
            "Against the nearest earlier week within four, like tiers and classes only: not "
            "over 20% fewer venues, no volume swing over 50%.",
            remedy="`spine captures --week WEEK` shows the rows of each tier and class: compare "
            "them with the week before. If a file is cut, `spine fetch --week WEEK` "
            "or a new download replaces it; after a week with a holiday there is nothing to do.",
            compares_weeks=True,
        ),
    ),
    lineage={
        name: (("otc_raw", source),)
        for name, source in {
            "week_ending": "week_ending",
            "tier": "tier",
            "symbol": "symbol",
            "venue_class": "venue_class",
            "venue_name": "venue_name",
            "issue_name": "issue_name",
            "share_volume": "share_volume",
            "trade_count": "trade_count",
            "last_update_date": "last_update_date",
            "record_hash": "record_hash",
        }.items()
    }
    | {
        "mpid": (("otc_raw", "mpid"), ("otc_raw", "firm_crd"), ("otc_raw", "venue_name")),
        "avg_trade_size": (("otc_raw", "share_volume"), ("otc_raw", "trade_count")),
        "issue_count": (("otc_raw", "issue_name"), ("otc_raw", "product_type")),
    },
)


def build(accepted: pl.DataFrame, build_id: str) -> pl.DataFrame:
    """Accepted raw rows of a week (`row_rules.split`) -> `otc_venue_volume`, a row for each key.

    The issues of one key are added up; names are those of the larger one.
    """
    one_each = is_in_order(accepted, ORDER, strictly=True)
    rows = (accepted if one_each else _added_up(accepted)).select(
        "week_ending",
        "symbol",
        "venue_class",
        "issue_name",
        "share_volume",
        "trade_count",
        "last_update_date",
        "record_hash",
        tier="tier_name",
        mpid="venue_id",
        venue_name=name_without_mpid(),
        avg_trade_size=average_trade_size("share_volume", "trade_count"),
        issue_count=pl.lit(1) if one_each else pl.col("issue_count"),
        capture_id=pl.lit(build_id),
        build_id=pl.lit(build_id),
    )
    return conform(rows, TABLE, ordered=True)  # the order of `row_rules.split`


def _added_up(accepted: pl.DataFrame) -> pl.DataFrame:
    """One row for each key: sums of its issues, all else as in the larger one.

    Rows of one key stand together.
    """
    repeated = accepted.select(stands_again(ORDER)).to_series()
    by_size = accepted.filter(repeated).sort(
        "share_volume", "trade_count", "record_hash", descending=[True, True, False]
    )
    added = by_size.group_by(ORDER, maintain_order=True).agg(
        pl.all().exclude("share_volume", "trade_count", "last_update_date").first(),
        pl.col("share_volume").sum(),
        pl.col("trade_count").sum(),
        pl.col("last_update_date").max(),
        issue_count=pl.len().cast(pl.Int64),
    )
    alone = accepted.filter(~repeated).with_columns(issue_count=pl.lit(1, pl.Int64))
    return pl.concat([alone, added.select(alone.columns).cast(alone.schema)]).sort(ORDER)


def name_without_mpid() -> pl.Expr:
    """The name of a row of `otc_raw`; FINRA's repeats the MPID: "OTCX OTC LINK ECN ATS"."""
    prefix = (pl.col("mpid") + " ").fill_null("")
    return pl.col("venue_name").str.strip_prefix(prefix).str.strip_chars_start(" ")


def average_trade_size(shares: str, trades: str) -> pl.Expr:
    """Shares per trade as DOUBLE; null when there is no trade."""
    return pl.when(pl.col(trades) > 0).then(pl.col(shares).cast(pl.Float64) / pl.col(trades))
