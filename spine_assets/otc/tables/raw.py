"""`otc_raw`: every line of every capture that could be typed, as delivered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from spine_assets.core.table_schema import conform, polars_schema, polars_type
from spine_assets.core.tables import BuildStage, Check, Column, Table, Type
from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables.common_checks import schema_check

TABLE = Table(
    name="otc_raw",
    description="Lines as FINRA delivered them, typed and otherwise untouched. Captures are "
    "append-only: a corrected file adds a capture, the earlier one stays. For the current "
    "capture of each tier and class alone, query the view otc_raw_current.",
    grain="one accepted line of one capture (a delivered file's content)",
    key=("capture_id", "source_line"),
    sort=("capture_id", "source_line"),
    stage=BuildStage.INGEST,
    code_version="3",
    columns=(
        c.CAPTURE_ID,
        c.WEEK_ENDING,
        Column(
            "tier", Type.TEXT, "tierDescription as delivered; tier_name is the same in all tables"
        ),
        replace(c.TIER, name="tier_name"),
        Column("symbol", Type.TEXT, "Issue symbol as delivered; may be blank"),
        c.ISSUE_NAME,
        Column("venue_name", Type.TEXT, "marketParticipantName as delivered"),
        Column("mpid", Type.TEXT, "MPID as delivered, null when blank", nullable=True),
        Column(
            "firm_crd",
            Type.TEXT,
            "Digits of firmCRDNumber, null where not delivered",
            nullable=True,
        ),
        c.VENUE_CLASS,
        Column("product_type", Type.TEXT, "productTypeCode, null where none", nullable=True),
        Column("summary_type", Type.TEXT, "summaryTypeCode, null where none", nullable=True),
        # No lower bound: a negative figure is kept as delivered and is a rule reject.
        Column("share_volume", Type.SHARES, "Shares executed in the week", "shares"),
        Column("trade_count", Type.COUNT, "Trades executed in the week", "trades"),
        Column(
            "notional",
            Type.SHARES,
            "totalNotionalSum, to six decimal places",
            "US dollars",
            nullable=True,
        ),
        c.LAST_UPDATE_DATE,
        Column("initial_published_date", Type.DATE, "First publication", nullable=True),
        Column("last_reported_date", Type.DATE, "Last day a firm sent data", nullable=True),
        Column(
            "extra",
            Type.TEXT,
            "Delivered columns that have no column here, as texts",
            nullable=True,
        ),
        Column(
            "notes",
            Type.TEXT,
            "What is not as delivered: reason and field, separated by semicolons; null for most",
            nullable=True,
        ),
        c.RECORD_HASH,
        c.SOURCE_FILE,
        c.SOURCE_LINE,
        c.CAPTURED_AT,
    ),
    checks=(
        Check(
            "conservation",
            "Lines, rows and shares of each file are all accounted for: lines (counted on the "
            "bytes, not by the parser) = header + blank + rows + parse rejects.",
            remedy="The parser lost or invented a line. Keep the file that "
            "`spine anomalies --week WEEK` names, and report it with that sample. What was "
            "published before stays.",
            blocking=True,
        ),
        schema_check(),
        Check(
            "not_mixed",
            "All rows of the week and of the other weeks are FINRA's, or all are synthetic: issue "
            "names that end with `(synthetic)` are of the project's own generator.",
            remedy="`spine sample remove` takes synthetic files and what was built of them out of "
            "the data folder, and leaves FINRA's; then `spine backfill WEEK`. To keep both, give "
            "one of them a folder of its own with SPINE_DATA_DIR. What was published before stays.",
            blocking=True,
        ),
        Check(
            "delivery",
            "Every tier and usual class arrived by its publication day, no file looks cut or "
            "misplaced, none is unusable, and each later capture is current or was decided on.",
            remedy="Each finding says what to do: `spine fetch --week WEEK`, or a download dropped "
            "into the landing folder, brings what is late, missing or cut. `spine status` lists "
            "files that cannot be used, and why. `spine captures use CAPTURE_ID` decides which "
            "capture is current or accepts one that looks odd; then `spine backfill WEEK`.",
            compares_weeks=True,
        ),
        Check(
            "rejects",
            "No line was rejected; a warning up to 1% of the week's lines, an error above, or "
            "where a reason is one of a damaged file.",
            remedy="`spine query \"FROM otc_rejects WHERE week_ending = 'WEEK'\"` shows each line "
            "with its reason, and the data dictionary what to do for each reason. A corrected "
            "file, dropped in or fetched with `spine fetch --week WEEK`, replaces the old one. "
            "Above 1% of the lines, suspect all of the file.",
        ),
        Check(
            "notes",
            "No value of an optional column was left out, no symbol or MPID was trimmed of "
            "invisible characters, and no name that holds the separator was put together. Amounts "
            "in floating point are rounded, which is counted only.",
            remedy="The lines and their volume are in the tables. "
            "`spine query \"FROM otc_raw_current WHERE week_ending = 'WEEK' AND notes != ''\"` "
            "shows them: a date, amount or CRD number that is null there was not readable, so "
            "leave it out of a query that needs it.",
        ),
    ),
)

_TEXT_OR_NULL = {
    "mpid": "MPID",
    "firm_crd": "firmCRDNumber",
    "product_type": "productTypeCode",
    "summary_type": "summaryTypeCode",
}
_VALUE_OR_NULL = {
    "notional": "totalNotionalSum",
    "initial_published_date": "initialPublishedDate",
    "last_reported_date": "lastReportedDate",
}


def empty() -> pl.DataFrame:
    """The table without rows."""
    return pl.DataFrame(schema=polars_schema(TABLE))


def build(
    rows: pl.DataFrame, tier: Tier, venue_class: VenueClass, stamp: dict[str, Any]
) -> pl.DataFrame:
    """Typed rows of one file -> `otc_raw` rows of its capture.

    Args:
        rows: Typed rows under the delivered names (`file_format.ParsedFile.rows`).
        tier: Tier of the file.
        venue_class: Class of the file.
        stamp: capture_id, week_ending, source_file and captured_at.
    """
    present = set(rows.columns)

    def text_or_null(name: str) -> pl.Expr:
        if name not in present:
            return pl.lit(None, pl.String)
        return pl.when(pl.col(name) != "").then(pl.col(name))

    frame = rows.select(
        tier="tierDescription",
        symbol="issueSymbolIdentifier",
        issue_name="issueName",
        venue_name="marketParticipantName",
        share_volume="totalWeeklyShareQuantity",
        trade_count="totalWeeklyTradeCount",
        last_update_date="lastUpdateDate",
        extra="extra",
        notes="notes",
        record_hash="record_hash",
        source_line="source_line",
        tier_name=pl.lit(tier.value),
        venue_class=pl.lit(venue_class.value),
        **{name: text_or_null(source) for name, source in _TEXT_OR_NULL.items()},
        **{
            name: pl.col(source)
            if source in present
            else pl.lit(None, polars_type(TABLE.column(name).type))
            for name, source in _VALUE_OR_NULL.items()
        },
        **{name: pl.lit(value) for name, value in stamp.items()},
    )
    return conform(frame, TABLE)
