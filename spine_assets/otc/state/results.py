"""What came of a week's build and of its checks.

Belongs here: the results as values. Does not belong here: the build (`otc.build`) and the checks
(`otc.checks`) that return them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from spine_assets.core.text import Shown
from spine_assets.core.values import metadata_value
from spine_assets.lake.base import LakeError, LakeUnavailable
from spine_assets.otc.delivery.deliveries import Unusable

_SUMMARY_CHARS = 4_000  # three findings, each with the reason of a file


class BuildFailed(Exception):
    """A week cannot be built; the message says why and what to do."""


class NoInput(BuildFailed):
    """A week has neither a usable file nor a capture; `refused` are the files that are not used."""

    def __init__(self, message: str, refused: tuple[Unusable, ...] = ()) -> None:
        super().__init__(message)
        self.refused = refused


class Severity(StrEnum):
    """How bad a failed check is."""

    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check of one table's week.

    Attributes:
        summary: One sentence: what holds, or what is wrong and what to do next.
        facts: Counts and figures, by name with units.
        samples: Up to 20 rows that show it.
        blocking: Set by the runner from the declaration.
    """

    table: str
    check: str
    passed: bool
    summary: str
    severity: Severity = Severity.ERROR
    facts: dict[str, Any] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    blocking: bool = False

    def __post_init__(self) -> None:
        """Samples and summary may quote what was delivered: both are bounded and escaped."""
        object.__setattr__(self, "summary", Shown(self.summary, _SUMMARY_CHARS))
        samples = [{name: metadata_value(it) for name, it in row.items()} for row in self.samples]
        object.__setattr__(self, "samples", samples)

    @property
    def is_blocking_failure(self) -> bool:
        """Whether its table may not be published."""
        return self.blocking and not self.passed


@dataclass(frozen=True)
class TableBuilt:
    """A table's week is published, or was fresh already and needed no work.

    `data_version` depends on delivered content and code alone, never on times.
    """

    table: str
    data_version: str
    unchanged: bool
    facts: dict[str, Any]


@dataclass(frozen=True)
class TableResult:
    """What happened to one table of a week, in order; `error` ended it early.

    `later` are the checks that compare weeks: they wait until the weeks before are built too.
    """

    events: tuple[TableBuilt | CheckResult, ...] = ()
    later: tuple[Callable[[], CheckResult], ...] = ()
    error: BuildFailed | LakeError | None = None


@dataclass
class WeekResult:
    """What happened to a week, in order; `error` ended it early.

    `later` as in `TableResult`; `finish` runs them. `seconds` is how long the week took, in
    parallel with other weeks.
    """

    week: date
    events: list[TableBuilt | CheckResult] = field(default_factory=list)
    error: BuildFailed | LakeError | None = None
    later: list[Callable[[], CheckResult]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, table: TableResult) -> None:
        """Append what happened to a table."""
        self.events += table.events
        self.later += table.later
        self.error = table.error

    def finish(self) -> WeekResult:
        """Run the checks that compare weeks; an error of the lake ends them early."""
        later, self.later = self.later, []
        try:
            for check in later:
                self.events.append(check())
        except LakeError as error:
            self.error = self.error or error
        return self

    @property
    def is_transient(self) -> bool:
        """Whether the week may succeed a little later with nothing changed."""
        return isinstance(self.error, LakeUnavailable)
