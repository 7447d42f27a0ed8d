"""What a trace is: lines, rejected lines, and the stored figures that the lines are part of.

Does not belong here: finding them (`trace`, `contributions`) and printing them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from spine_assets.core.tables import exact_total
from spine_assets.otc.state.freshness import Freshness
from spine_assets.otc.trace.source_lines import FileIs, TextIs


@dataclass(frozen=True)
class Line:
    """One line of `otc_raw`.

    Attributes:
        mpid: The venue as `otc_venue_volume` names it; None if the line names none.
        counts: It is in the derived tables: its capture is current and it breaks no rule.
        capture_counts: Whether its capture is current, and why: `yes: ...` or `no: ...`.
        reason: The rule that it breaks, within its own capture.
        raw_text: The delivered line, only if its hash was verified.
        raw_text_is: Where that text is from, or why there is none.
        file_is: The state of the delivered file now.
    """

    tier: str
    venue_class: str
    mpid: str | None
    venue_name: str
    issue_name: str
    share_volume: Decimal
    trade_count: int
    last_update_date: date
    counts: bool
    capture_counts: str
    reason: str | None
    capture_id: str
    captured_at: datetime
    source_file: str
    source_line: int
    record_hash: str
    raw_text: str | None
    raw_text_is: TextIs
    file_is: FileIs

    @property
    def accepted(self) -> bool:
        """Whether it breaks no rule; then it counts while its capture is current."""
        return self.reason is None


@dataclass(frozen=True)
class Reject:
    """One line of `otc_rejects` that names the symbol; no table counts it."""

    stage: str
    reason: str
    field: str | None
    detail: str
    share_volume: Decimal | None
    raw_line: str
    tier: str
    venue_class: str
    capture_id: str
    captured_at: datetime
    capture_counts: str
    source_file: str
    source_line: int
    file_is: FileIs


@dataclass(frozen=True)
class LinePart:
    """A line's part of a figure: its index in `Trace.lines`, shares, percent of the figure."""

    line: int
    shares: Decimal
    pct: float | None


@dataclass(frozen=True)
class Contribution:
    """One figure of a stored row, with the traced lines that are part of it.

    Attributes:
        key: What identifies the row within its week.
        figure: Name of the column.
        value: Shares; None where the table has none.
        parts: The lines, each with its part; none if the row is older than its captures.
        capture_id: The build that wrote the row.
        agrees: Whether the stored rows that the figure is made of add up to it; None of
            `otc_restatements`, which has a check for that.
    """

    table: str
    key: dict[str, str | int]
    figure: str
    value: Decimal | None
    parts: tuple[LinePart, ...]
    capture_id: str
    agrees: bool | None

    @property
    def shares(self) -> Decimal:
        """Shares of the traced lines in it."""
        return exact_total(part.shares for part in self.parts)

    @property
    def pct(self) -> float | None:
        """Percent of the figure that the traced lines are."""
        return percent_of(self.shares, self.value)


@dataclass(frozen=True)
class TierSum:
    """Lines of a tier that count, and the stored total, None if there is no such row."""

    tier: str
    lines: int
    shares: Decimal
    total_volume: Decimal | None

    @property
    def agrees(self) -> bool:
        """Whether they are equal, exactly."""
        return self.shares == self.total_volume


@dataclass(frozen=True)
class FinraFigure:
    """FINRA's own total beside the sum of our rows.

    Attributes:
        table: The table whose figure it is a total of.
        key: What the total is of.
        total: Shares by FINRA.
        shares: Shares of our rows, over the same tiers and classes.
    """

    table: str
    key: dict[str, str]
    total: Decimal
    shares: Decimal

    @property
    def difference(self) -> Decimal:
        """Shares of FINRA's total that our rows lack."""
        return self.total - self.shares

    @property
    def may_be_pooled(self) -> bool:
        """Whether the rows may lack some of it for a good reason: De Minimis names no firm."""
        is_firm = self.key.get("mpid", "").startswith(("CRD", "FIRM:"))
        return is_firm and self.difference > 0


@dataclass(frozen=True)
class Trace:
    """What is known about a symbol's week.

    Attributes:
        lines: Those that count first, the most shares first.
        rejects: Lines that no table counts.
        contributions: Stored rows that the lines are part of.
        sums: By tier, whether the lines that count add up to the stored total, exactly; always
            over all venues.
        freshness: By derived table: fresh, stale (older than its captures) or missing.
        reported: FINRA's totals of the symbol, and of the venues of its lines, where they are in.
    """

    symbol: str
    week_ending: date
    lines: tuple[Line, ...]
    rejects: tuple[Reject, ...]
    contributions: tuple[Contribution, ...]
    sums: tuple[TierSum, ...]
    freshness: dict[str, Freshness]
    reported: tuple[FinraFigure, ...] = ()


def percent_of(shares: Decimal, value: Decimal | None) -> float | None:
    """Percent of a figure that some shares are; None if there is no figure or it is 0."""
    return float(shares) / float(value) * 100 if value else None
