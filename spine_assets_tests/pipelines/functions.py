"""Functions for steps of `polars.python`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import duckdb
import polars as pl

from spine_assets.pipelines import StepContext


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


class Mute(Exception):
    """An error that cannot say what is wrong, nor be passed between processes."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __str__(self) -> str:
        raise RuntimeError("mute")


def fails_oddly(frames: Mapping[str, pl.LazyFrame], context: StepContext) -> pl.DataFrame:
    """Ends otherwise than by a common error, as the step's name says."""
    match context.step_id:
        case "exits":
            sys.exit(0)
        case "interrupted":
            raise KeyboardInterrupt
        case "panics":  # Polars knows no intervals; its panic is no Exception
            return pl.DataFrame(duckdb.sql("SELECT INTERVAL 1 DAY AS symbol, 1.0 AS twice"))
        case "long":
            raise ValueError("x" * 1_000_000)
        case _:
            raise Mute


def leaves_a_child(frames: Mapping[str, pl.LazyFrame], context: StepContext) -> pl.DataFrame:
    """Prints, starts a process and forgets it, or waits for it."""
    child = subprocess.Popen(["sleep", "3600"])
    print("printed by a function")  # noqa: T201 - that is what is tried
    (context.workspace.data_dir / "child.pid").write_text(str(child.pid))
    if context.step_id == "waits":
        child.wait()
    return pl.DataFrame({"symbol": ["A"], "twice": [1.0]})


def records_an_error(frames: Mapping[str, pl.LazyFrame], context: StepContext) -> pl.DataFrame:
    """Records an error and goes on."""
    context.anomalies.record("WRONG_UNIT", "volumes are in lots", severity="ERROR")
    return _volumes(frames)


def records_and_fails(frames: Mapping[str, pl.LazyFrame], context: StepContext) -> pl.DataFrame:
    """Records a warning, and then fails."""
    context.anomalies.record("ODD", "seen")
    raise ValueError("and then it fails")


def records_its_week(frames: Mapping[str, pl.LazyFrame], context: StepContext) -> pl.DataFrame:
    """Records the week that it is given."""
    found = _volumes(frames)
    context.anomalies.record(
        "WEEK", "seen", "info", {"week": context.week_ending, "symbols": found.height}
    )
    return found


def _volumes(frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    return frames["otc_symbol_summary"].select("symbol", "total_volume").collect()
