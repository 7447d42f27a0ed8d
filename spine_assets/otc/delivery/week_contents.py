"""What is delivered of each week, rows and control totals together, and a hash of it.

Belongs here: what the landing folder holds of a week. Does not belong here: which of it is
captured (`captures.pending`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date

from spine_assets.otc.delivery.deliveries import Delivery, Landing

USABLE_HOLDS = "Something is loaded from every file in the landing folder."
USABLE_REMEDY = (
    "The description names each file and why nothing is loaded from it. Correct it in place, "
    "deliver it again, or remove it. The sensor reads the folder every few seconds, and "
    "`spine check-file FILE` checks a file immediately. A file that names a week is also reported "
    "by the check `delivery` of that week alone."
)
"""Of the check `usable`, which is about the folder as of now."""
_HASH_DIGITS = 12


def contents_by_week(landing: Landing) -> dict[date, list[Delivery]]:
    """The usable contents of every week that has one, oldest week first."""
    found: dict[date, list[Delivery]] = {}
    for item in (*landing.deliveries, *landing.totals):
        found.setdefault(item.placement.week_ending, []).append(item)
    return dict(sorted(found.items()))


def content_hash(items: Iterable[Delivery]) -> str:
    """A hash of names and hashes of contents; a mere touch of a file does not change it."""
    contents = sorted((item.name, item.sha256) for item in items)
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:_HASH_DIGITS]
