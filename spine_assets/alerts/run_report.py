"""What a finished run reported, and which problems of it are worth an alert.

A failed blocking check ends its week and with it the run: only the check is reported. A week
without a usable file fails, and the check `delivery` repeats the reason: only the failure is
reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from spine_assets.alerts.alert import Alert, AlertKind, Number
from spine_assets.alerts.problem import Problem, item_of
from spine_assets.alerts.text_parts import weeks_text
from spine_assets.core.text import counted
from spine_assets.otc.tables import raw

_REPEATS = (raw.TABLE.name, "delivery")


@dataclass(frozen=True)
class FailedCheck:
    """One failed check of severity ERROR; `week` is None for a check without weeks."""

    week: date | None
    table: str
    check: str
    summary: str
    blocking: bool
    numbers: Mapping[str, Number]


@dataclass(frozen=True)
class BuiltWeek:
    """One week of a table after a run."""

    week: date
    rows: int
    shares: Number
    unchanged: bool


@dataclass(frozen=True)
class RunReport:
    """One finished run.

    Attributes:
        weeks: Weeks that were requested.
        failures: Why single weeks failed, as reported by the run itself.
        error: What ended the run where `failures` does not explain it; else empty.
        failed_checks: In the order in which they were evaluated.
        checked: Weeks of which a check was evaluated.
        built: Weeks of `built_table`, where that was requested.
    """

    run_id: str
    job: str
    succeeded: bool
    weeks: tuple[date, ...] = ()
    failures: Mapping[date, str] = field(default_factory=dict)
    error: str = ""
    failed_checks: tuple[FailedCheck, ...] = ()
    checked: frozenset[date] = frozenset()
    built_table: str = ""
    built: tuple[BuiltWeek, ...] = ()


def problems(report: RunReport) -> list[Problem]:
    """Each problem of each week once: a check's, or else the run's."""
    by_week: dict[date | None, list[FailedCheck]] = {}
    for failed in report.failed_checks:
        repeats = (failed.table, failed.check) == _REPEATS and failed.week in report.failures
        if not repeats:
            by_week.setdefault(failed.week, []).append(failed)
    found = [_of_checks(week, failed, report) for week, failed in by_week.items()]
    stopped = {failed.week for failed in report.failed_checks if failed.blocking}
    failures = list(report.failures.items())
    if report.error:
        failures += [(week, report.error) for week in report.weeks]
    found += [
        Problem(AlertKind.RUN_FAILED, text, week, run_id=report.run_id)
        for week, text in failures
        if week not in stopped
    ]
    if report.error and not report.weeks:
        found.append(
            Problem(
                AlertKind.RUN_FAILED,
                report.error,
                thing=report.job,
                about=f"run of {report.job}",
                run_id=report.run_id,
            )
        )
    return found


def recovered(report: RunReport, found: list[Problem]) -> set[str]:
    """Items of the weeks, or of the job, in which this run found no problem."""
    if report.error:
        return set()  # it may have ended anywhere
    fine = {str(week) for week in report.checked}
    if report.succeeded:
        fine.add(item_of(report.job))
    return fine - {problem.item for problem in found}


def success(report: RunReport) -> Alert | None:
    """One message for all weeks that a run built; None where it built none."""
    failed = {problem.week for problem in problems(report)}
    built = [] if report.error else [item for item in report.built if item.week not in failed]
    if not built:
        return None
    weeks = tuple(sorted({item.week for item in built}))
    exact = [item.shares for item in built if not isinstance(item.shares, str)]
    numbers: dict[str, Number] = {
        "rows": sum(item.rows for item in built),
        "shares": sum(exact),
        "unchanged_weeks": sum(item.unchanged for item in built),
    }
    return Alert(
        AlertKind.WEEK_BUILT,
        f"{counted(len(weeks), 'week')} built: {weeks_text(weeks)}",
        f"spine week {weeks[-1]}",
        weeks,
        report.built_table,
        numbers=numbers,
        run_id=report.run_id,
    )


def _of_checks(week: date | None, failed: list[FailedCheck], report: RunReport) -> Problem:
    """All failed checks of a week as one problem, in however many tables."""
    first, *others = sorted(failed, key=lambda item: not item.blocking)
    also = "".join(f"; also {item.table}.{item.check}: {item.summary}" for item in others)
    return Problem(
        AlertKind.CHECK_FAILED,
        first.summary + also,
        week,
        thing="" if week else report.job,
        table=first.table,
        check=first.check,
        numbers=first.numbers,
        run_id=report.run_id,
    )
