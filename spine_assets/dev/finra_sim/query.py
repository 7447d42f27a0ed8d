"""A request for data, read and validated as FINRA does it.

Belongs here: from a JSON body to a `SimQuery`, or the error that FINRA answers with 400. Does not
belong here: rows (`answering`).

Names of fields and comparisons are accepted in any case, as FINRA's own examples write them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from spine_assets.dev.finra_sim.dataset import (
    DEFAULT_LIMIT,
    FIELDS,
    MAX_LIMIT,
    MAX_OFFSET,
    PARTITION_FIELDS,
    FieldKind,
    SimDataset,
)

Value = str | date | float
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "GREATER": operator.gt,
    "LESSER": operator.lt,
    "GTE": operator.ge,
    "LTE": operator.le,
}
_IN, _BETWEEN = "IN", "BETWEEN"
_KEYS = {
    "fields",
    "compareFilters",
    "dateRangeFilters",
    "domainFilters",
    "limit",
    "offset",
    "sortFields",
    "quoteValues",
    "delimiter",
}


class BadRequest(Exception):
    """A request that FINRA answers with 400."""


@dataclass(frozen=True)
class Condition:
    """A condition on one field; blank values never satisfy it."""

    field: str
    test: str
    values: tuple[Value, ...]

    def holds(self, value: Value) -> bool:
        """Whether a single value satisfies it."""
        if self.test == _IN:
            return value in self.values
        if self.test == _BETWEEN:
            low, high = self.values
            return bool(low <= value <= high)  # type: ignore[operator]  # both of the field's kind
        return bool(_COMPARISONS[self.test](value, self.values[0]))

    def expression(self) -> pl.Expr:
        """The same for a column."""
        column = pl.col(self.field)
        if FIELDS[self.field] is FieldKind.NUMBER:
            column = column.cast(pl.Float64)
        if self.test == _IN:
            return column.is_in(list(self.values))
        if self.test == _BETWEEN:
            low, high = self.values
            return column.is_between(pl.lit(low), pl.lit(high))
        found: pl.Expr = _COMPARISONS[self.test](column, pl.lit(self.values[0]))
        return found


@dataclass(frozen=True)
class SimQuery:
    """A request for rows of one dataset."""

    dataset: SimDataset
    fields: tuple[str, ...] = tuple(FIELDS)
    conditions: tuple[Condition, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    quote: bool = True
    delimiter: str = ","

    @property
    def is_across(self) -> bool:
        """Whether it is about more than one partition."""
        return _is_across(self.conditions)

    def without(self, field: str) -> SimQuery:
        """The same without the conditions on a field."""
        return replace(self, conditions=tuple(c for c in self.conditions if c.field != field))

    def only(self, field: str) -> str | None:
        """The values of a field as text, if the conditions name them."""
        for found in self.conditions:
            if found.field == field and found.test in {"EQUAL", _IN}:
                return ",".join(map(str, found.values))
        return None


def read_query(dataset: SimDataset, body: object) -> SimQuery:
    """Read a request's JSON body.

    Raises:
        BadRequest: FINRA would answer 400; the message says what is wrong.
    """
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    if unknown := body.keys() - _KEYS:
        raise BadRequest(f"unknown request parameters: {', '.join(sorted(map(str, unknown)))}")
    conditions = tuple(_conditions(dataset, body))
    return SimQuery(
        dataset,
        _fields(body.get("fields")),
        conditions,
        _sort(dataset, body.get("sortFields"), conditions),
        min(_whole(body, "limit", DEFAULT_LIMIT, 1, None), MAX_LIMIT),
        _whole(body, "offset", 0, 0, MAX_OFFSET),
        _quote(body.get("quoteValues", True)),
        _delimiter(body.get("delimiter", ",")),
    )


def _conditions(dataset: SimDataset, body: dict[str, Any]) -> Iterator[Condition]:
    for item in _objects(body, "compareFilters"):
        name, kind = _filter_field(dataset, item)
        test = str(item.get("compareType", "")).upper()
        if test not in _COMPARISONS:
            raise BadRequest(f"compareType {item.get('compareType')!r} is not supported")
        yield Condition(name, test, (_value(name, kind, item.get("fieldValue")),))
    for item in _objects(body, "domainFilters"):
        name, kind = _filter_field(dataset, item)
        values = item.get("values")
        if not isinstance(values, list) or not values:
            raise BadRequest(f"the domain filter on {name} has no list of values")
        yield Condition(name, _IN, tuple(_value(name, kind, value) for value in values))
    for item in _objects(body, "dateRangeFilters"):
        name, kind = _filter_field(dataset, item)
        if kind is not FieldKind.DATE:
            raise BadRequest(f"{name} is not a date")
        ends = [_value(name, kind, item.get(end)) for end in ("startDate", "endDate")]
        yield Condition(name, _BETWEEN, tuple(ends))


def _objects(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = body.get(key) or []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise BadRequest(f"{key} is not a list of objects")
    return found


def _filter_field(dataset: SimDataset, item: dict[str, Any]) -> tuple[str, FieldKind]:
    wanted = item.get("fieldName")
    name = _known(wanted, tuple(dataset.filters))
    if name is None:
        raise BadRequest(f"{dataset.name} cannot be filtered by {wanted!r}")
    return name, dataset.filters[name]


def _known(wanted: object, names: Sequence[str]) -> str | None:
    if not isinstance(wanted, str):
        return None
    return next((name for name in names if name.casefold() == wanted.casefold()), None)


def _value(name: str, kind: FieldKind, given: object) -> Value:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise BadRequest(f"{given!r} is not a value for {name}")
    text = str(given)
    try:
        if kind is FieldKind.DATE:
            return date.fromisoformat(text)
        if kind is FieldKind.NUMBER and Decimal(text).is_finite():
            return float(Decimal(text))
    except (ValueError, InvalidOperation):
        pass
    if kind is not FieldKind.TEXT:
        raise BadRequest(f"{given!r} is not a {kind} for {name}")
    return text


def _fields(given: object) -> tuple[str, ...]:
    if given is None or given == []:
        return tuple(FIELDS)
    if not isinstance(given, list):
        raise BadRequest("fields is not a list")
    names = tuple(_known(wanted, tuple(FIELDS)) or "" for wanted in given)
    if unknown := [str(wanted) for wanted, name in zip(given, names, strict=True) if not name]:
        raise BadRequest(f"unknown fields: {', '.join(unknown)}")
    return tuple(dict.fromkeys(names))


def _sort(
    dataset: SimDataset, given: object, conditions: Sequence[Condition]
) -> tuple[tuple[str, bool], ...]:
    """Fields to sort by, each with whether the order is descending."""
    if given is None or given == []:
        return ()
    if not dataset.is_sorted:
        raise BadRequest(f"{dataset.name} does not support sortFields")
    if not isinstance(given, list):
        raise BadRequest("sortFields is not a list")
    if _is_across(conditions):
        raise BadRequest(
            f"sortFields needs EQUAL filters on all partition keys: {', '.join(PARTITION_FIELDS)}"
        )
    found = []
    for wanted in map(str, given):
        name = _known(wanted.removeprefix("-").removeprefix("+"), tuple(FIELDS))
        if name is None:
            raise BadRequest(f"cannot sort by {wanted!r}")
        found.append((name, wanted.startswith("-")))
    return tuple(found)


def _is_across(conditions: Sequence[Condition]) -> bool:
    equal = {condition.field for condition in conditions if condition.test == "EQUAL"}
    return not equal.issuperset(PARTITION_FIELDS)


def _whole(body: dict[str, Any], key: str, usual: int, least: int, most: int | None) -> int:
    given = body.get(key, usual)
    if isinstance(given, bool) or not isinstance(given, int):
        raise BadRequest(f"{key} is not a whole number: {given!r}")
    if given < least or (most is not None and given > most):
        raise BadRequest(f"{key} is out of range: {given}; from {least} to {most or MAX_LIMIT}")
    return given


def _quote(given: object) -> bool:
    if not isinstance(given, bool):
        raise BadRequest(f"quoteValues is neither true nor false: {given!r}")
    return given


def _delimiter(given: object) -> str:
    if not isinstance(given, str) or len(given) != 1 or given in '"\r\n':
        raise BadRequest(f"delimiter is not a character that can separate fields: {given!r}")
    return given
