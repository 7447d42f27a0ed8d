"""Jobs: the OTC tables by stage, as the pipelines and schedules start them."""

from functools import partial

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

_job = partial(dg.define_asset_job, config=LOGGED)

otc_weekly_job = _job(
    "otc_weekly",
    dg.AssetSelection.groups(AssetGroup.OTC.value),
    description="All tables of the OTC domain and the report, for one week or a range of weeks.",
)
otc_ingest_job = _job("otc_ingest", INGESTED, description="Capture what was delivered for a week.")
otc_normalize_job = _job(
    "otc_normalize",
    NORMALIZED,
    description="Split the captured lines of a week into accepted rows and rejects.",
)
otc_summarize_job = _job(
    "otc_summarize", SUMMARIZED, description=f"The summaries of a week: {', '.join(SUMMARIZED)}."
)
compute_otc_metrics_job = _job(
    "compute_otc_metrics",
    METRICS,
    description="All tables that are computed from captures, and the weekly report.",
)
otc_report_job = _job(
    "otc_report", (REPORT,), description="The report of a week whose tables are built."
)
