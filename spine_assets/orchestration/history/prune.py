"""Deleting old runs without changing what is shown of the tables.

Dagster's `delete_run` (1.13.27) deletes the run, its tags and **all events that it wrote**, its
materializations among them: an asset without its latest materialization becomes missing, and a
failed week without its plan becomes green or missing. It leaves the check evaluations, whose run is
then unknown, the run's log file in SQLite (empty, but as large as before) and its compute logs. So
a run is kept as long as anything shown comes from it, and the files that `delete_run` leaves are
removed too. The evaluations stay: they are the record of quality.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import dagster as dg

from spine_assets.orchestration.history import prune_queries

_FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]


class Reason(StrEnum):
    """Why an old run is kept; a run with several counts under the first."""

    MATERIALIZATION = "hold the latest materialization of a table's week"
    FAILED = "are the last that failed of a week not built since"
    PLAN = "are the last that set out to build a table's week"
    CHECK = "hold the latest evaluation of a check's week"
    BACKFILL = "belong to a backfill that is under way"


@dataclass(frozen=True)
class PrunePlan:
    """Old runs to delete, by id, and the number of old runs to keep, by reason."""

    delete: list[str]
    keep: dict[Reason, int]


def plan(instance: dg.DagsterInstance, before: datetime) -> PrunePlan:
    """Which of the runs that ended before a time can be deleted; nothing is deleted yet."""
    old = instance.get_run_ids(dg.RunsFilter(statuses=_FINISHED, updated_before=before))
    reasons = _needed(instance)
    kept = Counter(reasons[run_id] for run_id in old if run_id in reasons)
    return PrunePlan(
        [run_id for run_id in old if run_id not in reasons],
        {reason: kept[reason] for reason in Reason if kept[reason]},
    )


def delete(instance: dg.DagsterInstance, chosen: PrunePlan) -> Iterator[str]:
    """Delete the runs of a plan, one after another, yielding the id of each.

    No deletion changes what is shown, so the caller may stop at any time. The record of a run, with
    which `delete_run` begins, goes last: after a kill the next plan has the run again.
    """
    for run_id in chosen.delete:
        instance.event_log_storage.delete_events(run_id)
        prune_queries.remove_shard(instance, run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.run_storage.delete_run(run_id)
        yield run_id


def _needed(instance: dg.DagsterInstance) -> dict[str, Reason]:
    """Runs that something shown comes from, of any age."""
    evaluated, last_checked = prune_queries.runs_of_latest_checks(instance)
    made = prune_queries.latest_events(instance, dg.DagsterEventType.ASSET_MATERIALIZATION)
    seen = prune_queries.latest_events(instance, dg.DagsterEventType.ASSET_OBSERVATION)
    planned = prune_queries.latest_events(
        instance, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    )
    found: dict[str, Reason] = {}
    for reason, runs in (
        (Reason.MATERIALIZATION, {run for _, run in [*made.values(), *seen.values()]}),
        (Reason.FAILED, _failed_since(instance, made)),
        (Reason.PLAN, {run for _, run in planned.values()}),
        (Reason.PLAN, prune_queries.last_runs_of_assets(instance)),
        (Reason.CHECK, evaluated | last_checked),
        (Reason.BACKFILL, prune_queries.runs_of_backfills_under_way(instance)),
    ):
        for run in runs:
            found.setdefault(run, reason)
    return found


def _failed_since(
    instance: dg.DagsterInstance, made: dict[prune_queries.Partition, tuple[int, str]]
) -> set[str]:
    """The last failed run of each partition that was not materialized after it."""
    failures = instance.get_run_ids(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    plans = prune_queries.latest_plans_of(instance, failures)
    return {run for key, (place, run) in plans.items() if place > made.get(key, (0, ""))[0]}
