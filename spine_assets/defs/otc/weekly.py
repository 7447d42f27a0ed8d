"""The weekly multi-asset: one step builds one week or a range of weeks.

One multi-asset and not four assets, because in a range run only a step that yields its
own events can mark single weeks good or bad: a bad week stops itself and no other.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import dagster as dg

from spine_assets.core.progress import Progress
from spine_assets.core.settings import load_settings
from spine_assets.defs.otc import retry_policy
from spine_assets.defs.otc.specs import check_specs, files_spec, report_spec, table_specs
from spine_assets.defs.resources import Spine
from spine_assets.orchestration.asset_events import evaluation, materialization
from spine_assets.otc.build.week_range import ManyWeeks
from spine_assets.otc.build.workplace import Workplace
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.pending import input_of
from spine_assets.otc.state.results import CheckResult, NoInput, TableBuilt, WeekResult
from spine_assets.report import NAME as REPORT
from spine_assets.report.building import Reports

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation
# A full disk or a lost mount may be mended in moments; who waits longer asks again.
MAX_RETRIES = 2
FIRST_WAIT_SECONDS = 5  # then twice as long each time


class BuildConfig(dg.Config):
    """Options of a run."""

    force: bool = False
    """Build also weeks whose inputs and code are unchanged."""


@dataclass
class _Tally:
    """What became of the weeks of a run so far."""

    total: int
    started: float = field(default_factory=time.perf_counter)
    done: set[date] = field(default_factory=set)
    rows: int = 0
    failures: dict[date, str] = field(default_factory=dict)
    passing: set[date] = field(default_factory=set)

    def add(self, result: WeekResult) -> Progress:
        """Count a week, once where it is told again; how far the run has come."""
        built = [event for event in result.events if isinstance(event, TableBuilt)]
        if result.week not in self.done:
            self.rows += sum(item.facts["rows"] for item in built if item.table == "otc_raw")
        self.done.add(result.week)
        if built:  # a second build answers for the first
            self.failures.pop(result.week, None)
            self.passing.discard(result.week)
        if result.error is not None:
            self.failures[result.week] = str(result.error)
            if result.is_passing:
                self.passing.add(result.week)
        seconds = time.perf_counter() - self.started
        return Progress(len(self.done), self.total, self.rows, len(self.failures), seconds)

    def failure(self) -> dg.Failure:
        """Every bad week and why, for people and programs."""
        return dg.Failure(
            description="\n".join(
                [f"{len(self.failures)} of {self.total} weeks failed:", *self.failures.values()]
            ),
            metadata={
                "failed_weeks": [str(week) for week in self.failures],
                "failures": {str(week): said for week, said in self.failures.items()},
            },
            allow_retries=False,
        )


def backfill_policy(weeks_per_run: int | None) -> dg.BackfillPolicy:
    """How a backfill becomes runs: one for all weeks, or one for each so many of them."""
    if weeks_per_run is None:
        return dg.BackfillPolicy.single_run()
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=weeks_per_run)


@dg.definitions
def weekly_assets() -> dg.Definitions:
    """The assets of a week. Settings are read when Dagster asks for them, not at import."""
    made = dg.multi_asset(
        name="otc_week",
        specs=[*table_specs(), report_spec()],
        check_specs=check_specs(),
        can_subset=True,
        backfill_policy=backfill_policy(load_settings().weeks_per_run),
    )
    return dg.Definitions([files_spec(), made(otc_week)])


def otc_week(
    context: dg.AssetExecutionContext, config: BuildConfig, spine: Spine
) -> Iterator[Event]:
    """Capture what arrived for each week and build the selected tables from it."""
    asked = [date.fromisoformat(key) for key in context.partition_keys]
    assets = {key.to_user_string() for key in context.selected_asset_keys}
    tables = assets - {REPORT}
    checks = {
        (key.asset_key.to_user_string(), key.name) for key in context.selected_asset_check_keys
    }
    with spine.opened() as (opened, scan):
        run = ManyWeeks(asked, tables, opened, scan, force=config.force, limits=spine.limits())
        if len(run.weeks) < len(asked):
            missing = len(asked) - len(run.weeks)
            context.log.info(f"{missing} of {len(asked)} weeks have no input")
        tally = _Tally(len(run.weeks))
        reports = Reports(run.place, force=config.force) if REPORT in assets else None
        for result in run.results() if assets else run.checked(checks):
            if reports:
                reports.add(result, run.place)
            yield from _events(result, assets, checks)
            _log(context.log, result, tally.add(result))
        if reports:
            yield from _told_again(context.log, reports)
        _leave_word(context, run.place, asked, tally)
    if tally.passing and context.retry_number < MAX_RETRIES:
        wait = FIRST_WAIT_SECONDS * 2**context.retry_number
        raise dg.RetryRequested(MAX_RETRIES, wait) from tally.failure()
    if tally.failures:
        raise tally.failure()


def _told_again(log: dg.DagsterLogManager, reports: Reports) -> Iterator[Event]:
    """Reports of weeks outside of this run that look back at one of its weeks; then the index.

    One that cannot be made is no fault of this run: its own week's run makes it, and until then
    `spine doctor` calls it behind.
    """
    for result in reports.rebuild_stale():
        yield from _events(result, {REPORT}, set())
        if result.error is not None:
            log.warning(f"the report of {result.week} stays as it was: {result.error}")
        else:
            log.info(f"week {result.week}: its report tells a week of this run, made anew")
    reports.close()


def _log(log: dg.DagsterLogManager, result: WeekResult, now: Progress) -> None:
    """One line a week, the same in the event log as on a screen."""
    about = {
        "week": str(result.week),
        "rows": now.rows,
        "seconds": round(result.seconds, 3),
        "percent": now.percent,
        "rows_per_second": now.rows_per_second,
    }
    if result.error is not None:
        log.error(str(result.error), extra=about)
    log.info(
        f"week {result.week}: {_said(result)} in {result.seconds:.2f} s {now.text()}", extra=about
    )


def _leave_word(
    context: dg.AssetExecutionContext, place: Workplace, asked: list[date], tally: _Tally
) -> None:
    """Tell who asks for runs what this one left, so that it asks again only where that helps."""
    if len(asked) != 1:
        return
    left = input_of(asked[0], place.landing, captures.names(place.lake))
    fault = retry_policy.fault(failed=bool(tally.failures), passing=bool(tally.passing))
    context.instance.add_run_tags(context.run.run_id, retry_policy.word(left, fault))


def _events(result: WeekResult, tables: set[str], checks: set[tuple[str, str]]) -> Iterator[Event]:
    for event in result.events:
        if isinstance(event, CheckResult):
            if (event.table, event.check) in checks:
                yield evaluation(event, result.week)
        elif event.table in tables:
            yield materialization(event, result.week)


def _said(result: WeekResult) -> str:
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
