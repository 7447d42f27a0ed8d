"""One message about one cause: its parts, its title and its form in the sensor's cursor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from spine_assets.alerts.text_parts import shape, weeks_text
from spine_assets.core.text import counted, cut, one_line

Number = int | float | str
"""A figure in a message; text where it is a date or an exact decimal."""

_CAUSE_DIGITS = 12  # a few hundred causes will not collide
_ABOUT_CHARS = 120  # a path a few folders deep


class AlertKind(StrEnum):
    """What an alert can be about."""

    RUN_FAILED = "run_failed"
    CHECK_FAILED = "check_failed"
    TIER_OVERDUE = "tier_overdue"
    UNUSABLE_FILE = "unusable_file"
    CAPTURE_WAITING = "capture_waiting"
    WEEK_BUILT = "week_built"


@dataclass(frozen=True)
class Alert:
    """One message about one cause.

    Attributes:
        text: What is wrong and what to do, as the check, the run or the scan reported it.
        next_command: What to run next.
        weeks: Week endings it is about; may be empty.
        table: Asset it is about.
        check: Check of that asset.
        about: A tier, file or job, where week, table and check do not identify it.
        numbers: Figures by name, with units in the name.
        run_id: The run in which it happened, or the first of several.
    """

    kind: AlertKind
    text: str
    next_command: str
    weeks: tuple[date, ...] = ()
    table: str = ""
    check: str = ""
    about: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    run_id: str | None = None

    @property
    def cause(self) -> str:
        """Equal for the same problem, whichever weeks it affects."""
        return cause_of(self.kind, self.table, self.check, self.about, self.text)

    @property
    def title(self) -> str:
        """One line: what happened to what."""
        where = _where(self.weeks)
        about = cut(one_line(self.about), _ABOUT_CHARS)
        match self.kind:
            case AlertKind.RUN_FAILED:
                what = " ".join(part for part in (about, where) if part)
                return f"Failed: {what or 'a run'}"
            case AlertKind.CHECK_FAILED:
                what = f"{self.table}.{self.check}" if self.check else about
                return f"Check failed: {what}{where and f', {where}'}"
            case AlertKind.TIER_OVERDUE:
                return f"Overdue: {about} of {where}"
            case AlertKind.UNUSABLE_FILE:
                return f"Unusable: {about}"
            case AlertKind.CAPTURE_WAITING:
                return f"Waiting: {about} of {where}"
            case AlertKind.WEEK_BUILT:
                return f"Built: {where}"

    def as_json(self) -> dict[str, Any]:
        """Plain values for `from_json`, under the keys that stored cursors have."""
        facts = asdict(self)
        return facts | {"weeks": [str(week) for week in self.weeks], "said": facts.pop("text")}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Alert:
        """The alert that `as_json` wrote."""
        kind, weeks = AlertKind(facts["kind"]), map(date.fromisoformat, facts["weeks"])
        others = {key: value for key, value in facts.items() if key != "said"}
        return cls(**others | {"kind": kind, "text": facts["said"], "weeks": tuple(weeks)})


def cause_of(kind: AlertKind, table: str, check: str, about: str, text: str) -> str:
    """Hash of what identifies a cause: what is wrong and where, without dates and figures."""
    parts = "\0".join((kind, table, check, about, shape(text)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:_CAUSE_DIGITS]


def _where(weeks: tuple[date, ...]) -> str:
    if len(weeks) <= 1:
        return "".join(f"week {week}" for week in weeks)
    return f"{counted(len(weeks), 'week')} ({weeks_text(weeks)})"
