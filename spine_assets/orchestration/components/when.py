"""The `when` of a step: the rows of an earlier step, or the latest outcome of a check."""

from __future__ import annotations

from datetime import date

import dagster as dg

from spine_assets.orchestration.components.keys import key_of
from spine_assets.orchestration.components.outcomes import UpstreamOutcomes
from spine_assets.orchestration.history.storage import latest_evaluations
from spine_assets.pipelines.steps.engine import EngineExecutionError
from spine_assets.pipelines.steps.table_build import holds
from spine_assets.pipelines.yaml.model import CheckOutcome, When
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline


def why_not(
    when: When | None,
    before: UpstreamOutcomes,
    pipeline: DeclaredPipeline,
    instance: dg.DagsterInstance,
    week: date | None,
) -> str | None:
    """Why the condition does not hold; None where it does, or there is none.

    Raises:
        EngineExecutionError: the condition names a check that has no outcome.
    """
    if when is None:
        return None
    if when.rows is not None and when.step_id is not None:
        return _of_rows(when.step_id, when.rows, before)
    return _of_check(when, pipeline, instance, str(week))


def _of_rows(step_id: str, wanted: str, before: UpstreamOutcomes) -> str | None:
    rows = before.rows.get(step_id)
    if rows is None:
        return f"{step_id} has processed no rows"
    return None if holds(wanted, rows) else f"{step_id} has {rows:,} rows, not {wanted}"


def _of_check(
    when: When, pipeline: DeclaredPipeline, instance: dg.DagsterInstance, week: str
) -> str | None:
    table, _, name = (when.check or "").partition(".")
    evaluated = latest_evaluations(
        instance, [key_of(pipeline, table).to_user_string()], week, passed_events=False
    )
    passed = next((item.passed for item in evaluated if item.check == name), None)
    if passed is None:
        raise EngineExecutionError(
            f"the check {when.check} has no outcome for week {week}, which this step waits for; "
            f"build the week first: spine backfill {week}"
        )
    found = CheckOutcome.PASSED if passed else CheckOutcome.FAILED
    return None if found is when.outcome else f"the check {when.check} has {found}"
