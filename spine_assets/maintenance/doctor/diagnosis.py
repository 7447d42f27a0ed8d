"""The result of one examination: how serious it is, what was found, and how to correct it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LISTED = 5  # names in one diagnosis; more would hide the next diagnosis


class Health(StrEnum):
    """How serious it is: a `warn` may be intended, a `fail` keeps something from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Diagnosis:
    """What one examination found, and how to correct it where it is not ok."""

    outcome: Health
    found: str
    mend: str | None = None


def ok(found: str) -> Diagnosis:
    """Nothing is wrong."""
    return Diagnosis(Health.OK, found)


def warn(found: str, mend: str) -> Diagnosis:
    """It may be intended, or will cause a problem later."""
    return Diagnosis(Health.WARN, found, mend)


def fail(found: str, mend: str) -> Diagnosis:
    """It keeps a part of the program from working."""
    return Diagnosis(Health.FAIL, found, mend)


def listed(names: list[str]) -> str:
    """The first of several names, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
