"""`otc_venue_share`: each venue's part of a week's reported off-exchange volume.

The feed holds no exchange volume, so no figure here is a share of all trading.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from spine_assets.core.table_schema import conform, polars_schema
from spine_assets.core.tables import BuildStage, Check, Column, Rule, Table, Type
from spine_assets.core.weeks import Tier
from spine_assets.otc.delivery.venue_id import is_bucket, known_by_crd
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables import control_totals, run_figures
from spine_assets.otc.tables.common_checks import CONTROL_REMEDY, reconciles_check, schema_check
from spine_assets.otc.tables.concentration import percent

_ROUNDING_POINTS = 1e-6  # thousands of DOUBLE parts add up to 100 within far less
_VOLUME = (("otc_venue_volume", "share_volume"),)
_REPORTED = (("otc_control_totals", "share_volume"),)
_BY_CLASS = (*_VOLUME, ("otc_venue_volume", "venue_class"))

TABLE = Table(
    name="otc_venue_share",
    description="A venue's week over all symbols and loaded tiers: volume, rank and share of "
    "the reported off-exchange volume loaded for the week (not of all trading). Compare weeks "
    "only where is_complete is true and classes are the same; across differing classes use "
    "class_share_pct.",
    grain="week x venue",
    key=("week_ending", "mpid"),
    sort=("mpid",),
    deps=("otc_venue_volume", "otc_control_totals"),
    stage=BuildStage.SUMMARIZE,
    code_version="3",  # 3: FINRA's totals beside ours
    figures=run_figures.of_venue_share,
    columns=(
        c.WEEK_ENDING,
        c.MPID,
        c.VENUE_CLASS,
        c.VENUE_NAME,
        c.shares("total_volume", "Shares over all symbols"),
        c.trades("total_trades", "Trades over all symbols"),
        Column("symbol_count", Type.COUNT, "Symbols traded by the venue", "symbols", ge=0),
        c.percentage("market_share_pct", "Part of all reported off-exchange shares loaded"),
        c.percentage("class_share_pct", "Part of the shares loaded of its class"),
        c.rank("rank", "1 = largest total_volume, ties share a rank (1-1-3); null for a bucket"),
        Column("tiers", Type.TEXT_LIST, "Tiers loaded for the week, sorted"),
        replace(c.CLASSES, description="Venue classes loaded for the week, sorted"),
        c.IS_COMPLETE,
        Column(
            "reported_total_volume",
            Type.SHARES,
            "FINRA's own total of the venue over reported_tiers, De Minimis included; null where "
            "no such total is in, and for a bucket",
            "shares",
            nullable=True,
        ),
        Column(
            "attributed_pct",
            Type.RATIO,
            "Part of reported_total_volume that rows name the venue for, over the same tiers; the "
            "rest is pooled. Above 100 only where the check control fails",
            "percent",
            nullable=True,
            ge=0,
        ),
        c.rank(
            "reported_rank",
            "Rank within its class by FINRA's totals, among all firms that they name; null where "
            "they are not in for all loaded tiers of the class, and for a bucket",
        ),
        Column(
            "reported_tiers",
            Type.TEXT_LIST,
            "Loaded tiers of the venue's class for which FINRA's totals by firm are in, sorted",
        ),
        c.CAPTURE_ID_OF_BUILD,
        c.BUILD_ID,
        c.INPUT_MIN,
        c.INPUT_MAX,
    ),
    checks=(
        schema_check("Shares add up to 100, ranks start at 1."),
        reconciles_check("Totals by venue equal those of otc_venue_volume"),
        Check(
            "share_shift",
            "No venue's share of its class moved over 10 points against the nearest earlier "
            "week within four, like tiers and classes only.",
            remedy="`spine query \"FROM otc_venue_share WHERE mpid = 'MPID' ORDER BY week_ending "
            "DESC LIMIT 8\"` shows the venue's last weeks. A venue that opened, closed or moved "
            "its flow is right as it is; otherwise ask FINRA again: "
            "`spine fetch --week WEEK`.",
            compares_weeks=True,
        ),
        Check(
            "control",
            "Our sums by venue equal FINRA's totals by firm: of each ATS exactly; a firm whose "
            "small volume is pooled (De Minimis) has at least that of its rows, and all firms "
            "together have that of all rows.",
            remedy=CONTROL_REMEDY,
        ),
    ),
    rules=(
        Rule("market_share_pct adds up to 100", lambda: _adds_up(pl.col("market_share_pct"))),
        Rule(
            "class_share_pct adds up to 100 in each class",
            lambda: _adds_up(pl.col("class_share_pct"), over="venue_class"),
        ),
        Rule(
            "the largest identified venue has rank 1",
            lambda: pl.col("rank").min().fill_null(1) == 1,
        ),
        Rule(
            "only buckets have no rank",
            lambda: pl.col("rank").is_null() == is_bucket(pl.col("mpid")),
        ),
    ),
    lineage={
        "week_ending": (("otc_venue_volume", "week_ending"),),
        "mpid": (("otc_venue_volume", "mpid"),),
        "venue_class": (("otc_venue_volume", "venue_class"),),
        "venue_name": (("otc_venue_volume", "venue_name"),),
        "total_volume": _VOLUME,
        "total_trades": (("otc_venue_volume", "trade_count"),),
        "symbol_count": (("otc_venue_volume", "symbol"),),
        "market_share_pct": _VOLUME,
        "class_share_pct": _BY_CLASS,
        "rank": _VOLUME,
        "tiers": (("otc_venue_volume", "tier"),),
        "classes": (("otc_venue_volume", "venue_class"),),
        "is_complete": (("otc_venue_volume", "tier"), ("otc_venue_volume", "venue_class")),
        "reported_total_volume": _REPORTED,
        "attributed_pct": (*_VOLUME, *_REPORTED),
        "reported_rank": _REPORTED,
        "reported_tiers": (("otc_control_totals", "tier"),),
    },
)


def build(
    venues: pl.DataFrame,
    inputs: pl.DataFrame,
    build_id: str,
    totals: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """`otc_venue_volume` of a week and FINRA's totals -> `otc_venue_share`.

    Args:
        venues: The week's venue rows, in the order of their table.
        inputs: tier, venue_class and input_capture_id of each current capture.
        build_id: Written as `capture_id`.
        totals: `otc_control_totals` of the week; without it no total is known.
    """
    loaded = venues.select("tier", "venue_class").unique()
    tiers, classes = (loaded[name].unique().sort().to_list() for name in loaded.columns)
    # Small numbers for long texts: symbols are counted, and the rows of one stand together.
    symbol_changed = (pl.col("symbol") != pl.col("symbol").shift(1)).fill_null(False)
    by_name = (
        venues.with_columns(_symbol=symbol_changed.cum_sum())
        .group_by("week_ending", "tier", "venue_class", "mpid", "venue_name")
        .agg(
            pl.col("share_volume").sum(),
            pl.col("trade_count").sum(),
            pl.col("last_update_date").max(),
            pl.col("_symbol").unique(),
        )
    )
    shares = (
        by_name.join(inputs, on=["tier", "venue_class"], how="left")
        .group_by("week_ending", "mpid", "venue_class")
        .agg(
            # A venue may be renamed between its rows: the latest name stands.
            venue_name=pl.col("venue_name").sort_by("last_update_date", "venue_name").last(),
            total_volume=pl.col("share_volume").sum(),
            total_trades=pl.col("trade_count").sum(),
            symbol_count=pl.col("_symbol").explode().n_unique().cast(pl.Int64),
            input_min_capture_id=pl.col("input_capture_id").min(),
            input_max_capture_id=pl.col("input_capture_id").max(),
        )
    )
    shares = _with_reported(shares, by_name, totals)
    volume = pl.col("total_volume")
    ranked = pl.when(~is_bucket(pl.col("mpid"))).then(volume)
    frame = shares.with_columns(
        market_share_pct=percent(volume, volume.sum()),
        class_share_pct=percent(volume, volume.sum().over("venue_class")),
        rank=ranked.rank("min", descending=True).cast(pl.Int64),
        tiers=pl.lit(tiers, pl.List(pl.String)),
        classes=pl.lit(classes, pl.List(pl.String)),
        is_complete=pl.lit(loaded.height == len(Tier) * len(classes)),
        capture_id=pl.lit(build_id),
        build_id=pl.lit(build_id),
    )
    return conform(frame, TABLE)


def _with_reported(
    shares: pl.DataFrame, by_name: pl.DataFrame, totals: pl.DataFrame | None
) -> pl.DataFrame:
    """The venues with FINRA's totals, over the tiers for which both these and rows are in."""
    if totals is None:
        totals = pl.DataFrame(schema=polars_schema(control_totals.TABLE))
    part = ["tier", "venue_class"]
    firms = control_totals.of_firms(totals)
    both = by_name.select(part).unique().join(firms.select(part).unique(), on=part)
    loaded = by_name.group_by("venue_class").agg(_loaded=pl.col("tier").n_unique())
    tiers = loaded.join(
        both.group_by("venue_class").agg(reported_tiers=pl.col("tier").unique().sort()),
        on="venue_class",
        how="left",
    )
    firms, rows = firms.join(both, on=part, how="semi"), by_name.join(both, on=part, how="semi")
    # A download knows a firm by its name alone, FINRA's totals by its number, or the reverse.
    named = known_by_crd(shares, firms).select(pl.col("mpid").alias("_firm"))
    reported = known_by_crd(firms, shares).filter(~is_bucket(pl.col("mpid")))
    reported = reported.group_by("venue_class", _firm="mpid").agg(
        reported_total_volume=pl.col("share_volume").sum()
    )
    attributed = rows.group_by("venue_class", "mpid").agg(_rows=pl.col("share_volume").sum())
    total = pl.col("reported_total_volume")
    rank = total.rank("min", descending=True).over("venue_class").cast(pl.Int64)
    reported = reported.with_columns(reported_rank=rank)
    is_whole = pl.col("reported_tiers").list.len() == pl.col("_loaded")
    return (
        pl.concat([shares, named], how="horizontal")
        .join(reported, on=["venue_class", "_firm"], how="left")
        .join(attributed, on=["venue_class", "mpid"], how="left")
        .join(tiers, on="venue_class", how="left")
        .with_columns(
            attributed_pct=percent(pl.col("_rows").fill_null(0), total),
            reported_rank=pl.when(is_whole).then("reported_rank"),
            reported_tiers=pl.col("reported_tiers").fill_null(pl.lit([], pl.List(pl.String))),
        )
    )


def _adds_up(part: pl.Expr, over: str | None = None) -> pl.Expr:
    """Parts add up to 100, or are all null because the total is 0."""
    total, known = part.sum(), part.count()
    if over is not None:
        total, known = total.over(over), known.over(over)
    return ((total - 100).abs() < _ROUNDING_POINTS) | (known == 0)
