"""The function of the pipeline `symbol_swings`: a table made by Polars instead of SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from spine_assets.pipelines import StepContext


def swings(frames: Mapping[str, pl.LazyFrame], context: StepContext) -> pl.DataFrame:
    """The week's volume of a symbol against its greatest of the weeks given.

    Args:
        frames: `otc_symbol_summary`, the run's week and those before.
        context: The run that the step belongs to.

    Returns:
        One row per symbol of the run's week: `symbol`, `of_greatest_pct` (0-100).
    """
    import polars as pl  # polars is slow to import

    volume = pl.col("total_volume")
    by_week = (
        frames["otc_symbol_summary"]
        .group_by("week_ending", "symbol")
        .agg(pl.col("total_volume").sum().cast(pl.Float64))
    )
    greatest = by_week.group_by("symbol").agg(pl.col("total_volume").max().alias("greatest"))
    return (
        by_week.filter(pl.col("week_ending") == context.week_ending)
        .join(greatest, on="symbol")
        .select("symbol", (100 * volume / pl.col("greatest")).alias("of_greatest_pct"))
        .collect()
    )
