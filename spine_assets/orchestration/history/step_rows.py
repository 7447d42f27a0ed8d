"""The steps of one run, read from its events: when each ran, how often, and its result.

A step of a YAML pipeline records its result in the metadata of its output `outcome`. For any other
step the result is that of Dagster's events, with what its materializations made. Does not belong
here: rows and columns (`run_rows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from spine_assets.orchestration.history.checks import plain_facts
from spine_assets.orchestration.history.events import failure_text

OUTCOME = "outcome"
"""Name of the output whose metadata has the result of a step."""
ROW_COUNT = "dagster/partition_row_count"
"""Metadata of a materialization: rows of its partition."""
SUCCESS, FAILED, SKIPPED, RUNNING = "SUCCESS", "FAILED", "SKIPPED", "RUNNING"

_KIND = dg.DagsterEventType
STEP_KINDS = frozenset(
    {
        _KIND.STEP_START,
        _KIND.STEP_RESTARTED,
        _KIND.STEP_SUCCESS,
        _KIND.STEP_FAILURE,
        _KIND.STEP_SKIPPED,
        _KIND.STEP_OUTPUT,
    }
)
"""Events of when steps ran and how they ended."""
ASSET_KINDS = frozenset({_KIND.ASSET_MATERIALIZATION})
"""Events with the rows of steps that materialize: thousands in a run of many weeks."""
_ENDS = {_KIND.STEP_SUCCESS: SUCCESS, _KIND.STEP_FAILURE: FAILED, _KIND.STEP_SKIPPED: SKIPPED}
_UNRESOLVED = "[?]"  # how a plan writes the keys of steps that a dynamic output will make


@dataclass(frozen=True)
class StepRow:
    """One step.

    Attributes:
        step_id: Dagster's key, `op[key]` where a dynamic output made it.
        started: Start of its first attempt, seconds since 1970; None where it never began.
        ended: End of its last attempt; None also while it runs.
        rows: Those that it reports, else those of what it materialized, each partition once.
        result: Plain JSON.
        reason: Why it was skipped or failed, as it reports.
        attempts: How often it was begun.
    """

    step_id: str
    name: str
    status: str
    started: float | None = None
    ended: float | None = None
    rows: int | None = None
    error: str | None = None
    result: Any = None
    reason: str | None = None
    attempts: int = 0

    @property
    def seconds(self) -> float | None:
        """From its first start to its last end."""
        if self.started is None or self.ended is None:
            return None
        return round(self.ended - self.started, 3)


@dataclass
class _Seen:
    """What the events so far show of a step."""

    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    end: str | None = None
    error: str | None = None
    reported: dict[str, Any] = field(default_factory=dict)
    made: dict[tuple[str, str | None], int | None] = field(default_factory=dict)


def steps_of(
    events: Iterable[tuple[float, dg.DagsterEvent]],
    plan: Sequence[str],
    run_ended: float | bool,
) -> list[StepRow]:
    """Steps in the order in which they began; steps of an ended run that never began come last.

    Args:
        events: `STEP_KINDS`, and `ASSET_KINDS` where rows are wanted; others are ignored.
        plan: Keys of the planned steps.
        run_ended: When the run ended, seconds since 1970; True if that is unknown, False if
            it has not.
    """
    seen: dict[str, _Seen] = {}
    for at, event in events:
        if event.step_key is not None and event.event_type in STEP_KINDS | ASSET_KINDS:
            _take(seen.setdefault(event.step_key, _Seen()), at, event)
    found = [_step(key, one, run_ended) for key, one in seen.items()]
    found.sort(key=lambda step: (step.started is None, step.started or 0.0))
    if run_ended:
        found += [StepRow(key, _name(key), SKIPPED) for key in missing(plan, seen)]
    return found


def missing(plan: Sequence[str], seen: Iterable[str]) -> list[str]:
    """Steps of a plan that were not seen; `op[?]` is where an `op[key]` was."""
    known = {*seen}
    known |= {f"{_name(key)}{_UNRESOLVED}" for key in known if "[" in key}
    return [key for key in plan if key not in known]


def _take(seen: _Seen, at: float, event: dg.DagsterEvent) -> None:
    """Note one event of a step."""
    match event.event_type:
        case _KIND.STEP_START | _KIND.STEP_RESTARTED:
            seen.started = at if seen.started is None else seen.started
            seen.attempts += 1
            seen.end, seen.ended, seen.error, seen.reported = None, None, None, {}
        case _KIND.STEP_SUCCESS | _KIND.STEP_FAILURE | _KIND.STEP_SKIPPED:
            seen.end = _ENDS[event.event_type]
            seen.ended = None if seen.end == SKIPPED else at
            if event.event_type is _KIND.STEP_FAILURE:
                seen.error = failure_text(event)
        case _KIND.STEP_OUTPUT:
            data = event.step_output_data
            if data.step_output_handle.output_name == OUTCOME:
                seen.reported = _reported(data.metadata)
        case _KIND.ASSET_MATERIALIZATION:
            made = event.step_materialization_data.materialization
            rows = plain_facts(made.metadata).get(ROW_COUNT)
            key = made.asset_key.to_user_string(), made.partition
            if rows is not None or key not in seen.made:  # an output may repeat it without rows
                seen.made[key] = rows


def _reported(metadata: Any) -> dict[str, Any]:
    """The values of an outcome, without those of a wrong type."""
    facts = plain_facts(metadata)
    if facts.get("status") not in (SUCCESS, FAILED, SKIPPED):
        return {}  # an output of foreign code with this name
    texts = {name: facts[name] for name in ("step_name", "reason") if _is(facts, name, str)}
    counts = {name: facts[name] for name in ("rows_processed", "attempts") if _is(facts, name, int)}
    return {"status": facts["status"], "result": facts.get("result"), **texts, **counts}


def _is(facts: dict[str, Any], name: str, kind: type) -> bool:
    return isinstance(facts.get(name), kind) and not isinstance(facts.get(name), bool)


def _step(key: str, seen: _Seen, run_ended: float | bool) -> StepRow:
    reported = seen.reported
    status = _status(seen, bool(run_ended))
    is_interrupted = status == FAILED and seen.end is None
    ended = seen.ended
    if is_interrupted and not isinstance(run_ended, bool):
        ended = run_ended
    error = None
    if status == FAILED:
        error = reported.get("reason") if reported.get("status") == FAILED else None
        error = error or seen.error
        error = error or ("its run ended while it was running" if is_interrupted else None)
    counts = [rows for rows in seen.made.values() if rows is not None]
    return StepRow(
        key,
        reported.get("step_name") or _name(key),
        status,
        started=seen.started,
        ended=ended,
        rows=reported.get("rows_processed", sum(counts) if counts else None),
        error=error,
        result=_made(seen) if reported.get("result") is None else reported["result"],
        reason=reported.get("reason"),
        attempts=max(reported.get("attempts", 0), seen.attempts),
    )


def _status(seen: _Seen, run_ended: bool) -> str:
    """Dagster's failure overrides what the step reported; its success does not."""
    if seen.end in (FAILED, SKIPPED):
        return seen.end
    if seen.end is None and not run_ended:
        return RUNNING
    return str(seen.reported.get("status") or seen.end or FAILED)


def _made(seen: _Seen) -> dict[str, Any] | None:
    """Which assets a step materialized, and of how many partitions."""
    if not seen.made:
        return None
    return {
        "assets": sorted({asset for asset, _ in seen.made}),
        "partitions": len({key for _, key in seen.made if key is not None}),
    }


def _name(key: str) -> str:
    return key.partition("[")[0]
