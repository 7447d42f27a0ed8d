"""`x_meta_pipeline_runs` and `x_meta_step_logs`: Dagster's runs as frames, from any storage.

    from spine_assets.orchestration.history import open_instance, run_log_frames as x_meta

    with open_instance() as instance:
        log = x_meta.read(instance, limit=100)
    print(log.steps.filter(status="FAILED"))

One query reads the runs; each run costs one more for its events, each plan of steps one more. Only
methods of the instance are called, so SQLite and PostgreSQL give the same. Belongs here: frames in
the declared types. Does not belong here: the values of the columns (`run_rows`), and the
declarations (`warehouse.run_tables`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl

from spine_assets.core.table_schema import polars_type
from spine_assets.core.tables import Type
from spine_assets.core.tags import TENANT
from spine_assets.orchestration.history.run_rows import RunRows, read_runs
from spine_assets.warehouse.run_tables import LOG_TABLES, NEWEST, RUNS, STEPS, LogTable, RunLog

PAGE = 500
"""Runs whose rows are made at once: some MB, however many runs there are."""


def read(
    instance: dg.DagsterInstance,
    *,
    limit: int = NEWEST,
    since: datetime | None = None,
    tenant: str | None = None,
    tables: Sequence[LogTable] = LOG_TABLES,
) -> RunLog:
    """The newest runs and their steps as frames.

    Args:
        instance: Dagster's instance.
        limit: Number of runs at most.
        since: Only runs created at that time or later, with its zone.
        tenant: Only runs of this tenant.
        tables: Tables to read; runs alone cost less, as materializations are not read.
    """
    tags = {TENANT: tenant} if tenant else None
    chosen = dg.RunsFilter(created_after=since, tags=tags)
    records = instance.get_run_records(chosen, limit=limit)
    older = instance.get_runs_count(chosen) - len(records) if len(records) == limit else 0
    found = list(read_runs(instance, records, rows=STEPS in tables))
    return RunLog(frames(found, tables), max(older, 0))


def pages(instance: dg.DagsterInstance) -> Iterator[RunLog]:
    """All runs there are, `PAGE` at a time, the newest first."""
    records = instance.get_run_records()
    for start in range(0, len(records), PAGE):
        page = read_runs(instance, records[start : start + PAGE])
        yield RunLog(frames(list(page), LOG_TABLES))


def frames(found: Sequence[RunRows], tables: Sequence[LogTable]) -> dict[str, pl.DataFrame]:
    """Runs and steps in the declared types, by the name of their table."""
    rows = {
        RUNS.name: [run.row for run in found],
        STEPS.name: [step for run in found for step in run.steps],
    }
    return {table.name: frame(rows[table.name], table) for table in tables}


def frame(rows: Sequence[dict[str, Any]], table: LogTable) -> pl.DataFrame:
    """Rows in the declared types."""
    return pl.DataFrame(
        {
            column.name: pl.Series(
                [_stored(row[column.name], column.type) for row in rows],
                dtype=polars_type(column.type),
                strict=True,
            )
            for column in table.columns
        }
    )


def _stored(value: Any, kind: Type) -> Any:
    """A value as its column stores it; characters that UTF-8 cannot encode are replaced."""
    if value is not None and kind is Type.JSON:
        value = json.dumps(value, ensure_ascii=False, default=str)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
