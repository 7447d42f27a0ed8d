"""From many problems to few messages: one per cause.

A problem is about one thing (a week, a file, a job). Problems with the same cause become one
alert that lists the things.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from spine_assets.alerts.alert import Alert, AlertKind, Number, cause_of
from spine_assets.alerts.text_parts import command_in, names_text, weeks_text
from spine_assets.core.text import counted, cut, one_line

MOST_MESSAGES = 10  # at a time; nobody reads more, so the last one summarizes the rest
_TEXT_CHARS = 1_500  # about a screen; the run and the check hold the full text
_ITEM_DIGITS = 8  # a few hundred names will not collide


@dataclass(frozen=True)
class Problem:
    """One problem of one thing.

    Attributes:
        thing: Name of a file or job, where it is not about a week.
        week: Week ending, where it is about one.
        about: As in `Alert`; part of the cause.
    """

    kind: AlertKind
    text: str
    week: date | None = None
    thing: str = ""
    table: str = ""
    check: str = ""
    about: str = ""
    numbers: Mapping[str, Number] = field(default_factory=dict)
    run_id: str | None = None

    @cached_property
    def cause(self) -> str:
        """Equal for the same problem of other weeks and files."""
        return cause_of(self.kind, self.table, self.check, self.about, self.text)

    @property
    def item(self) -> str:
        """What it is about, in a few characters: the week, or a hash of the name."""
        return str(self.week) if self.week else item_of(self.thing)


def item_of(thing: str) -> str:
    """The short key under which a file or job is stored."""
    return hashlib.sha256(thing.encode("utf-8", "surrogatepass")).hexdigest()[:_ITEM_DIGITS]


def alerts_of(problems: Sequence[Problem]) -> list[Alert]:
    """One alert per cause, in the order in which causes first appear; at most `MOST_MESSAGES`."""
    causes: dict[str, list[Problem]] = {}
    for problem in problems:
        causes.setdefault(problem.cause, []).append(problem)
    groups = list(causes.values())
    if len(groups) <= MOST_MESSAGES:
        return [_alert(group) for group in groups]
    shown, rest = groups[: MOST_MESSAGES - 1], groups[MOST_MESSAGES - 1 :]
    return [*(_alert(group) for group in shown), _summary(rest)]


def _alert(group: list[Problem]) -> Alert:
    first = group[0]
    weeks = tuple(sorted({item.week for item in group if item.week}))
    alone = len({item.item for item in group}) == 1
    text = one_line(first.text)
    about = first.about
    if first.kind is AlertKind.UNUSABLE_FILE:
        about = one_line(first.thing) if alone else counted(len(group), "file")
    if first.kind in {AlertKind.UNUSABLE_FILE, AlertKind.CAPTURE_WAITING}:
        text = f"{names_text([item.thing for item in group])}: {text}"
    elif not alone and first.kind is not AlertKind.TIER_OVERDUE:
        text = f"the same in each week, for example: {text}"
    return Alert(
        first.kind,
        cut(text, _TEXT_CHARS),
        _next_command(first, alone),
        weeks,
        first.table,
        first.check,
        about,
        first.numbers if alone else _numbers(group),
        first.run_id,
    )


def _numbers(group: list[Problem]) -> dict[str, Number]:
    weeks = len({item.week for item in group if item.week})
    files = len({item.thing for item in group if item.thing})
    runs = len({item.run_id for item in group if item.run_id})
    found = {"week_count": weeks, "files": files, "runs": runs if runs > 1 else 0}
    return {name: number for name, number in found.items() if number}


def _next_command(first: Problem, alone: bool) -> str:
    """The command that the text itself names, else the one that shows all details."""
    if first.kind in {AlertKind.UNUSABLE_FILE, AlertKind.TIER_OVERDUE}:
        return "spine status"
    if first.kind is AlertKind.CAPTURE_WAITING and alone:
        return f"spine captures --week {first.week}"
    if alone and (command := command_in(first.text)):
        return command
    if first.kind is AlertKind.CHECK_FAILED and first.week and alone:
        return f"spine anomalies --week {first.week}"
    return f"spine runs show {first.run_id}" if first.run_id else "spine status"


def _summary(groups: list[list[Problem]]) -> Alert:
    """One alert about the causes that are too many for a message each."""
    every = [item for group in groups for item in group]
    weeks = tuple(sorted({item.week for item in every if item.week}))
    first = every[0]
    where = f" in {weeks_text(weeks)}" if weeks else ""
    return Alert(
        first.kind,
        cut(
            f"{len(groups)} more causes{where}, each with a text of its own; "
            f"the first: {one_line(first.text)}",
            _TEXT_CHARS,
        ),
        f"spine runs show {first.run_id}" if first.run_id else "spine status",
        weeks,
        about=f"{len(groups)} more causes",
        numbers={"causes": len(groups), **_numbers(every)},
        run_id=first.run_id,
    )
