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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import dagster as dg
import sqlalchemy as sa

from spine_assets.orchestration.check_targets import AT_WRITE, CheckTarget, with_target
from spine_assets.orchestration.dagster_private import (
    AssetCheckExecutionRecordStatus,
    SqlEventLogStorage,
    SqlEventLogStorageTable,
)
from spine_assets.orchestration.storage.batch_writer import Batches

DELAY_SECONDS = 0.25  # short enough for a person, long enough for the events of a week
MOST_EVENTS = 500  # some 0.1 s of writing, so that no other process waits long
_STATUS = AssetCheckExecutionRecordStatus
_PLANNED = _STATUS.PLANNED.value
_OF_THE_RUN_ALONE = (
    dg.DagsterEventType.ENGINE_EVENT,  # the progress of a run
    dg.DagsterEventType.STEP_OUTPUT,  # one for each check of a step
)
_OF_CHECKS = (
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
)


@dataclass
class Item:
    """An event and its row of the log, which may be stored before what Dagster derives from it.

    Attributes:
        row: Of an evaluation whose target is not known yet, it is made when it is written.
        is_stored: Whether the row is in the log (SQLite: in the run's file).
        number: Its id in the log.
        target: Of an evaluation: the materialization that it is about.
    """

    event: dg.EventLogEntry
    row: dict[str, Any]
    is_stored: bool = False
    number: int = 0
    target: CheckTarget | None = None

    @property
    def evaluation(self) -> dg.AssetCheckEvaluation | None:
        """The evaluation of a check that it is, if it is one."""
        if self.kind is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            return None
        return cast("dg.DagsterEvent", self.event.dagster_event).asset_check_evaluation_data

    @property
    def kind(self) -> dg.DagsterEventType | None:
        """None where Dagster derives nothing from it: log lines, progress and outputs."""
        kind = self.event.dagster_event_type
        return None if kind in _OF_THE_RUN_ALONE else kind


class WaitingEvents(SqlEventLogStorage):
    """An event log of Dagster that collects the kinds of events that ranges have thousands of.

    Materializations, evaluations of checks of a partition, what a run plans of both, log lines and
    progress are written together: after `DELAY_SECONDS`, when `MOST_EVENTS` wait, or before
    anything else is written or read through this object, whichever comes first. So every process
    reads all events in the order in which they were stored.

    A subclass writes a batch (`_write`), flushes `_batches` before each of its connections, and
    calls `_begin_waiting` before Dagster's `__init__`.

    Attributes:
        names_targets: It gives evaluations the materialization for which `AT_WRITE` stands.
    """

    names_targets = True

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
            item = Item(event, {})
            if not _names_target_later(item):
                item.row = self._event_to_row(event)
            self._batches.add(item)
        else:
            self._batches.flush()
            super().store_event(self._bound(event))

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events one after another; Dagster calls this where it collects events itself."""
        for event in events:
            self.store_event(event)

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

    def _bound(self, event: dg.EventLogEntry) -> dg.EventLogEntry:
        """An event that is written alone, with its target."""
        item = Item(event, {})
        if not _names_target_later(item):
            return event
        with self.index_connection() as connection:
            found = _latest_targets(connection, {_target_key(item)})
        return with_target(event, found.get(_target_key(item)))

    def _bind_targets(self, connection: sa.Connection, batch: Sequence[Item]) -> None:
        """Make the rows of evaluations that name their target when they are written.

        It is the materialization of their asset and partition that comes last before them.

        Args:
            connection: To the log that all runs share.
            batch: In their order; each that is indexed has its number.
        """
        latest: dict[tuple[str, str], CheckTarget] = {}
        if unbound := [_target_key(item) for item in batch if _names_target_later(item)]:
            latest = _latest_targets(connection, set(unbound))
        for item in batch:
            if item.kind is dg.DagsterEventType.ASSET_MATERIALIZATION:
                key = (item.row["asset_key"], item.row["partition"])
                latest[key] = CheckTarget(
                    storage_id=item.number, run_id=item.event.run_id, timestamp=item.event.timestamp
                )
            elif _names_target_later(item):
                item.target = latest.get(_target_key(item))
                item.row = self._event_to_row(with_target(item.event, item.target))

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
        *_OF_THE_RUN_ALONE,
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
        target = item.target if target == AT_WRITE else target
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


def _names_target_later(item: Item) -> bool:
    found = item.evaluation
    return found is not None and found.target_materialization_data == AT_WRITE


def _target_key(item: Item) -> tuple[str, str]:
    """Asset and partition of an evaluation, as rows of materializations have them."""
    found = cast("dg.AssetCheckEvaluation", item.evaluation)
    return found.asset_key.to_string(), str(found.partition)


def _latest_targets(
    connection: sa.Connection, keys: set[tuple[str, str]]
) -> dict[tuple[str, str], CheckTarget]:
    """The latest stored materialization of assets and partitions, where there is one."""
    c = SqlEventLogStorageTable.c
    assets, partitions = ({key[at] for key in keys} for at in (0, 1))
    latest = (
        sa.select(sa.func.max(c.id))
        .where(
            c.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value,
            c.asset_key.in_(assets),
            c.partition.in_(partitions),
        )
        .group_by(c.asset_key, c.partition)
    )
    query = sa.select(c.asset_key, c.partition, c.id, c.event).where(c.id.in_(latest))
    found = {}
    for asset, partition, number, event in connection.execute(query):
        made = dg.deserialize_value(event, dg.EventLogEntry)
        found[asset, partition] = CheckTarget(
            storage_id=number, run_id=made.run_id, timestamp=made.timestamp
        )
    return found


def _at_exit(log: weakref.ref[WaitingEvents]) -> None:
    if (found := log()) is not None:
        found.prepare_exit()
