"""Events as Dagster makes them, and a process that stores them.

    python -m spine_assets_tests.support.storing BASE RUN COUNT [--pause SECONDS] [--wait]

The process stores COUNT weeks of one run in the storage at BASE: for each a materialization, an
evaluation and a log line. It says `stored N` after each week, and with `--wait` stays until it is
killed; it never closes the storage, which is for the end of a process to do.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import (
    AssetMaterializationPlannedData,
    AssetObservationData,
    DagsterEvent,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry

from spine_assets.orchestration.check_targets import AT_WRITE, CheckTarget
from spine_assets.orchestration.partitions import WEEKS
from spine_assets.orchestration.storage.sqlite import BatchingSqliteStorage

JOB, STEP, CHECK = "job", "step", "holds"
FIRST_WEEK = date(2015, 1, 2)
EVENTS_A_WEEK = 3


def week(number: int) -> str:
    """A partition."""
    return str(FIRST_WEEK + timedelta(weeks=number))


def entry(
    run_id: str, at: float, event: DagsterEvent | None = None, said: str = ""
) -> EventLogEntry:
    """An entry of the log: an event of Dagster's, or a line."""
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=logging.INFO,
        user_message=said,
        run_id=run_id,
        timestamp=at,
        step_key=STEP,
        job_name=JOB,
        dagster_event=event,
    )


def event(kind: DagsterEventType, data: object = None) -> DagsterEvent:
    """An event of the step."""
    return DagsterEvent(
        kind.value,
        JOB,
        event_specific_data=data,  # type: ignore[arg-type]
        message=f"{kind.value} of {JOB}",
        step_key=STEP,
    )


def materialized(asset: str, partition: str | None, version: str) -> DagsterEvent:
    """A materialization with a data version."""
    made = dg.AssetMaterialization(
        asset,
        partition=partition,
        metadata={"rows": 3, "said": "x" * 200},
        tags={"dagster/data_version": version, "other": "tag"},
    )
    return event(DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(made))


def observed(asset: str, partition: str | None) -> DagsterEvent:
    """An observation."""
    seen = dg.AssetObservation(asset, partition=partition, metadata={"rows": 3})
    return event(DagsterEventType.ASSET_OBSERVATION, AssetObservationData(seen))


def planned(asset: str, partition: str | None) -> DagsterEvent:
    """What a run sets out to build."""
    data = AssetMaterializationPlannedData(dg.AssetKey(asset), partition=partition)
    return event(DagsterEventType.ASSET_MATERIALIZATION_PLANNED, data)


def evaluated(
    asset: str, partition: str | None, *, passed: bool, target: CheckTarget | None = None
) -> DagsterEvent:
    """What a check found, of a materialization."""
    found = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=CHECK,
        passed=passed,
        metadata={"rows": 3},
        target_materialization_data=target,
        partition=partition,
    )
    return event(DagsterEventType.ASSET_CHECK_EVALUATION, found)


def check_planned(asset: str, partitions: list[str] | None) -> DagsterEvent:
    """The check that a run sets out to make, of all its partitions."""
    subset = None
    if partitions is not None:
        subset = WEEKS.subset_with_partition_keys(partitions).to_serializable_subset()
    data = AssetCheckEvaluationPlanned(
        asset_key=dg.AssetKey(asset), check_name=CHECK, partitions_subset=subset
    )
    return event(DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, data)


def a_week(run_id: str, number: int) -> list[EventLogEntry]:
    """The events of a week."""
    partition, at = week(number), 1_700_000_000.0 + number
    return [
        entry(run_id, at, materialized("table", partition, f"v{number}")),
        entry(run_id, at, evaluated("table", partition, passed=True, target=AT_WRITE)),
        entry(run_id, at, said=f"week {number}"),
    ]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("run")
    parser.add_argument("count", type=int)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--wait", action="store_true")
    asked = parser.parse_args()
    log = BatchingSqliteStorage(str(asked.base)).event_log_storage
    for number in range(asked.count):
        for made in a_week(asked.run, number):
            log.store_event(made)
        sys.stdout.write(f"stored {number + 1}\n")
        sys.stdout.flush()
        time.sleep(asked.pause)
    while asked.wait:
        time.sleep(1)


if __name__ == "__main__":
    main()
