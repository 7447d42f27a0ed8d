"""Builds a table's week from a step: rows are computed, checked and published.

The order is that of every table here: build, check, publish. Rows that fail a blocking check are
not published and the earlier file stays. Which weeks are built belongs to
`orchestration.components`.
"""

from __future__ import annotations

import hashlib
import operator
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake, LakeFile
from spine_assets.lake.names import LockName
from spine_assets.lake.replace import Replacement, metadata_of_version, replace_file
from spine_assets.otc.checks.context import sample, validated
from spine_assets.otc.state.results import CheckResult, Severity, TableBuilt
from spine_assets.pipelines.steps.conformance import fitted, require_one_kind
from spine_assets.pipelines.steps.engine import EngineExecutionError, StepContext, TableEngine, Work
from spine_assets.pipelines.steps.inputs import made_from, require_inputs
from spine_assets.pipelines.steps.queries import open_database
from spine_assets.pipelines.yaml.sql_inspection import tables_read
from spine_assets.pipelines.yaml.table_model import ROWS, CheckPart, TableDestination, table_of

_VERSION_DIGITS = 12
_REMEDY = (
    "Correct the step's YAML or what it reads, then run it again; the earlier rows are unchanged."
)


@dataclass
class TableStepResult:
    """The result of building a table's week; `failed` names blocking checks that did not pass."""

    table: str
    rows: int
    events: list[TableBuilt | CheckResult] = field(default_factory=list)
    failed: tuple[str, ...] = ()


def build(
    engine: TableEngine[Any, Any, Any], work: Work[Any, TableDestination, Any], force: bool
) -> TableStepResult:
    """Make, check and publish.

    Raises:
        EngineExecutionError: what it reads is not there, or the rows do not fit the columns.
        LakeError: the lake cannot be written.
    """
    begun, context = time.perf_counter(), work.context
    reads = engine.reads(work.source)
    table = table_of(work.destination, weekly=context.week_ending is not None, deps=reads, code="")
    require_inputs(context, reads)
    own = context.workspace.own
    require_one_kind(own, table.name, weekly=context.week_ending is not None)
    inputs = made_from(context, reads)  # before the rows: what changes meanwhile shows later
    frame = fitted(engine.frame(work), table, context.week_ending)
    if not own.empty_part(table.name).exists():
        own.declare((table,))  # what is not there yet cannot hide a shared table from the step
    target = own.part(table.name, None)
    if context.week_ending is not None:
        target = own.part(table.name, context.week_ending)
    with _held(own, table, context):
        own.remove_leftovers_beside(target)
        built = _published(own, frame, table, target, work, inputs, begun, force=force)
    if engine.records_anomalies:
        built.events.append(context.anomalies.result(table.name))
    return built


def _published(
    own: Lake,
    frame: pl.DataFrame,
    table: Table,
    target: LakeFile,
    work: Work[Any, TableDestination, Any],
    inputs: dict[str, str],
    begun: float,
    *,
    force: bool,
) -> TableStepResult:
    """Check the rows, and put them in the place of the earlier ones if they may be.

    `own` is the very lake that holds the lock, which a lake in a bucket looks at to publish.
    """
    version = _version(frame)
    stored = {} if force else metadata_of_version(own, target, "data_version", version)
    results: list[CheckResult] = []

    def passes(staged: Path) -> bool:
        results.extend(_checks(frame, table, staged, work))
        if any(item.is_blocking_failure for item in results):
            return False
        own.declare((table,))  # only now: the view of the earlier rows knows their columns
        return True

    replacement = replace_file(
        own,
        target,
        frame,
        {"data_version": version, "made_from": inputs, "step": work.context.step_id},
        check=passes,
        unchanged=stored.get("made_from") == inputs,
    )
    if replacement is Replacement.KEPT:
        failed = tuple(item.check for item in results if item.is_blocking_failure)
        return TableStepResult(table.name, frame.height, [*results], failed)
    seconds = round(time.perf_counter() - begun, 3)
    facts: dict[str, Any] = {"rows": frame.height, "path": target, "seconds": seconds}
    built = TableBuilt(table.name, version, bool(stored), facts)
    return TableStepResult(table.name, frame.height, [built, *results])


def _checks(
    frame: pl.DataFrame, table: Table, staged: Path, work: Work[Any, TableDestination, Any]
) -> list[CheckResult]:
    of = f"{table.name} of {work.context.week_ending or 'all weeks'}"
    schema = validated(table, frame, of, remedy=_REMEDY)
    found = [replace(schema, blocking=True)]
    if not schema.passed:
        return found  # other checks mean nothing if the rows do not fit the schema
    for check in work.destination.checks:
        result = _of_rows(check, table, frame.height)
        if check.sql is not None:
            result = _of_sql(check, table, staged, work.context)
        blocking = check.severity is Severity.ERROR
        found.append(replace(result, severity=check.severity, blocking=blocking))
    return found


def _of_rows(check: CheckPart, table: Table, rows: int) -> CheckResult:
    passed = check.rows is None or holds(check.rows, rows)
    summary = f"{rows:,} rows; {check.description}"
    if not passed:
        summary = f"{rows:,} rows, and there must be {check.rows}. {check.todo or _REMEDY}"
    return CheckResult(table.name, check.name, passed, summary, facts={"rows": rows})


def _of_sql(check: CheckPart, table: Table, staged: Path, context: StepContext) -> CheckResult:
    # Without the week of a table that it reads, the check would find no wrong rows and pass.
    require_inputs(context, tables_read(check.sql or "") - {ROWS, table.name})
    try:
        with open_database(context, staged) as database:
            database.view_of(staged, ROWS)
            wrong = database.frame(*context.bind(check.sql or ""))
    except EngineExecutionError as error:
        raise EngineExecutionError(f"check {check.name} of {table.name}: {error}") from error
    summary = check.description
    if wrong.height:
        summary = f"{wrong.height:,} rows are wrong: {check.description} {check.todo or _REMEDY}"
    return CheckResult(
        table.name,
        check.name,
        not wrong.height,
        summary,
        facts={"rows_at_fault": wrong.height},
        samples=sample(wrong),
    )


_COMPARED: dict[str, Callable[[int, int], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def holds(condition: str, rows: int) -> bool:
    """Whether a number of rows meets a condition such as `>= 1`."""
    match = re.fullmatch(r"([<>=!]+) ?(\d+)", condition)
    if match is None:
        raise ValueError(f"{condition!r} is not a condition such as '>= 1'")
    return _COMPARED[match[1]](rows, int(match[2]))


def _held(own: Lake, table: Table, context: StepContext) -> Any:
    """The lock of the table's week; others may read meanwhile."""
    if context.week_ending is not None:
        return own.lock(context.week_ending)
    return own.lock_of(LockName.table(table.name))


def _version(frame: pl.DataFrame) -> str:
    """Depends on the rows and their types alone."""
    content = [str(polars) for polars in frame.schema.items()]
    whole = hashlib.sha256("|".join(content).encode())
    whole.update(frame.write_csv().encode() if not _is_nested(frame) else _as_json(frame))
    return whole.hexdigest()[:_VERSION_DIGITS]


def _is_nested(frame: pl.DataFrame) -> bool:
    return any(isinstance(type_, pl.List) for type_ in frame.schema.values())


def _as_json(frame: pl.DataFrame) -> bytes:
    return frame.write_json().encode()
