"""Which runs Dagster still needs: queries of `prune`; files and space that `delete_run` leaves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from spine_assets.orchestration import dagster_private as private
from spine_assets.orchestration.history.storage import EVALUATED, of_index

_BACKFILLS_UNDER_WAY = ("REQUESTED", "CANCELING", "FAILING")
_BACKFILL_TAG = "dagster/backfill"
_BUSY_SECONDS = 20
_MOST_PARAMETERS = 500  # SQLite took no more than 999 in a statement before 3.32

Partition = tuple[str, str | None]
"""(asset, partition); the partition is None where an asset has none."""


def latest_events(
    instance: dg.DagsterInstance, kind: dg.DagsterEventType
) -> dict[Partition, tuple[int, str]]:
    """By (asset, partition): place in the log and run of the latest event of a kind."""
    c = private.SqlEventLogStorageTable.c
    latest = (
        sa.select(sa.func.max(c.id))
        .where(c.dagster_event_type == kind.value, c.asset_key.is_not(None))
        .group_by(c.asset_key, c.partition)
    )
    query = sa.select(c.asset_key, c.partition, c.id, c.run_id).where(c.id.in_(latest))
    return {
        (key, partition): (place, run) for key, partition, place, run in of_index(instance, query)
    }


def latest_plans_of(
    instance: dg.DagsterInstance, runs: Iterable[str]
) -> dict[Partition, tuple[int, str]]:
    """By (asset, partition): the latest plan among some runs, with its place and run."""
    c = private.SqlEventLogStorageTable.c
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
    found: dict[Partition, tuple[int, str]] = {}
    for chunk in _chunks(runs):
        query = (
            sa.select(c.asset_key, c.partition, sa.func.max(c.id), c.run_id)
            .where(c.run_id.in_(chunk), c.dagster_event_type == planned)
            .group_by(c.asset_key, c.partition, c.run_id)
        )
        for key, partition, place, run in of_index(instance, query):
            known = found.get((key, partition))
            if known is None or place > known[0]:
                found[key, partition] = (place, run)
    return found


def runs_of_latest_checks(instance: dg.DagsterInstance) -> tuple[set[str], set[str]]:
    """Runs with the latest evaluation of a check's partition; runs with its latest plan."""
    c = private.AssetCheckExecutionsTable.c
    found = []
    for only in ([c.execution_status.in_(EVALUATED)], []):
        latest = (
            sa.select(sa.func.max(c.id))
            .where(*only)
            .group_by(c.asset_key, c.check_name, c.partition)
        )
        query = sa.select(c.run_id).where(c.id.in_(latest)).distinct()
        found.append({run for (run,) in of_index(instance, query)})
    return found[0], found[1]


def last_runs_of_assets(instance: dg.DagsterInstance) -> set[str]:
    """The run that each asset's own record names as its last."""
    records = instance.get_asset_records()
    return {item.asset_entry.last_run_id for item in records if item.asset_entry.last_run_id}


def runs_of_backfills_under_way(instance: dg.DagsterInstance) -> set[str]:
    """Runs that an unfinished backfill still counts."""
    ids = [
        backfill.backfill_id
        for backfill in instance.get_backfills()
        if backfill.status.value in _BACKFILLS_UNDER_WAY
    ]
    if not ids:
        return set()
    return set(instance.get_run_ids(dg.RunsFilter(tags={_BACKFILL_TAG: ids})))


def remove_shard(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete the SQLite file of a deleted run's log, which Dagster empties but keeps."""
    storage = instance.event_log_storage
    if not hasattr(storage, "path_for_shard"):
        return  # PostgreSQL: one log for all runs
    shard = Path(storage.path_for_shard(run_id))
    for ending in ("", "-wal", "-shm"):
        shard.with_name(shard.name + ending).unlink(missing_ok=True)


def vacuum(instance: dg.DagsterInstance) -> int | None:
    """Give the space of deleted rows back; bytes, or None where a database was in use.

    SQLite keeps it in its files otherwise. VACUUM writes a database again, which needs as much
    space as it has content, and locks it for some seconds. PostgreSQL does this by itself: 0.
    """
    storage = instance.event_log_storage
    if not hasattr(storage, "path_for_shard"):
        return 0
    index = Path(storage.path_for_shard(private.INDEX_SHARD_NAME))
    history = index.parent.parent
    freed, is_complete = 0, True
    for path in (index, history / "runs.db", history.parent / "schedules" / "schedules.db"):
        if path.exists():
            before = path.stat().st_size
            try:
                with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
                    connection.isolation_level = None
                    connection.execute("VACUUM")
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError:  # in use for longer, or no space: as before
                is_complete = False
            freed += before - path.stat().st_size
    return freed if is_complete else None


def _chunks(runs: Iterable[str]) -> Iterable[list[str]]:
    every = list(runs)
    for start in range(0, len(every), _MOST_PARAMETERS):
        yield every[start : start + _MOST_PARAMETERS]
