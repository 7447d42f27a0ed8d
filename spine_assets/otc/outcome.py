"""What a build of a week works with, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from spine_assets.lake import Lake, LakeError, LakeUnavailable
from spine_assets.otc.checking import CheckResult, Connect
from spine_assets.otc.landing import Landing
from spine_assets.otc.venue_totals import VenueTotals


class BuildFailed(Exception):
    """A week cannot be built; the message says why and what to do."""


class NoInput(BuildFailed):
    """A week has neither a usable file nor a capture."""


@dataclass(frozen=True)
class TableBuilt:
    """A table's week is published, or stood already and needed no work.

    `data_version` depends on delivered content and code alone, never on times.
    """

    table: str
    data_version: str
    unchanged: bool
    facts: dict[str, Any]


@dataclass
class WeekResult:
    """What happened to a week, in order; `error` ended it early.

    `later` are the checks that look back: they wait for `finish`, until the weeks before are
    built too. `seconds` is how long it took, beside what else went on.
    """

    week: date
    events: list[TableBuilt | CheckResult] = field(default_factory=list)
    error: BuildFailed | LakeError | None = None
    later: list[Callable[[], CheckResult]] = field(default_factory=list)
    seconds: float = 0.0

    def finish(self) -> WeekResult:
        """Run what waits."""
        self.events += [check() for check in self.later]
        self.later = []
        return self

    @property
    def is_passing(self) -> bool:
        """Whether the same week may succeed a little later with nothing changed."""
        return isinstance(self.error, LakeUnavailable)


@dataclass(frozen=True)
class Workplace:
    """Where weeks are built: the lake, what was delivered, DuckDB and the clock."""

    lake: Lake
    landing: Landing
    connect: Connect
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    venue_totals: VenueTotals = field(default_factory=VenueTotals)
    given_up: Callable[[], bool] | None = None
    """Asked while a week waits for its lock; true ends the wait."""
