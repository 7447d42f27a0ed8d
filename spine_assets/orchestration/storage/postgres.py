"""Dagster's own PostgreSQL storage, its events written in batches.

Dagster (dagster-postgres 0.29.27) opens three connections for most events and commits each of
their statements, which is most of what a range of weeks costs. Here the kinds of events that
a range has thousands of are written in batches (`batched_events`). Tables and rows are the same, so
Dagster's own storage can open them. Measurements: `docs/decisions/0007-*`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from spine_assets.orchestration.dagster_private import (
    AssetCheckExecutionsTable,
    ConfigurableClassData,
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    SqlEventLogStorageTable,
    get_token_provider_from_config,
    pg_url_from_config,
)
from spine_assets.orchestration.storage.batched_events import Item, WaitingEvents, upsert_of

if TYPE_CHECKING:
    from spine_assets.orchestration.dagster_private import PgTokenProvider

_UPSERT = upsert_of(postgresql.insert(AssetCheckExecutionsTable))
_NEXT_IDS = sa.text(
    "SELECT nextval(pg_get_serial_sequence('event_logs', 'id')) FROM generate_series(1, :count)"
)


class BatchingPostgresStorage(DagsterPostgresStorage):
    """Runs, events and schedules in one database, configured as Dagster's `postgres` storage."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: PgTokenProvider | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data, token_provider)
        self._event_log_storage = BatchingPostgresEventLog(
            postgres_url, should_autocreate_tables, token_provider=token_provider
        )

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> BatchingPostgresStorage:
        """Open the storage that `dagster.yaml` configures; create its tables if need be."""
        config = cast("Any", config_value)
        return cls(
            pg_url_from_config(config),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config),
        )


class BatchingPostgresEventLog(WaitingEvents, PostgresEventLogStorage):
    """Dagster's event log in PostgreSQL; events are written in batches."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._begin_waiting()
        self._own = threading.local()
        super().__init__(*args, **named)

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        """Flush waiting events before every read and every other write."""
        if not getattr(self._own, "is_writing", False):
            self._batches.flush()
        with super()._connect() as connection:
            yield connection

    def _write(self, batch: list[Item]) -> None:
        """Write events of one run, as Dagster's `store_event_batch` does: rows, then what follows.

        PostgreSQL gives ids without a lock, and rows name each other by them. The rows follow at
        once and are one statement that commits itself, so that no id is missing for long. If the
        second part fails, only that part is tried again.
        """
        self._own.is_writing = True  # this thread's connections must not wait for the thread
        with self._connect() as connection:
            new = [item for item in batch if not item.is_stored]
            if new:
                numbers = connection.execute(_NEXT_IDS, {"count": len(new)}).scalars().all()
                for item, number in zip(new, numbers, strict=True):
                    item.number = number
                self._bind_targets(connection, new)
                rows = [{"id": item.number, **item.row} for item in new]
                connection.execute(SqlEventLogStorageTable.insert(), rows)
                connection.commit()  # already done; SQLAlchemy needs the call
                for item in new:
                    item.is_stored = True
            indexed = {item.number: item for item in batch if item.kind is not None}
            if indexed:
                settled = connection.execution_options(isolation_level="READ COMMITTED")
                with settled.begin():
                    self._write_derived(settled, _UPSERT, indexed)
