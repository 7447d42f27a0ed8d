"""`otc_restatements`: what FINRA restated, and what persons pinned, as rows that can be queried.

Belongs here: the declaration. The rows are made in `build.restatement_rows`, two captures are
compared in `build.corrections`, and the checks are in `checks.restatements`.
"""

from __future__ import annotations

import polars as pl

from spine_assets.core.tables import BuildStage, Check, Column, Rule, Table, Type
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables import run_figures
from spine_assets.otc.tables.common_checks import reconciles_check, schema_check


def _time(name: str, description: str) -> Column:
    return Column(name, Type.TIMESTAMP, description, "UTC")


def _rows(name: str, description: str) -> Column:
    return Column(name, Type.COUNT, description, "rows", ge=0)


_COUNTED = (("otc_raw", "symbol"), ("otc_raw", "mpid"), ("otc_raw", "capture_id"))
_FIGURES = (("otc_raw", "share_volume"), ("otc_raw", "trade_count"))
_SHARES = (("otc_raw", "share_volume"), ("otc_raw", "capture_id"))

TABLE = Table(
    name="otc_restatements",
    description="Each time another capture of a tier and class became current, by its later update "
    "or by a pin: what that changed in the rows of otc_venue_volume. A week that was never "
    "restated has none. `spine diff WEEK` lists the rows.",
    grain="one step by which a capture displaced another: week x tier x venue class x step",
    # Not the two captures: a pin and its release make the same step twice.
    key=("week_ending", "tier", "venue_class", "step"),
    sort=("tier", "venue_class", "step"),
    deps=("otc_raw", "otc_rejects"),
    stage=BuildStage.SUMMARIZE,
    code_version="1",  # goes up with that of otc_venue_volume too, whose rows are compared
    figures=run_figures.of_restatements,
    depends_on_history=True,
    columns=(
        c.WEEK_ENDING,
        c.TIER,
        c.VENUE_CLASS,
        Column("step", Type.COUNT, "1 = the first of its week, tier and class", ge=1),
        Column("from_capture_id", Type.TEXT, "The capture that was current until then"),
        Column("to_capture_id", Type.TEXT, "The capture that is current from then on"),
        _time("captured_from", "When the earlier one was captured"),
        _time("captured_to", "When the later one was captured"),
        _time("displaced_at", "When the one displaced the other: a capture or a pin"),
        _rows("rows_before", "Rows of otc_venue_volume until then"),
        _rows("rows_after", "Rows of otc_venue_volume from then on"),
        _rows("rows_added", "Rows that were not there before"),
        _rows("rows_removed", "Rows that are no longer there"),
        _rows("rows_changed", "Rows with other shares or trades"),
        _rows("rows_relabelled", "Rows with the same figures and another name or update date"),
        c.shares("shares_before", "Shares until then"),
        c.shares("shares_after", "Shares from then on"),
        Column(
            "share_change_pct",
            Type.RATIO,
            "Change of the shares, null where there were none before",
            "percent",
            nullable=True,
            ge=-100,
        ),
        Column("last_update_date", Type.DATE, "Latest update by FINRA in the later capture"),
        c.CAPTURE_ID_OF_BUILD,
        c.BUILD_ID,
    ),
    checks=(
        schema_check("No capture displaces itself."),
        reconciles_check(
            "Rows after - rows before = added - removed; each step begins where the one before it "
            "ended; the last one ends in the current otc_raw without its rule rejects, in rows "
            "and in shares"
        ),
        Check(
            "size",
            "No restatement changed the shares of its tier and class by more than 5%, or touched "
            "more than 10% of the rows.",
            remedy="`spine diff WEEK` shows the rows that came, went and changed: compare them "
            "with FINRA's page. Where the later capture is wrong, `spine captures use CAPTURE_ID` "
            "chooses the earlier one, and `spine backfill WEEK` builds the week from it.",
        ),
    ),
    rules=(
        Rule(
            "a capture displaces another",
            lambda: pl.col("from_capture_id") != pl.col("to_capture_id"),
        ),
    ),
    lineage={
        "week_ending": (("otc_raw", "week_ending"),),
        "tier": (("otc_raw", "tier"),),
        "venue_class": (("otc_raw", "venue_class"),),
        "from_capture_id": (("otc_raw", "capture_id"),),
        "to_capture_id": (("otc_raw", "capture_id"),),
        "captured_from": (("otc_raw", "captured_at"),),
        "captured_to": (("otc_raw", "captured_at"),),
        **dict.fromkeys(("rows_before", "rows_after", "rows_added", "rows_removed"), _COUNTED),
        **dict.fromkeys(("rows_changed", "rows_relabelled"), (*_COUNTED, *_FIGURES)),
        **dict.fromkeys(("shares_before", "shares_after", "share_change_pct"), _SHARES),
        "last_update_date": (("otc_raw", "last_update_date"),),
    },
)
