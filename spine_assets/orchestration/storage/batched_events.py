"""Dagster's event log with events written in batches, in any database.

The kinds of events that a range of weeks has thousands of are written together. Belongs here: which
events may wait, until when, and the rows that Dagster derives from them. Does not belong here: the
databases (`sqlite`, `postgres`). Measurements, and what a killed process loses:
`docs/decisions/0007-*`.
"""

from __future__ import annotations

import atexit
import weakref
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, cast

import dagster as dg
import sqlalchemy as sa

from spine_assets.orchestration.dagster_private import (
    AssetCheckExecutionRecordStatus,
    SqlEventLogStorage,
)
from spine_assets.orchestration.storage.batch_writer import Batches

DELAY_SECONDS = 0.25  # short enough for a person, long enough for the events of a week
MOST_EVENTS = 500  # some 0.1 s of writing, so that no other process waits long
_STATUS = AssetCheckExecutionRecordStatus
_PLANNED = _STATUS.PLANNED.value
_OF_CHECKS = (
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
)


@dataclass
class Item:
    """An event and its row of the log, which may be stored before what Dagster derives from it.

    Attributes:
        is_stored: Whether the row is in the log (SQLite: in the run's file).
        number: Its id, if the log's table gave one.
    """

    event: dg.EventLogEntry
    row: dict[str, Any]
    is_stored: bool = False
    number: int = 0

    @property
    def kind(self) -> dg.DagsterEventType | None:
        """None where Dagster derives nothing from it: log lines and engine events."""
        kind = self.event.dagster_event_type
        return None if kind is dg.DagsterEventType.ENGINE_EVENT else kind


class WaitingEvents(SqlEventLogStorage):
    """An event log of Dagster that collects the kinds of events that ranges have thousands of.

    Materializations, evaluations of checks of a partition, what a run plans of both, log lines and
    progress are written together: after `DELAY_SECONDS`, when `MOST_EVENTS` wait, or before
    anything else is written or read through this object, whichever comes first. So every process
    reads all events in the order in which they were stored.

    A subclass writes a batch (`_write`), flushes `_batches` before each of its connections, and
    calls `_begin_waiting` before Dagster's `__init__`.
    """

    def _begin_waiting(self) -> None:
        self._batches = Batches(
            self._write,
            key=lambda item: item.event.run_id,
            delay_seconds=DELAY_SECONDS,
            most=MOST_EVENTS,
        )
        self._tables: set[str] = set()
        self._is_exiting = False
        atexit.register(_at_exit, weakref.ref(self))

    @abstractmethod
    def _write(self, batch: list[Item]) -> None:
        """Write events of one run, as Dagster's `store_event` does one after another."""

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event, now or within `DELAY_SECONDS`.

        Raises:
            sqlalchemy.exc.DBAPIError: This event or a waiting one cannot be written. The
                waiting ones stay.
        """
        if _may_wait(event) and not self._is_exiting:
            self._batches.add(Item(event, self._event_to_row(event)))
        else:
            self._batches.flush()
            super().store_event(event)

    def dispose(self) -> None:
        """Write the waiting events, and close."""
        try:
            self._batches.flush()
        finally:
            super().dispose()

    def prepare_exit(self) -> None:
        """Write the waiting events, and from now on each event at once: the process ends."""
        self._is_exiting = True
        self._batches.flush()

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; Dagster asks it for every materialization."""
        # Each of the two databases has its own.
        if table_name not in self._tables and super().has_table(table_name):  # type: ignore[safe-super]
            self._tables.add(table_name)
        return table_name in self._tables

    def _write_derived(
        self, connection: sa.Connection, upsert: sa.Executable, items: dict[int, Item]
    ) -> None:
        """Write what Dagster derives from events, by their ids.

        Args:
            connection: In a transaction.
            upsert: Writes rows of executions of checks (`upsert_of`).
            items: Events of one run that are stored, none of them a log line.
        """
        checks = [row for number, item in items.items() for row in _executions(item, number)]
        if checks:
            connection.execute(upsert, checks)
        assets = {number: item for number, item in items.items() if item.kind not in _OF_CHECKS}
        events = [item.event for item in assets.values()]
        self._store_asset_event_tags(connection, events, list(assets))
        # Events of a kind set the same columns of the asset's row, so the last one suffices.
        last = {(item.row["asset_key"], item.kind): number for number, item in assets.items()}
        for number in sorted(last.values()):
            self._store_asset_event(connection, assets[number].event, number)


def upsert_of(insert: Any) -> sa.Executable:
    """An evaluation replaces the planned one; a planned one replaces nothing.

    Args:
        insert: The dialect's INSERT into the executions of checks.
    """
    found: sa.Executable = insert.on_conflict_do_update(
        index_elements=("asset_key", "check_name", "run_id", "partition"),
        set_={
            name: insert.excluded[name]
            for name in (
                "execution_status",
                "evaluation_event",
                "evaluation_event_timestamp",
                "evaluation_event_storage_id",
                "materialization_event_storage_id",
            )
        },
        where=insert.excluded["execution_status"] != _PLANNED,
    )
    return found


def _may_wait(event: dg.EventLogEntry) -> bool:
    """Whether it is of a kind that a range of weeks has thousands of; log lines have none."""
    if event.dagster_event_type in _OF_CHECKS:
        # Only with run and partition a row has the unique key that joins evaluation and plan.
        return bool(event.run_id) and bool(_partitions(event))
    return event.dagster_event_type in (
        None,
        dg.DagsterEventType.ENGINE_EVENT,  # the progress of a run
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    )


def _partitions(event: dg.EventLogEntry) -> list[str]:
    """Of which partitions a check is planned or evaluated."""
    found = cast("dg.DagsterEvent", event.dagster_event)
    if event.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        partition = found.asset_check_evaluation_data.partition
        return [] if partition is None else [partition]
    subset = found.asset_check_planned_data.partitions_subset
    return [] if subset is None else list(subset.get_partition_keys())


def _executions(item: Item, number: int) -> list[dict[str, Any]]:
    """An event's rows among the executions of checks: one per partition."""
    if item.kind not in _OF_CHECKS:
        return []
    found = cast("dg.DagsterEvent", item.event.dagster_event)
    if item.kind is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        evaluation = found.asset_check_evaluation_data
        key, target = evaluation.asset_check_key, evaluation.target_materialization_data
        status = _STATUS.SUCCEEDED if evaluation.passed else _STATUS.FAILED
    else:
        key, target = found.asset_check_planned_data.asset_check_key, None
        status = _STATUS.PLANNED
    common = {
        "asset_key": key.asset_key.to_string(),
        "check_name": key.name,
        "run_id": item.event.run_id,
        "execution_status": status.value,
        "evaluation_event": item.row["event"],
        "evaluation_event_timestamp": item.row["timestamp"],
        "evaluation_event_storage_id": number,
        "materialization_event_storage_id": target.storage_id if target else None,
    }
    return [{**common, "partition": partition} for partition in _partitions(item.event)]


def _at_exit(log: weakref.ref[WaitingEvents]) -> None:
    if (found := log()) is not None:
        found.prepare_exit()
