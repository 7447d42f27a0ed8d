"""How far a run over a range of weeks has come, in figures and as a text for people."""

from __future__ import annotations

from dataclasses import dataclass

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
