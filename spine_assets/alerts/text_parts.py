"""Text of alerts: weeks and names as bounded lists, the shape of a message, the command in it.

Does not belong here: making text safe and bounding its length (`core.text`), and the markup of each
channel (`render`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from spine_assets.core.text import counted, named, one_line
from spine_assets.core.weeks import stretches

_SHOWN_RANGES = 6  # nobody reads a longer list
# What differs if the same problem affects another week: paths, hashes, numbers and dates.
_VOLATILE = re.compile(r"\S*/\S*|\b[0-9a-f]{8,}\b|\d+")
# Texts may contain names from outside, so only commands of these shapes are accepted. None of them
# deletes or decides anything.
_COMMANDS = re.compile(
    r"dagster asset materialize -m spine_assets\.definitions --select '[a-z_,:]{1,200}'"
    r" --partition \d{4}-\d{2}-\d{2}(?![\w.])"
    r"|spine (?:status|(?:week|diff|anomalies --week|captures --week) \d{4}-\d{2}-\d{2})(?![\w-])"
)


def shape(text: str) -> str:
    """A text without what differs from week to week: equal for the same problem."""
    return _VOLATILE.sub("#", one_line(text))


def command_in(text: str) -> str | None:
    """The next command that a text names, if it is an accepted one."""
    found = _COMMANDS.search(text)
    return found.group() if found else None


def weeks_text(weeks: Iterable[date]) -> str:
    """Weeks as ranges, a bounded number of them: `2025-09-05 to 2025-10-17, 2025-11-21`."""
    found = stretches(weeks)
    shown = [str(a) if a == b else f"{a} to {b}" for a, b in found[:_SHOWN_RANGES]]
    hidden = sum((b - a).days // 7 + 1 for a, b in found[_SHOWN_RANGES:])
    return ", ".join(shown) + (f" and {counted(hidden, 'more week')}" if hidden else "")


def names_text(names: list[str], most: int = 5) -> str:
    """Names, a bounded number of them (5 fit a line or two), each bounded itself."""
    return named(names, most=most, chars=120)  # a path of some folders
