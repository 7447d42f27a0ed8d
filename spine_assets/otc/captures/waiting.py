"""Which captures wait: they are too small to be current, and nobody decided about them.

Only weeks with several captures of a tier and class are opened; file names show which. Does not
belong here: when a capture waits (`captures.current`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import CaptureState
from spine_assets.otc.captures.model import Capture


@dataclass(frozen=True)
class Waiting:
    """A capture that waits, and why."""

    capture: Capture
    why: str


def waiting(lake: Lake) -> list[Waiting]:
    """Every capture that waits, the oldest week first.

    Raises:
        LakeError: a capture cannot be read.
    """
    found = []
    for week, names in sorted(captures.names(lake).items()):
        by_key = Counter(name[:-1] for name in names)
        if max(by_key.values(), default=0) <= 1:
            continue
        known = captures.known_of(lake, week)
        for item in known.captures:
            state, why = known.state(item)
            if state is CaptureState.WAITING and not known.is_decided(item):
                found.append(Waiting(item, why))
    return found
