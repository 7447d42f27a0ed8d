"""The manifest and the anomalies as two tables, `core_manifest` and `core_anomalies`.

Dagster's history is the manifest of the lake, and its evaluations of checks are the anomalies.
Their rows are read from it when a query names them (`history.core_frames`) and stored nowhere, so
they cannot say anything else than the UI. Belongs here: the declarations. Does not belong here:
Dagster, since every `spine query` imports this module.
"""

from __future__ import annotations

from spine_assets.core.tables import BuildStage, Column, Type
from spine_assets.warehouse.run_tables import LOG_TABLES, LogTable

MANIFEST = LogTable(
    "core_manifest",
    "one week of one table: its latest attempt, and what is recorded as published",
    "week_ending",
    (
        Column("week_ending", Type.DATE, "The Friday that ends the week"),
        Column("table_name", Type.TEXT, "Table of the lake"),
        Column(
            "stage",
            Type.TEXT,
            "What is done to make the table",
            isin=tuple(stage.value for stage in BuildStage),
        ),
        Column(
            "status",
            Type.TEXT,
            "running: a run that has not ended is to make it; failed: the last attempt made "
            "nothing, an earlier build may be stored; complete: the last attempt made it",
            isin=("running", "complete", "failed"),
        ),
        Column("run_id", Type.TEXT, "Run of that attempt; null if recorded without", nullable=True),
        Column("started_at", Type.TIMESTAMP, "When that run began", "UTC", nullable=True),
        Column(
            "completed_at",
            Type.TIMESTAMP,
            "When the table was recorded as published, or the run of a failed attempt ended",
            "UTC",
            nullable=True,
        ),
        Column("row_count", Type.COUNT, "Rows of the published week", "rows", nullable=True),
        Column(
            "data_version",
            Type.TEXT,
            "Of the published week; equal contents and rules give the same",
            nullable=True,
        ),
        Column(
            "capture_ids",
            Type.TEXT_LIST,
            "Captures that the published week is made from",
            nullable=True,
        ),
    ),
)

ANOMALIES = LogTable(
    "core_anomalies",
    "one finding: an evaluation of a check that failed or warned, whenever; of what the code of a "
    "YAML pipeline recorded, each of the rows kept",
    "run_id",
    (
        Column("run_id", Type.TEXT, "Run that evaluated the check"),
        Column("week_ending", Type.DATE, "Null where a table has no weeks", nullable=True),
        Column("table_name", Type.TEXT, "Checked table; a tenant's is tenant/table"),
        Column("check_name", Type.TEXT, "Name of the check"),
        Column("severity", Type.TEXT, "How bad it is", isin=("INFO", "WARN", "ERROR")),
        Column("code", Type.TEXT, "The check in capital letters, else the code that was recorded"),
        Column("message", Type.TEXT, "What was found, and what to do"),
        Column("context", Type.JSON, "The figures of the check, and its sample rows as `sample`"),
        Column("detected_at", Type.TIMESTAMP, "When the check was evaluated", "UTC"),
        Column(
            "is_latest",
            Type.FLAG,
            "Whether the check was not evaluated again since on that week: it still holds",
        ),
    ),
)

CORE_TABLES = (MANIFEST, ANOMALIES)
DAGSTER_TABLES = (*LOG_TABLES, *CORE_TABLES)
"""All tables whose rows are read from Dagster's storage."""
