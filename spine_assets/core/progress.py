"""Progress of a range of weeks: a text in the run's log, which a progress bar reads back.

A run may be in this process, in the daemon's or on another machine; its event log is the one
place that can be read everywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = re.compile(
    r"\((\d+)/(\d+) weeks, \d+%, ([\d,]+) rows(?:, [\d,]+ rows/s)?(?:, ([\d,]+) failed)?"
    r"(?:, about \d+ s left)?\)$"
)
_LEAST_SECONDS = 1e-6  # a rate over less time is noise


@dataclass(frozen=True)
class Progress:
    """Weeks done of a total, rows of `otc_raw` in them, and seconds since the start."""

    done: int
    total: int
    rows: int
    failed: int
    seconds: float = 0.0

    @property
    def percent(self) -> int:
        """Whole percent of the weeks."""
        return 100 * self.done // self.total if self.total else 100

    @property
    def rows_per_second(self) -> int | None:
        """Rows per second so far; None where next to no time has passed or no row was read."""
        if self.seconds < _LEAST_SECONDS or not self.rows:
            return None
        return round(self.rows / self.seconds)

    @property
    def seconds_left(self) -> float | None:
        """Seconds left at the present rate; None before the first week."""
        if not self.done or self.seconds <= 0:
            return None
        return self.seconds / self.done * (self.total - self.done)

    def text(self) -> str:
        """As written to the log, for example `(3/12 weeks, 25%, 36,000 rows, 51,000 rows/s)`."""
        parts = [f"{self.done}/{self.total} weeks", f"{self.percent}%", f"{self.rows:,} rows"]
        if self.rows_per_second is not None:
            parts.append(f"{self.rows_per_second:,} rows/s")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.seconds_left is not None and self.done < self.total:
            parts.append(f"about {self.seconds_left:.0f} s left")
        return f"({', '.join(parts)})"


def read(message: str) -> Progress | None:
    """The progress in a log message; None where it has none.

    Times are not read back: the reader has its own clock.
    """
    found = _TEXT.search(message)
    if found is None:
        return None
    done, total, rows, failed = (int((text or "0").replace(",", "")) for text in found.groups())
    return Progress(done, total, rows, failed)
