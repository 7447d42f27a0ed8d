"""`otc_symbol_summary`: each symbol's week off-exchange, and how concentrated it was.

HHI is the Herfindahl-Hirschman index, the sum of squared venue shares. Firms pooled in
the De Minimis bucket cannot be told apart, so `hhi` leaves them out of the squares (a
lower bound) and `hhi_high` takes the bucket for one firm (an upper bound).
"""

from __future__ import annotations

import polars as pl

from spine_assets.otc import columns as c
from spine_assets.otc import table_checks
from spine_assets.otc.checking import SCHEMA, schema
from spine_assets.otc.rules import DE_MINIMIS
from spine_assets.otc.venue_volume import average_trade_size
from spine_assets.table import Check, Column, Rule, Table, Type, conform
from spine_assets.weeks import VenueClass

_HHI_CEILING = 1 + 1e-12  # sums of squared fractions may exceed 1 by rounding


def _hhi(name: str, description: str) -> Column:
    return Column(name, Type.RATIO, description, "0-1", nullable=True, ge=0, le=_HHI_CEILING)


_VOLUME = (("otc_venue_volume", "share_volume"),)
_BY_VENUE = (*_VOLUME, ("otc_venue_volume", "mpid"))

TABLE = Table(
    name="otc_symbol_summary",
    description="A symbol's week over all venues: volume, trades, ATS and non-ATS parts, the "
    "top venue and the concentration (HHI). Of reported off-exchange volume only.",
    grain="week x tier x symbol",
    key=("week_ending", "tier", "symbol"),
    sort=("symbol", "tier"),
    deps=("otc_venue_volume",),
    code_version="1",
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.SYMBOL,
        c.shares("total_volume", "Shares over all venues, bucket included"),
        c.trades("total_trades", "Trades over all venues, bucket included"),
        Column("venue_count", Type.COUNT, "Identified venues, bucket not counted", "venues", ge=0),
        c.average_trade_size(),
        c.shares("ats_volume", "Shares on alternative trading systems"),
        c.shares("non_ats_volume", "Shares of broker-dealers outside ATSs, bucket included"),
        Column(
            "top_mpid",
            Type.TEXT,
            "Identified venue of the largest volume, ties by mpid",
            nullable=True,
        ),
        c.percentage("top_share_pct", "That venue's part of total_volume"),
        _hhi("hhi", "Sum of squared shares of identified venues in total_volume"),
        _hhi("hhi_high", "hhi plus the squared share of the De Minimis bucket"),
        c.BUILD_ID,
        c.INPUT_MIN,
        c.INPUT_MAX,
    ),
    checks=(
        Check(
            "schema",
            SCHEMA + " HHI is in 0-1, percentages in 0-100, ATS and non-ATS add up.",
            schema,
            blocking=True,
        ),
        Check(
            "reconciles",
            "Totals by tier and symbol equal those of otc_venue_volume, counted by DuckDB on "
            "the files to be published.",
            table_checks.symbol_summary_reconciles,
            blocking=True,
        ),
    ),
    rules=(
        Rule(
            "ats_volume + non_ats_volume = total_volume",
            lambda: pl.col("ats_volume") + pl.col("non_ats_volume") == pl.col("total_volume"),
        ),
        Rule("hhi <= hhi_high", lambda: (pl.col("hhi") <= pl.col("hhi_high")).fill_null(True)),
    ),
    lineage={
        "week_ending": (("otc_venue_volume", "week_ending"),),
        "tier": (("otc_venue_volume", "tier"),),
        "symbol": (("otc_venue_volume", "symbol"),),
        "total_volume": _VOLUME,
        "total_trades": (("otc_venue_volume", "trade_count"),),
        "venue_count": (("otc_venue_volume", "mpid"),),
        "avg_trade_size": (*_VOLUME, ("otc_venue_volume", "trade_count")),
        "ats_volume": (*_VOLUME, ("otc_venue_volume", "venue_class")),
        "non_ats_volume": (*_VOLUME, ("otc_venue_volume", "venue_class")),
        "top_mpid": _BY_VENUE,
        "top_share_pct": _BY_VENUE,
        "hhi": _BY_VENUE,
        "hhi_high": _BY_VENUE,
    },
)

_GROUP = ("week_ending", "tier", "symbol")


def build(venues: pl.DataFrame, inputs: pl.DataFrame, build_id: str) -> pl.DataFrame:
    """`otc_venue_volume` of a week -> `otc_symbol_summary`.

    Args:
        venues: The week's venue rows.
        inputs: tier, venue_class and input_capture_id of each current capture.
        build_id: Written as `capture_id`.
    """
    identified = pl.col("mpid") != DE_MINIMIS
    volume = pl.col("share_volume")
    ats = pl.col("venue_class") == VenueClass.ATS.value
    fraction = volume.cast(pl.Float64) / pl.col("_total").cast(pl.Float64)
    # Largest first, ties by mpid: the first identified row of a group is its top venue,
    # and squares are added in one fixed order whatever the number of threads.
    ordered = (
        venues.join(inputs, on=["tier", "venue_class"], how="left")
        .with_columns(_total=volume.sum().over(_GROUP))
        .with_columns(_square=pl.when(pl.col("_total") > 0).then(fraction**2))
        .sort(*_GROUP, "share_volume", "mpid", descending=[False, False, False, True, False])
    )
    top = ordered.filter(identified).group_by(_GROUP, maintain_order=True)
    tops = top.agg(top_mpid=pl.col("mpid").first(), _top=volume.first())
    summary = ordered.group_by(_GROUP, maintain_order=True).agg(
        total_volume=volume.sum(),
        total_trades=pl.col("trade_count").sum(),
        venue_count=identified.sum().cast(pl.Int64),
        ats_volume=volume.filter(ats).sum(),
        non_ats_volume=volume.filter(~ats).sum(),
        hhi=_null_without_total(pl.col("_square").filter(identified).sum()),
        hhi_high=_null_without_total(pl.col("_square").sum()),
        input_min_capture_id=pl.col("input_capture_id").min(),
        input_max_capture_id=pl.col("input_capture_id").max(),
    )
    total = pl.col("total_volume")
    frame = summary.join(tops, on=_GROUP, how="left").with_columns(
        avg_trade_size=average_trade_size("total_volume", "total_trades"),
        top_share_pct=pl.when(total > 0).then(
            pl.col("_top").cast(pl.Float64) / total.cast(pl.Float64) * 100
        ),
        capture_id=pl.lit(build_id),
    )
    return conform(frame, TABLE)


def _null_without_total(value: pl.Expr) -> pl.Expr:
    """A share of nothing is unknown, not zero."""
    return pl.when(pl.col("share_volume").sum() > 0).then(value)
