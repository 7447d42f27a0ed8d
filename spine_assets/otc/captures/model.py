"""What a capture is: one content that was delivered for a week, tier and class.

Belongs here: the values that describe captures. Does not belong here: which one is current
(`captures.current`), how they are written and read (`captures.storage`), and the history of choices
(`captures.steps`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.delivery.provenance import Provenance

TierClass = tuple[Tier, VenueClass]
"""Tier and venue class; of each, one capture of a week is current."""
CaptureName = tuple[str, str, str, str]
"""Tier, class, grain and the first digits of the hash, as a capture's folder and name have them."""
CaptureNames = Mapping[date, set[CaptureName]]
"""What is captured, by week ending."""
FIRST_PARSER = "1"
"""Read the captures whose files do not name their parser."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Capture:
    """One content of one (week, tier, class), with the facts its checks need.

    Quantities are shares; `lines_counted` comes from the bytes, not from the parser.
    `other_lines` are lines of the same content that belong to other captures. `alternative_week` is
    another week to which half of the rows point, where that is in doubt.
    `keys` counts different symbols and participants; `sample` is that of its figures
    (`delivery.figures`). `parser` is the code version of `otc_raw` that read the content;
    `judge_again_on` is the first day on which reading it again gives something else, where a date
    in it was in the future. `provenance` is who made its rows, by their issue names.
    """

    capture_id: str
    week_ending: date
    tier: Tier
    venue_class: VenueClass
    sha256: str
    captured_at: datetime
    last_update_date: date
    source_file: str
    week_source: str
    rows: int
    row_shares: Decimal
    reject_shares: Decimal
    file_shares: Decimal
    lines_counted: int
    blank_lines: int
    ends_mid_line: bool
    rejects: dict[str, int] = field(default_factory=dict)
    ends_with_date: bool = True
    alternative_week: date | None = None
    parser: str = FIRST_PARSER
    judge_again_on: date | None = None
    grain: Grain = Grain.VENUES
    other_lines: int = 0
    keys: int = 0
    sample: str = ""
    provenance: tuple[Provenance, ...] = (Provenance.FINRA,)

    @property
    def key(self) -> TierClass:
        """Tier and class."""
        return self.tier, self.venue_class

    @property
    def reading(self) -> str:
        """Which reading of the content it is: other text, other rows."""
        again = f"@{self.judge_again_on}" if self.judge_again_on else ""
        return f"{self.parser}{again}"

    @property
    def reject_lines(self) -> int:
        """Parse rejects, all reasons."""
        return sum(self.rejects.values())

    @property
    def file_name(self) -> str:
        """Name of its raw file within the week's folder."""
        return f"{self.tier}.{self.venue_class}.{self.capture_id}.parquet"

    @property
    def rank(self) -> tuple[date, datetime, str]:
        """The greatest is current, in whatever order captures arrived."""
        return self.last_update_date, self.captured_at, self.sha256


@dataclass(frozen=True)
class CapturedFrames:
    """A capture with its frames and its delivered content, before or after it is written.

    `is_again` is whether the content was captured before, and is read by other rules or on another
    day now.
    """

    capture: Capture
    rows: pl.DataFrame
    rejects: pl.DataFrame
    content: bytes = field(default=b"", repr=False, compare=False)
    is_again: bool = False


def moment_after(known: Iterable[datetime], now: datetime) -> datetime:
    """The time of what is recorded now: not before what is recorded, whatever the clock says.

    Of two versions with one update date the one that was captured later is current, and of two
    decisions the later one counts. By a clock that went back the newer one would be the older.

    Args:
        known: Times of what is recorded, in UTC without a zone, as they are stored.
        now: What the clock says, with a zone.
    """
    newest = max((moment.replace(tzinfo=UTC) for moment in known), default=now)
    if now >= newest:
        return now
    _logger.warning(
        "the clock says %s UTC, earlier than what was recorded at %s UTC; what is new is recorded "
        "right after that: set the clock, spine doctor examines it",
        *(f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for moment in (now, newest)),
    )
    return newest + timedelta(microseconds=1)
