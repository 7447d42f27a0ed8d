"""What is told: one message about one cause."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from spine_assets.alerts.wording import shape, weeks_text
from spine_assets.core.text import counted, cut, one_line

Number = int | float | str
"""A figure that is told; text where it is a date or an exact decimal."""

_CAUSE_DIGITS = 12  # of some hundred causes no two will meet
_ABOUT_CHARS = 120  # a path of some folders


class Kind(StrEnum):
    """What an alert can be about."""

    RUN_FAILED = "run_failed"
    CHECK_FAILED = "check_failed"
    TIER_OVERDUE = "tier_overdue"
    UNUSABLE_FILE = "unusable_file"
    WEEK_BUILT = "week_built"


@dataclass(frozen=True)
class Alert:
    """One message about one cause.

    Attributes:
        said: What is wrong and what to do, as the check, the run or the scan said it.
        next_command: What to run next.
        weeks: Week endings it is about; empty where it is about none.
        table: Asset it is about.
        check: Check of that asset.
        about: A tier, file or job, where week, table and check do not tell.
        numbers: Figures by name, with units in the name.
        run_id: The run that met it, or the first of several.
    """

    kind: Kind
    said: str
    next_command: str
    weeks: tuple[date, ...] = ()
    table: str = ""
    check: str = ""
    about: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    run_id: str | None = None

    @property
    def cause(self) -> str:
        """The same for the same fault, whichever weeks it meets."""
        return cause_of(self.kind, self.table, self.check, self.about, self.said)

    @property
    def title(self) -> str:
        """One line that says what happened to what."""
        where = _where(self.weeks)
        about = cut(one_line(self.about), _ABOUT_CHARS)
        match self.kind:
            case Kind.RUN_FAILED:
                what = " ".join(part for part in (about, where) if part)
                return f"Failed: {what or 'a run'}"
            case Kind.CHECK_FAILED:
                what = f"{self.table}.{self.check}" if self.check else about
                return f"Check failed: {what}{where and f', {where}'}"
            case Kind.TIER_OVERDUE:
                return f"Overdue: {about} of {where}"
            case Kind.UNUSABLE_FILE:
                return f"Unusable: {about}"
            case Kind.WEEK_BUILT:
                return f"Built: {where}"

    def as_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes an equal alert."""
        return {**asdict(self), "weeks": [str(week) for week in self.weeks]}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Alert:
        """The alert that `as_json` wrote."""
        weeks = tuple(date.fromisoformat(week) for week in facts["weeks"])
        return cls(**{**facts, "kind": Kind(facts["kind"]), "weeks": weeks})


def cause_of(kind: Kind, table: str, check: str, about: str, said: str) -> str:
    """Hash of what makes a cause one: what is wrong and where, but not with which figures."""
    parts = "\0".join((kind, table, check, about, shape(said)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:_CAUSE_DIGITS]


def _where(weeks: tuple[date, ...]) -> str:
    if len(weeks) <= 1:
        return "".join(f"week {week}" for week in weeks)
    return f"{counted(len(weeks), 'week')} ({weeks_text(weeks)})"
