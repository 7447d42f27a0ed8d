"""Rules between the parts of a declaration; every problem is reported with the path of its key.

A problem becomes an error of Pydantic, so that Dagster shows its file and line. What a single key
may hold is declared in `model` and in the schemas of the engines.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from spine_assets.core.tags import AssetGroup
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.steps.engine import PARTS, Engine, Parts, TableEngine
from spine_assets.pipelines.steps.registry import engines
from spine_assets.pipelines.yaml import step_order
from spine_assets.pipelines.yaml.model import Declaration, Partitions, Step, Trigger, When
from spine_assets.pipelines.yaml.step_texts import Loc, texts
from spine_assets.pipelines.yaml.templates import (
    TemplateError,
    Value,
    names_in,
    names_in_sql,
    require_known,
)

Problem = tuple[Loc, str]

ALWAYS_KNOWN = ("pipeline_id", "provider", "domain", "date", "run_id")
AFTER_FAILURE = ("error", "failed_steps")
"""Names that only steps know which may run after a failure."""

_ERRORS = ("TransientError", "TimeoutError", "StepTimeout", "EngineExecutionError", "CheckFailed",
           "ProcessExpired", "LakeUnavailable", "OSError", "ConnectionError")  # fmt: skip
_LIKENESS = 0.7  # Timeout resembles TimeoutError, other words do not
_RESERVED = {*ALWAYS_KNOWN, *AFTER_FAILURE, "tenant_id", "week_ending"}


def checked(declaration: Declaration) -> Declaration:
    """The declaration, if its parts fit together.

    Raises:
        ValidationError: they do not; it lists all problems.
    """
    problems = [*_of_names(declaration), *_of_steps(declaration)]
    if not problems:  # the other rules need known names and an order of the steps
        problems = [*_of_order(declaration), *_of_texts(declaration)]
    if problems:
        details = [
            InitErrorDetails(
                type="value_error", loc=loc, input=None, ctx={"error": ValueError(message)}
            )
            for loc, message in problems
        ]
        raise ValidationError.from_exception_data("pipeline", details)
    return declaration


def known_names(declaration: Declaration, step: Step | None = None) -> set[str]:
    """Names that the texts of a step may use; without a step, those that every step may use."""
    found = {*ALWAYS_KNOWN, *declaration.variables}
    for own in (declaration.tenants or {}).values():
        found |= {*(own or {})}
    if declaration.tenants:
        found.add("tenant_id")
    if declaration.partitions is Partitions.WEEKLY:
        found.add("week_ending")
    if step is not None and step.trigger is not Trigger.ON_SUCCESS:
        found |= {*AFTER_FAILURE}
    return found


def _of_names(declaration: Declaration) -> Iterator[Problem]:
    """The names of the pipeline, of its variables and tenants, and the values of both."""
    known = known_names(declaration)
    for name in sorted({*declaration.variables} & _RESERVED):
        yield ("variables", name), f"{name} is a name that every pipeline has; choose another"
    yield from _of_tenants(declaration)
    own = ("tenant_id", "provider", "domain", *declaration.variables)
    yield from _unknown(("pipeline_id",), declaration.pipeline_id, own)
    has_tenant = "{tenant_id}" in declaration.pipeline_id
    if declaration.tenants and not has_tenant:
        yield ("pipeline_id",), "needs {tenant_id}: each tenant's pipeline has its own name"
    if has_tenant and not declaration.tenants:
        yield ("pipeline_id",), "contains {tenant_id}, and `tenants` names no tenant"
    yield from _of_start(declaration)
    for name in sorted({*AssetGroup} & {*_rendered_ids(declaration)}):
        yield ("pipeline_id",), f"{name} is a group of assets that all share; take another name"
    yield from _unknown(("description",), declaration.description, known)
    yield from _of_values(("variables",), declaration.variables, known)
    for tenant, values in (declaration.tenants or {}).items():
        yield from _of_values(("tenants", tenant), values or {}, known)


def _of_start(declaration: Declaration) -> Iterator[Problem]:
    """`start_after` names tables that are built, by something else, for a week."""
    if declaration.start_after and declaration.partitions is Partitions.NONE:
        yield ("start_after",), "only a weekly pipeline can be started for a week"
    tables = {table.name for table in TABLES}
    own = {step.destination.table for step in declaration.steps if step.makes_table}
    for number, name in enumerate(declaration.start_after):
        if name.startswith("otc_") and name not in tables:
            known = ", ".join(sorted(tables))
            yield ("start_after", number), f"{name} is not a table that is built; known: {known}"
        elif name in own:
            yield ("start_after", number), f"{name} is made by this pipeline itself"


def _rendered_ids(declaration: Declaration) -> Iterator[str]:
    for tenant in declaration.tenants or ("",):
        yield declaration.pipeline_id.replace("{tenant_id}", tenant)


def _of_tenants(declaration: Declaration) -> Iterator[Problem]:
    tenants = {tenant: own or {} for tenant, own in (declaration.tenants or {}).items()}
    if declaration.tenants == {}:
        yield ("tenants",), "names no tenant; remove `tenants`, or name one"
    for tenant, own in tenants.items():
        for name in own:
            loc = ("tenants", tenant, name)
            if name in _RESERVED:
                yield loc, f"{name} is a name that every pipeline has; choose another"
            elif name not in declaration.variables and any(
                name not in other for other in tenants.values()
            ):
                yield loc, f"{name} is neither one of `variables` nor set for every tenant"


def _of_values(loc: Loc, values: Mapping[str, Value], known: Collection[str]) -> Iterator[Problem]:
    for name, value in values.items():
        if isinstance(value, str):
            yield from _unknown((*loc, name), value, known)


def _of_steps(declaration: Declaration) -> Iterator[Problem]:
    names = [step.step_id for step in declaration.steps]
    weekly = declaration.partitions is Partitions.WEEKLY
    for number, step in enumerate(declaration.steps):
        loc = ("steps", number)
        if names.index(step.step_id) != number:
            yield (*loc, "step_id"), f"two steps are named {step.step_id}"
        for position, name in enumerate(step.depends_on or ()):
            yield from _no_step((*loc, "depends_on", position), name, names)
        if step.makes_table and step.trigger is not Trigger.ON_SUCCESS:
            message = "must be on_success in a step that makes a table: rows made after a failure"
            yield (*loc, "trigger"), f"{message} would be wrong"
        yield from _of_retries((*loc, "retry", "retry_on"), step)
        if step.when is not None:
            yield from _of_condition((*loc, "when"), step.when, names, weekly=weekly)


def _no_step(loc: Loc, name: str, names: list[str]) -> Iterator[Problem]:
    if name not in names:
        yield loc, f"there is no step {name}; known: {', '.join(names)}"


def _of_retries(loc: Loc, step: Step) -> Iterator[Problem]:
    """Misspelt names of our own errors; which errors a function raises is not known."""
    for number, name in enumerate(step.retry.retry_on if step.retry else ()):
        plain = name.rpartition(".")[2]
        near = difflib.get_close_matches(plain, _ERRORS, n=1, cutoff=_LIKENESS)
        if near and plain not in _ERRORS:
            yield (*loc, number), f"no error is named {name}; did you mean {near[0]}?"


def _of_condition(loc: Loc, when: When, names: list[str], *, weekly: bool) -> Iterator[Problem]:
    if (when.rows is None) == (when.check is None):
        yield loc, "give either rows (with step_id) or check"
    elif (when.rows is None) != (when.step_id is None):
        yield loc, "give step_id and rows together"
    if when.check is not None and not weekly:
        yield (*loc, "check"), "needs a weekly pipeline: a check has an outcome per week"
    if when.step_id is not None:
        yield from _no_step((*loc, "step_id"), when.step_id, names)


def _of_order(declaration: Declaration) -> Iterator[Problem]:
    depends = step_order.dependencies(declaration.steps)
    circle = step_order.in_circle(depends)
    triggers = {step.step_id: step.trigger for step in declaration.steps}
    for number, step in enumerate(declaration.steps):
        loc = ("steps", number)
        if step.step_id in circle:
            yield (*loc, "depends_on"), f"these steps wait for one another: {', '.join(circle)}"
            continue
        before = step_order.ancestors(step.step_id, depends)
        if step.trigger is Trigger.ON_FAILURE and not before:
            yield (*loc, "trigger"), "on_failure needs a step before it, and depends_on names none"
        if step.when and step.when.step_id and step.when.step_id not in before:
            message = f"{step.step_id} does not wait for {step.when.step_id}: add it to depends_on"
            yield (*loc, "when", "step_id"), message
        late = sorted(name for name in before if triggers[name] is not Trigger.ON_SUCCESS)
        if step.makes_table and late:
            message = f"a table cannot follow steps that run after a failure: {', '.join(late)}"
            yield (*loc, "depends_on"), f"{message}; list in depends_on the steps that it needs"


def _of_texts(declaration: Declaration) -> Iterator[Problem]:
    """Texts of the parts, the engine's own rules, and tables that two steps make."""
    tables: dict[str, str] = {}
    for number, step in enumerate(declaration.steps):
        known = known_names(declaration, step)
        loc: Loc = ("steps", number)
        engine: Engine[Any, Any, Any] = engines()[step.ps_type]
        parts = {name: getattr(step, name) for name in PARTS}
        problems = [
            problem
            for part, value in parts.items()
            for place, text, is_sql in texts(value, (*loc, part))
            for problem in _unknown(place, text, known, is_sql=is_sql)
        ]
        yield from _unknown((*loc, "name"), step.name, known)
        if step.when is not None and step.when.check is not None:
            yield from _of_check((*loc, "when", "check"), step.when.check, declaration)
        if not problems:
            problems = [(loc, message) for message in engine.problems(Parts(**parts), known)]
        yield from problems
        if isinstance(engine, TableEngine):
            table, loc = step.destination.table, (*loc, "destination", "table")
            if not problems and table in engine.reads(step.source):
                yield (
                    loc,
                    f"the step reads {table} and cannot make a table of the same name, not even "
                    "one that hides a shared table; choose another name",
                )
            if table in tables:
                yield loc, f"the step {tables[table]} already makes the table {table}"
            tables[table] = step.step_id


def _of_check(loc: Loc, wanted: str, declaration: Declaration) -> Iterator[Problem]:
    """A check of a table of ours, or of this pipeline, exists."""
    table, _, name = wanted.partition(".")
    checks = {item.name: [check.name for check in item.checks] for item in TABLES}
    for step in declaration.steps:
        if step.makes_table:
            own = [check.name for check in step.destination.checks]
            checks[step.destination.table] = ["schema", *own]
    if table in checks and name not in checks[table]:
        yield loc, f"{table} has no check {name}; it has {', '.join(checks[table])}"


def _unknown(
    loc: Loc, text: str, known: Collection[str], *, is_sql: bool = False
) -> Iterator[Problem]:
    try:
        require_known(names_in_sql(text) if is_sql else names_in(text), known)
    except TemplateError as error:
        yield loc, str(error)
