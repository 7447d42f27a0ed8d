"""What goes wrong between a client and FINRA, on demand and by seeded chance.

Belongs here: kinds of faults, and which of them strikes a request. Does not belong here: the
answers they make (`app`), and the limit of requests (`traffic`), which is no fault.
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
    TOO_MANY_BARE = "too_many_bare"  # 429 that does not say for how long
    GATEWAY_TIMEOUT = "gateway_timeout"  # 504
    UNAVAILABLE = "unavailable"  # 503
    UNAUTHORIZED = "unauthorized"  # 401, whatever the token
    FORBIDDEN = "forbidden"  # 403
    HTML = "html"  # 200 with a page for people
    SLOW = "slow"  # the answer, later
    CUT = "cut"  # the connection ends in the middle of the body
    SHORT_PAGE = "short_page"  # fewer rows than there are


MODIFIERS = {FaultKind.SLOW, FaultKind.CUT, FaultKind.SHORT_PAGE}
"""Kinds after which there is still an answer."""


@dataclass(frozen=True)
class Fault:
    """A fault that strikes requests until it is used up.

    Attributes:
        kind: what happens.
        count: how many requests it strikes; None: until the faults are cleared.
        rate: probability (0-1) that it strikes a request.
        on: requests that it strikes: `data`, `partitions`, `token` or `any`.
        seconds: of `slow`, how long; of `too_many`, what Retry-After says.
    """

    kind: FaultKind
    count: int | None = None
    rate: float = 1.0
    on: Endpoint | Literal["any"] = "data"
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Take a kind's name too; an unknown one raises ValueError."""
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
"""A bad day: often enough that a fetch of a week meets several of them."""


class Faults:
    """The faults that are arranged, and chance."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - faults shall come out alike, not be secret
        self._left: list[tuple[Fault, int | None]] = []
        self._struck: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, *faults: Fault) -> None:
        """Arrange more faults; those that came first strike first."""
        with self._lock:
            self._left += [(fault, fault.count) for fault in faults]

    def clear(self) -> None:
        """Take back what is arranged."""
        with self._lock:
            self._left.clear()

    def strike(self, endpoint: Endpoint) -> list[Fault]:
        """The faults of one request: some modifiers, and at most one that is the answer."""
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
        """An even number from 0 to 1."""
        with self._lock:
            return self._random.random()

    def told(self) -> dict[str, object]:
        """What is arranged and what has struck, for JSON."""
        with self._lock:
            arranged = [asdict(fault) | {"left": count} for fault, count in self._left]
            return {"arranged": arranged, "struck": dict(self._struck)}
