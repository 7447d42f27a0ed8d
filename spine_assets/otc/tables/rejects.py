"""`otc_rejects`: every line that is not in the tables, and why."""

from __future__ import annotations

from typing import Any

import polars as pl

from spine_assets.core.table_schema import conform, plain_shares, polars_schema
from spine_assets.core.tables import BuildStage, Column, Table, Type
from spine_assets.otc.delivery.reasons import RejectReason, Stage
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables import run_figures

TABLE = Table(
    name="otc_rejects",
    description="Lines that are not in the tables, with the reason. Stage `parse`: the line "
    "could not be typed; append-only, one set per capture. Stage `rule`: the row breaks a rule "
    "of the feed; replaced with each build from the current captures.",
    grain="one rejected line of one capture",
    key=(),
    stage=BuildStage.NORMALIZE,
    code_version="1",
    figures=run_figures.of_rejects,
    deps=("otc_raw",),
    columns=(
        c.CAPTURE_ID,
        c.WEEK_ENDING,
        Column("stage", Type.TEXT, "Where it was rejected", isin=tuple(s.value for s in Stage)),
        Column("reason", Type.TEXT, "Primary reason", isin=tuple(r.value for r in RejectReason)),
        Column("field", Type.TEXT, "Delivered field that is wrong, if it is one", nullable=True),
        Column("detail", Type.TEXT, "What was found, all reasons"),
        Column("share_volume", Type.SHARES, "Shares of the line, if readable", "shares", True),
        Column(
            "raw_line",
            Type.TEXT,
            "The line: as delivered at stage parse, written again from the row at stage rule",
        ),
        c.SOURCE_FILE,
        c.SOURCE_LINE,
        c.CAPTURED_AT,
    ),
    lineage={"raw_line": (("otc_raw", "source_line"),)},
)

_DELIVERED = (  # columns of `otc_raw` in the order of FINRA's header
    "tier",
    "symbol",
    "issue_name",
    "venue_name",
    "mpid",
    "share_volume",
    "trade_count",
    "last_update_date",
)


def from_parse(found: pl.DataFrame, stamp: dict[str, Any]) -> pl.DataFrame:
    """Parse rejects of one file -> `otc_rejects` rows of its capture."""
    stamped = found.with_columns(
        stage=pl.lit(Stage.PARSE.value), **{name: pl.lit(value) for name, value in stamp.items()}
    )
    return conform(stamped, TABLE)


def from_rules(broken: pl.DataFrame) -> pl.DataFrame:
    """Rows that break a rule (`row_rules.split`) -> `otc_rejects` rows, by file and line.

    The line is written again from the row's columns in the order of FINRA's header.
    """
    if broken.is_empty():
        return pl.DataFrame(schema=polars_schema(TABLE))
    frame = broken.with_columns(stage=pl.lit(Stage.RULE.value), raw_line=written_again())
    return conform(frame, TABLE).sort("source_file", "source_line")


def written_again() -> pl.Expr:
    """FINRA's eight fields of a row of `otc_raw` as text, in the order of its header.

    Figures have no more zeros than they need; the delivered text may have had more, and spaces.
    """
    texts = (
        plain_shares(name) if name == "share_volume" else pl.col(name).cast(pl.String)
        for name in _DELIVERED
    )
    return pl.concat_str([text.fill_null("") for text in texts], separator="|")
