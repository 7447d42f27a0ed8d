"""From many single findings to few messages: one a cause.

A finding is about one thing (a week, a file, a job). Findings of one cause become one
alert that lists the things.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from spine_assets.alerts.alert import Alert, Kind, Number, cause_of
from spine_assets.alerts.wording import command_in, names_text, weeks_text
from spine_assets.core.text import counted, cut, one_line

MOST_MESSAGES = 10  # at a time: more would be skimmed; the rest is summed up in the last
_SAID_CHARS = 1_500  # about a screen; the run and the check hold the whole text
_ITEM_DIGITS = 8  # of some hundred names no two will meet


@dataclass(frozen=True)
class Finding:
    """One fault of one thing.

    Attributes:
        thing: Name of what is not a week: a file or a job.
        week: Week ending, where it is about one.
        about: As in `Alert`; part of the cause.
    """

    kind: Kind
    said: str
    week: date | None = None
    thing: str = ""
    table: str = ""
    check: str = ""
    about: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    run_id: str | None = None

    @cached_property
    def cause(self) -> str:
        """The same for the same fault of other weeks and files."""
        return cause_of(self.kind, self.table, self.check, self.about, self.said)

    @property
    def item(self) -> str:
        """What it is about, in few characters: the week, or a hash of the name."""
        return str(self.week) if self.week else item_of(self.thing)


def item_of(thing: str) -> str:
    """The short name by which a file or job is remembered."""
    return hashlib.sha256(thing.encode("utf-8", "surrogatepass")).hexdigest()[:_ITEM_DIGITS]


def alerts_of(findings: Sequence[Finding]) -> list[Alert]:
    """One alert a cause, in the order in which causes first appear; at most `MOST_MESSAGES`."""
    causes: dict[str, list[Finding]] = {}
    for finding in findings:
        causes.setdefault(finding.cause, []).append(finding)
    groups = list(causes.values())
    if len(groups) <= MOST_MESSAGES:
        return [_alert(group) for group in groups]
    shown, rest = groups[: MOST_MESSAGES - 1], groups[MOST_MESSAGES - 1 :]
    return [*(_alert(group) for group in shown), _summed_up(rest)]


def _alert(group: list[Finding]) -> Alert:
    first = group[0]
    weeks = tuple(sorted({item.week for item in group if item.week}))
    alone = len({item.item for item in group}) == 1
    said = one_line(first.said)
    about = first.about
    if first.kind is Kind.UNUSABLE_FILE:
        about = one_line(first.thing) if alone else counted(len(group), "file")
        said = f"{names_text([item.thing for item in group])}: {said}"
    elif not alone and first.kind is not Kind.TIER_OVERDUE:
        said = f"the same in each week, for example: {said}"
    return Alert(
        first.kind,
        cut(said, _SAID_CHARS),
        _next_command(first, alone),
        weeks,
        first.table,
        first.check,
        about,
        first.numbers if alone else _numbers(group),
        first.run_id,
    )


def _numbers(group: list[Finding]) -> dict[str, Number]:
    weeks = len({item.week for item in group if item.week})
    files = len({item.thing for item in group if item.thing})
    runs = len({item.run_id for item in group if item.run_id})
    found = {"week_count": weeks, "files": files, "runs": runs if runs > 1 else 0}
    return {name: number for name, number in found.items() if number}


def _next_command(first: Finding, alone: bool) -> str:
    """What the text itself says to run, else where the whole story is told."""
    if first.kind in {Kind.UNUSABLE_FILE, Kind.TIER_OVERDUE}:
        return "spine status"
    if alone and (told := command_in(first.said)):
        return told
    if first.kind is Kind.CHECK_FAILED and first.week and alone:
        return f"spine anomalies --week {first.week}"
    return f"spine runs show {first.run_id}" if first.run_id else "spine status"


def _summed_up(groups: list[list[Finding]]) -> Alert:
    """What is left where there are too many causes for a message each."""
    every = [item for group in groups for item in group]
    weeks = tuple(sorted({item.week for item in every if item.week}))
    first = every[0]
    told = f" in {weeks_text(weeks)}" if weeks else ""
    return Alert(
        first.kind,
        cut(
            f"{len(groups)} more causes{told}, each with a text of its own; "
            f"the first: {one_line(first.said)}",
            _SAID_CHARS,
        ),
        f"spine runs show {first.run_id}" if first.run_id else "spine status",
        weeks,
        about=f"{len(groups)} more causes",
        numbers={"causes": len(groups), **_numbers(every)},
        run_id=first.run_id,
    )
