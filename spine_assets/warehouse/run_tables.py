"""The log of runs and steps as two tables, `x_meta_pipeline_runs` and `x_meta_step_logs`.

Their rows are read from Dagster's storage when a query names them (`history.run_log_frames`) and
stored nowhere. Belongs here: their declarations, whether a query names them, and how their rows
come into a database. Does not belong here: Dagster, since every `spine query` imports this module
and few read runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spine_assets.core.sql import table_ddl
from spine_assets.core.tables import Column, Type

if TYPE_CHECKING:
    import duckdb
    import polars as pl

NEWEST = 1_000
"""Runs that a query reads by default: some seconds, and months of a weekly feed."""

_STREAM = "x_meta_stream"


@dataclass(frozen=True)
class LogTable:
    """A table whose rows are read from Dagster's storage.

    Attributes:
        grain: What one row is, in words.
        key: The column that identifies a row, or whose rows a query mostly wants.
    """

    name: str
    grain: str
    key: str
    columns: tuple[Column, ...]


RUNS = LogTable(
    "x_meta_pipeline_runs",
    "one run of this Dagster instance, whatever started it",
    "pipeline_logging_id",
    (
        Column("pipeline_logging_id", Type.TEXT, "Dagster's id of the run"),
        Column("tenant_id", Type.TEXT, "Tag spine/tenant", nullable=True),
        Column(
            "pipeline_id", Type.TEXT, "Tag spine/pipeline, else the job, else the selected assets"
        ),
        Column("start_time", Type.TIMESTAMP, "When its process began", "UTC", nullable=True),
        Column("end_time", Type.TIMESTAMP, "When it ended", "UTC", nullable=True),
        Column(
            "status",
            Type.TEXT,
            "PENDING until it starts, RUNNING until it ends",
            isin=("PENDING", "RUNNING", "SUCCESS", "FAILED", "CANCELED"),
        ),
        Column(
            "trigger_by",
            Type.TEXT,
            "Tag spine/trigger, else Dagster's schedule, sensor, backfill or ui; of a run that "
            "repeats another: ui, retry or re-execution",
            nullable=True,
        ),
        Column("run_date", Type.DATE, "Tag spine/date, else the day of its creation", "UTC"),
        Column(
            "total_steps",
            Type.COUNT,
            "Steps of its plan; null where it has no plan and nothing ran",
            "steps",
            nullable=True,
        ),
        Column("completed_steps", Type.COUNT, "Steps with status SUCCESS", "steps"),
        Column("failed_steps", Type.COUNT, "Steps with status FAILED", "steps"),
        Column(
            "error_message",
            Type.TEXT,
            "Of a FAILED run the message of its first failure, at most 2,000 characters",
            nullable=True,
        ),
        Column("metadata", Type.JSON, "Job, partition or weeks, other tags, configuration"),
    ),
)

STEPS = LogTable(
    "x_meta_step_logs",
    "one step of a run: that has started, or of an ended run was never reached",
    "log_id",
    (
        Column("log_id", Type.TEXT, "Run and step: pipeline_logging_id.step_id"),
        Column("pipeline_logging_id", Type.TEXT, "Dagster's id of the run"),
        Column("step_id", Type.TEXT, "Dagster's key of the step"),
        Column("step_name", Type.TEXT, "As its pipeline calls it, else its op"),
        Column("start_time", Type.TIMESTAMP, "Its first attempt's start", "UTC", nullable=True),
        Column("end_time", Type.TIMESTAMP, "Its last attempt's end", "UTC", nullable=True),
        Column(
            "status", Type.TEXT, "Its outcome", isin=("RUNNING", "SUCCESS", "FAILED", "SKIPPED")
        ),
        Column(
            "rows_processed",
            Type.COUNT,
            "What the step reports, else the rows of all partitions that it materialized",
            "rows",
            nullable=True,
        ),
        Column(
            "error_message",
            Type.TEXT,
            "Of a FAILED step why, at most 2,000 characters",
            nullable=True,
        ),
        Column(
            "step_result",
            Type.JSON,
            "What the step returned, else which assets it materialized and of how many partitions",
            nullable=True,
        ),
        Column(
            "execution_metadata",
            Type.JSON,
            "Attempts, seconds, reason, and the run's job, tenant, pipeline, partition or weeks",
        ),
    ),
)

LOG_TABLES = (RUNS, STEPS)


@dataclass(frozen=True)
class RunLog:
    """Rows of the tables by name, the newest run first, in the declared types (JSON as text).

    Attributes:
        frames: Of each requested table.
        left_out: How many older runs are not in it.
    """

    frames: dict[str, pl.DataFrame]
    left_out: int = 0

    @property
    def runs(self) -> pl.DataFrame:
        """`x_meta_pipeline_runs`."""
        return self.frames[RUNS.name]

    @property
    def steps(self) -> pl.DataFrame:
        """`x_meta_step_logs`; KeyError where only the runs were requested."""
        return self.frames[STEPS.name]


def named_in(sql: str, tables: Iterable[LogTable] = LOG_TABLES) -> tuple[LogTable, ...]:
    """Those of some tables that a query may read: those whose names are anywhere in it."""
    text = sql.casefold()
    return tuple(table for table in tables if table.name in text)


def create(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[LogTable], *, schema: str = "memory"
) -> None:
    """Make empty tables with their comments in a database, in place of earlier ones.

    Args:
        connection: An open database.
        tables: Which.
        schema: Where; for a file the name by which it is attached.
    """
    for table in tables:
        for statement in table_ddl(schema, table.name, table.columns, table.grain):
            connection.execute(statement)


def append(connection: duckdb.DuckDBPyConnection, log: RunLog, *, schema: str = "memory") -> None:
    """Add the rows of a log to existing tables."""
    for name, frame in log.frames.items():
        connection.register(_STREAM, _Stream(frame))
        try:
            connection.execute(f"INSERT INTO {schema}.{name} FROM {_STREAM}")
        finally:
            connection.unregister(_STREAM)


class _Stream:
    """A frame as a stream of Arrow data; for a frame itself DuckDB 2.0 needs pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)
