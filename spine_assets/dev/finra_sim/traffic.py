"""Requests: the rate limit, and a record of all of them.

Belongs here: arrivals, responses and their sums. Does not belong here: the content of responses.

A request counts towards a client's limit when it is let through, and towards the largest number
in one second also when it is not.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple

_SECOND = 1.0


class _Asked(NamedTuple):
    endpoint: str
    week: str | None
    tier: str | None
    summary_type: str | None


@dataclass
class RequestRecord:
    """One request, filled in while it is answered."""

    endpoint: str
    client: str
    limited: bool
    week: str | None = None
    tier: str | None = None
    summary_type: str | None = None
    offset: int | None = None
    rows: int = 0
    total: int | None = None
    faults: list[str] = field(default_factory=list)


class Traffic:
    """Counts requests; `summary` returns the counts."""

    def __init__(self, per_second: int, clock: Callable[[], float] = monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._lock = Lock()
        self._let_through: defaultdict[str, deque[float]] = defaultdict(deque)
        self.forget()

    def forget(self) -> None:
        """Start the record again; the rate limit continues."""
        with self._lock:
            self._seen: defaultdict[str, deque[float]] = defaultdict(deque)
            self._most = 0
            self._statuses: defaultdict[str, Counter[str]] = defaultdict(Counter)
            self._weeks: defaultdict[_Asked, Counter[str]] = defaultdict(Counter)
            self._pages: defaultdict[_Asked, Counter[str]] = defaultdict(Counter)

    def arrived(self, record: RequestRecord) -> bool:
        """Count an arrival; returns whether the client is within its limit."""
        now = self._clock()
        if not record.limited:
            return True
        with self._lock:
            seen = _recent(self._seen[record.client], now)
            seen.append(now)
            self._most = max(self._most, len(seen))
            through = _recent(self._let_through[record.client], now)
            if len(through) >= self._per_second:
                return False
            through.append(now)
            return True

    def answered(self, record: RequestRecord, status: int) -> None:
        """Count a response; one that was cut counts as `cut`, without its rows."""
        outcome = "cut" if "cut" in record.faults else str(status)
        with self._lock:
            self._statuses[record.endpoint][outcome] += 1
            if record.offset is None:
                return
            key = _Asked(record.endpoint, record.week, record.tier, record.summary_type)
            self._weeks[key][outcome] += 1
            if outcome == "200" and record.rows:
                self._pages[key][f"{record.offset}+{record.rows}"] += 1

    def summary(self) -> dict[str, Any]:
        """The record, for JSON.

        `asked` has an entry for each endpoint, week (Monday), tier and summary type that a
        request selected: its responses by status, `rows` sent, and `pages` by `offset+rows`, each
        with how often it was sent.
        """
        with self._lock:
            asked = []
            for key, statuses in self._weeks.items():
                pages = dict(self._pages[key])
                rows = sum(int(page.split("+")[1]) * n for page, n in pages.items())
                counts = {"statuses": dict(statuses), "rows": rows, "pages": pages}
                asked.append(key._asdict() | counts)
            return {
                "requests": sum(counter.total() for counter in self._statuses.values()),
                "endpoints": {name: dict(found) for name, found in self._statuses.items()},
                "asked": asked,
                "most_in_one_second": self._most,
            }


def _recent(times: deque[float], now: float) -> deque[float]:
    """The moments of the last second."""
    while times and now - times[0] >= _SECOND:
        times.popleft()
    return times
