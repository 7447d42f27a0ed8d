"""Dagster's memory, read for people: what was materialized, what failed, what checks said.

Dagster's run storage is the manifest and its check evaluations are the anomalies; this
package asks it. What it needs of Dagster beyond public names stands here alone and was tried
on dagster 1.13.27: tables and helpers of the storage in `storage`, and calls of the instance
that are not marked public (`get_run_ids`, `get_records_for_run`, `get_run_tags`,
`get_execution_plan_snapshot`, `report_run_canceling`, `report_run_canceled`, `run_coordinator`,
`run_launcher`, `compute_log_manager`) in `events`, `runs`, `one_run`, `logged`, `cancel` and
`prune`; the fields of events in `events`, `one_run` and `steps`; `remote_job_origin` in `logged`.
"""

from __future__ import annotations

from spine_assets.orchestration.history.checks import (
    CheckRecord,
    Finding,
    check_records,
    check_records_of,
    findings,
)
from spine_assets.orchestration.history.instance import (
    NoInstance,
    NoSuchRun,
    open_instance,
    table_states,
)

__all__ = [
    "CheckRecord",
    "Finding",
    "NoInstance",
    "NoSuchRun",
    "check_records",
    "check_records_of",
    "findings",
    "open_instance",
    "table_states",
]
