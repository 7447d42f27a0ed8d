"""`otc_firm_totals`: each venue's and firm's week as FINRA itself sums it.

By symbol, FINRA pools a firm's small volume with that of others (De Minimis), so sums of rows rank
firms outside of ATSs wrongly. Its totals by firm name every firm with all of its volume.
"""

from __future__ import annotations

import polars as pl

from spine_assets.core.table_schema import conform
from spine_assets.core.tables import BuildStage, Column, Table, Type
from spine_assets.core.weeks import Tier
from spine_assets.otc.delivery.venue_id import is_bucket
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables import control_totals
from spine_assets.otc.tables.common_checks import schema_check
from spine_assets.otc.tables.concentration import percent

_VOLUME = (("otc_control_totals", "share_volume"),)

TABLE = Table(
    name="otc_firm_totals",
    description="A venue's or firm's week over all symbols, as FINRA sums it: each firm with all "
    "of its volume, De Minimis included. Rank firms outside of ATSs by this table. A week without "
    "FINRA's totals by firm has none.",
    grain="week x venue class x venue",
    key=("week_ending", "venue_class", "mpid"),
    sort=("venue_class", "mpid"),
    deps=("otc_control_totals",),
    stage=BuildStage.SUMMARIZE,
    code_version="1",
    columns=(
        c.WEEK_ENDING,
        c.VENUE_CLASS,
        c.MPID,
        c.VENUE_NAME,
        Column("total_volume", Type.SHARES, "Shares over all symbols, by FINRA", "shares"),
        Column("total_trades", Type.COUNT, "Trades over all symbols, by FINRA", "trades"),
        Column(
            "class_share_pct",
            Type.RATIO,
            "Part of FINRA's totals of its class",
            "percent",
            nullable=True,
        ),
        c.rank(
            "rank",
            "1 = largest total_volume of its class, ties share a rank (1-1-3); null for a bucket",
        ),
        Column(
            "tiers", Type.TEXT_LIST, "Tiers of which FINRA's totals of this class are in, sorted"
        ),
        Column("is_complete", Type.FLAG, "FINRA's totals of this class are in for all three tiers"),
        c.LAST_UPDATE_DATE,
        c.CAPTURE_ID_OF_BUILD,
        c.BUILD_ID,
    ),
    checks=(schema_check(),),
    lineage={
        "week_ending": (("otc_control_totals", "week_ending"),),
        "venue_class": (("otc_control_totals", "venue_class"),),
        "mpid": (("otc_control_totals", "mpid"),),
        "venue_name": (("otc_control_totals", "venue_name"),),
        "total_volume": _VOLUME,
        "total_trades": (("otc_control_totals", "trade_count"),),
        "class_share_pct": _VOLUME,
        "rank": _VOLUME,
        "tiers": (("otc_control_totals", "tier"),),
        "is_complete": (("otc_control_totals", "tier"),),
        "last_update_date": (("otc_control_totals", "last_update_date"),),
    },
)


def build(totals: pl.DataFrame, build_id: str) -> pl.DataFrame:
    """`otc_control_totals` of a week -> `otc_firm_totals`.

    Args:
        totals: The week's control totals.
        build_id: Written as `capture_id`.
    """
    firms = control_totals.of_firms(totals)
    tiers = firms.group_by("venue_class").agg(tiers=pl.col("tier").unique().sort())
    volume = pl.col("total_volume")
    ranked = pl.when(~is_bucket(pl.col("mpid"))).then(volume)
    frame = (
        firms.group_by("week_ending", "venue_class", "mpid")
        .agg(
            # A firm may have a name in each tier: the latest stands.
            venue_name=pl.col("venue_name").sort_by("last_update_date", "venue_name").last(),
            total_volume=pl.col("share_volume").sum(),
            total_trades=pl.col("trade_count").sum(),
            last_update_date=pl.col("last_update_date").max(),
        )
        .join(tiers, on="venue_class", how="left")
        .with_columns(
            class_share_pct=percent(volume, volume.sum().over("venue_class")),
            rank=ranked.rank("min", descending=True).over("venue_class").cast(pl.Int64),
            is_complete=pl.col("tiers").list.len() == len(Tier),
            capture_id=pl.lit(build_id),
            build_id=pl.lit(build_id),
        )
    )
    return conform(frame, TABLE)
