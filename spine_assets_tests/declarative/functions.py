"""Functions for steps of `polars.python`."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from spine_assets.declarative.engine import StepContext


def doubled(frames: Mapping[str, pl.LazyFrame], context: StepContext) -> pl.DataFrame:
    """Twice the volume of each symbol."""
    volume = pl.col("total_volume").cast(pl.Float64)
    return (
        frames["otc_symbol_summary"]
        .group_by("symbol")
        .agg((2 * volume.sum()).alias("twice"))
        .collect()
    )


def weeks_seen(frames: Mapping[str, pl.LazyFrame], context: StepContext) -> pl.DataFrame:
    """Which weeks it is given."""
    weeks = frames["otc_symbol_summary"].select("week_ending").unique().collect()
    seen = ",".join(sorted(str(day) for day in weeks["week_ending"]))
    return pl.DataFrame({"symbol": [seen], "twice": [0.0]})


def nothing(frames: Mapping[str, pl.LazyFrame], context: StepContext) -> None:
    """A function that forgets to return."""
