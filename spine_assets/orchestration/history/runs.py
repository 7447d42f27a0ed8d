"""Lists of runs: which there were, and what each did, as plain values.

Does not belong here: canceling a run (`cancel`), deleting it (`prune`), queries (`storage`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from spine_assets.core.tags import (
    LANE,
    PARTITION,
    PIPELINE,
    RANGE_END,
    RANGE_START,
    SHORT_ID,
    TENANT,
    TRIGGER,
)
from spine_assets.core.weeks import FIRST_WEEK, week_ending_of, weeks_between
from spine_assets.orchestration.history import storage
from spine_assets.orchestration.history.events import failure_text, first_step_failure
from spine_assets.orchestration.history.instance import NoSuchRun

_OURS = "spine/"
_STARTED_BY = {
    "dagster/schedule_name": "schedule",
    "dagster/sensor_name": "sensor",
    "dagster/backfill": "backfill",
}
_RETRY = "dagster/retry_number"
_FROM_UI = "dagster/from_ui"  # set by Dagster's UI on all that it starts
_NAMED_LIKE = 1000  # newest runs among which a mistyped id is looked for
_ID = re.compile(r"[0-9a-f-]+")


@dataclass(frozen=True)
class RunLine:
    """One run in a list.

    Attributes:
        name: Its pipeline, else its job, else the assets that were asked for.
        weeks: First and last week asked for; the same where it was one; None where none.
        trigger: Who started it (`trigger_of`).
        status: Dagster's, in small letters.
        seconds: From its start to its end, or to now.
        did: Its result in a few words; empty while there is none.
    """

    run_id: str
    name: str
    weeks: tuple[str, str] | None
    lane: str | None
    trigger: str | None
    status: str
    created: datetime
    started: datetime | None
    ended: datetime | None
    seconds: float | None
    did: str


@dataclass(frozen=True)
class RunQuery:
    """Which runs to list; None means any."""

    status: str | None = None
    pipeline: str | None = None
    week: date | None = None
    tenant: str | None = None


def newest(instance: dg.DagsterInstance, query: RunQuery, limit: int) -> list[dg.RunRecord]:
    """The newest runs that match a query, newest first."""
    found: dict[str, dg.RunRecord] = {}
    for chosen in _filters(query):
        for record in instance.get_run_records(chosen, limit=limit):
            found[record.dagster_run.run_id] = record
    return sorted(found.values(), key=lambda record: record.storage_id, reverse=True)[:limit]


def described(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> list[RunLine]:
    """Runs with what they did; two queries, however many runs."""
    ids = [record.dagster_run.run_id for record in records]
    built = storage.built_by(instance, ids)
    failed = storage.failures_of(instance, ids)
    return [
        _line(record, built.get(run_id, (0, 0)), failed.get(run_id))
        for record, run_id in zip(records, ids, strict=True)
    ]


def find(instance: dg.DagsterInstance, given: str) -> dg.RunRecord:
    """The run whose id begins with a text.

    Raises:
        NoSuchRun: none or several do.
    """
    prefix = given.strip().lower()
    found = storage.runs_like(instance, prefix) if _ID.fullmatch(prefix) else []
    if len(found) == 1 or prefix in found:
        chosen = prefix if prefix in found else found[0]
        return instance.get_run_records(dg.RunsFilter(run_ids=[chosen]), limit=1)[0]
    if found:
        named = ", ".join(found[:3])
        raise NoSuchRun(f"{len(found)} runs begin with {given}: {named}; give more of the id")
    near = _nearest(instance, prefix)
    hint = f"did you mean {near}? " if near else ""
    raise NoSuchRun(f"there is no run {given!r}; {hint}`spine runs` lists them")


def pipeline_names(instance: dg.DagsterInstance) -> list[str]:
    """Every name that `RunQuery.pipeline` finds a run by, sorted."""
    tagged = {text for _, texts in instance.get_run_tags([PIPELINE]) for text in texts}
    return sorted(tagged | storage.job_names(instance))


def tags_of_ours(run: dg.DagsterRun) -> dict[str, str]:
    """The tags that this program sets."""
    return {name: text for name, text in sorted(run.tags.items()) if name.startswith(_OURS)}


def _nearest(instance: dg.DagsterInstance, prefix: str) -> str | None:
    ids = storage.newest_runs(instance, _NAMED_LIKE)
    begins = {run_id[: max(len(prefix), SHORT_ID)]: run_id for run_id in reversed(ids)}
    near = difflib.get_close_matches(prefix, begins, n=1, cutoff=0.5)  # half of the letters
    return begins[near[0]] if near else None


def _filters(query: RunQuery) -> list[dg.RunsFilter]:
    """The filters whose union is the query."""
    tenant = {TENANT: query.tenant} if query.tenant else {}
    statuses = [dg.DagsterRunStatus(query.status.upper())] if query.status else None
    names: list[tuple[str | None, dict[str, Any]]] = [(None, {})]
    if query.pipeline:
        names = [(None, {PIPELINE: query.pipeline}), (query.pipeline, {})]
    weeks: list[dict[str, Any]] = [{}]
    if query.week:
        last = max(query.week, week_ending_of(datetime.now(UTC).date()))
        until = [str(week) for week in weeks_between(FIRST_WEEK, query.week)]
        since = [str(week) for week in weeks_between(query.week, last)]
        weeks = [{PARTITION: str(query.week)}, {RANGE_START: until, RANGE_END: since}]
    return [
        dg.RunsFilter(job_name=job, statuses=statuses, tags={**tags, **more, **tenant})
        for job, tags in names
        for more in weeks
    ]


def _line(record: dg.RunRecord, built: tuple[int, int], failed: dg.EventLogEntry | None) -> RunLine:
    run = record.dagster_run
    started, ended = moment_of(record.start_time), moment_of(record.end_time)
    until = ended or datetime.now(UTC)
    return RunLine(
        run_id=run.run_id,
        name=name_of(run),
        weeks=weeks_of(run),
        lane=run.tags.get(LANE),
        trigger=trigger_of(run),
        status=run.status.value.lower(),
        created=record.create_timestamp,
        started=started,
        ended=ended,
        seconds=round((until - started).total_seconds(), 1) if started else None,
        did=_did(built, failed),
    )


def name_of(run: dg.DagsterRun) -> str:
    """Its pipeline, else its job, else the assets that were asked for without a job."""
    if run.tags.get(PIPELINE):
        return run.tags[PIPELINE]
    if not run.job_name.startswith("__"):
        return run.job_name
    return ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ())) or "assets"


def weeks_of(run: dg.DagsterRun) -> tuple[str, str] | None:
    """First and last week that a run was asked for."""
    if PARTITION in run.tags:
        return run.tags[PARTITION], run.tags[PARTITION]
    if RANGE_START in run.tags and RANGE_END in run.tags:
        return run.tags[RANGE_START], run.tags[RANGE_END]
    return None


def error_of(failed: dg.EventLogEntry | None) -> str | None:
    """The complete text of a run's failure."""
    event = failed.dagster_event if failed else None
    return run_failure_text(event) if event else None


def run_failure_text(event: dg.DagsterEvent) -> str | None:
    """The error of a failed run: that of the first failed step, else its own."""
    step, data = first_step_failure(event), event.job_failure_data
    if step and (text := failure_text(step)):
        return text
    error = data.error if data else None
    return str(error.message).strip() if error else event.message


def _did(built: tuple[int, int], failed: dg.EventLogEntry | None) -> str:
    assets, weeks = built
    many = f"{assets} asset{'s' if assets != 1 else ''}"
    parts = [f"{many} of {weeks} weeks" if weeks > 1 else many] if assets else []
    if error := error_of(failed):
        parts.append(error.splitlines()[0])
    return "; ".join(parts)


def trigger_of(run: dg.DagsterRun) -> str | None:
    """Who or what started a run: our tag, else Dagster's schedule, sensor, backfill or UI.

    A re-execution has the tags of the run that it repeats, so those do not count.
    """
    by_ui = "ui" if _FROM_UI in run.tags else None
    if run.parent_run_id:
        return "retry" if _RETRY in run.tags else by_ui or "re-execution"
    if run.tags.get(TRIGGER):
        return run.tags[TRIGGER]
    for tag, kind in _STARTED_BY.items():
        if tag in run.tags:
            return f"{kind} {run.tags[tag]}"
    return by_ui


def moment_of(stamp: float | None) -> datetime | None:
    """A time of Dagster's, seconds since 1970, in UTC."""
    return datetime.fromtimestamp(stamp, UTC) if stamp else None
