"""`otc_symbol_summary`: each symbol's week off-exchange, and how concentrated it was.

`hhi` and `hhi_high` are explained in `otc.tables.concentration`.
"""

from __future__ import annotations

import polars as pl

from spine_assets.core.table_schema import conform
from spine_assets.core.tables import BuildStage, Check, Rule, Table
from spine_assets.core.weeks import VenueClass
from spine_assets.otc.delivery.venue_id import is_bucket
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables import run_figures
from spine_assets.otc.tables.common_checks import CONTROL_REMEDY, reconciles_check, schema_check
from spine_assets.otc.tables.concentration import hhi, percent, square
from spine_assets.otc.tables.venue_volume import average_trade_size

_VOLUME = (("otc_venue_volume", "share_volume"),)
_BY_VENUE = (*_VOLUME, ("otc_venue_volume", "mpid"))
_VOLUME_OF = {VenueClass.ATS: "ats_volume", VenueClass.NON_ATS: "non_ats_volume"}

TABLE = Table(
    name="otc_symbol_summary",
    description="A symbol's week over all venues: volume, trades, ATS and non-ATS parts, the "
    "top venue and the concentration (HHI). Of reported off-exchange volume only.",
    grain="week x tier x symbol",
    key=("week_ending", "tier", "symbol"),
    sort=("symbol", "tier"),
    deps=("otc_venue_volume",),
    stage=BuildStage.SUMMARIZE,
    code_version="3",  # 3: null for a class that is not loaded
    figures=run_figures.of_symbol_summary,
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.SYMBOL,
        c.shares("total_volume", "Shares over all venues, buckets included"),
        c.trades("total_trades", "Trades over all venues, buckets included"),
        c.VENUE_COUNT,
        c.AVG_TRADE_SIZE,
        c.shares(
            "ats_volume",
            "Shares on alternative trading systems, unattributed ones included; null where no ATS "
            "file of the tier is loaded",
            nullable=True,
        ),
        c.shares(
            "non_ats_volume",
            "Shares of broker-dealers outside ATSs, small ones included; null where no such file "
            "of the tier is loaded",
            nullable=True,
        ),
        c.CLASSES,
        c.TOP_MPID,
        c.TOP_SHARE,
        c.HHI,
        c.HHI_HIGH,
        c.CAPTURE_ID_OF_BUILD,
        c.BUILD_ID,
        c.INPUT_MIN,
        c.INPUT_MAX,
    ),
    checks=(
        schema_check("HHI is in 0-1, percentages in 0-100, ATS and non-ATS add up."),
        reconciles_check("Totals by tier and symbol equal those of otc_venue_volume"),
        Check(
            "control",
            "Our sums by tier, class and symbol, and over all symbols, equal FINRA's own totals.",
            remedy=CONTROL_REMEDY,
        ),
    ),
    rules=(
        Rule(
            "ats_volume + non_ats_volume = total_volume",
            lambda: (
                pl.col("ats_volume").fill_null(0) + pl.col("non_ats_volume").fill_null(0)
                == pl.col("total_volume")
            ),
        ),
        Rule(
            "a volume is null just where its class is not loaded",
            lambda: pl.all_horizontal(
                pl.col(name).is_not_null() == pl.col("classes").list.contains(item.value)
                for item, name in _VOLUME_OF.items()
            ),
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
        "classes": (("otc_venue_volume", "venue_class"),),
        **dict.fromkeys(("top_mpid", "top_share_pct", "hhi", "hhi_high"), _BY_VENUE),
    },
)

_GROUP = ("week_ending", "tier", "symbol")


def build(venues: pl.DataFrame, inputs: pl.DataFrame, build_id: str) -> pl.DataFrame:
    """`otc_venue_volume` of a week -> `otc_symbol_summary`.

    Args:
        venues: The week's venue rows, in the order of their table.
        inputs: tier, venue_class and input_capture_id of each current capture.
        build_id: Written as `capture_id`.
    """
    volume, trades = pl.col("share_volume"), pl.col("trade_count")
    # Rows of a symbol stand together, so that a number tells them apart: the fastest key.
    changed = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in TABLE.sort)
    rows = venues.select(
        *_GROUP,
        "mpid",
        volume,
        trades,
        group=changed.fill_null(False).cum_sum().set_sorted(),
        ats=pl.col("venue_class") == VenueClass.ATS.value,
        identified=~is_bucket(pl.col("mpid")),
    )
    summary = (
        rows.with_columns(
            _ats=pl.when("ats").then(volume).otherwise(0),
            _known=pl.when("identified").then(volume),
            _known_square=pl.when("identified").then(square(volume)).otherwise(0.0),
            _square=square(volume),
        )
        .group_by("group", maintain_order=True)
        .agg(
            pl.first(*_GROUP),
            total_volume=volume.sum(),
            total_trades=trades.sum(),
            venue_count=pl.col("identified").sum().cast(pl.Int64),
            ats_volume=pl.col("_ats").sum(),
            # Squares are added in the order of the rows, whatever the number of threads.
            _known_squares=pl.col("_known_square").sum(),
            _squares=pl.col("_square").sum(),
            _top=pl.col("_known").max(),
            _in_ats=pl.col("ats").any(),
            _in_others=pl.col("ats").not_().any(),
        )
    )
    leading = rows.filter(pl.col("identified") & (volume == summary["_top"].gather(rows["group"])))
    tops = leading.group_by("group").agg(top_mpid=pl.col("mpid").min())
    total = pl.col("total_volume")
    frame = (
        summary.join(tops, on="group", how="left", maintain_order="left")
        .join(_captures_by_tier(inputs), on="tier", how="left", maintain_order="left")
        .join(_classes_by_tier(venues), on="tier", how="left", maintain_order="left")
        .with_columns(
            hhi=hhi(pl.col("_known_squares"), total),
            hhi_high=hhi(pl.col("_squares"), total),
            top_share_pct=percent(pl.col("_top"), total),
            ats_volume=_if_loaded(VenueClass.ATS, pl.col("ats_volume")),
            non_ats_volume=_if_loaded(VenueClass.NON_ATS, total - pl.col("ats_volume")),
            avg_trade_size=average_trade_size("total_volume", "total_trades"),
            capture_id=pl.lit(build_id),
            build_id=pl.lit(build_id),
            input_min_capture_id=pl.min_horizontal(_capture_ids()),
            input_max_capture_id=pl.max_horizontal(_capture_ids()),
        )
    )
    return conform(frame, TABLE)


def _classes_by_tier(venues: pl.DataFrame) -> pl.DataFrame:
    """The classes of each tier that have rows: `tier` and `classes`."""
    return (
        venues.select("tier", "venue_class")
        .unique()
        .group_by("tier")
        .agg(classes=pl.col("venue_class").sort())
    )


def _if_loaded(venue_class: VenueClass, volume: pl.Expr) -> pl.Expr:
    """A volume of a class; what is not loaded is not 0."""
    return pl.when(pl.col("classes").list.contains(venue_class.value)).then(volume)


def _captures_by_tier(inputs: pl.DataFrame) -> pl.DataFrame:
    """The captures of each tier side by side: `tier`, `ATS` and `NON_ATS`."""
    of_class = [
        pl.col("input_capture_id").filter(pl.col("venue_class") == item.value).first().alias(item)
        for item in VenueClass
    ]
    return inputs.group_by("tier").agg(of_class)


def _capture_ids() -> list[pl.Expr]:
    """The captures that a symbol has rows of."""
    return [
        pl.when("_in_ats").then(pl.col(VenueClass.ATS.value)),
        pl.when("_in_others").then(pl.col(VenueClass.NON_ATS.value)),
    ]
