"""When a sensor requests a run of a week again, judged by the tags of earlier runs.

Dagster starts no two runs with one run key, and the lake only shows whether an input is captured.
So the outcome of earlier runs of the same input decides. A run that refused the input is not
repeated. One that failed with a transient error (a full disk, a killed process) is repeated a
limited number of times, with growing waits.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from itertools import takewhile

import dagster as dg

from spine_assets.core.tags import PARTITION, RANGE_END, RANGE_START, Lane, run_tags
from spine_assets.core.weeks import WeekError, parse_week, weeks_between
from spine_assets.otc.captures.pending import WeekInput

INPUT = "spine.asked/input"
"""Tag: the input that a run was requested for (`WeekInput.key`)."""
_LEFT = "spine.asked/left"
_FAILURE = "spine.asked/fault"
MAX_ATTEMPTS = 4  # within about half an hour; a longer problem needs a person
_FIRST_WAIT_SECONDS = 60  # then three times as long each time
_RUNS_READ = 25  # per input; only as many failures in a row as attempts are counted
_NOTHING = "-"  # a tag must not be empty
_RUNS_UNDER_WAY = 500  # more only wait in the queue, which works them off anyway
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class FailureCause(StrEnum):
    """Why a run of one week failed: its input, which stays as it is, or a transient error."""

    NONE = "none"
    INPUT = "input"
    TRANSIENT = "passing"


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


def result_tags(left: WeekInput, cause: FailureCause) -> dict[str, str]:
    """Tags by which a run of one week reports what it left uncaptured, and why it failed."""
    return {_LEFT: left.left or _NOTHING, _FAILURE: cause.value}


def judge(instance: dg.DagsterInstance, wanted: WeekInput, now: datetime) -> Judgement:
    """What to do about an input that is not captured, given the runs it had.

    Args:
        instance: Where the runs are recorded.
        wanted: The input.
        now: The current time, for the wait between attempts.
    """
    records = instance.get_run_records(
        dg.RunsFilter(tags={INPUT: wanted.key}), limit=_RUNS_READ
    )  # the newest first
    if not records:
        return Judgement(Verdict.ASK)
    newest, number = records[0].dagster_run, len(records)
    if not newest.is_finished:
        return Judgement(Verdict.WAIT, number, newest.run_id)
    if _answered(newest, wanted):
        return Judgement(Verdict.ANSWERED, number, newest.run_id)
    statuses = (record.dagster_run.status for record in records)
    failed = len([*takewhile(lambda status: status is dg.DagsterRunStatus.FAILURE, statuses)])
    if failed >= MAX_ATTEMPTS:
        return Judgement(Verdict.GIVEN_UP, number, newest.run_id)
    ended = records[0].end_time or records[0].update_timestamp.replace(tzinfo=UTC).timestamp()
    wait = _FIRST_WAIT_SECONDS * 3 ** (failed - 1) if failed else 0
    if now.timestamp() < ended + wait:
        return Judgement(Verdict.WAIT, number, newest.run_id)
    return Judgement(Verdict.ASK, number + 1, newest.run_id)


def request(item: WeekInput, attempt: int, pipeline: str, lane: Lane) -> dg.RunRequest:
    """A sensor's run of a week; Dagster starts one per input and attempt at most."""
    return dg.RunRequest(
        run_key=item.key if attempt == 1 else f"{item.key}#{attempt}",
        partition_key=str(item.week_ending),
        tags={**run_tags(pipeline, lane, "sensor"), INPUT: item.key},
    )


def under_way(instance: dg.DagsterInstance) -> set[date]:
    """Weeks of all runs that are queued or running now, whoever started them.

    So a backfill of weeks whose files have just arrived is not doubled by one run per week.
    """
    found: set[date] = set()
    unfinished = dg.RunsFilter(statuses=_UNFINISHED)
    for run in instance.get_runs(unfinished, limit=_RUNS_UNDER_WAY):
        first, last = (
            run.tags.get(PARTITION) or run.tags.get(end) or "" for end in (RANGE_START, RANGE_END)
        )
        with suppress(WeekError):  # no weeks: another domain's run
            found.update(weeks_between(parse_week(first), parse_week(last)))
    return found


def _answered(run: dg.DagsterRun, wanted: WeekInput) -> bool:
    """Whether another run of the same input would end as this one did.

    A run refused what it left uncaptured. A run that a person canceled is not repeated either.
    """
    if run.status is dg.DagsterRunStatus.CANCELED:
        return True
    if run.status is dg.DagsterRunStatus.FAILURE and run.tags.get(_FAILURE) != FailureCause.INPUT:
        return False
    return run.tags.get(_LEFT) == (wanted.left or _NOTHING)
