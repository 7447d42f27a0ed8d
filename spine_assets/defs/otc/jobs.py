"""Jobs: named selections of the OTC tables, as the pipelines and schedules start them."""

import dagster as dg

from spine_assets.defs.otc.specs import GROUP
from spine_assets.orchestration.run_config import LOGGED
from spine_assets.report import NAME as REPORT

INGESTED = ("otc_raw",)
NORMALIZED = ("otc_rejects", "otc_venue_volume")
SUMMARIZED = ("otc_symbol_summary", "otc_venue_share", "otc_restatements")
METRICS = (*NORMALIZED, *SUMMARIZED, REPORT)

otc_weekly_job = dg.define_asset_job(
    "otc_weekly",
    selection=dg.AssetSelection.groups(GROUP),
    config=LOGGED,
    description="All tables of the OTC domain and the report, for one week or a range of weeks.",
)
otc_ingest_job = dg.define_asset_job(
    "otc_ingest",
    selection=dg.AssetSelection.assets(*INGESTED),
    config=LOGGED,
    description="Capture what was delivered for a week.",
)
otc_normalize_job = dg.define_asset_job(
    "otc_normalize",
    selection=dg.AssetSelection.assets(*NORMALIZED),
    config=LOGGED,
    description="Split the captured lines of a week into accepted rows and rejects.",
)
otc_summarize_job = dg.define_asset_job(
    "otc_summarize",
    selection=dg.AssetSelection.assets(*SUMMARIZED),
    config=LOGGED,
    description="Symbol summaries, venue shares and restatements of a week.",
)
compute_otc_metrics_job = dg.define_asset_job(
    "compute_otc_metrics",
    selection=dg.AssetSelection.assets(*METRICS),
    config=LOGGED,
    description="All tables that are computed from captures, and the weekly report.",
)
otc_report_job = dg.define_asset_job(
    "otc_report",
    selection=dg.AssetSelection.assets(REPORT),
    config=LOGGED,
    description="The report of a week whose tables stand.",
)
