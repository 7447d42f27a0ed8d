"""Jobs: the OTC tables by stage, as the pipelines and schedules start them."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import dagster as dg

from spine_assets.core.tables import BuildStage
from spine_assets.core.tags import AssetGroup
from spine_assets.orchestration.run_config import logged
from spine_assets.orchestration.site import Site, current, our_key, our_name, within
from spine_assets.otc.tables.registry import names_of
from spine_assets.report import NAME as REPORT

INGESTED = names_of(BuildStage.INGEST)
NORMALIZED = names_of(BuildStage.NORMALIZE)
SUMMARIZED = names_of(BuildStage.SUMMARIZE)
METRICS = (*NORMALIZED, *SUMMARIZED, REPORT)

Job = Any  # Dagster does not export the class of jobs whose assets are not resolved yet


def otc_jobs() -> tuple[Job, ...]:
    """The jobs of the current site, the same objects at each call."""
    return _made(current().prefix)


def our_job(name: str) -> Job:
    """One of them, by its name without a prefix."""
    (found,) = (job for job in otc_jobs() if job.name == our_name(name))
    return found


def _job(name: str, tables: Iterable[str], description: str) -> Job:
    assets = dg.AssetSelection.assets(*map(our_key, tables))
    return dg.define_asset_job(our_name(name), assets, config=logged(), description=description)


@cache
def _made(prefix: str) -> tuple[Job, ...]:
    with within(Site(prefix)):
        return (
            dg.define_asset_job(
                our_name("otc_weekly"),
                dg.AssetSelection.groups(our_name(AssetGroup.OTC.value)),
                config=logged(),
                description="All tables of the OTC domain and the report, for one week or a range "
                "of weeks.",
            ),
            _job("otc_ingest", INGESTED, "Capture what was delivered for a week."),
            _job(
                "otc_normalize",
                NORMALIZED,
                "Split the captured lines of a week into accepted rows and rejects.",
            ),
            _job("otc_summarize", SUMMARIZED, f"The summaries of a week: {', '.join(SUMMARIZED)}."),
            _job(
                "compute_otc_metrics",
                METRICS,
                "All tables that are computed from captures, and the weekly report.",
            ),
            _job("otc_report", (REPORT,), "The report of a week whose tables are built."),
        )


(
    otc_weekly_job,
    otc_ingest_job,
    otc_normalize_job,
    otc_summarize_job,
    compute_otc_metrics_job,
    otc_report_job,
) = otc_jobs()
