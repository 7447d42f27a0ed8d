"""A table's week from a step: rows made, checked and put in the place of the earlier ones.

The order is that of every table here: build, check, publish. Rows that fail a blocking check are
not published and the earlier file stays. Does not belong here: which weeks (`components`).
"""

from __future__ import annotations

import hashlib
import operator
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from spine_assets.declarative.asking import asked
from spine_assets.declarative.engine import EngineExecutionError, StepContext, TableEngine, Work
from spine_assets.declarative.inputs import require_inputs
from spine_assets.declarative.table_parts import ROWS, WEEK, CheckPart, TableDestination, table_of
from spine_assets.lake import Lake
from spine_assets.otc.checking import CheckResult, Severity, sample, validated
from spine_assets.otc.outcome import TableBuilt
from spine_assets.table import Table, conform

_VERSION_DIGITS = 12
_REMEDY = "Mend the step's YAML or what it reads, then run it again; the earlier rows stay."


@dataclass
class Built:
    """What became of a table's week; `failed` names the blocking checks that keep it back."""

    table: str
    rows: int
    events: list[TableBuilt | CheckResult] = field(default_factory=list)
    failed: tuple[str, ...] = ()


def build(
    engine: TableEngine[Any, Any, Any], work: Work[Any, TableDestination, Any], force: bool
) -> Built:
    """Make, check and publish.

    Raises:
        EngineExecutionError: what it reads is not there, or the rows do not fit the columns.
        LakeError: the lake cannot be written.
    """
    begun, context = time.perf_counter(), work.context
    reads = engine.reads(work.source)
    table = table_of(work.destination, weekly=context.week_ending is not None, deps=reads, code="")
    require_inputs(context, reads)
    own = context.place.own
    own.declare((table,))
    frame = _fitted(engine.frame(work), table, context)
    target = own.whole_part(table.name)
    if context.week_ending is not None:
        target = own.part(table.name, context.week_ending)
    with _held(own, table, context):
        if context.week_ending is not None:
            own.remove_leftovers(context.week_ending)
        return _published(frame, table, target, work, begun, force=force)


def _published(
    frame: pl.DataFrame,
    table: Table,
    target: Path,
    work: Work[Any, TableDestination, Any],
    begun: float,
    *,
    force: bool,
) -> Built:
    """Check the rows, and put them in the place of the earlier ones if they may be."""
    own = work.context.place.own
    version = _version(frame)
    staged = own.stage(frame, target, {"data_version": version, "step": work.context.step_id})
    try:
        results = _checks(frame, table, staged, work)
        failed = tuple(item.check for item in results if item.blocking and not item.passed)
        if not failed:
            unchanged = not force and target.exists() and _stored_version(own, target) == version
            if not unchanged:
                own.publish(staged, target)
            seconds = round(time.perf_counter() - begun, 3)
            facts: dict[str, Any] = {"rows": frame.height, "path": target, "seconds": seconds}
            built = TableBuilt(table.name, version, unchanged, facts)
            return Built(table.name, frame.height, [built, *results])
        return Built(table.name, frame.height, [*results], failed)
    finally:
        staged.unlink(missing_ok=True)


def _fitted(frame: pl.DataFrame, table: Table, context: StepContext) -> pl.DataFrame:
    """The rows with the declared columns, of the run's week alone."""
    week = context.week_ending
    if week is not None:
        frame = _of_week(frame, table, week)
    declared = [column.name for column in table.columns]
    missing = [name for name in declared if name not in frame.columns]
    others = [name for name in frame.columns if name not in declared]
    if missing or others:
        said = [f"lacks {', '.join(missing)}"] if missing else []
        said += [f"has also {', '.join(others)}"] if others else []
        raise EngineExecutionError(
            f"{table.name} declares {', '.join(declared)}; the step's answer {' and '.join(said)}. "
            "Make columns and answer alike"
        )
    try:
        return conform(frame, table)
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name} {type_}" for name, type_ in frame.schema.items())
        raise EngineExecutionError(
            f"{table.name}: a value does not fit its declared type: {error}. The step's answer "
            f"has {types}"
        ) from error


def _of_week(frame: pl.DataFrame, table: Table, week: date) -> pl.DataFrame:
    if WEEK not in frame.columns:
        return frame.with_columns(pl.lit(week, pl.Date).alias(WEEK))
    found = frame[WEEK].unique().to_list()
    foreign = sorted(str(item) for item in found if item != week)
    if foreign:
        raise EngineExecutionError(
            f"{table.name}: the step of week {week} answered with rows of {len(foreign)} other "
            f"weeks ({', '.join(foreign[:3])}); ask for week_ending = {{week_ending}}"
        )
    return frame


def _checks(
    frame: pl.DataFrame, table: Table, staged: Path, work: Work[Any, TableDestination, Any]
) -> list[CheckResult]:
    of = f"{table.name} of {work.context.week_ending or 'all weeks'}"
    schema = validated(table, frame, of, remedy=_REMEDY)
    found = [replace(schema, blocking=True)]
    if not schema.passed:
        return found  # of rows that are not as declared no question has a sure answer
    for check in work.destination.checks:
        result = _of_rows(check, table, frame.height)
        if check.sql is not None:
            result = _of_sql(check, table, staged, work.context)
        blocking = check.severity is Severity.ERROR
        found.append(replace(result, severity=check.severity, blocking=blocking))
    return found


def _of_rows(check: CheckPart, table: Table, rows: int) -> CheckResult:
    passed = check.rows is None or holds(check.rows, rows)
    said = f"{rows:,} rows; {check.description}"
    if not passed:
        said = f"{rows:,} rows, and there must be {check.rows}. {check.todo or _REMEDY}"
    return CheckResult(table.name, check.name, passed, said, facts={"rows": rows})


def _of_sql(check: CheckPart, table: Table, staged: Path, context: StepContext) -> CheckResult:
    try:
        with asked(context) as place:
            place.view_of(staged, ROWS)
            wrong = place.frame(*context.bind(check.sql or ""))
    except EngineExecutionError as error:
        raise EngineExecutionError(f"check {check.name} of {table.name}: {error}") from error
    said = check.description
    if wrong.height:
        said = f"{wrong.height:,} rows are wrong: {check.description} {check.todo or _REMEDY}"
    facts = {"rows_at_fault": wrong.height}
    samples = sample(wrong)
    return CheckResult(table.name, check.name, not wrong.height, said, facts=facts, samples=samples)


_COMPARED: dict[str, Callable[[int, int], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def holds(condition: str, rows: int) -> bool:
    """Whether a count of rows fulfils a condition such as `>= 1`."""
    match = re.fullmatch(r"([<>=!]+) ?(\d+)", condition)
    if match is None:
        raise ValueError(f"{condition!r} is no condition such as '>= 1'")
    return _COMPARED[match[1]](rows, int(match[2]))


def rows_stored(lake: Lake, table: str, week: date | None) -> int | None:
    """Rows of a table's week, or of a table without weeks; None where it is not built."""
    part = lake.whole_part(table) if week is None else lake.part(table, week)
    if not part.exists():
        return None
    found: int = pl.scan_parquet(part, glob=False).select(pl.len()).collect().item()
    return found


def _held(own: Lake, table: Table, context: StepContext) -> Any:
    """The lock of the table's week; others may read meanwhile."""
    if context.week_ending is not None:
        return own.lock(context.week_ending)
    return own.lock_of(f"{table.name}-all")


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


def _stored_version(lake: Lake, target: Path) -> str:
    return str(lake.metadata(target).get("data_version", ""))
