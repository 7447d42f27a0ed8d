"""What the path of a delivered file claims: `week_ending=`, `week_start=`, `week_` and `class=`.

A person writes these into names of folders and files (`submit` does it for them). Does not belong
here: whether the rows of the file agree (`placement`).
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, timedelta

from spine_assets.core.weeks import (
    FIRST_WEEK,
    VenueClass,
    last_plausible_day,
    monday_of,
    week_ending_of,
)
from spine_assets.otc.delivery.reasons import FileRefused, listed

_WEEK = re.compile(
    r"(?<![A-Za-z0-9])(week_ending=|week_start=|week_)(\d{4}-\d{2}-\d{2})", re.IGNORECASE
)
_DAY = re.compile(r"(?<!\d)(20\d{2})([-_.]?)(\d{2})\2(\d{2})(?!\d)")
_CLASS = re.compile(r"(?<![A-Za-z0-9])class=([A-Za-z_\-]+)", re.IGNORECASE)


def path_week(name: str) -> date | None:
    """The week ending that a path claims, or None where it claims none.

    Raises:
        FileRefused: the claimed day is no Friday (or Monday where that is meant), or two parts of
            the path claim different weeks.
    """
    found = {_claimed_week(kind.lower(), text) for kind, text in _WEEK.findall(name)}
    if len(found) > 1:
        raise FileRefused(f"its path names several weeks: {listed(found)}; leave one")
    return found.pop() if found else None


def _claimed_week(kind: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise FileRefused(
            f"its path says {kind}{text}, which is not a date; write it as 2025-11-21"
        ) from None
    if not FIRST_WEEK - timedelta(days=6) <= day <= last_plausible_day():
        raise FileRefused(
            f"its path says {kind}{text}: outside of FINRA's history, whose first is week "
            f"ending {FIRST_WEEK}"
        )
    friday = week_ending_of(day)
    monday = monday_of(friday)
    allowed = {"week_ending=": (friday,), "week_start=": (monday,)}.get(kind, (friday, monday))
    if day not in allowed:
        raise FileRefused(
            f"its path says {kind}{text}, which is a {day:%A}; that week starts on Monday "
            f"{monday} and ends on Friday {friday}"
        )
    return friday


def days_in_name(name: str) -> list[date]:
    """The days in the name of a file itself, without its folders; of an archive's member, in its.

    They are no claim: names end in the day of publication, of the download or of the week.
    """
    own = re.split(r"[/!\\]", name)[-1]
    found = []
    for year, _, month, day in _DAY.findall(own):
        with suppress(ValueError):  # a number that is no day
            found.append(date(int(year), int(month), int(day)))
    return found


def path_class(name: str) -> VenueClass | None:
    """The class that a path claims, or None where it claims none.

    Raises:
        FileRefused: the path claims an unknown class, or both.
    """
    found = {text.upper().replace("-", "_") for text in _CLASS.findall(name)}
    known = {text for text in found if text in VenueClass.__members__}
    if found - known or len(known) > 1:
        raise FileRefused(f"its path says class {listed(found)}; use class=ats or class=non_ats")
    return VenueClass[known.pop()] if known else None
