"""Dagster's own SQLite storage: opened by one process at a time, its events written in batches.

Opening: Dagster (tried on 1.13.27) makes and stamps its run and schedule databases with no lock
and no retry, so of several first runs at once some end with `UNIQUE constraint failed:
alembic_version.version_num`, and may leave a history that no later run can open (`Version
table 'alembic_version' has more than one head present`).
Opening takes milliseconds once the databases are made.

Events: Dagster opens, commits and closes two databases for each event, which is most of what a
range of weeks costs. Here the kinds of events that a range has thousands of wait for one another,
for a quarter of a second at most. Files and rows are the same.

Belongs here: these two alone, since none of Dagster's classes below is public. What was
measured and what a killed process loses: `docs/decisions/0005-*` and `0007-*`.
"""

from __future__ import annotations

import atexit
import sqlite3
import weakref
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import sqlalchemy as sa
from dagster._core.events import DagsterEventType
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, _event_logs_directory
from filelock import FileLock
from sqlalchemy.dialects import sqlite

from spine_assets.batches import Batches

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
    from dagster._serdes import ConfigurableClassData

DELAY_SECONDS = 0.25  # who watches a run sees no difference, and the events of a week share it
MOST_EVENTS = 500  # some 0.1 s of writing, so that nobody else waits long for the database


class LockedSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite files below `base_dir`; each event written at once."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """Open the storage as `dagster.yaml` configures it, making it where it is missing."""
        base = Path(config_value["base_dir"])
        base.mkdir(parents=True, exist_ok=True)
        with FileLock(base / ".opening.lock"):
            return cls(str(base), inst_data=inst_data)


class BatchingSqliteStorage(LockedSqliteStorage):
    """The same files; events written in batches."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data=inst_data)
        self._event_log_storage = BatchingEventLog(_event_logs_directory(base_dir))


@dataclass
class _Item:
    """An event and its row of the log, which may stand in the run's file and not in the index."""

    event: dg.EventLogEntry
    row: dict[str, Any]
    in_run: bool = False

    @property
    def kind(self) -> DagsterEventType | None:
        """None for a log line."""
        return self.event.dagster_event_type


class BatchingEventLog(SqliteEventLogStorage):
    """Dagster's event log, in which the kinds of events that ranges have thousands of may wait.

    Materializations, planned ones, evaluations of checks of a partition, and log lines are
    written together: after `DELAY_SECONDS`, when `MOST_EVENTS` wait, or before anything else is
    written or read through this object, whichever comes first. So every process reads all in
    the order in which it was stored.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._batches = Batches(
            self._write,
            key=lambda item: item.event.run_id,
            delay_seconds=DELAY_SECONDS,
            most=MOST_EVENTS,
        )
        self._tables: set[str] = set()
        self._is_exiting = False
        super().__init__(base_dir, inst_data)
        atexit.register(_at_exit, weakref.ref(self))

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event, now or within `DELAY_SECONDS`.

        Raises:
            sqlalchemy.exc.DBAPIError: This event or one that waits cannot be written. Those
                that wait go on waiting.
        """
        if _may_wait(event) and not self._is_exiting:
            self._batches.add(_Item(event, self._event_to_row(event)))
        else:
            self._batches.flush()
            super().store_event(event)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        """Every read and every other write: what waits goes before it."""
        self._batches.flush()
        with super()._connect(shard) as connection:
            yield connection

    def _initdb(self, engine: sa.Engine, for_index_shard: bool = False) -> None:
        """Make a database where it is not made yet, as Dagster does.

        Dagster reads all its migrations to see that, once for each run's file: 45 ms a run, most
        of a minute over 1,000 runs. It then asks only whether there is a version; so does this.
        """
        if not _is_made(engine):
            super()._initdb(engine, for_index_shard)

    def dispose(self) -> None:
        """Write what waits, and end."""
        try:
            self._batches.flush()
        finally:
            super().dispose()

    def prepare_exit(self) -> None:
        """The process ends: write what waits, and from now on everything at once."""
        self._is_exiting = True
        self._batches.flush()

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; Dagster asks it for every materialization."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _write(self, batch: list[_Item]) -> None:
        """Write events of one run, as Dagster's `store_event` does one after another.

        Ids are given under the index's write lock, which the commit ends: who reads by ids
        sees none after a greater one. Nothing is done between the two commits, so that a kill
        seldom parts them; where the second one fails, only that is tried again.
        """
        run_id = batch[0].event.run_id
        if run_id not in self._initialized_dbs:
            with super()._connect(run_id):
                pass  # makes the run's file
        run_engine, index_engine = (
            _engine(self.conn_string_for_shard(shard)) for shard in (run_id, INDEX_SHARD_NAME)
        )
        with run_engine.connect() as run, index_engine.connect() as index:
            if new := [item.row for item in batch if not item.in_run]:
                run.execute(SqlEventLogStorageTable.insert(), new)
            indexed = [item for item in batch if item.kind is not None]
            if indexed:
                index.exec_driver_sql("BEGIN IMMEDIATE")
                last = index.scalar(sa.select(sa.func.max(SqlEventLogStorageTable.c.id))) or 0
                self._write_index(index, dict(enumerate(indexed, start=last + 1)))
            run.commit()
            for item in batch:
                item.in_run = True
            index.commit()

    def _write_index(self, index: sa.Connection, items: dict[int, _Item]) -> None:
        """Write events by their ids, and what Dagster derives from them."""
        rows = [{"id": number, **item.row} for number, item in items.items()]
        index.execute(SqlEventLogStorageTable.insert(), rows)
        evaluation = DagsterEventType.ASSET_CHECK_EVALUATION
        evaluated = [
            _execution(item, number) for number, item in items.items() if item.kind is evaluation
        ]
        if evaluated:
            index.execute(_UPSERT, evaluated)
        assets = {number: item for number, item in items.items() if item.kind is not evaluation}
        events = [item.event for item in assets.values()]
        self._store_asset_event_tags(index, events, list(assets))
        # A kind sets the same columns of the asset's row each time: its last event says all.
        last = {(item.row["asset_key"], item.kind): number for number, item in assets.items()}
        for number in sorted(last.values()):
            self._store_asset_event(index, assets[number].event, number)

    def _store_asset_check_evaluation_planned(
        self, event: dg.EventLogEntry, event_id: int | None
    ) -> None:
        """As Dagster, which serializes one and the same event for each of 650 partitions."""
        planned = cast("dg.DagsterEvent", event.dagster_event).asset_check_planned_data
        if planned.partitions_subset is None:
            super()._store_asset_check_evaluation_planned(event, event_id)
            return
        row = self._event_to_row(event)
        common = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": row["event"],
            "evaluation_event_timestamp": row["timestamp"],
            "evaluation_event_storage_id": event_id,
        }
        keys = planned.partitions_subset.get_partition_keys()
        with self.index_connection() as index:
            index.execute(
                AssetCheckExecutionsTable.insert(), [{**common, "partition": key} for key in keys]
            )


def _is_made(engine: sa.Engine) -> bool:
    """Whether a database has a version; Dagster looks closer where it cannot be told."""
    path = Path(engine.url.database or "").absolute()
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return len(versions) == 1


def _may_wait(event: dg.EventLogEntry) -> bool:
    """Whether it is of a kind that a range of weeks has thousands of; log lines have none."""
    if event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
        # Only with run and partition it has the unique key that finds what was planned.
        return bool(event.run_id) and _evaluation(event).partition is not None
    return event.dagster_event_type in (
        None,
        DagsterEventType.ASSET_MATERIALIZATION,
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    )


def _evaluation(event: dg.EventLogEntry) -> AssetCheckEvaluation:
    told = cast("dg.DagsterEvent", event.dagster_event).event_specific_data
    return cast("AssetCheckEvaluation", told)


@lru_cache(maxsize=4)  # an engine keeps the statements it compiled: the index's, a run's or two
def _engine(url: str) -> sa.Engine:
    """Opens a connection for each batch and keeps none, as others may delete a run's file."""
    return sa.create_engine(
        url, poolclass=sa.NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
    )


def _execution(item: _Item, number: int) -> dict[str, Any]:
    """An evaluation's row among the executions of its check."""
    told = _evaluation(item.event)
    status = AssetCheckExecutionRecordStatus
    target = told.target_materialization_data
    return {
        "asset_key": told.asset_key.to_string(),
        "check_name": told.check_name,
        "partition": told.partition,
        "run_id": item.event.run_id,
        "execution_status": (status.SUCCEEDED if told.passed else status.FAILED).value,
        "evaluation_event": item.row["event"],
        "evaluation_event_timestamp": item.row["timestamp"],
        "evaluation_event_storage_id": number,
        "materialization_event_storage_id": target.storage_id if target else None,
    }


_INSERT = sqlite.insert(AssetCheckExecutionsTable)
_UPSERT = _INSERT.on_conflict_do_update(  # an evaluation takes the place of what was planned
    index_elements=("asset_key", "check_name", "run_id", "partition"),
    set_={
        name: _INSERT.excluded[name]
        for name in (
            "execution_status",
            "evaluation_event",
            "evaluation_event_timestamp",
            "evaluation_event_storage_id",
            "materialization_event_storage_id",
        )
    },
)


def _at_exit(log: weakref.ref[BatchingEventLog]) -> None:
    if (found := log()) is not None:
        found.prepare_exit()
