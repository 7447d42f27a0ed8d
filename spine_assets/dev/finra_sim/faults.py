"""Fault injection: what goes wrong between a client and FINRA, on demand or at random.

Belongs here: kinds of faults, and which of them strikes a request. Does not belong here: the
responses they cause (`app`), and the rate limit (`traffic`), which is not a fault.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from threading import Lock
from typing import Literal

Endpoint = Literal["data", "partitions", "token"]


class FaultKind(StrEnum):
    """What can go wrong."""

    TOO_MANY = "too_many"  # 429 with Retry-After
    TOO_MANY_BARE = "too_many_bare"  # 429 without Retry-After
    GATEWAY_TIMEOUT = "gateway_timeout"  # 504
    UNAVAILABLE = "unavailable"  # 503
    UNAUTHORIZED = "unauthorized"  # 401, whatever the token
    FORBIDDEN = "forbidden"  # 403
    HTML = "html"  # 200 with a web page
    SLOW = "slow"  # the usual answer, later
    CUT = "cut"  # the connection is cut in the middle of the body
    SHORT_PAGE = "short_page"  # fewer rows than the page could have
    SHIFTED_PAGE = "shifted_page"  # a later page of an unsorted answer repeats a row
    COOKIE = "cookie"  # 307 to the same address with a cookie, unless the request has it
    ACROSS_REFUSED = "across_refused"  # 400 to a question about more than one partition
    DAYS_IGNORED = "days_ignored"  # such a question is answered as if it named no day of change
    NOTHING_ACROSS = "nothing_across"  # such a question finds nothing
    TOTALS_REFUSED = "totals_refused"  # 400 to a question for control totals


MODIFIERS = {
    FaultKind.SLOW,
    FaultKind.CUT,
    FaultKind.SHORT_PAGE,
    FaultKind.SHIFTED_PAGE,
    FaultKind.COOKIE,
    FaultKind.ACROSS_REFUSED,
    FaultKind.DAYS_IGNORED,
    FaultKind.NOTHING_ACROSS,
    FaultKind.TOTALS_REFUSED,
}
"""Kinds that change the usual answer, or strike some requests alone."""


@dataclass(frozen=True)
class Fault:
    """A fault that strikes requests until it is used up.

    Attributes:
        kind: what happens.
        count: how many requests it strikes; None: until the faults are cleared.
        rate: probability (0-1) that it strikes a request.
        on: requests that it strikes: `data`, `partitions`, `token` or `any`.
        seconds: for `slow` the delay; for `too_many` the value of Retry-After.
    """

    kind: FaultKind
    count: int | None = None
    rate: float = 1.0
    on: Endpoint | Literal["any"] = "data"
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Accept the name of a kind, too; an unknown one raises ValueError."""
        object.__setattr__(self, "kind", FaultKind(self.kind))


USUAL_FAULTS = (
    Fault(FaultKind.SHORT_PAGE, rate=0.2),
    Fault(FaultKind.TOO_MANY, rate=0.03),
    Fault(FaultKind.TOO_MANY_BARE, rate=0.02),
    Fault(FaultKind.GATEWAY_TIMEOUT, rate=0.03),
    Fault(FaultKind.SLOW, rate=0.02),
    Fault(FaultKind.CUT, rate=0.02),
    Fault(FaultKind.HTML, rate=0.01),
)
"""A bad day: so frequent that a fetch of a week meets several of them."""


class Faults:
    """The active faults, and the seeded random numbers that decide about them."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - reproducible, not secret
        self._left: list[tuple[Fault, int | None]] = []
        self._struck: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, *faults: Fault) -> None:
        """Add faults; earlier ones strike first."""
        with self._lock:
            self._left += [(fault, fault.count) for fault in faults]

    def clear(self) -> None:
        """Remove all active faults."""
        with self._lock:
            self._left.clear()

    def strike(self, endpoint: Endpoint) -> list[Fault]:
        """The faults of one request: any modifiers, and at most one that replaces the answer."""
        struck: list[Fault] = []
        with self._lock:
            left, self._left = self._left, []
            for fault, count in left:
                ended = bool(struck) and struck[-1].kind not in MODIFIERS
                meant = fault.on in {endpoint, "any"} and not ended
                if meant and (fault.rate >= 1 or self._random.random() < fault.rate):
                    struck.append(fault)
                    count = None if count is None else count - 1  # noqa: PLW2901 - one used up
                if count is None or count > 0:
                    self._left.append((fault, count))
            self._struck.update(fault.kind.value for fault in struck)
        return struck

    def chance(self) -> float:
        """A random number, uniform from 0 to 1."""
        with self._lock:
            return self._random.random()

    def summary(self) -> dict[str, object]:
        """The active faults, and how often each kind struck, for JSON."""
        with self._lock:
            arranged = [asdict(fault) | {"left": count} for fault, count in self._left]
            return {"arranged": arranged, "struck": dict(self._struck)}
