"""Dagster's memory, read for people: what was materialized, what failed, what checks said.

Dagster's run storage is the manifest and its check evaluations are the anomalies; this
module asks it. The names it uses beyond Dagster's public ones (`event_log_storage`,
`get_status_by_partition`, `PartitionKeyFilter`) were tried on dagster 1.13.27 and stand
here alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from spine_assets.defs.partitions import WEEKS
from spine_assets.otc.tables import TABLES


class NoInstance(Exception):
    """There is no Dagster storage here to read."""


@dataclass(frozen=True)
class CheckRecord:
    """The latest evaluation of one check of one table's week."""

    table: str
    check: str
    passed: bool
    severity: str
    summary: str


@contextmanager
def open_instance(root: Path | None = None) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance: `DAGSTER_HOME` where it is set, else `dagster.yaml` here.

    Raises:
        NoInstance: neither is there.
    """
    root = root or Path.cwd()
    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as instance:
            yield instance
        return
    if not (root / "dagster.yaml").exists():
        raise NoInstance(
            "there is no dagster.yaml in this folder; run the command from the project's root "
            "or set DAGSTER_HOME"
        )
    with dg.DagsterInstance.from_config(str(root)) as instance:
        yield instance


def table_states(
    instance: dg.DagsterInstance, weeks: list[date]
) -> dict[tuple[str, date], str | None]:
    """By table and week: `materialized`, `failed`, `in_progress`, or None for never."""
    keys = [str(week) for week in weeks]
    states: dict[tuple[str, date], str | None] = {}
    for table in TABLES:
        found = instance.get_status_by_partition(dg.AssetKey(table.name), keys, WEEKS) or {}
        for week in weeks:
            status = found.get(str(week))
            states[table.name, week] = status.value.lower() if status else None
    return states


def check_records(instance: dg.DagsterInstance, week: date) -> list[CheckRecord]:
    """The latest evaluation of every check of a week, in the order of the declarations."""
    from dagster._core.event_api import PartitionKeyFilter

    keys = [
        dg.AssetCheckKey(dg.AssetKey(table.name), check.name)
        for table in TABLES
        for check in table.checks
    ]
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        keys, partition_filter=PartitionKeyFilter(key=str(week))
    )
    return [_record(key, latest[key]) for key in keys if key in latest and _evaluated(latest[key])]


def _evaluated(record: Any) -> bool:
    """A planned check that was never evaluated has no outcome."""
    event = record.event.dagster_event if record.event else None
    return event is not None and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION


def _record(key: dg.AssetCheckKey, record: Any) -> CheckRecord:
    told = record.event.dagster_event.asset_check_evaluation_data
    return CheckRecord(
        key.asset_key.to_user_string(),
        key.name,
        told.passed,
        told.severity.value,
        told.description or "",
    )
