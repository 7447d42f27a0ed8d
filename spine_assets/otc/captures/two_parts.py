"""Files that look like one delivery in two parts: they share no symbol and participant.

Taking either of two parts would lose the other, so neither is taken. Each file is read once, and
its keys are found once, however many files a week has. Does not belong here: other reasons for
which a delivery is refused (`captures.intake`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from spine_assets.core.text import Shown
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures, candidates
from spine_assets.otc.captures.model import Capture, CapturedFrames
from spine_assets.otc.delivery.deliveries import Unusable
from spine_assets.otc.delivery.venue_id import Keys

# As for the current capture: beside a file of this part of all keys, another one waits.
_NEARLY_ALL_TENTHS = 9


def two_parts(files: Sequence[CapturedFrames], week: WeekCaptures, lake: Lake) -> list[Unusable]:
    """Files that share no key with another one of their tier and class.

    A file that has too few rows to be current is no part of a delivery: it waits.

    Args:
        files: New captures.
        week: The captures and pins of the week.
        lake: Where they are stored.
    """
    together = (*week.captures, *(made.capture for made in files))
    able = {(item.key, item.capture_id) for item in candidates(together, week.pins)}
    keyed = [(made, Keys(made.rows)) for made in files]
    whole = [(made, keys) for made, keys in keyed if _identity(made.capture) in able]
    apart: dict[tuple[object, str], tuple[CapturedFrames, Keys, str]] = {}
    for (one, keys), (other, others) in combinations(keyed, 2):
        both = _identity(one.capture), _identity(other.capture)
        if both[0] in apart and both[1] in apart:
            continue
        if _may_be_two_parts(one.capture, other.capture) and keys.is_disjoint(others):
            apart.setdefault(both[0], (one, keys, other.capture.source_file))
            apart.setdefault(both[1], (other, others, one.capture.source_file))
    stored = [item for item in week.captures if _identity(item) in able]
    for item in stored if len(apart) < len(files) else ():
        of_stored: Keys | None = None
        for made, keys in whole:
            if _identity(made.capture) in apart or made.capture.key != item.key:
                continue
            of_stored = of_stored or Keys(captures.read_rows(lake, item, [*Keys.COLUMNS]))
            if keys.is_disjoint(of_stored):
                apart[_identity(made.capture)] = made, keys, item.source_file
    refused = [
        (made.capture, other)
        for made, keys, other in apart.values()
        if _identity(made.capture) in able
        or not any(
            one.capture.key == made.capture.key and not keys.is_disjoint(others)
            for one, others in whole
        )
    ]
    found: dict[str, Unusable] = {}  # a file may have a part of each class
    for capture, beside in refused:
        reason = Shown(
            f"holds other rows than {beside} of the same tier and class: they look like one "
            "delivery in two parts; join them into one file"
        )
        name = capture.source_file
        found.setdefault(name, Unusable(name, reason, capture.week_ending))
    return [*found.values()]


def _identity(item: Capture) -> tuple[object, str]:
    return item.key, item.capture_id


def _may_be_two_parts(one: Capture, other: Capture) -> bool:
    """Whether files are of one tier and class, and neither has nearly all keys of both."""
    most, both = max(one.keys, other.keys), one.keys + other.keys
    return one.key == other.key and 10 * most < _NEARLY_ALL_TENTHS * both
