"""Jobs: named selections of the OTC tables, as the pipelines and schedules start them."""

import dagster as dg

from spine_assets.core.tables import BuildStage
from spine_assets.core.tags import AssetGroup
from spine_assets.orchestration.run_config import LOGGED
from spine_assets.otc.tables.registry import names_of
from spine_assets.report import NAME as REPORT

INGESTED = names_of(BuildStage.INGEST)
NORMALIZED = names_of(BuildStage.NORMALIZE)
SUMMARIZED = names_of(BuildStage.SUMMARIZE)
METRICS = (*NORMALIZED, *SUMMARIZED, REPORT)

otc_weekly_job = dg.define_asset_job(
    "otc_weekly",
    selection=dg.AssetSelection.groups(AssetGroup.OTC.value),
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
    description=f"The summaries of a week: {', '.join(SUMMARIZED)}.",
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
