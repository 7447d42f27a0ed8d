"""What holds between the parts of a declaration; every fault with the place of its key.

A fault is an error of Pydantic, so that Dagster shows the file and line it is in.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails

from spine_assets.core.tags import AssetGroup
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.steps.engine import Engine, SqlText, TableEngine
from spine_assets.pipelines.steps.registry import engines
from spine_assets.pipelines.yaml import step_order
from spine_assets.pipelines.yaml.model import Declaration, Partitions, Step, Trigger, When
from spine_assets.pipelines.yaml.templates import (
    TemplateError,
    Value,
    names_in,
    names_in_sql,
    require_known,
)

Loc = tuple[str | int, ...]
Fault = tuple[Loc, str]

ALWAYS_KNOWN = ("pipeline_id", "provider", "domain", "date", "run_id")
AFTER_FAILURE = ("error", "failed_steps")
"""Names that steps know which may run after a failure."""

_ERRORS = ("TransientError", "TimeoutError", "StepTimeout", "EngineExecutionError", "CheckFailed",
           "ProcessExpired", "LakeUnavailable", "OSError", "ConnectionError")  # fmt: skip
_LIKENESS = 0.7  # Timeout for TimeoutError, and not any word for any other
_TAKEN = {*ALWAYS_KNOWN, *AFTER_FAILURE, "tenant_id", "week_ending"}
_PARTS = ("source", "destination", "config")


def checked(declaration: Declaration) -> Declaration:
    """The declaration, if its parts fit.

    Raises:
        ValidationError: all that does not fit.
    """
    faults = [*_of_names(declaration), *_of_steps(declaration)]
    if not faults:  # what follows needs a sound order
        faults = [*_of_order(declaration), *_of_texts(declaration)]
    if faults:
        raise ValidationError.from_exception_data(
            "pipeline",
            [
                InitErrorDetails(
                    type="value_error", loc=loc, input=None, ctx={"error": ValueError(said)}
                )
                for loc, said in faults
            ],
        )
    return declaration


def known_names(declaration: Declaration, step: Step | None = None) -> set[str]:
    """Names that the texts of a step may ask for; those of all steps where none is given."""
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


def texts(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, str, bool]]:
    """All texts of a part with their places, and whether each is SQL."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            held = getattr(value, name)
            is_sql = any(isinstance(mark, SqlText) for mark in _marks(info))
            if is_sql and isinstance(held, str):
                yield (*loc, name), held, True
            else:
                yield from texts(held, (*loc, name))
    elif isinstance(value, dict):
        for name, held in value.items():
            yield from texts(held, (*loc, name))
    elif isinstance(value, (list, tuple)):
        for number, held in enumerate(value):
            yield from texts(held, (*loc, number))
    elif isinstance(value, str):
        yield loc, value, False


def _marks(info: Any) -> list[Any]:
    """What annotates a field, also within `Sql | None`."""
    found = list(info.metadata)
    for option in getattr(info.annotation, "__args__", ()):
        found += getattr(option, "__metadata__", ())
    return found


def _of_names(declaration: Declaration) -> Iterator[Fault]:
    """The pipeline's own names, its tenants' and their values."""
    known = known_names(declaration)
    for name in sorted({*declaration.variables} & _TAKEN):
        yield ("variables", name), f"{name} is a name that every pipeline has; take another"
    yield from _of_tenants(declaration)
    own = ("tenant_id", "provider", "domain", *declaration.variables)
    yield from _unknown(("pipeline_id",), declaration.pipeline_id, own)
    named = "{tenant_id}" in declaration.pipeline_id
    if declaration.tenants and not named:
        yield ("pipeline_id",), "it must hold {tenant_id}: each tenant's pipeline has its own name"
    if named and not declaration.tenants:
        yield ("pipeline_id",), "it holds {tenant_id}, and `tenants` names none"
    yield from _of_start(declaration)
    for name in sorted({*AssetGroup} & {*_rendered_ids(declaration)}):
        yield ("pipeline_id",), f"{name} is a group of assets that all share; take another name"
    yield from _unknown(("description",), declaration.description, known)
    yield from _of_values(("variables",), declaration.variables, known)
    for tenant, held in (declaration.tenants or {}).items():
        yield from _of_values(("tenants", tenant), held or {}, known)


def _of_start(declaration: Declaration) -> Iterator[Fault]:
    """A view is built by nobody, and without weeks there is no week to run for."""
    if declaration.start_after and declaration.partitions is Partitions.NONE:
        yield ("start_after",), "only a weekly pipeline can be started for a week"
    tables = {table.name for table in TABLES}
    own = {step.destination.table for step in declaration.steps if _makes_table(step)}
    for number, name in enumerate(declaration.start_after):
        if name.startswith("otc_") and name not in tables:
            known = ", ".join(sorted(tables))
            yield ("start_after", number), f"{name} is no table that is built; there are {known}"
        elif name in own:
            yield ("start_after", number), f"{name} is made by this pipeline itself"


def _rendered_ids(declaration: Declaration) -> Iterator[str]:
    for tenant in declaration.tenants or ("",):
        yield declaration.pipeline_id.replace("{tenant_id}", tenant)


def _of_tenants(declaration: Declaration) -> Iterator[Fault]:
    tenants = declaration.tenants
    if tenants == {}:
        yield ("tenants",), "there is no tenant; leave tenants out, or name one"
    for tenant, own in (tenants or {}).items():
        for name in own or {}:
            everywhere = all(name in (other or {}) for other in (tenants or {}).values())
            if name in _TAKEN:
                yield ("tenants", tenant, name), f"{name} is a name that every pipeline has"
            elif name not in declaration.variables and not everywhere:
                yield (
                    ("tenants", tenant, name),
                    f"{name} is neither one of `variables` nor set for every tenant",
                )


def _of_values(loc: Loc, values: Mapping[str, Value], known: Collection[str]) -> Iterator[Fault]:
    for name, value in values.items():
        if isinstance(value, str):
            yield from _unknown((*loc, name), value, known)


def _of_steps(declaration: Declaration) -> Iterator[Fault]:
    names = [step.step_id for step in declaration.steps]
    for number, step in enumerate(declaration.steps):
        loc = ("steps", number)
        if names.index(step.step_id) != number:
            yield (*loc, "step_id"), f"two steps are named {step.step_id}"
        for place, name in enumerate(step.depends_on or ()):
            if name not in names:
                yield (
                    (*loc, "depends_on", place),
                    f"there is no step {name}; there are {', '.join(names)}",
                )
        if _makes_table(step) and step.trigger is not Trigger.ON_SUCCESS:
            yield (
                (*loc, "trigger"),
                "a step that makes a table runs on success only: rows made after a failure "
                "would be wrong",
            )
        yield from _of_retries((*loc, "retry", "retry_on"), step)
        if step.when is not None:
            weekly = declaration.partitions is Partitions.WEEKLY
            yield from _of_condition((*loc, "when"), step.when, names, weekly=weekly)


def _of_retries(loc: Loc, step: Step) -> Iterator[Fault]:
    """Names that look like one of ours and are none; what a function raises is not known."""
    for number, name in enumerate(step.retry.retry_on if step.retry else ()):
        plain = name.rpartition(".")[2]
        near = difflib.get_close_matches(plain, _ERRORS, n=1, cutoff=_LIKENESS)
        if near and plain not in _ERRORS:
            yield (*loc, number), f"no error is named {name}; did you mean {near[0]}?"


def _of_condition(loc: Loc, when: When, names: list[str], *, weekly: bool) -> Iterator[Fault]:
    if (when.rows is None) == (when.check is None):
        yield loc, "give rows (with step_id) or check, one of the two"
    elif (when.rows is None) != (when.step_id is None):
        yield loc, "step_id and rows go together"
    if when.check is not None and not weekly:
        yield (*loc, "check"), "a check is of a week; this pipeline has none"
    if when.step_id is not None and when.step_id not in names:
        yield (*loc, "step_id"), f"there is no step {when.step_id}; there are {', '.join(names)}"


def _makes_table(step: Step) -> bool:
    return isinstance(engines()[step.ps_type], TableEngine)


def _of_order(declaration: Declaration) -> Iterator[Fault]:
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
            yield (*loc, "trigger"), "on_failure of what? It depends on no step"
        if step.when and step.when.step_id and step.when.step_id not in before:
            yield (
                (*loc, "when", "step_id"),
                f"{step.step_id} does not wait for {step.when.step_id}: add it to depends_on",
            )
        if _makes_table(step):
            late = [name for name in before if triggers[name] is not Trigger.ON_SUCCESS]
            if late:
                yield (
                    (*loc, "depends_on"),
                    "a table cannot follow what also runs after a failure: "
                    f"{', '.join(sorted(late))}; say in depends_on which steps it needs",
                )


def _of_texts(declaration: Declaration) -> Iterator[Fault]:
    tables: dict[str, str] = {}
    for number, step in enumerate(declaration.steps):
        known = known_names(declaration, step)
        engine: Engine[Any, Any, Any] = engines()[step.ps_type]
        parts = {name: getattr(step, name) for name in _PARTS}
        bad = False
        for part, held in parts.items():
            for loc, text, is_sql in texts(held):
                for fault in _unknown(("steps", number, part, *loc), text, known, is_sql=is_sql):
                    bad = True
                    yield fault
        yield from _unknown(("steps", number, "name"), step.name, known)
        if step.when is not None and step.when.check is not None:
            yield from _of_check(("steps", number, "when", "check"), step.when.check, declaration)
        if not bad:
            found = engine.faults(parts["source"], parts["destination"], parts["config"], known)
            yield from ((("steps", number), said) for said in found)
            bad = bool(found)
        if isinstance(engine, TableEngine):
            table = step.destination.table
            if not bad and table in engine.reads(step.source):
                yield (
                    ("steps", number, "destination", "table"),
                    f"it would be made from itself: a step cannot read the table {table} that it "
                    "makes, nor a shared one of that name; give it another name",
                )
            if table in tables:
                yield (
                    ("steps", number, "destination", "table"),
                    f"{tables[table]} makes the table {table} already",
                )
            tables[table] = step.step_id


def _of_check(loc: Loc, wanted: str, declaration: Declaration) -> Iterator[Fault]:
    """A check of a table that is known has one of its checks' names."""
    table, _, name = wanted.partition(".")
    checks = {item.name: [check.name for check in item.checks] for item in TABLES}
    for step in declaration.steps:
        if _makes_table(step):
            own = [check.name for check in step.destination.checks]
            checks[step.destination.table] = ["schema", *own]
    if table in checks and name not in checks[table]:
        yield loc, f"{table} has no check {name}; it has {', '.join(checks[table])}"


def _unknown(
    loc: Loc, text: str, known: Collection[str], *, is_sql: bool = False
) -> Iterator[Fault]:
    try:
        require_known(names_in_sql(text) if is_sql else names_in(text), known)
    except TemplateError as error:
        yield loc, str(error)
