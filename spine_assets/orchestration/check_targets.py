"""The materialization that an evaluation of a check is about.

Dagster counts a check of a partition as passed only where its evaluation names the partition's
latest materialization (1.13.27), and automation conditions look there. Its own `AssetCheckResult`
asks for it; a step that builds many weeks yields evaluations itself and must name it too.
"""

from __future__ import annotations

import dagster as dg

from spine_assets.orchestration import dagster_private

CheckTarget = dagster_private.AssetCheckEvaluationTargetMaterializationData
"""The number of a materialization in the log that all runs share, its run and its time."""

AT_WRITE = CheckTarget(storage_id=0, run_id="", timestamp=0.0)
"""Stands for the latest materialization at the time of writing, which may still wait to be written
itself: a storage with `names_targets` puts its id in this place."""


def target_of(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None
) -> CheckTarget | None:
    """The latest materialization of an asset or its partition; None where there is none yet.

    Raises:
        sqlalchemy.exc.DBAPIError: Dagster's storage cannot be read.
    """
    log = instance.event_log_storage
    if partition is not None and getattr(log, "names_targets", False):
        return AT_WRITE
    wanted = dg.AssetRecordsFilter(
        asset_key=key, asset_partitions=None if partition is None else [partition]
    )
    for record in instance.fetch_materializations(wanted, limit=1).records:
        return CheckTarget(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
    return None


def with_target(event: dg.EventLogEntry, target: CheckTarget | None) -> dg.EventLogEntry:
    """An event of an evaluation with the materialization that it is about."""
    made = event.get_dagster_event()
    found = made.asset_check_evaluation_data
    evaluation = dg.AssetCheckEvaluation(
        asset_key=found.asset_key,
        check_name=found.check_name,
        passed=found.passed,
        metadata=found.metadata,
        target_materialization_data=target,
        severity=found.severity,
        description=found.description,
        blocking=found.blocking,
        partition=found.partition,
    )
    return event._replace(dagster_event=made._replace(event_specific_data=evaluation))
