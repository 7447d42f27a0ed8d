"""Dagster's own SQLite storage: opened by one process at a time, its events written in batches.

Opening: Dagster (tried on 1.13.27) makes and stamps its run and schedule databases with no lock
and no retry, so of several first runs at once some end with `UNIQUE constraint failed:
alembic_version.version_num`, and may leave a history that no later run can open (`Version
table 'alembic_version' has more than one head present`).
Opening takes milliseconds once the databases are made.

Events: Dagster opens, commits and closes two databases for each event, which is most of what a
range of weeks costs. Here the kinds of events that a range has thousands of are written in batches
(`batched_events`), within a quarter of a second. Files and rows are the same. Measurements, and
what a killed process loses: `docs/decisions/0005-*` and `0007-*`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.dialects import sqlite

from spine_assets.orchestration.dagster_private import (
    INDEX_SHARD_NAME,
    SQLITE_BUSY_TIMEOUT_SECONDS,
    AssetCheckExecutionsTable,
    ConfigurableClassData,
    DagsterSqliteStorage,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
    _event_logs_directory,
)
from spine_assets.orchestration.storage.batched_events import Item, WaitingEvents, upsert_of
from spine_assets.orchestration.storage.local_files import optional_folder, with_folder

_UPSERT = upsert_of(sqlite.insert(AssetCheckExecutionsTable))


class LockedSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules in SQLite files below `base_dir`; each event written at once.

    Without a `base_dir` they are in the data folder; a relative one starts at the project's root
    (`local_files`).
    """

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """What may be configured."""
        return optional_folder(super().config_type())

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """Open the storage that `dagster.yaml` configures; create it if it is missing."""
        base = Path(with_folder(config_value)["base_dir"])
        base.mkdir(parents=True, exist_ok=True)
        with FileLock(base / ".opening.lock"):
            return cls(str(base), inst_data=inst_data)


class BatchingSqliteStorage(LockedSqliteStorage):
    """The same files; events written in batches."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data=inst_data)
        self._event_log_storage = BatchingSqliteEventLog(_event_logs_directory(base_dir))


class BatchingSqliteEventLog(WaitingEvents, SqliteEventLogStorage):
    """Dagster's event log in SQLite files; events are written in batches."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._begin_waiting()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        """Flush waiting events before every read and every other write."""
        self._batches.flush()
        with super()._connect(shard) as connection:
            yield connection

    def _initdb(self, engine: sa.Engine, for_index_shard: bool = False) -> None:
        """Create a database that does not exist yet, as Dagster does.

        To find out, Dagster reads all its migrations, for each run's file: 45 ms per run, most of a
        minute over 1,000 runs. It then only asks whether there is a version, and so does this.
        """
        if not _is_made(engine):
            super()._initdb(engine, for_index_shard)

    def _write(self, batch: list[Item]) -> None:
        """Write events of one run, as Dagster's `store_event` does one after another.

        Ids are given under the index's write lock, which the commit ends, so a reader never sees
        an id after a greater one. Nothing happens between the two commits, so that a kill seldom
        separates them; if the second one fails, only that is tried again.
        """
        run_id = batch[0].event.run_id
        if run_id not in self._initialized_dbs:
            with super()._connect(run_id):
                pass  # creates the run's file
        run_engine, index_engine = (
            _engine(self.conn_string_for_shard(shard)) for shard in (run_id, INDEX_SHARD_NAME)
        )
        with run_engine.connect() as run, index_engine.connect() as index:
            indexed = [item for item in batch if item.kind is not None]
            if indexed:
                index.exec_driver_sql("BEGIN IMMEDIATE")
                last = index.scalar(sa.select(sa.func.max(SqlEventLogStorageTable.c.id))) or 0
                for number, item in enumerate(indexed, start=last + 1):
                    item.number = number
                self._bind_targets(index, batch)
                rows = [{"id": item.number, **item.row} for item in indexed]
                index.execute(SqlEventLogStorageTable.insert(), rows)
                self._write_derived(index, _UPSERT, {item.number: item for item in indexed})
            # A row that an earlier attempt stored names the target by the number it had then.
            if new := [item.row for item in batch if not item.is_stored]:
                run.execute(SqlEventLogStorageTable.insert(), new)
            run.commit()
            for item in batch:
                item.is_stored = True
            index.commit()


def _is_made(engine: sa.Engine) -> bool:
    """Whether a database has a version; if that is unclear, Dagster itself examines it."""
    path = Path(engine.url.database or "").absolute()
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return len(versions) == 1


@lru_cache(maxsize=4)  # an engine keeps the statements it compiled: the index's, a run's or two
def _engine(url: str) -> sa.Engine:
    """An engine that keeps no connections, since another process may delete a run's file."""
    return sa.create_engine(
        url, poolclass=sa.NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
    )
