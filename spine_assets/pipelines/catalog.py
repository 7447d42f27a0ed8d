"""What a pipeline is: a name, typed parameters, and the runs of a job they stand for.

Belongs here: the declaration, and reading parameters given as text. Does not belong here: what a
domain's pipelines are (`defs/<domain>/pipelines.py`), how they are found (`pipelines_discovery`)
and how runs are started (`launching`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from spine_assets.core.tags import Lane
from spine_assets.core.text import nearest
from spine_assets.core.weeks import Tier, VenueClass, WeekError, parse_week, tier_of

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class ParameterError(ValueError):
    """Parameters that a pipeline cannot take; the message names all that is wrong."""


class CannotLaunch(Exception):
    """A run cannot be started; the message says what to do."""


class Kind(StrEnum):
    """What a parameter's text means."""

    WEEK = "week"
    TIER = "tier"
    VENUE_CLASS = "class"
    FILE = "file"
    TEXT = "text"
    FLAG = "true or false"
    DAY = "date"


@dataclass(frozen=True)
class Parameter:
    """One `-p name=value` of a pipeline."""

    name: str
    kind: Kind
    description: str
    required: bool = False
    default: Any = None


@dataclass(frozen=True)
class RunPlan:
    """One run of a pipeline's job: of the weeks from first to last, or of none."""

    first: date | None = None
    last: date | None = None
    run_config: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """Its weeks, for people."""
        if self.first is None:
            return "once"
        return f"week {self.first}" if self.first == self.last else f"{self.first}..{self.last}"


@dataclass(frozen=True)
class Plan:
    """The runs that parameters stand for, and what was found or done on the way."""

    runs: list[RunPlan]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Pipeline:
    """A named piece of work.

    `plan` turns parameters into runs. It may prepare them (copy a file in), unless its second
    argument, `dry_run`, is true.
    """

    name: str
    description: str
    job: str
    plan: Callable[[Mapping[str, Any], bool], Plan]
    parameters: tuple[Parameter, ...] = ()
    lane: Lane = Lane.NORMAL


def read_parameters(pipeline: Pipeline, given: list[str]) -> dict[str, Any]:
    """Read `name=value` texts; all that is declared is in the answer.

    Raises:
        ParameterError: unknown, repeated, missing or unreadable ones, all at once.
    """
    declared = {item.name: item for item in pipeline.parameters}
    found: dict[str, Any] = {}
    faults = []
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            faults.append(f"{text!r} is not name=value")
        elif name not in declared:
            known = nearest(name, list(declared)) if declared else "it takes none"
            faults.append(f"{pipeline.name} has no parameter {name}; {known}")
        elif name in found:
            faults.append(f"{name} is given twice")
        else:
            try:
                found[name] = _READERS[declared[name].kind](value)
            except ValueError as error:
                faults.append(f"{name}: {error}")
                found[name] = None
    faults += [
        f"{item.name} is required: {item.description}"
        for item in declared.values()
        if item.required and item.name not in found
    ]
    if faults:
        raise ParameterError("; ".join(faults))
    return {name: found.get(name, item.default) for name, item in declared.items()}


def _week(text: str) -> date:
    try:
        return parse_week(text)
    except WeekError as error:
        raise ValueError(str(error)) from None


def _tier(text: str) -> Tier:
    found = tier_of(text)
    if found is None:
        raise ValueError(f"{text!r} is no tier; {nearest(text, list(Tier))}")
    return found


def _venue_class(text: str) -> VenueClass:
    try:
        return VenueClass(text.strip().upper().replace("-", "_"))
    except ValueError:
        raise ValueError(f"{text!r} is no class; it is ATS or NON_ATS") from None


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _flag(text: str) -> bool:
    value = text.strip().lower()
    if value not in _TRUE | _FALSE:
        raise ValueError(f"{text!r} is neither true nor false")
    return value in _TRUE


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date; write YYYY-MM-DD") from None


_READERS: dict[Kind, Callable[[str], Any]] = {
    Kind.WEEK: _week,
    Kind.TIER: _tier,
    Kind.VENUE_CLASS: _venue_class,
    Kind.FILE: _file,
    Kind.TEXT: str,
    Kind.FLAG: _flag,
    Kind.DAY: _day,
}
