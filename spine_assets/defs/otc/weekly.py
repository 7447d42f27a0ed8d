"""The weekly multi-asset: one step builds one week or a range of weeks.

It is one multi-asset and not an asset per table, because in a run of several weeks only a step that
yields its own events can mark each week as good or bad. A bad week then stops no other week.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb

from spine_assets.core.progress import Progress
from spine_assets.core.settings import load_settings
from spine_assets.core.text import MOST_NAMED, Shown, counted
from spine_assets.defs.otc import retry_policy
from spine_assets.defs.otc.retry_policy import FailureCause
from spine_assets.defs.otc.specs import check_specs, weekly_specs
from spine_assets.defs.resources import Spine
from spine_assets.lake import lock_wait
from spine_assets.lake.base import Lake, LakeError
from spine_assets.lake.format import lake_id
from spine_assets.lake.names import LockName
from spine_assets.orchestration import run_locks
from spine_assets.orchestration.asset_events import Event, check_outputs, events_of
from spine_assets.orchestration.database import refresh_database
from spine_assets.orchestration.history import is_temporary
from spine_assets.orchestration.history.lake_identity import OtherLake, require_same_lake
from spine_assets.orchestration.landing_events import report_delivered, report_usable
from spine_assets.orchestration.partitions import weeks_of
from spine_assets.orchestration.progress_events import log_progress
from spine_assets.orchestration.reconcile import reconcile
from spine_assets.orchestration.site import our_key, our_name, our_resource, ours, plain_name
from spine_assets.otc.build.week_range import ManyWeeks
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pending import input_of
from spine_assets.otc.state.build_context import RunContext
from spine_assets.otc.state.results import CheckResult, NoInput, TableBuilt, WeekResult
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import TABLES, table, with_rejects, with_upstream
from spine_assets.questions.declared import NothingFound
from spine_assets.questions.otc import open_data
from spine_assets.report import NAME as REPORT
from spine_assets.report import browse, index
from spine_assets.report.building import Reports

# A full disk or a lost mount may recover within seconds; after that the sensor decides.
MAX_RETRIES = 2
FIRST_WAIT_SECONDS = 5  # then twice as long each time


class WeekBuildConfig(dg.Config):
    """Options of a run."""

    force: bool = False
    """Build also weeks whose inputs and code are unchanged."""


@dataclass
class _Tally:
    """The results of a run so far, by week."""

    total: int
    started: float = field(default_factory=time.perf_counter)
    done: set[date] = field(default_factory=set)
    rows: int = 0
    failures: dict[date, str] = field(default_factory=dict)
    transient: set[date] = field(default_factory=set)

    def add(self, result: WeekResult) -> Progress:
        """Count a week, once even if it has two results; return the progress of the run."""
        built = [event for event in result.events if isinstance(event, TableBuilt)]
        if result.week not in self.done:
            self.rows += sum(item.facts["rows"] for item in built if item.table == raw.TABLE.name)
        self.done.add(result.week)
        if built:  # a second build replaces the result of the first
            self.failures.pop(result.week, None)
            self.transient.discard(result.week)
        if result.error is not None:
            self.failures[result.week] = str(result.error)
            if result.is_transient:
                self.transient.add(result.week)
        seconds = time.perf_counter() - self.started
        return Progress(len(self.done), self.total, self.rows, len(self.failures), seconds)

    def require_success(self, retry_number: int) -> None:
        """Fail if a week did.

        Raises:
            RetryRequested: one of them had a transient error, and there are tries left.
            Failure: otherwise.
        """
        if self.transient and retry_number < MAX_RETRIES:
            wait = FIRST_WAIT_SECONDS * 2**retry_number
            raise dg.RetryRequested(MAX_RETRIES, wait) from self.failure()
        if self.failures:
            raise self.failure()

    def failure(self) -> dg.Failure:
        """All bad weeks with their errors, as text and as metadata."""
        named_texts = [*self.failures.values()][:MOST_NAMED]
        if more := len(self.failures) - len(named_texts):
            named_texts.append(f"and {more:,} more")
        return dg.Failure(
            description="\n".join(
                [f"{len(self.failures)} of {self.total} weeks failed:", *named_texts]
            ),
            metadata={
                "failed_weeks": [str(week) for week in self.failures],
                "failures": {str(week): Shown(error) for week, error in self.failures.items()},
            },
            allow_retries=False,
        )


def backfill_policy(weeks_per_run: int | None) -> dg.BackfillPolicy:
    """How a backfill becomes runs: one run for all weeks, or one per so many weeks."""
    if weeks_per_run is None:
        return dg.BackfillPolicy.single_run()
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=weeks_per_run)


@dg.definitions
def weekly_assets() -> dg.Definitions:
    """The assets of a week. Settings are read when Dagster loads them, not at import."""
    made = dg.multi_asset(
        name=our_name("otc_week"),
        specs=weekly_specs(),
        check_specs=check_specs(),
        can_subset=True,
        required_resource_keys={our_name("spine")},
        backfill_policy=backfill_policy(load_settings().weeks_per_run),
    )
    return dg.Definitions([made(ours(otc_week))])


def otc_week(
    context: dg.AssetExecutionContext, config: WeekBuildConfig
) -> Iterator[Event | dg.Output[None]]:
    """Capture what arrived for each week and build the selected tables from it."""
    if context.job_def.executor_def.name == dg.in_process_executor.name:
        run_locks.hold_until_exit(context.instance, context.run)  # the run is in this process
    with lock_wait.working_on(f"run {context.run.run_id}"):
        yield from _built(context, config)
    yield from check_outputs(context)


def _built(context: dg.AssetExecutionContext, config: WeekBuildConfig) -> Iterator[Event]:
    """The events of the weeks, tables and checks; fails at the end if a week failed."""
    _warn_of_lost_history(context)
    spine: Spine = our_resource(context, "spine")
    weeks = weeks_of(context)
    assets = {plain_name(key) for key in context.selected_asset_keys}
    tables = with_rejects(assets - {REPORT})
    if_new = {raw.TABLE.name, *with_upstream(tables)} if tables else set()
    if REPORT in assets:
        if_new = {item.name for item in TABLES}
    checks = {
        (plain_name(key.asset_key), key.name) for key in context.selected_asset_check_keys
    } | {(name, check.name) for name in if_new - assets for check in table(name).checks}
    with spine.opened() as (opened, scan):
        try:
            require_same_lake(context.instance, opened.lake)
        except OtherLake as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        identity = lake_id(opened.lake)
        run = ManyWeeks(
            weeks, tables, opened, scan, if_new=if_new, force=config.force, limits=spine.limits()
        )
        if missing := len(weeks) - len(run.weeks):
            context.log.info(f"{missing} of {len(weeks)} weeks have no input")
        tally = _Tally(len(run.weeks))
        reports = Reports(run.context, force=config.force) if REPORT in assets else None
        for result in run.results() if assets else run.checked(checks):
            if reports:
                reports.add(result, run.context)
            yield from _events(context, result, assets | if_new, checks, identity)
            _log(context, result, tally.add(result))
        if reports:
            _later_reports(context, reports, identity)
        landing = run.context.landing
        report_delivered(context.instance, landing, run.weeks)
        report_usable(context.instance, landing)
        if assets:
            _agree(context, opened.lake, weeks)
            refresh_database(context.instance, opened.lake, context.log)
        if reports:
            _write_pages(context, opened.lake)
        if retry_policy.INPUT in context.run.tags:
            _tag_run(context, run.context, weeks, tally)
    tally.require_success(context.retry_number)


def _write_pages(context: dg.AssetExecutionContext, lake: Lake) -> None:
    """Write the pages per symbol and venue beside the reports; a failure to do so is a warning.

    Not into a bucket: `spine report --symbol` writes them into a folder.
    """
    if not isinstance(lake.root, Path):
        return
    begun = time.perf_counter()
    try:
        folder = lake.root / REPORT
        with lake.lock_of(LockName.REPORTS):
            browse.remove_leftovers(folder)  # also where the pages are as they should be
        if browse.is_fresh(lake, folder) and index.is_newer(folder):
            return
        found = browse.write(lake, folder, open_data())
        index.write(lake)
    except (NothingFound, LakeError, OSError, duckdb.Error) as error:
        context.log.warning(f"the pages of symbols and venues are not written: {error}")
        return
    context.log.info(
        f"{counted(len(found.symbols), 'page')} of symbols and {len(found.venues)} of venues: "
        f"{found.written} changed in {time.perf_counter() - begun:.1f} s "
        f"({found.bytes / 1_000_000:,.1f} MB)"
    )


def _warn_of_lost_history(context: dg.AssetExecutionContext) -> None:
    """Warn where Dagster forgets the run: Dagster itself logs that as information only."""
    if is_temporary(context.instance):
        context.log.warning(
            "Dagster forgets this run when the command ends: DAGSTER_HOME is not set, and no "
            "dagster.yaml in the working folder names a storage for its history. The tables stay "
            f"in {load_settings().lake_place}. Run it where a dagster.yaml is (spine init makes "
            "one) or set DAGSTER_HOME; spine doctor --repair then records what is in the lake"
        )


def _agree(context: dg.AssetExecutionContext, lake: Lake, weeks: list[date]) -> None:
    """Record what is stored of these weeks and unknown to Dagster; wipe records without a file."""
    try:
        found = reconcile(context.instance, lake, weeks)
    except LakeError as error:
        context.log.warning(f"Dagster's record was not compared with the lake: {error}")
        return
    for named, what in (
        (found.unrecorded, "stored, and were not recorded: the record is made"),
        (found.lost, "recorded, and no file of them is stored: the record is removed"),
    ):
        if named:
            tables = sum(map(len, named.values()))
            context.log.info(f"{tables} tables of {len(named)} weeks are {what}")


def _later_reports(
    context: dg.AssetExecutionContext, reports: Reports, identity: str | None
) -> None:
    """Reports of weeks outside this run that compare with one of its weeks; then the index.

    They are reported to Dagster apart from the run, which a backfill would count as more weeks than
    it has. One that cannot be made does not fail this run: the run of its own week makes it, and
    until then `spine doctor` reports it as stale.
    """
    for result in reports.rebuild_stale():
        for event in _events(context, result, {REPORT}, set(), identity):
            context.instance.report_runless_asset_event(event)
        if result.error is not None:
            context.log.warning(f"the report of {result.week} is not updated: {result.error}")
        else:
            context.log.info(
                f"week {result.week}: its report shows a week of this run and was updated"
            )
    reports.close()


def _log(context: dg.AssetExecutionContext, result: WeekResult, now: Progress) -> None:
    """One line per week, the same in the event log and on the console."""
    about = {
        "week": str(result.week),
        "rows": now.rows,
        "seconds": round(result.seconds, 3),
        "percent": now.percent,
        "rows_per_second": now.rows_per_second,
    }
    if result.error is not None:
        context.log.error(str(result.error), extra=about)
    message = f"week {result.week}: {_outcome(result)} in {result.seconds:.2f} s"
    log_progress(context, message, now, about)


def _tag_run(
    context: dg.AssetExecutionContext, run: RunContext, weeks: list[date], tally: _Tally
) -> None:
    """Record what the run left, by which `retry_policy` judges whether another run helps."""
    captured = captures.names(run.lake)
    left = [input_of(week, run.landing, captured) for week in weeks]
    causes = dict.fromkeys(tally.failures, FailureCause.INPUT)
    causes |= dict.fromkeys(tally.transient, FailureCause.TRANSIENT)
    run_id = context.run.run_id
    context.instance.add_run_tags(run_id, retry_policy.result_tags(run_id, left, causes))


def _events(
    context: dg.AssetExecutionContext,
    result: WeekResult,
    tables: set[str],
    checks: set[tuple[str, str]],
    identity: str | None,
) -> Iterator[Event]:
    """The events of what the run selects."""
    chosen = (
        event
        for event in result.events
        if (
            (event.table, event.check) in checks
            if isinstance(event, CheckResult)
            else event.table in tables
        )
    )
    return events_of(context, chosen, result.week, our_key, identity)


def _outcome(result: WeekResult) -> str:
    built = [event for event in result.events if isinstance(event, TableBuilt)]
    tables = [event for event in built if event.table != REPORT]
    if isinstance(result.error, NoInput):
        return "no input"
    if result.error is not None:
        return f"failed after {len(built)} tables"
    if not built:
        return "checked"
    if all(event.unchanged for event in built):
        return "unchanged"
    made = sum(not event.unchanged for event in tables)
    reported = [] if tables == built else ["report made"]
    return ", ".join([*([f"{made} tables built"] if made else []), *reported])
