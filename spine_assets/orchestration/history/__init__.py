"""Dagster's history, read for people: what was materialized, what failed, what checks found.

Dagster's run storage is the manifest and its check evaluations are the anomalies; this
package reads both.
"""

from __future__ import annotations

from spine_assets.orchestration.history.checks import (
    CheckFinding,
    CheckRecord,
    check_records,
    check_records_of,
    checked_tables,
    findings,
)
from spine_assets.orchestration.history.instance import (
    NoInstance,
    NoSuchRun,
    is_temporary,
    open_instance,
    table_states,
)
from spine_assets.orchestration.history.lake_identity import OtherLake

__all__ = [
    "CheckFinding",
    "CheckRecord",
    "NoInstance",
    "NoSuchRun",
    "OtherLake",
    "check_records",
    "check_records_of",
    "checked_tables",
    "findings",
    "is_temporary",
    "open_instance",
    "table_states",
]
