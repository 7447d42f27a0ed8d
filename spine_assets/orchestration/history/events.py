"""Events of one run, page by page, and the text of a failure.

Belongs here: what the readers of a run share. Does not belong here: what events mean for a table
(`run_details`), a step (`step_rows`) or an alert (`finished_runs`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import dagster as dg

_PAGE = 1_000  # a run of all 653 weeks has 8,500 evaluations


def events_of(
    instance: dg.DagsterInstance, run_id: str, kinds: Collection[dg.DagsterEventType]
) -> Iterator[tuple[float, dg.DagsterEvent]]:
    """Events of these kinds in their order, each with its time (seconds since 1970)."""
    cursor, more = None, True
    while more:
        page = instance.get_records_for_run(run_id, cursor, {*kinds}, limit=_PAGE)
        for record in page.records:
            if record.event_log_entry.dagster_event is not None:
                yield record.timestamp, record.event_log_entry.dagster_event
        cursor, more = page.cursor, page.has_more


def first_step_failure(event: dg.DagsterEvent | None) -> dg.DagsterEvent | None:
    """The event of the step that failed first, in the event that a run failed."""
    data = event.job_failure_data if event else None
    return data.first_step_failure_event if data else None


def failure_text(event: dg.DagsterEvent) -> str | None:
    """The error of a failed step: the description of its `dg.Failure`, else its innermost error."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error else None
