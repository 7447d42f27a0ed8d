"""`otc_control_totals`: FINRA's own sums of a week, with which ours are compared.

FINRA publishes the rows by symbol and venue summed up in three ways: by symbol, by firm, and over
all. They say the same as the rows, so they are never added to them; they prove that none is
missing.
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from spine_assets.core.table_schema import conform
from spine_assets.core.tables import BuildStage, Column, Rule, Table, Type
from spine_assets.otc.delivery.venue_id import UNATTRIBUTED, identified
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables.common_checks import schema_check
from spine_assets.otc.tables.venue_volume import name_without_mpid


class SummaryType(StrEnum):
    """What a total is summed over, as the end of FINRA's `summaryTypeCode`."""

    SYMBOL = "SMBL"
    FIRM = "FIRM"
    ALL = "VOL_STATS"


_PREFIX = r"^(ATS|OTC)_W_"
_PART = ("tier", "venue_class", "summary_type")
_KEY = (*_PART, "symbol", "mpid")

TABLE = Table(
    name="otc_control_totals",
    description="FINRA's own totals of a week: by symbol, by firm, and over all, of each tier and "
    "class for which they are delivered. They are sums of the rows of otc_venue_volume: compare "
    "with them, never add them to it. A week without such files has none.",
    grain="week x tier x venue class x summary type x symbol or venue",
    key=("week_ending", *_KEY),
    sort=(*_KEY, "source_line"),
    stage=BuildStage.NORMALIZE,
    code_version="1",
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.VENUE_CLASS,
        Column(
            "summary_type",
            Type.TEXT,
            "SMBL: of a symbol; FIRM: of a venue or firm over all symbols; VOL_STATS: over all",
            isin=tuple(item.value for item in SummaryType),
        ),
        Column("symbol", Type.TEXT, "Of SMBL the symbol, else null", nullable=True),
        Column(
            "mpid",
            Type.TEXT,
            "Of FIRM the venue, as in the other tables, else null; FINRA names every firm here",
            nullable=True,
        ),
        Column("issue_name", Type.TEXT, "Of SMBL the issue, else null", nullable=True),
        Column("venue_name", Type.TEXT, "Of FIRM the venue or firm, else null", nullable=True),
        # No lower bounds: FINRA's totals are kept as delivered.
        Column("share_volume", Type.SHARES, "Shares, as FINRA sums them", "shares"),
        Column("trade_count", Type.COUNT, "Trades, as FINRA sums them", "trades"),
        c.LAST_UPDATE_DATE,
        c.SOURCE_FILE,
        c.SOURCE_LINE,
        c.CAPTURE_ID_OF_BUILD,
        c.BUILD_ID,
    ),
    checks=(schema_check("A symbol stands just where the total is of one, a venue likewise."),),
    rules=(
        Rule("a symbol just in SMBL", lambda: _only_of("symbol", SummaryType.SYMBOL)),
        Rule("a venue just in FIRM", lambda: _only_of("mpid", SummaryType.FIRM)),
    ),
)


def build(captured: pl.DataFrame, build_id: str) -> pl.DataFrame:
    """Captured totals of a week -> `otc_control_totals`.

    Of each tier, class and summary type the rows of the last capture that has such count. Lines of
    one key are issues of one symbol, and are added up; a line that stands twice counts once.

    Args:
        captured: Rows of all captures of totals (columns of `otc_raw`), the greatest capture last.
        build_id: Written as `capture_id`.
    """
    is_firm = pl.col("summary_type") == SummaryType.FIRM.value
    is_symbol = pl.col("summary_type") == SummaryType.SYMBOL.value
    rows = (
        identified(captured)
        .with_columns(pl.col("summary_type").str.replace(_PREFIX, ""), tier=pl.col("tier_name"))
        .filter(pl.col("summary_type").is_in([item.value for item in SummaryType]))
        .filter(pl.col("capture_id") == pl.col("capture_id").last().over(_PART))
        .unique(["record_hash", "product_type", "summary_type", "venue_class"], keep="first")
        .with_columns(
            symbol=pl.when(is_symbol).then("symbol"),
            issue_name=pl.when(is_symbol).then("issue_name"),
            mpid=pl.when(is_firm).then(pl.col("venue_id").fill_null(UNATTRIBUTED)),
            venue_name=pl.when(is_firm).then(name_without_mpid()),
        )
        .sort(*_KEY, "share_volume", "source_line", descending=[*[False] * len(_KEY), True, False])
    )
    totals = rows.group_by("week_ending", *_KEY, maintain_order=True).agg(
        pl.col("share_volume", "trade_count").sum(),
        pl.col("last_update_date").max(),
        pl.col("issue_name", "venue_name", "source_file", "source_line").first(),
    )
    return conform(
        totals.with_columns(capture_id=pl.lit(build_id), build_id=pl.lit(build_id)), TABLE
    )


def of_firms(totals: pl.DataFrame) -> pl.DataFrame:
    """The totals of venues and firms alone."""
    return totals.filter(pl.col("summary_type") == SummaryType.FIRM.value)


def _only_of(name: str, kind: SummaryType) -> pl.Expr:
    return pl.col(name).is_not_null() == (pl.col("summary_type") == kind.value)
