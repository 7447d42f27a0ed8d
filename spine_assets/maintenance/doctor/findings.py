"""What an examination says: how bad it is, what was found, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LISTED = 5  # names in one finding; more would hide the next finding


class Outcome(StrEnum):
    """How bad it is: a `warn` may be meant so, a `fail` keeps something from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one examination found, and what to do where it is not well."""

    outcome: Outcome
    found: str
    mend: str | None = None


@dataclass(frozen=True)
class Examined:
    """A finding with the name of its examination."""

    name: str
    finding: Finding

    def as_json(self) -> dict[str, str | None]:
        """For programs."""
        return {
            "name": self.name,
            "outcome": self.finding.outcome.value,
            "found": self.finding.found,
            "mend": self.finding.mend,
        }


def ok(found: str) -> Finding:
    """All is well."""
    return Finding(Outcome.OK, found)


def warn(found: str, mend: str) -> Finding:
    """Something that may be meant so, or will be a fault later."""
    return Finding(Outcome.WARN, found, mend)


def fail(found: str, mend: str) -> Finding:
    """Something that keeps a part of the program from working."""
    return Finding(Outcome.FAIL, found, mend)


def listed(names: list[str]) -> str:
    """The first of several names, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
