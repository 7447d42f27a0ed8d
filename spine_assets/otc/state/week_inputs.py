"""What one week is built from and checked against: its captures, its frames, its deliveries.

Does not belong here: what is the same for all weeks of a run (`otc.state.run_context`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from spine_assets.otc.captures.model import CapturedFrames, WeekCaptures
from spine_assets.otc.delivery.deliveries import Unusable
from spine_assets.otc.state.frames import WeekFrames


@dataclass(frozen=True)
class WeekInputs:
    """The captures of a week that are chosen for a build or its checks.

    Attributes:
        week: Week ending.
        known: All captures and pins of the week, those of this run among them.
        frames: Tables of the week by name; otc_raw has the current captures only.
        captured: Captures that this run made, with their rows; `publish_raw` stores them.
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

    def without_rows(self) -> WeekInputs:
        """The same for checks that compare weeks: of all rows, only totals stay in memory."""
        return replace(self, frames=self.frames.totals_alone(), captured=())
