"""Queries of Dagster's tables, each for many partitions or runs at once.

Dagster's own calls return one partition or one run at a time; over 650 weeks or 10,000 runs that
takes seconds to minutes. SQLite and PostgreSQL have the same tables. Belongs here: queries. Does
not belong here: what the rows mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import sqlalchemy as sa

from spine_assets.orchestration import dagster_private as private

if TYPE_CHECKING:
    from sqlalchemy.sql import ColumnElement, Select

EVALUATED = ("SUCCEEDED", "FAILED")


@dataclass(frozen=True)
class Evaluated:
    """The latest evaluation of a check of a partition; `event` is set where it was asked for."""

    table: str
    check: str
    partition: str | None
    run_id: str
    passed: bool
    at: datetime
    event: str | None


def latest_evaluations(
    instance: dg.DagsterInstance,
    tables: Iterable[str],
    week: str | None = None,
    *,
    passed_events: bool,
) -> list[Evaluated]:
    """The latest evaluation of each check and partition of some tables, in no order.

    A check that a later run planned and never evaluated keeps its earlier evaluation, as
    the earlier file stays.

    Args:
        instance: Dagster's instance.
        tables: Asset names.
        week: Only this partition.
        passed_events: Also read the events of checks that passed, which are most of all bytes.
    """
    c = private.AssetCheckExecutionsTable.c
    wanted: list[ColumnElement[bool]] = [
        c.asset_key.in_([dg.AssetKey.from_user_string(name).to_string() for name in tables]),
    ]
    if week is not None:
        wanted.append(c.partition == week)
    latest = latest_evaluation_ids(*wanted)
    event: ColumnElement[Any] = c.evaluation_event
    if not passed_events:
        event = sa.case((c.execution_status == "FAILED", event), else_=None)
    query = sa.select(
        c.asset_key,
        c.check_name,
        c.partition,
        c.run_id,
        c.execution_status,
        c.evaluation_event_timestamp,
        event,
    ).where(c.id.in_(latest))
    return [
        Evaluated(name_of(key), check, partition, run, status == "SUCCEEDED", utc(at), text)
        for key, check, partition, run, status, at, text in of_index(instance, query)
    ]


def latest_evaluation_ids(*wanted: ColumnElement[bool]) -> Select[Any]:
    """The SELECT of the ids of each check's and partition's latest evaluation."""
    c = private.AssetCheckExecutionsTable.c
    return (
        sa.select(sa.func.max(c.id))
        .where(c.execution_status.in_(EVALUATED), *wanted)
        .group_by(c.asset_key, c.check_name, c.partition)
    )


def evaluation(event: str) -> dg.AssetCheckEvaluation:
    """The evaluation in a stored event."""
    found: Any = _entry(event).dagster_event
    return cast("dg.AssetCheckEvaluation", found.asset_check_evaluation_data)


def built_by(instance: dg.DagsterInstance, runs: Sequence[str]) -> dict[str, tuple[int, int]]:
    """By run: how many materializations it made, and of how many partitions."""
    c = private.SqlEventLogStorageTable.c
    query = (
        sa.select(c.run_id, sa.func.count(), sa.func.count(sa.distinct(c.partition)))
        .where(
            c.run_id.in_(runs),
            c.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        )
        .group_by(c.run_id)
    )
    return {run: (tables, weeks) for run, tables, weeks in of_index(instance, query)}


def failures_of(instance: dg.DagsterInstance, runs: Sequence[str]) -> dict[str, dg.EventLogEntry]:
    """By run: the event of its failure."""
    c = private.SqlEventLogStorageTable.c
    query = sa.select(c.run_id, c.event).where(
        c.run_id.in_(runs), c.dagster_event_type == dg.DagsterEventType.RUN_FAILURE.value
    )
    return {run: _entry(event) for run, event in of_index(instance, query)}


def runs_like(instance: dg.DagsterInstance, prefix: str) -> list[str]:
    """Ids of runs that begin with a text, the newest first."""
    c = private.RunsTable.c
    query = (
        sa.select(c.run_id)
        .where(c.run_id.startswith(prefix, autoescape=True))
        .order_by(c.id.desc())
    )
    return [run for (run,) in of_runs(instance, query)]


def newest_runs(instance: dg.DagsterInstance, limit: int) -> list[str]:
    """Ids of the newest runs."""
    c = private.RunsTable.c
    query = sa.select(c.run_id).order_by(c.id.desc()).limit(limit)
    return [run for (run,) in of_runs(instance, query)]


def job_names(instance: dg.DagsterInstance) -> set[str]:
    """Jobs of which there are runs; Dagster's own names for runs without a job left out."""
    query = sa.select(private.RunsTable.c.pipeline_name).distinct()
    return {name for (name,) in of_runs(instance, query) if not name.startswith("__")}


def partitions_by_state(
    instance: dg.DagsterInstance, table: str, weeks: dg.WeeklyPartitionsDefinition
) -> dict[str, set[str]]:
    """The partitions that are in progress, failed and materialized, by those names.

    The same as the UI's and `instance.get_status_by_partition`, which asks for one partition
    after another and takes ten times as long over the whole history. As there, a partition
    that is in several counts under the first.
    """
    status = private.get_and_update_asset_status_cache_value(instance, dg.AssetKey(table), weeks)
    if status is None:
        return {}
    subsets = {
        "in_progress": status.deserialize_in_progress_partition_subsets(weeks),
        "failed": status.deserialize_failed_partition_subsets(weeks),
        "materialized": status.deserialize_materialized_partition_subsets(weeks),
    }
    return {state: set(subset.get_partition_keys()) for state, subset in subsets.items()}


def data_versions(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, str]:
    """The data version of the latest materialization of each partition that has one.

    The public `get_latest_data_version_record` asks for one partition after another.
    """
    if not partitions:
        return {}
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        asset,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        tag_keys=[private.DATA_VERSION_TAG],
        asset_partitions=partitions,
    )
    return {name: found[private.DATA_VERSION_TAG] for name, found in tags.items()}


def _entry(event: str) -> dg.EventLogEntry:
    return dg.deserialize_value(event, dg.EventLogEntry)


@cache
def name_of(key: str) -> str:
    """An asset's name; there are a few of them and thousands of rows."""
    found = dg.AssetKey.from_db_string(key)
    return found.to_user_string() if found else key


def utc(moment: datetime) -> datetime:
    """A time of the storage, which may lack its zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def of_index(instance: dg.DagsterInstance, query: Select[Any]) -> Sequence[Any]:
    """Rows of the log that all runs share."""
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        return list(connection.execute(query).fetchall())


def of_runs(instance: dg.DagsterInstance, query: Select[Any]) -> Sequence[Any]:
    """Rows of the record of runs."""
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        return list(connection.execute(query).fetchall())
