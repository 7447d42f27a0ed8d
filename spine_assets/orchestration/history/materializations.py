"""The latest materialization of each partition, in one query; and taking partitions out of record.

Dagster wipes whole assets; of partitions its SQL storages (1.13.27, SQLite and PostgreSQL) say
"Partitioned asset wipe is not supported yet". `wipe_partitions` does the same for partitions: the
asset forgets their events, the logs of the runs that wrote them keep theirs. Does not belong
here: which partitions are to be wiped (`orchestration.reconcile`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
import sqlalchemy as sa

from spine_assets.orchestration import dagster_private as private
from spine_assets.orchestration.dagster_private import DATA_VERSION_TAG
from spine_assets.orchestration.history.storage import name_of, of_index, utc

_MADE = dg.DagsterEventType.ASSET_MATERIALIZATION.value
_SEEN = dg.DagsterEventType.ASSET_OBSERVATION.value
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
_MOST_PARAMETERS = 500  # SQLite took no more than 999 in a statement before 3.32


@dataclass(frozen=True)
class Recorded:
    """The latest materialization of a partition.

    Attributes:
        number: Its id in the log.
        run_id: Empty where it was recorded without a run.
        data_version: None where it has none.
    """

    table: str
    partition: str
    number: int
    run_id: str
    at: datetime
    data_version: str | None


def is_readable(instance: dg.DagsterInstance) -> bool:
    """Whether the history is in SQL tables; that of a hosted Dagster is not."""
    return hasattr(instance.event_log_storage, "index_connection")


def latest_materializations(
    instance: dg.DagsterInstance, tables: Collection[str], span: tuple[str, str] | None = None
) -> list[Recorded]:
    """The latest materialization of each partition of some assets, in no order.

    Args:
        instance: Dagster's instance.
        tables: Asset names.
        span: Only partitions from the first to the last of these, in the order of text.
    """
    c, tags = private.SqlEventLogStorageTable.c, private.AssetEventTagsTable.c
    latest = latest_of(_MADE, tables, span)
    query = (
        sa.select(c.asset_key, c.partition, c.id, c.run_id, c.timestamp, tags.value)
        .select_from(
            private.SqlEventLogStorageTable.outerjoin(
                private.AssetEventTagsTable,
                sa.and_(tags.event_id == c.id, tags.key == DATA_VERSION_TAG),
            )
        )
        .where(c.id.in_(latest))
    )
    return [
        Recorded(name_of(key), partition, number, run or "", utc(at), version)
        for key, partition, number, run, at, version in of_index(instance, query)
    ]


def latest_of(kind: str, tables: Collection[str], span: tuple[str, str] | None = None) -> Any:
    """The SELECT of the ids of each partition's latest event of a kind, wiped ones left out."""
    c, assets = private.SqlEventLogStorageTable.c, private.AssetKeyTable.c
    wanted = [
        c.asset_key.in_([dg.AssetKey.from_user_string(name).to_string() for name in tables]),
        c.dagster_event_type == kind,
        c.partition.is_not(None),
        sa.or_(assets.wipe_timestamp.is_(None), c.timestamp > assets.wipe_timestamp),
    ]
    if span is not None:
        wanted.append(c.partition.between(*span))
    return (
        sa.select(sa.func.max(c.id))
        .select_from(
            private.SqlEventLogStorageTable.join(
                private.AssetKeyTable, assets.asset_key == c.asset_key
            )
        )
        .where(*wanted)
        .group_by(c.asset_key, c.partition)
    )


def wipe_partitions(instance: dg.DagsterInstance, table: str, partitions: Sequence[str]) -> None:
    """Take partitions of an asset out of Dagster's record, as if they had never been made.

    Their materializations and observations, and the plans before them, belong to the asset no
    more; their evaluations of checks are deleted. A later attempt that failed stays a failure. An
    event of the asset says which partitions were wiped.
    """
    if not partitions:
        return
    key = dg.AssetKey.from_user_string(table)
    for start in range(0, len(partitions), _MOST_PARAMETERS):
        chunk = list(partitions[start : start + _MOST_PARAMETERS])
        with instance.event_log_storage.index_transaction() as connection:  # type: ignore[attr-defined]
            _forget(connection, key.to_string(), chunk)
    wiped = private.AssetWipedData(asset_key=key, partition_keys=list(partitions))
    instance.report_dagster_event(
        dg.DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_WIPED.value,
            event_specific_data=wiped,
            job_name=private.RUNLESS_JOB_NAME,
        ),
        run_id=private.RUNLESS_RUN_ID,
    )


def _forget(connection: sa.Connection, key: str, partitions: list[str]) -> None:
    """Make the index forget events of partitions, in a transaction."""
    events, checks = private.SqlEventLogStorageTable, private.AssetCheckExecutionsTable
    assets, tags = private.AssetKeyTable, private.AssetEventTagsTable
    of_asset = events.c.asset_key == key
    query = (
        sa.select(events.c.partition, sa.func.max(events.c.id))
        .where(
            of_asset,
            events.c.partition.in_(partitions),
            events.c.dagster_event_type.in_((_MADE, _SEEN)),
        )
        .group_by(events.c.partition)
    )
    for partition, last in connection.execute(query).fetchall():
        old = sa.and_(
            of_asset,
            events.c.partition == partition,
            events.c.id <= last,
            events.c.dagster_event_type.in_((_MADE, _SEEN, _PLANNED)),
        )
        connection.execute(
            tags.delete().where(tags.c.event_id.in_(sa.select(events.c.id).where(old)))
        )
        connection.execute(events.update().where(old).values(asset_key=None))
    connection.execute(
        checks.delete().where(checks.c.asset_key == key, checks.c.partition.in_(partitions))
    )
    latest = (
        sa.select(events.c.id, events.c.event)
        .where(of_asset, events.c.dagster_event_type == _MADE)
        .order_by(events.c.id.desc())
        .limit(1)
    )
    row = connection.execute(latest).first()
    connection.execute(
        assets.update()
        .where(assets.c.asset_key == key)
        .values(last_materialization=_record(row), cached_status_data=None)
    )


def _record(row: Any) -> str | None:
    """The text by which the row of an asset holds its latest materialization."""
    if row is None:
        return None
    entry = dg.deserialize_value(row[1], dg.EventLogEntry)
    return dg.serialize_value(dg.EventLogRecord(storage_id=row[0], event_log_entry=entry))
