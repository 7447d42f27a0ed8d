"""The latest evaluation of every check of every week, as plain values.

Does not belong here: the queries (`storage`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import dagster as dg

from spine_assets.orchestration.history import storage
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.yaml.loader import files, home, read
from spine_assets.pipelines.yaml.pipeline import checks_of

SAMPLE = "sample"
"""Name of the metadata that holds a check's sample rows (`defs.otc.events`)."""

_UNREAD = "ERROR"  # Dagster's default; it means nothing for a check that passed


@dataclass(frozen=True)
class CheckRecord:
    """The latest evaluation of one check of one table's week; severity matters where it failed."""

    table: str
    check: str
    passed: bool
    severity: str
    summary: str | None


@dataclass(frozen=True)
class CheckFinding:
    """The latest evaluation of a check, which failed or warned.

    Attributes:
        week_ending: None for a table of a pipeline without weeks.
        table: Its name; a tenant's is `tenant/table`.
        severity: `WARN` or `ERROR`.
        facts: Numbers and names by name, as the check recorded them.
        samples: Up to 20 rows that show it.
        at: When it was evaluated, UTC.
    """

    week_ending: date | None
    table: str
    check: str
    severity: str
    summary: str
    facts: dict[str, Any]
    samples: list[dict[str, Any]]
    run_id: str
    at: datetime


def check_records(instance: dg.DagsterInstance, week: date) -> list[CheckRecord]:
    """The latest evaluation of every check of a week, in the order of the declarations."""
    return check_records_of(instance, [week], passed_summaries=True)[week]


def check_records_of(
    instance: dg.DagsterInstance, weeks: Collection[date], *, passed_summaries: bool
) -> dict[date, list[CheckRecord]]:
    """The same by week, with an entry for each week asked for, in one query.

    Args:
        instance: Dagster's instance.
        weeks: Weeks.
        passed_summaries: Also read the summaries of checks that passed, which takes a second for
            650 weeks; otherwise they are None.
    """
    place = _declared()
    found: dict[date, list[CheckRecord]] = {week: [] for week in weeks}
    names = {str(week): week for week in weeks}
    only = next(iter(names)) if len(names) == 1 else None
    tables = [table.name for table in TABLES]
    for item in storage.latest_evaluations(instance, tables, only, passed_events=passed_summaries):
        week = names.get(item.partition or "")
        if week is not None and (item.table, item.check) in place:
            found[week].append(_record(item))
    for records in found.values():
        records.sort(key=lambda record: place[record.table, record.check])
    return found


def findings(
    instance: dg.DagsterInstance, *, table: str | None = None, week: date | None = None
) -> list[CheckFinding]:
    """Checks (of one table, of one week) whose latest evaluation failed or warned, newest first.

    Those of tables without weeks come last.
    """
    weekly = dict.fromkeys(_declared(), True) | _declared_in_yaml()
    place = {key: number for number, key in enumerate(weekly)}
    tables = [table] if table else list(dict.fromkeys(name for name, _ in weekly))
    only = str(week) if week else None
    found = [
        _finding(item)
        for item in storage.latest_evaluations(instance, tables, only, passed_events=False)
        if not item.passed and weekly.get((item.table, item.check)) is bool(item.partition)
    ]
    return sorted(
        found,
        key=lambda item: (
            -item.week_ending.toordinal() if item.week_ending else 0,
            place[item.table, item.check],
        ),
    )


def checked_tables() -> list[str]:
    """The tables with checks: ours, then those of YAML pipelines."""
    return list(dict.fromkeys(name for name, _ in [*_declared(), *_declared_in_yaml()]))


def plain_facts(metadata: Any) -> dict[str, Any]:
    """Metadata as plain values, without the sample."""
    return {
        name: getattr(entry, "value", None) for name, entry in metadata.items() if name != SAMPLE
    }


def _declared() -> dict[tuple[str, str], int]:
    """The declared (table, check), each with its place."""
    keys = [(table.name, check.name) for table in TABLES for check in table.checks]
    return {key: number for number, key in enumerate(keys)}


def _declared_in_yaml() -> dict[tuple[str, str], bool]:
    """The (table, check) of YAML pipelines, each with whether it is weekly.

    A declaration with an error has none; Dagster does not load it either.
    """
    return {
        ("/".join(filter(None, (pipeline.tenant_id, step.destination.table))), check.name): (
            pipeline.is_weekly
        )
        for pipeline in (item.pipeline for item in read(files(home())).pipelines)
        for step in pipeline.table_steps
        for check in checks_of(step)
    }


def _record(item: storage.Evaluated) -> CheckRecord:
    if item.event is None:
        return CheckRecord(item.table, item.check, item.passed, _UNREAD, None)
    evaluation = storage.evaluation(item.event)
    return CheckRecord(
        item.table, item.check, item.passed, evaluation.severity.value, evaluation.description or ""
    )


def _finding(item: storage.Evaluated) -> CheckFinding:
    evaluation = storage.evaluation(item.event or "")
    sample = evaluation.metadata.get(SAMPLE)
    rows = sample.records if isinstance(sample, dg.TableMetadataValue) else []
    return CheckFinding(
        week_ending=date.fromisoformat(item.partition) if item.partition else None,
        table=item.table,
        check=item.check,
        severity=evaluation.severity.value,
        summary=evaluation.description or "",
        facts=plain_facts(evaluation.metadata),
        samples=[dict(row.data) for row in rows],
        run_id=item.run_id,
        at=item.at,
    )
