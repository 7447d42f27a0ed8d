"""When a week is asked for again: earlier runs of the same input, read from their tags.

A run key is never repeated by Dagster, and whether an input is captured stands in the lake. So
what an earlier run made of the same input decides: a run that refused it is not repeated, one
that met a passing fault (a full disk, a killed process) is, a bounded number of times.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

import dagster as dg

from spine_assets.core.tags import PARTITION, RANGE_END, RANGE_START
from spine_assets.core.weeks import WeekError, parse_week, weeks_between
from spine_assets.otc.captures.pending import WeekInput

INPUT = "spine.asked/input"
"""Tag: the input a run was asked for (`WeekInput.key`)."""
_LEFT = "spine.asked/left"
_FAULT = "spine.asked/fault"
MAX_ATTEMPTS = 4  # about half an hour; what has not passed by then wants a person
_FIRST_WAIT_SECONDS = 60  # then three times as long each time
_RUNS_READ = 25  # of one input; more failures in a row than attempts are never needed
_NOTHING = "-"  # a tag must not be empty
_RUNS_UNDER_WAY = 500  # more only wait in a queue, where their turn is known to come
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class Fault(StrEnum):
    """Why a run failed: what it was given, or what may pass."""

    NONE = "none"
    INPUT = "input"
    PASSING = "passing"


class Verdict(StrEnum):
    """What to do about an input that is not captured."""

    ASK = "ask"
    WAIT = "wait"
    ANSWERED = "answered"
    GIVEN_UP = "given up"


@dataclass(frozen=True)
class Judgement:
    """A verdict, the number of the attempt it asks for, and the run it was drawn from."""

    verdict: Verdict
    attempt: int = 1
    run_id: str | None = None


def fault(*, failed: bool, passing: bool) -> Fault:
    """Why a run of one week failed, if it did."""
    if not failed:
        return Fault.NONE
    return Fault.PASSING if passing else Fault.INPUT


def word(left: WeekInput, found: Fault) -> dict[str, str]:
    """Tags by which a run tells what it left."""
    return {_LEFT: left.left or _NOTHING, _FAULT: found.value}


def judge(instance: dg.DagsterInstance, wanted: WeekInput, now: datetime) -> Judgement:
    """What to do about an input that is not captured, given the runs it had.

    Args:
        instance: Where runs are remembered.
        wanted: The input.
        now: The present, for the wait between attempts.
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
    failed = _failed_in_a_row([record.dagster_run for record in records])
    if failed >= MAX_ATTEMPTS:
        return Judgement(Verdict.GIVEN_UP, number, newest.run_id)
    ended = records[0].end_time or records[0].update_timestamp.replace(tzinfo=UTC).timestamp()
    wait = _FIRST_WAIT_SECONDS * 3 ** (failed - 1) if failed else 0
    if now.timestamp() < ended + wait:
        return Judgement(Verdict.WAIT, number, newest.run_id)
    return Judgement(Verdict.ASK, number + 1, newest.run_id)


def under_way(instance: dg.DagsterInstance) -> set[date]:
    """Weeks that runs which wait or work now were asked for, whoever asked.

    So a backfill of weeks whose files just arrived is not doubled by one run a week.
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
    """Whether a run has said all there is to say about an input as it stands.

    What it left uncaptured it refused. A person who canceled it had a reason.
    """
    if run.status is dg.DagsterRunStatus.CANCELED:
        return True
    if run.status is dg.DagsterRunStatus.FAILURE and run.tags.get(_FAULT) != Fault.INPUT:
        return False
    return run.tags.get(_LEFT) == (wanted.left or _NOTHING)


def _failed_in_a_row(runs: list[dg.DagsterRun]) -> int:
    """Failures since the last success, the newest run first."""
    for number, run in enumerate(runs):
        if run.status is not dg.DagsterRunStatus.FAILURE:
            return number
    return len(runs)
