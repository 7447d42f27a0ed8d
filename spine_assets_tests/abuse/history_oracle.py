"""What must become of delivered files: plain Python, from the rules of files and captures alone.

It reads no code that it judges. Each content at each build is accepted for a slot (week, tier and
class), refused, or `EITHER`, where the rules leave it open or an earlier error of the deliverer
makes the right file look wrong. What was captured of those is taken over from the lake; which
capture is current then, and which wait, follows exactly.

The rules: a week column names the week, else the path, else the earliest publication day that a
fifth of the rows have (it only proposes). Proposed weeks are refused if the date in the file's
name is another week's publication day, if half of the file's figures are those of an earlier
week's file, or if most of its rows are in the current capture with other figures. Of captures with
at least 90% of the keys of the fullest the one with the latest (update, capture, hash) is current;
the others wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from spine_assets_tests.abuse.histories import File, Key, Part, Rows, Slot, published, week_of

_ENOUGH = 20  # shared keys; fewer prove nothing
_WEEKS_NEAR = 26
Figures = dict[Key, list[tuple[int, int]]]
"""Shares and trades of each key, in order; several lines of a key are two issues."""


class Verdict(StrEnum):
    """What must become of a content."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    EITHER = "either"


@dataclass(frozen=True)
class Content:
    """One slot's rows of a file."""

    sha256: str
    part: Part
    file: File

    @property
    def figures(self) -> Figures:
        return figures_of(self.part.rows)

    @property
    def latest(self) -> date:
        return max(row.updated for row in self.part.rows)

    @property
    def shown(self) -> Counter[tuple[str, int, int]]:
        """Symbol, shares and trades of each venue row that the tables must show."""
        return Counter(
            (symbol, sum(s for s, _ in lines), sum(t for _, t in lines))
            for (symbol, _), lines in self.figures.items()
        )


@dataclass(frozen=True)
class Held:
    """A capture: a content at a slot, since a moment."""

    content: Content
    at: datetime

    @property
    def rank(self) -> tuple[date, datetime, str]:
        return self.content.latest, self.at, self.content.sha256

    @property
    def keys(self) -> int:
        return len(self.content.figures)


def figures_of(rows: Rows) -> Figures:
    """Equal lines count once."""
    found: Figures = {}
    for row in dict.fromkeys(rows):
        found.setdefault(row.key, []).append((row.shares, row.trades))
    return {key: sorted(lines) for key, lines in found.items()}


def shared_and_same(one: Figures, other: Figures) -> tuple[int, int]:
    """Keys that both have, and how many of them have equal figures."""
    shared = one.keys() & other.keys()
    return len(shared), sum(bool({*one[key]} & {*other[key]}) for key in shared)


@dataclass(frozen=True)
class Proposal:
    """Where a content would go, and whether its dates alone say so; no slot: it is refused."""

    slot: Slot | None
    by_dates: bool = False
    is_open: bool = False
    why: str = ""


def proposal(file: File, part: Part) -> Proposal:
    """Where one part of a file would go, by itself."""
    slot = part.slot
    if len({other.slot.tier for other in file.parts}) > 1:
        return Proposal(None, why="rows of several tiers")
    named = _named_weeks(file)
    if len(named) > 1:
        return Proposal(None, why="column and path, or two columns, name different weeks")
    week = named.pop() if named else _by_dates(file)
    if week is None:
        return Proposal(None, why="no date is a publication day")
    first = published(week, slot.tier)
    if any(row.updated < first for _, row in file.rows):
        return Proposal(None, why="updated before its week was published")
    by_dates = not file.with_week and file.claimed is None
    if by_dates and file.day is not None:
        claimed = week_of(file.day, slot.tier)
        is_of_week = week - timedelta(days=4) <= file.day <= week
        is_of_rows = any(row.updated == file.day for _, row in file.rows)
        if claimed is not None and claimed != week and not is_of_week and not is_of_rows:
            return Proposal(None, why="the date in its name is another week's publication day")
    is_open = not file.with_week and _half_of_another_week(file, week)
    return Proposal(Slot(week, slot.tier, slot.venue_class), by_dates, is_open)


def _named_weeks(file: File) -> set[date]:
    columns = {part.slot.week for part in file.parts} if file.with_week else set()
    return columns | ({file.claimed} if file.claimed else set())


def _by_dates(file: File) -> date | None:
    counts = Counter(row.updated for _, row in file.rows)
    for day, count in sorted(counts.items()):
        week = week_of(day, file.parts[0].slot.tier)
        if week is not None and 5 * count >= counts.total():
            return week
    return None


def _half_of_another_week(file: File, week: date) -> bool:
    """Whether half of the rows have another week's publication day: an error, or a correction."""
    counts = Counter(row.updated for _, row in file.rows)
    tier = file.parts[0].slot.tier
    days = [day for day, count in counts.items() if 2 * count >= counts.total()]
    return any(week_of(day, tier) not in {None, week} for day in days)


def is_two_versions(part: Part) -> bool:
    """Whether more than 1% of the keys, and more than five, stand twice with different figures."""
    figures = figures_of(part.rows)
    twice = sum(len({*lines}) > 1 for lines in figures.values())
    return twice > 5 and 100 * twice > len(figures)


@dataclass
class Oracle:
    """What was captured and decided so far."""

    held: dict[Slot, dict[str, Held]] = field(default_factory=dict)
    retracted: set[tuple[Slot, str]] = field(default_factory=set)
    pinned: dict[Slot, str] = field(default_factory=dict)
    landing: dict[int, File] = field(default_factory=dict)

    # --- deliveries

    def contents(self) -> Iterator[tuple[Content, Proposal]]:
        """What is in the landing folder now, in the order of arrival."""
        for file in self.landing.values():
            for part in _merged(file):
                yield Content(file.sha256, part, file), proposal(file, part)

    def uncaptured(self) -> list[tuple[Content, Proposal]]:
        """Contents that are no capture at their slot yet; of equal ones, one for each slot."""
        found: dict[object, tuple[Content, Proposal]] = {}
        for content, place in self.contents():
            if place.slot is None:
                found[content.file.number, content.part.slot] = (content, place)
            elif content.sha256 not in self.held.get(place.slot, {}):
                found.setdefault((content.sha256, place.slot), (content, place))
        return [*found.values()]

    def verdict(self, content: Content, place: Proposal) -> tuple[Verdict, str]:
        """What must become of a content that is not captured, and why.

        Of a file with both classes, nothing is taken where one of them is refused.
        """
        verdict, why = self._verdict_alone(content, place)
        for other, at in self.uncaptured():
            if other.file.number == content.file.number and other is not content:
                beside, reason = self._verdict_alone(other, at)
                if beside is Verdict.REFUSE or (
                    beside is Verdict.EITHER and verdict is Verdict.ACCEPT
                ):
                    verdict, why = beside, f"{reason}, in another part of the file"
        return verdict, why

    def _verdict_alone(self, content: Content, place: Proposal) -> tuple[Verdict, str]:
        if place.slot is None:
            return Verdict.REFUSE, place.why
        if is_two_versions(content.part):
            return Verdict.REFUSE, "two versions or weeks, joined"
        verdict, why = Verdict.ACCEPT, "nothing speaks against it"
        for found in self._against(content, place, place.slot):
            if found[0] is Verdict.REFUSE:
                return found
            verdict, why = found
        return verdict, why

    def _against(
        self, content: Content, place: Proposal, slot: Slot
    ) -> Iterator[tuple[Verdict, str]]:
        if place.is_open:
            yield Verdict.EITHER, "half of its rows have another week's publication day"
        if self._looks_like_half_a_delivery(content, slot):
            yield Verdict.EITHER, "shares no key with another file of its slot"
        if place.by_dates:
            yield from self._repeating(content, slot)
            yield from self._contradicted(content, slot)

    def _looks_like_half_a_delivery(self, content: Content, slot: Slot) -> bool:
        """Whether it has no key of another file of its slot: one delivery in two parts.

        A whole file is none of them, if the other one has too few keys to be current beside it.
        """
        mine = content.figures
        others = [*self._new_at(slot, content), *(h.content for h in self._standing(slot))]
        apart = [other.figures for other in others if not mine.keys() & other.figures.keys()]
        if content.part.is_whole and content.part.slot == slot:
            apart = [other for other in apart if 10 * len(mine) < 9 * (len(mine) + len(other))]
        return bool(apart)

    def _repeating(self, content: Content, slot: Slot) -> Iterator[tuple[Verdict, str]]:
        """Files of other weeks whose figures it has."""
        mine = content.figures
        for other, week, is_certain in self._of_other_weeks(slot):
            shared, same = shared_and_same(mine, other.figures)
            if shared < _ENOUGH:
                continue
            why = f"{same} of {len(mine)} figures are those of {week} ({other.file.name})"
            if 2 * same >= len(mine):
                strict = is_certain and week < slot.week
                yield Verdict.REFUSE if strict else Verdict.EITHER, why
            elif 2 * same >= min(len(mine), len(other.figures)):
                yield Verdict.EITHER, why

    def _of_other_weeks(self, slot: Slot) -> Iterator[tuple[Content, date, bool]]:
        """Captured and delivered contents of its tier and class, and whether they prove it."""
        for other, held in self.held.items():
            if other[1:] == slot[1:] and _is_near(other.week, slot.week):
                for item in held.values():
                    if (other, item.content.sha256) not in self.retracted:
                        yield item.content, other.week, True
        for found, place in self.contents():
            at = place.slot
            if at and at[1:] == slot[1:] and _is_near(at.week, slot.week):
                # A delivered file that is itself in the wrong place proves nothing.
                is_certain = found.part.slot == at and not is_two_versions(found.part)
                yield found, at.week, is_certain and not place.is_open

    def _contradicted(self, content: Content, slot: Slot) -> Iterator[tuple[Verdict, str]]:
        """Files of its own slot that have its keys with other figures."""
        mine = content.figures
        current = self.current(slot)
        others = [*self._new_at(slot, content), *(h.content for h in self._standing(slot))]
        agrees = any(self._agrees(mine, other.figures) for other in others)
        for other in others:
            shared, same = shared_and_same(mine, other.figures)
            least = min(len(mine), len(other.figures))
            if shared < _ENOUGH or 2 * shared < least or 10 * same >= shared:
                continue
            why = f"only {same} of {shared} figures are those of {other.file.name}"
            strict = current is not None and other.sha256 == current.content.sha256
            strict = strict and 2 * shared >= len(mine) and not agrees
            # Between a file in its own week and one that is not, the wrong one must not win.
            is_wrong = content.part.slot != slot and other.part.slot == slot and not agrees
            yield Verdict.REFUSE if strict or is_wrong else Verdict.EITHER, why

    def _agrees(self, mine: Figures, theirs: Figures) -> bool:
        shared, same = shared_and_same(mine, theirs)
        return shared >= _ENOUGH and 2 * same >= shared

    def _new_at(self, slot: Slot, but: Content) -> list[Content]:
        return [
            content
            for content, place in self.uncaptured()
            if place.slot == slot
            and content.sha256 != but.sha256
            and not is_two_versions(content.part)  # refused for itself, so it proves nothing
        ]

    # --- captures

    def capture(self, content: Content, slot: Slot, at: datetime) -> None:
        """A content became a capture."""
        self.held.setdefault(slot, {})[content.sha256] = Held(content, at)

    def slots_of(self, number: int) -> list[tuple[Slot, str]]:
        """The captures of a file's content."""
        file = self.landing.get(number)
        return [
            (slot, sha256)
            for slot, held in self.held.items()
            for sha256 in held
            if file is not None and sha256 == file.sha256
        ]

    def pin(self, slot: Slot, sha256: str) -> None:
        self.pinned[slot] = sha256
        self.retracted.discard((slot, sha256))

    def retract(self, slot: Slot, sha256: str) -> None:
        self.retracted.add((slot, sha256))
        if self.pinned.get(slot) == sha256:
            del self.pinned[slot]

    def _standing(self, slot: Slot) -> list[Held]:
        held = self.held.get(slot, {})
        return [item for sha256, item in held.items() if (slot, sha256) not in self.retracted]

    def able(self, slot: Slot) -> list[Held]:
        """Captures that are full enough to be current."""
        standing = self._standing(slot)
        most = max((item.keys for item in standing), default=0)
        return [item for item in standing if 10 * item.keys >= 9 * most]

    def current(self, slot: Slot) -> Held | None:
        """The current capture of a slot."""
        if slot in self.pinned:
            return self.held[slot][self.pinned[slot]]
        return max(self.able(slot), key=lambda item: item.rank, default=None)

    def states(self, slot: Slot) -> dict[str, str]:
        """By content, what each capture of a slot is."""
        current, able = self.current(slot), {item.content.sha256 for item in self.able(slot)}
        found = {}
        for sha256 in self.held.get(slot, {}):
            if (slot, sha256) in self.retracted:
                found[sha256] = "retracted"
            elif current and current.content.sha256 == sha256:
                found[sha256] = "pinned" if slot in self.pinned else "current"
            else:
                found[sha256] = "older" if sha256 in able else "waiting"
        return found

    def wrongly_current(self) -> Iterator[tuple[Slot, Content]]:
        """Slots that show another slot's file, or a part though a whole file is captured."""
        for slot in self.held:
            current = self.current(slot)
            if current is None or slot in self.pinned:
                continue
            wholes = [item for item in self._standing(slot) if item.content.part.is_whole]
            right = [item for item in wholes if item.content.part.slot == slot]
            is_part = right and current not in self.able(slot)
            if current.content.part.slot != slot or is_part:
                yield slot, current.content


def _merged(file: File) -> list[Part]:
    """The parts of a file as they are read: those of one tier and class are one."""
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in file.parts:
        groups.setdefault(part.slot[1:], []).append(part)
    return [
        parts[0]
        if len(parts) == 1
        else Part(parts[0].slot, tuple(row for part in parts for row in part.rows), False)
        for parts in groups.values()
    ]


def _is_near(one: date, other: date) -> bool:
    return one != other and abs(one - other) <= timedelta(weeks=_WEEKS_NEAR)


def copies(slots: Iterable[tuple[Slot, Content]]) -> Iterator[tuple[Slot, Slot]]:
    """Slots of two weeks that show the same figures, of which one must be wrong."""
    found = [*slots]
    for number, (slot, content) in enumerate(found):
        for other, second in found[number + 1 :]:
            if slot[1:] != other[1:] or slot.week == other.week:
                continue
            shared, same = shared_and_same(content.figures, second.figures)
            least = min(len(content.figures), len(second.figures))
            if shared >= _ENOUGH and 2 * same >= least:
                yield slot, other
