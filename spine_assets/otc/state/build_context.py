"""What a build and its checks work with, in two parts: what is of the run, and what is of the week.

Does not belong here: what a check knows beyond these (`checks.context`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import duckdb

from spine_assets.lake.base import Lake
from spine_assets.otc.captures.capture_order import CaptureOrder
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import CapturedFrames
from spine_assets.otc.captures.provenance import LakeProvenance
from spine_assets.otc.captures.week_evidence import KnownFiles
from spine_assets.otc.delivery.deliveries import Landing, Unusable
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.state.venue_totals import VenueTotals


@dataclass(frozen=True)
class RunContext:
    """What a run builds weeks with.

    Attributes:
        connect: Opens a DuckDB connection.
        venue_totals: Totals of the weeks before, as this run has read or built them.
        known_files: Captured files of other weeks, as this run has read them.
        order: Which weeks of the run are captured.
        provenance: Whether the lake holds synthetic data, as this run has found it.
        given_up: Called while a week waits for its lock or another week; true ends the wait.
    """

    lake: Lake
    landing: Landing
    connect: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    venue_totals: VenueTotals = field(default_factory=VenueTotals)
    known_files: KnownFiles = field(default_factory=KnownFiles)
    order: CaptureOrder = field(default_factory=CaptureOrder)
    provenance: LakeProvenance = field(default_factory=LakeProvenance)
    given_up: Callable[[], bool] | None = None

    @property
    def today(self) -> date:
        """The day in UTC."""
        return self.now().astimezone(UTC).date()


@dataclass(frozen=True)
class WeekInputs:
    """The captures of a week that are chosen for a build or its checks.

    Attributes:
        week: Week ending.
        known: All captures and pins of the week, those of this run among them.
        frames: Tables of the week by name; otc_raw has the current captures only.
        captured: Captures that this run made, with their rows; `publish_raw` stores them.
        captured_totals: Likewise those of control totals.
        unusable: Files that nothing is loaded from and that this week should name.
        same_content: Files that were passed over, and the file whose content they repeat.
        in_other_weeks: Files whose content is delivered as another week too, and where.
    """

    week: date
    known: WeekCaptures
    frames: WeekFrames
    captured: tuple[CapturedFrames, ...]
    unusable: tuple[Unusable, ...]
    same_content: Mapping[str, str]
    in_other_weeks: Mapping[str, str]
    captured_totals: tuple[CapturedFrames, ...] = ()

    def without_rows(self, *, totals_too: bool) -> WeekInputs:
        """The same for checks that compare weeks: of all rows, at most totals stay in memory."""
        frames = self.frames.without_rows(totals_too=totals_too)
        return replace(self, frames=frames, captured=(), captured_totals=())
