"""What a pipeline is: a name, typed parameters, and the runs of a job that they stand for.

This module has the declaration, and reads parameters that are given as text. The pipelines of a
domain are in `defs/<domain>/pipelines.py`; `discovery` finds them, and `orchestration.launching`
starts their runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from spine_assets.core.errors import Explained
from spine_assets.core.tags import Lane
from spine_assets.core.text import nearest
from spine_assets.core.weeks import Tier, VenueClass, parse_week, tier_of

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


class ParameterError(ValueError):
    """Parameters that a pipeline does not accept; the message lists all problems."""


class CannotLaunch(Explained):
    """A run cannot be started; the message says what to do."""


class ParameterKind(StrEnum):
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
    """One `-p name=value` that a pipeline accepts."""

    name: str
    kind: ParameterKind
    description: str
    required: bool = False
    default: Any = None


@dataclass(frozen=True)
class RunPlan:
    """One run of a pipeline's job, for the weeks from first to last or without a week."""

    first: date | None = None
    last: date | None = None
    run_config: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def weeks(self) -> str:
        """Its weeks as text."""
        if self.first is None:
            return "once"
        return f"week {self.first}" if self.first == self.last else f"{self.first}..{self.last}"


@dataclass(frozen=True)
class PipelinePlan:
    """The runs that parameters stand for, and notes about what was found or done meanwhile."""

    runs: list[RunPlan]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Pipeline:
    """A named piece of work.

    `plan` turns parameters into runs. It may prepare them, for example copy a file in, unless its
    second argument, `dry_run`, is true.
    """

    name: str
    description: str
    job: str
    plan: Callable[[Mapping[str, Any], bool], PipelinePlan]
    parameters: tuple[Parameter, ...] = ()
    lane: Lane = Lane.NORMAL


def read_parameters(pipeline: Pipeline, given: list[str]) -> dict[str, Any]:
    """The values of all declared parameters, from `name=value` texts and defaults.

    Raises:
        ParameterError: some are unknown, repeated, missing or unreadable; it lists all of them.
    """
    declared = {item.name: item for item in pipeline.parameters}
    found: dict[str, Any] = {}
    problems = []
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            problems.append(f"{text!r} is not name=value")
        elif name not in declared:
            known = nearest(name, list(declared)) if declared else "it has no parameters"
            problems.append(f"{pipeline.name} has no parameter {name}; {known}")
        elif name in found:
            problems.append(f"{name} is given twice")
        else:
            try:
                found[name] = _READERS[declared[name].kind](value)
            except ValueError as error:
                problems.append(f"{name}: {error}")
                found[name] = None
    problems += [
        f"{item.name} is required: {item.description}"
        for item in declared.values()
        if item.required and item.name not in found
    ]
    if problems:
        raise ParameterError("; ".join(problems))
    return {name: found.get(name, item.default) for name, item in declared.items()}


def _tier(text: str) -> Tier:
    found = tier_of(text)
    if found is None:
        raise ValueError(f"{text!r} is not a tier; {nearest(text, list(Tier))}")
    return found


def _venue_class(text: str) -> VenueClass:
    try:
        return VenueClass(text.strip().upper().replace("-", "_"))
    except ValueError:
        raise ValueError(f"{text!r} is not a class; use ATS or NON_ATS") from None


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
        raise ValueError(f"{text!r} is not a date; write YYYY-MM-DD") from None


_READERS: dict[ParameterKind, Callable[[str], Any]] = {
    ParameterKind.WEEK: parse_week,
    ParameterKind.TIER: _tier,
    ParameterKind.VENUE_CLASS: _venue_class,
    ParameterKind.FILE: _file,
    ParameterKind.TEXT: str,
    ParameterKind.FLAG: _flag,
    ParameterKind.DAY: _day,
}
