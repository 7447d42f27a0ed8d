"""The pipelines of the OTC domain, by the names that Market Spine's users know."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from spine_assets.core.settings import load_settings
from spine_assets.core.weeks import stretches
from spine_assets.defs.otc.consolidated import JOB as CONSOLIDATED
from spine_assets.defs.otc.jobs import METRICS, NORMALIZED, SUMMARIZED
from spine_assets.lake.opening import open_lake
from spine_assets.otc.delivery.submit import Asserted, submit
from spine_assets.pipelines.catalog import Parameter, ParameterKind, Pipeline, PipelinePlan, RunPlan
from spine_assets.pipelines.weeks_to_build import stale_weeks
from spine_assets.report import NAME as REPORT

_FILE = Parameter("file_path", ParameterKind.FILE, "FINRA's file; copied into the landing folder")
_ASSERTED = (
    Parameter("tier", ParameterKind.TIER, "the tier of the file"),
    Parameter("venue_class", ParameterKind.VENUE_CLASS, "the class of the file"),
)
_FORCE = Parameter("force", ParameterKind.FLAG, "build also what is unchanged", default=False)
_WEEK = Parameter("week_ending", ParameterKind.WEEK, "the week's Friday", required=True)
_WEEK_OR_STALE = Parameter(
    "week_ending", ParameterKind.WEEK, "the week's Friday; default: every stale week"
)


def _of_week(values: Mapping[str, Any], dry_run: bool) -> PipelinePlan:
    """The given week, after its file is copied in if one is given."""
    notes = _copied_in(values, dry_run)[1] if values.get("file_path") else []
    week = values["week_ending"]
    return PipelinePlan([RunPlan(week, week, _config(values))], notes)


def _of_file(values: Mapping[str, Any], dry_run: bool) -> PipelinePlan:
    """The weeks that a file holds."""
    weeks, notes = _copied_in(values, dry_run)
    return PipelinePlan([RunPlan(*part, _config(values)) for part in stretches(weeks)], notes)


def _of_stale(tables: Collection[str]) -> Any:
    """A plan of the given week, or of all weeks in which one of these tables is stale."""

    def plan(values: Mapping[str, Any], dry_run: bool) -> PipelinePlan:
        week = values["week_ending"]
        if week is not None:
            return PipelinePlan([RunPlan(week, week, _config(values))])
        settings = load_settings()
        weeks = settings.built_weeks(stale_weeks(open_lake(settings.lake_place), tables))
        notes = [] if weeks else [f"nothing is stale: {', '.join(tables)} are up to date"]
        return PipelinePlan([RunPlan(*part, _config(values)) for part in stretches(weeks)], notes)

    return plan


def _of_files(values: Mapping[str, Any], dry_run: bool) -> PipelinePlan:
    """One run over all files of consolidated volume."""
    place = load_settings().consolidated_path
    notes = [] if place.exists() else [f"there is no {place}: the table will be empty"]
    return PipelinePlan([RunPlan()], notes)


def _copied_in(values: Mapping[str, Any], dry_run: bool) -> tuple[list[Any], list[str]]:
    asserted = Asserted(values.get("week_ending"), values["tier"], values["venue_class"])
    landing = load_settings().landing_path
    done = submit(values["file_path"], landing, asserted, dry_run=dry_run)
    where = done.path.relative_to(landing.resolve())
    copied = "would copy" if dry_run else "copied"
    return done.weeks, [f"{copied if done.copied else 'exists already'}: {where}"]


def _config(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"ops": {"otc_week": {"config": {"force": True}}}} if values.get("force") else {}


PIPELINES = (
    Pipeline(
        "otc.weekly",
        "All tables of a week and its report, after its file is copied in if one is given.",
        "otc_weekly",
        _of_week,
        (_WEEK, _FILE, *_ASSERTED, _FORCE),
    ),
    Pipeline(
        "otc.ingest_week",
        "Capture a week's files, after one is copied in if it is given.",
        "otc_ingest",
        _of_week,
        (_WEEK, _FILE, *_ASSERTED),
    ),
    Pipeline(
        "otc.ingest",
        "Copy a file in and capture the weeks that it holds.",
        "otc_ingest",
        _of_file,
        (Parameter(_FILE.name, _FILE.kind, _FILE.description, required=True), *_ASSERTED),
    ),
    Pipeline(
        "otc.normalize",
        f"Split captured lines into accepted rows and rejects: {' and '.join(NORMALIZED)}.",
        "otc_normalize",
        _of_stale(NORMALIZED),
        (_WEEK_OR_STALE, _FORCE),
    ),
    Pipeline(
        "otc.summarize",
        f"The summaries of a week: {', '.join(SUMMARIZED)}.",
        "otc_summarize",
        _of_stale(SUMMARIZED),
        (_WEEK_OR_STALE, _FORCE),
    ),
    Pipeline(
        "compute_otc_metrics",
        "Every table that is computed from captures, and the weekly report.",
        "compute_otc_metrics",
        _of_stale(METRICS),
        (_WEEK_OR_STALE, _FORCE),
    ),
    Pipeline(
        "otc.report",
        "The report of a week whose tables are built: one HTML page, and the index of all weeks.",
        "otc_report",
        _of_stale((REPORT,)),
        (_WEEK_OR_STALE, _FORCE),
    ),
    Pipeline(
        "otc.consolidated",
        "Load your own files of consolidated volume, of which off-exchange shares are parts.",
        CONSOLIDATED,
        _of_files,
    ),
)
