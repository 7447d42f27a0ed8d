"""`otc_consolidated_volume`: how much of a symbol traded everywhere, as a user's vendor says.

FINRA says what traded off exchange. The volume of all trading is no part of its data, so it is
given in files (`delivery.consolidated_files`), which this table is made of as a whole: it has no
partitions, and no build of a week reads it. Not here: the shares (the view
`otc_off_exchange_share`).
"""

from __future__ import annotations

import polars as pl

from spine_assets.core.table_schema import conform
from spine_assets.core.tables import Check, Column, Rule, Table, Type
from spine_assets.core.weeks import sessions_of
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables.common_checks import SCHEMA

MARKET = "*"
"""Instead of a symbol: all NMS stocks together (tapes A, B and C). No symbol is written so."""

MISSING_DAYS = "missing_days"

TABLE = Table(
    name="otc_consolidated_volume",
    description="Shares of all trading, on exchanges and off them, as your own files give them "
    "(`SPINE_CONSOLIDATED`); empty without such files. `spine run otc.consolidated` loads them.",
    grain="week x symbol, and symbol `*` for all NMS stocks together",
    key=("week_ending", "symbol"),
    sort=("week_ending", "symbol"),
    code_version="1",
    columns=(
        c.WEEK_ENDING,
        Column("symbol", Type.TEXT, "As in the files; `*` is all NMS stocks (tapes A, B and C)"),
        c.shares(
            "share_volume", "Shares of the week; null where a trading day is missing", nullable=True
        ),
        Column(MISSING_DAYS, Type.DATE_LIST, "Trading days of the week that the files do not have"),
        Column("source_files", Type.TEXT_LIST, "Files that have it, sorted"),
    ),
    checks=(
        Check(
            "schema",
            f"{SCHEMA} Each row of the files has a Friday or a trading day, a symbol, and shares "
            "from 0 on, and no symbol stands twice for one day or week.",
            remedy="Correct the rows that the sample names in your files, then `spine run "
            "otc.consolidated`. What was loaded before stays.",
            blocking=True,
        ),
    ),
    rules=(
        Rule(
            "share_volume is null where days are missing, and nowhere else",
            lambda: pl.col("share_volume").is_null() == (pl.col(MISSING_DAYS).list.len() > 0),
        ),
    ),
)


def build(rows: pl.DataFrame) -> pl.DataFrame:
    """Delivered rows -> `otc_consolidated_volume`.

    Args:
        rows: `week_ending`, `day`, `is_week` (the figure is that of the week), `symbol`,
            `share_volume` and `file`; no day or week of a symbol stands twice.
    """
    weeks = sorted({*rows["week_ending"]})
    sessions = pl.DataFrame(
        {"week_ending": weeks, "open": [sessions_of(week) for week in weeks]},
        {"week_ending": pl.Date(), "open": pl.List(pl.Date)},
    )
    is_known = pl.col(MISSING_DAYS).list.len() == 0
    frame = (
        rows.group_by("week_ending", "symbol")
        .agg(
            pl.col("share_volume").sum(),
            pl.col("is_week").all(),
            pl.col("day").alias("days"),
            pl.col("file").unique().sort().alias("source_files"),
        )
        .join(sessions, on="week_ending")
        .with_columns(
            pl.when("is_week")
            .then(pl.lit([], pl.List(pl.Date)))
            .otherwise(pl.col("open").list.set_difference("days").list.sort())
            .alias(MISSING_DAYS)
        )
        .with_columns(pl.when(is_known).then("share_volume").alias("share_volume"))
    )
    return conform(frame, TABLE)
