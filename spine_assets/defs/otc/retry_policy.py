"""When a sensor requests a run of a week again, judged by the tags of earlier runs.

Dagster starts no two runs with one run key, and the lake only shows whether an input is captured.
So the outcome of earlier runs of the same input decides. A run that refused the input is not
repeated. One that failed with a transient error (a full disk, a killed process) is repeated a
limited number of times, with growing waits. A run of several weeks records its inputs and results
by week, so each week is judged and repeated alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from itertools import takewhile

import dagster as dg

from spine_assets.core.tags import PARTITION, RANGE_END, RANGE_START, Lane, run_tags, week_tags
from spine_assets.core.weeks import WeekError, parse_week, weeks_between
from spine_assets.orchestration.run_config import logged
from spine_assets.orchestration.site import current, our_tag
from spine_assets.otc.captures.pending import WeekInput

# Dagster's UI hides tags with the prefix `.dagster/`, and does not copy them to a re-execution.
INPUT = ".dagster/spine_input"
"""Tag: the inputs that a run was requested for (`WeekInput.key` of each week, with spaces)."""
_RESULT = ".dagster/spine_result"
MAX_ATTEMPTS = 4  # within about half an hour; a longer problem needs a person
_FIRST_WAIT_SECONDS = 60  # then three times as long each time
_RUNS_READ = 25  # per value; only as many failures in a row as attempts are counted
_VALUES_PER_QUERY = 500  # below the number of variables that any SQLite allows
_RUNS_UNDER_WAY = 500  # more only wait in the queue, which works them off anyway
_HASH_DIGITS = 12
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class FailureCause(StrEnum):
    """Why a week failed in a run: its input, which stays as it is, or a transient error."""

    NONE = "none"
    INPUT = "input"
    TRANSIENT = "transient"


class Verdict(StrEnum):
    """What to do about an input that is not captured."""

    ASK = "ask"
    WAIT = "wait"
    ANSWERED = "answered"
    GIVEN_UP = "given up"


@dataclass(frozen=True)
class Judgement:
    """A verdict, the number of the attempt that it requests, and the run that it is based on."""

    verdict: Verdict
    attempt: int = 1
    run_id: str | None = None


@dataclass(frozen=True)
class _WeekResult:
    """What a run left of a week (`WeekInput.left`), and why the week failed."""

    left: str
    cause: FailureCause


_DONE = _WeekResult("", FailureCause.NONE)


def result_tags(
    run_id: str, left: Sequence[WeekInput], causes: Mapping[date, FailureCause]
) -> dict[str, str]:
    """Tags by which a run reports, by week, what it left uncaptured, and why the week failed."""
    found = {
        str(item.week_ending): [item.left, causes.get(item.week_ending, FailureCause.NONE)]
        for item in left
        if item.left or item.week_ending in causes
    }
    # The id, because a re-execution may have the tags of the run that it repeats.
    return {_RESULT: json.dumps({"run": run_id, "weeks": found})}


def judge_all(
    instance: dg.DagsterInstance, wanted: Sequence[WeekInput], now: datetime
) -> dict[date, Judgement]:
    """By week, what to do about its input, which is not captured, given the runs it had.

    Args:
        instance: Where the runs are recorded.
        wanted: The inputs, one per week.
        now: The current time, for the wait between attempts.
    """
    runs = _runs_of(instance, {our_tag(item.key) for item in wanted})
    return {item.week_ending: _judge(runs.get(our_tag(item.key), []), item, now) for item in wanted}


def _judge(records: Sequence[dg.RunRecord], wanted: WeekInput, now: datetime) -> Judgement:
    if not records:
        return Judgement(Verdict.ASK)
    newest, number = records[0].dagster_run, len(records)
    if not newest.is_finished:
        return Judgement(Verdict.WAIT, number, newest.run_id)
    if _answered(newest, wanted):
        return Judgement(Verdict.ANSWERED, number, newest.run_id)
    week = wanted.week_ending
    failed = len([*takewhile(lambda record: _failed(record.dagster_run, week), records)])
    if failed >= MAX_ATTEMPTS:
        return Judgement(Verdict.GIVEN_UP, number, newest.run_id)
    ended = records[0].end_time or records[0].update_timestamp.replace(tzinfo=UTC).timestamp()
    wait = _FIRST_WAIT_SECONDS * 3 ** (failed - 1) if failed else 0
    if 0 <= now.timestamp() - ended < wait:  # an end in the future: a wrong clock
        return Judgement(Verdict.WAIT, number, newest.run_id)
    return Judgement(Verdict.ASK, number + 1, newest.run_id)


def request(items: Sequence[tuple[WeekInput, int]], pipeline: str, lane: Lane) -> dg.RunRequest:
    """A sensor's run of one week or of adjacent weeks.

    Dagster starts one at most per input and attempt.

    Args:
        items: The input of each week and the number of its attempt, the oldest week first.
        pipeline: Name of the pipeline.
        lane: The lane of the run.
    """
    keys = [item.key if attempt == 1 else f"{item.key}#{attempt}" for item, attempt in items]
    first, last = items[0][0].week_ending, items[-1][0].week_ending
    digest = hashlib.sha256(" ".join(keys).encode()).hexdigest()[:_HASH_DIGITS]
    return dg.RunRequest(
        run_key=keys[0] if len(keys) == 1 else f"{first}..{last}:{digest}",
        run_config=logged(),
        partition_key=str(first) if len(items) == 1 else None,
        tags={
            **run_tags(pipeline, lane, "sensor"),
            **(week_tags(str(first), str(last)) if len(items) > 1 else {}),
            INPUT: " ".join(our_tag(item.key) for item, _ in items),
        },
    )


def under_way(instance: dg.DagsterInstance) -> set[date]:
    """Weeks of all runs that are queued or running now, whoever started them.

    So a backfill of weeks whose files have just arrived is not doubled by one run per week. Runs
    whose process was killed count until `run_locks.report_lost` has recorded that.
    """
    found: set[date] = set()
    unfinished = dg.RunsFilter(statuses=_UNFINISHED)
    for run in filter(current().owns, instance.get_runs(unfinished, limit=_RUNS_UNDER_WAY)):
        first, last = (
            run.tags.get(PARTITION) or run.tags.get(end) or "" for end in (RANGE_START, RANGE_END)
        )
        with suppress(WeekError):  # no weeks: another domain's run
            found.update(weeks_between(parse_week(first), parse_week(last)))
    return found


def _runs_of(instance: dg.DagsterInstance, keys: Collection[str]) -> dict[str, list[dg.RunRecord]]:
    """By input, the runs that were requested for it, the newest first; few queries for all."""
    stored = dict(instance.get_run_tags([INPUT])).get(INPUT, set()) if keys else set()
    values = sorted(value for value in stored if not {*keys}.isdisjoint(value.split()))
    records: list[dg.RunRecord] = []
    for start in range(0, len(values), _VALUES_PER_QUERY):
        chosen = values[start : start + _VALUES_PER_QUERY]
        records += instance.get_run_records(
            dg.RunsFilter(tags={INPUT: chosen}), limit=_RUNS_READ * len(chosen)
        )
    found: dict[str, list[dg.RunRecord]] = {}
    for record in sorted(records, key=lambda record: record.storage_id, reverse=True):
        for key in record.dagster_run.tags[INPUT].split():
            found.setdefault(key, []).append(record)
    return found


def _answered(run: dg.DagsterRun, wanted: WeekInput) -> bool:
    """Whether another run of the same input would end as this one did.

    A run refused what it left uncaptured. A run that a person canceled is not repeated either.
    """
    if run.status is dg.DagsterRunStatus.CANCELED:
        return True
    result = _result(run, wanted.week_ending)
    return result is not None and (
        result.cause is not FailureCause.TRANSIENT and result.left == wanted.left
    )


def _failed(run: dg.DagsterRun, week: date) -> bool:
    """Whether a week failed in a run, alone or with the run."""
    result = _result(run, week)
    return run.status is dg.DagsterRunStatus.FAILURE and result != _DONE


def _result(run: dg.DagsterRun, week: date) -> _WeekResult | None:
    """What a finished run left of a week; None where it ended before it could record it."""
    stored = json.loads(run.tags.get(_RESULT, "{}"))
    if stored.get("run") != run.run_id:
        return None
    by_week = {
        key: _WeekResult(left, FailureCause(cause))
        for key, (left, cause) in stored["weeks"].items()
    }
    causes = {result.cause for result in by_week.values()} - {FailureCause.NONE}
    if run.status is dg.DagsterRunStatus.FAILURE and not causes:
        return None  # it failed after that, and nothing is known of its weeks
    return by_week.get(str(week), _DONE)
