"""The details of one run: parameters, figures, check outcomes, error, last log lines."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from spine_assets.orchestration.history import storage
from spine_assets.orchestration.history.checks import plain_facts
from spine_assets.orchestration.history.events import events_of, first_step_failure
from spine_assets.orchestration.history.run_rows import read_runs
from spine_assets.orchestration.history.runs import RunLine, described, error_of, tags_of_ours
from spine_assets.orchestration.history.step_rows import ROW_COUNT
from spine_assets.orchestration.progress_events import progress_of


@dataclass
class TableFigures:
    """A run's work on one table: weeks built and found unchanged, rows, shares, seconds."""

    built: int = 0
    unchanged: int = 0
    rows: int = 0
    shares: int | float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class RunCheck:
    """One evaluation of a run; `severity` matters only where it did not pass."""

    week_ending: str | None
    table: str
    check: str
    passed: bool
    severity: str
    summary: str


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log."""

    at: datetime
    level: str
    text: str


@dataclass(frozen=True)
class RunStory:
    """One run.

    Attributes:
        config: Run configuration as Dagster holds it.
        weeks_failed: Weeks named by the step's failure.
        steps: By column of `x_meta_step_logs`, in the order in which they began.
        checks: Evaluations in the order in which they were made.
        error: Text of the failure; None without one.
        logs: The last lines, oldest first.
    """

    line: RunLine
    config: dict[str, Any]
    tags: dict[str, str]
    tables: dict[str, TableFigures]
    weeks_done: list[str]
    weeks_failed: list[str]
    steps: list[dict[str, Any]]
    checks: list[RunCheck]
    error: str | None
    logs: list[LogLine]


def story(instance: dg.DagsterInstance, record: dg.RunRecord, logs: int) -> RunStory:
    """The details of a run.

    Args:
        instance: Dagster's instance.
        record: The run (`runs.find`).
        logs: How many of its last log lines.
    """
    run = record.dagster_run
    kinds = dg.DagsterEventType
    failed = storage.failures_of(instance, [run.run_id]).get(run.run_id)
    made = events_of(instance, run.run_id, {kinds.ASSET_MATERIALIZATION})
    tables, done = _figures(event for _, event in made)
    evaluated = events_of(instance, run.run_id, {kinds.ASSET_CHECK_EVALUATION})
    return RunStory(
        line=described(instance, [record])[0],
        config=dict(run.run_config),
        tags=tags_of_ours(run),
        tables=tables,
        weeks_done=done,
        weeks_failed=_failed_weeks(failed),
        steps=[step for found in read_runs(instance, [record]) for step in found.steps],
        checks=[_check(event.asset_check_evaluation_data) for _, event in evaluated],
        error=error_of(failed),
        logs=_logs(instance, run.run_id, logs),
    )


def _figures(events: Iterable[dg.DagsterEvent]) -> tuple[dict[str, TableFigures], list[str]]:
    """Figures by table, and the weeks of which a table was materialized."""
    tables: dict[str, TableFigures] = defaultdict(TableFigures)
    weeks = set()
    for event in events:
        made = event.step_materialization_data.materialization
        facts = plain_facts(made.metadata)
        found = tables[made.asset_key.to_user_string()]
        if facts.get("unchanged"):
            found.unchanged += 1
        else:
            found.built += 1
        found.rows += facts.get(ROW_COUNT) or 0
        if (shares := facts.get("shares")) is not None:  # not every table has shares
            found.shares = (found.shares or 0) + shares
        found.seconds = round(found.seconds + (facts.get("seconds") or 0), 3)
        if made.partition:
            weeks.add(made.partition)
    return dict(tables), sorted(weeks)


def _failed_weeks(failed: dg.EventLogEntry | None) -> list[str]:
    """Weeks that the step's failure names."""
    step = first_step_failure(failed.dagster_event if failed else None)
    given = step.step_failure_data.user_failure_data if step else None
    if given is None:
        return []
    named = plain_facts(given.metadata).get("failed_weeks")
    return list(named) if isinstance(named, list) else []


def _check(found: dg.AssetCheckEvaluation) -> RunCheck:
    return RunCheck(
        found.partition,
        found.asset_key.to_user_string(),
        found.check_name,
        found.passed,
        found.severity.value,
        found.description or "",
    )


def _logs(instance: dg.DagsterInstance, run_id: str, limit: int) -> list[LogLine]:
    if not limit:
        return []
    found = instance.get_records_for_run(run_id, limit=limit, ascending=False).records
    return [_log(item.event_log_entry) for item in reversed(found)]


def _log(entry: dg.EventLogEntry) -> LogLine:
    event = entry.dagster_event
    kind = f"{event.event_type_value} " if event and progress_of(event) is None else ""
    message = (event.message if event else None) or entry.user_message
    return LogLine(
        datetime.fromtimestamp(entry.timestamp, UTC),
        logging.getLevelName(entry.level),
        f"{kind}{message}".strip(),
    )
