"""Delivery histories: a small market, its files in every shape that people deliver, and steps.

A history is drawn from a seed alone. Belongs here: what is delivered, and when. Does not belong
here: what must come of it (`history_oracle`) and playing it (`fuzz_deliveries`).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

LAG_DAYS = {"NMS_TIER_1": 21, "NMS_TIER_2": 35, "OTC": 35}
_TEXT = {"NMS_TIER_1": "NMS Tier 1", "NMS_TIER_2": "NMS Tier 2", "OTC": "OTC"}
_API = {"NMS_TIER_1": "T1", "NMS_TIER_2": "T2", "OTC": "OTCE"}
_TYPES = {"ATS": "ATS_W_SMBL_FIRM", "NON_ATS": "OTC_W_SMBL_FIRM"}
# Mondays of the years used here on which the New York exchanges were closed.
_CLOSED_MONDAYS = {
    *(date(2024, 1, 15), date(2024, 2, 19), date(2024, 5, 27), date(2024, 9, 2)),
    *(date(2025, 1, 20), date(2025, 2, 17), date(2025, 5, 26), date(2025, 9, 1)),
}
_FIRST_FRIDAY = date(2024, 3, 8)
_FRIDAYS = 30
_WEEK = timedelta(weeks=1)
_HEADER = (
    *("tierDescription", "issueSymbolIdentifier", "issueName", "marketParticipantName", "MPID"),
    *("totalWeeklyShareQuantity", "totalWeeklyTradeCount", "lastUpdateDate"),
)
_API_HEADER = (
    *("tierDescription", "tierIdentifier", "issueSymbolIdentifier", "issueName"),
    *("marketParticipantName", "MPID", "firmCRDNumber", "summaryTypeCode"),
    *("totalWeeklyShareQuantity", "totalWeeklyTradeCount", "lastUpdateDate"),
)
DOWNLOADS = ("pipe", "crlf", "gz", "zip", "utf-16")
ANSWERS = ("api pipe", "api csv", "api quoted pipe", "api json", "api lower case")
PLAIN = ("pipe", "crlf", "gz", "zip", "api pipe")
"""Formats that every version reads."""


def published(week: date, tier: str) -> date:
    """FINRA's first publication of a tier of a week."""
    day = week - timedelta(days=4) + timedelta(days=LAG_DAYS[tier])
    return day + timedelta(days=1) if day in _CLOSED_MONDAYS else day


def week_of(day: date, tier: str) -> date | None:
    """The week whose publication day it is, if it is one."""
    monday = day - timedelta(days=day.weekday())
    week = monday - timedelta(days=LAG_DAYS[tier]) + timedelta(days=4)
    return week if published(week, tier) == day else None


class Slot(NamedTuple):
    """What has one current capture."""

    week: date
    tier: str
    venue_class: str


Key = tuple[str, str]
"""Symbol and venue."""


class Row(NamedTuple):
    """One line of a file."""

    symbol: str
    venue: str
    shares: int
    trades: int
    updated: date

    @property
    def key(self) -> Key:
        return self.symbol, self.venue


Rows = tuple[Row, ...]


@dataclass(frozen=True)
class Part:
    """The rows of a file that are of one slot; `is_whole` where no row of that version lacks."""

    slot: Slot
    rows: Rows
    is_whole: bool


@dataclass(frozen=True)
class File:
    """A file with what is true of it, and what its name claims.

    Attributes:
        about: What it is, in words.
        parts: Its rows; several where it holds more than one slot's.
        form: How it is written.
        with_week: It has FINRA's week column.
        folder: Path that claims a week, or blank.
        day: The date in its name.
    """

    number: int
    about: str
    parts: tuple[Part, ...]
    form: str
    with_week: bool = False
    folder: str = ""
    day: date | None = None

    @property
    def name(self) -> str:
        """Its path in the landing folder."""
        day = f"_{self.day:%Y%m%d}" if self.day else ""
        ending = {"gz": ".csv.gz", "zip": ".zip", "api json": ".json"}.get(self.form, ".csv")
        return f"{self.folder}file{self.number}{day}{ending}"

    @property
    def claimed(self) -> date | None:
        """The week that its path claims."""
        return date.fromisoformat(self.folder[-11:-1]) if self.folder else None

    @property
    def rows(self) -> list[tuple[Slot, Row]]:
        return [(part.slot, row) for part in self.parts for row in part.rows]

    @cached_property
    def text(self) -> bytes:
        """Its content, unpacked."""
        return _written(self)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.text).hexdigest()

    @cached_property
    def delivered(self) -> bytes:
        """Its bytes as they are in the landing folder."""
        if self.form == "gz":
            return gzip.compress(self.text, 1, mtime=0)
        if self.form == "zip":
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("member.csv", self.text)
            return buffer.getvalue()
        return self.text

    def __str__(self) -> str:
        column = ", week column" if self.with_week else ""
        return f"{self.name}: {self.about} ({self.form}{column}, {len(self.rows)} rows)"


def _written(file: File) -> bytes:
    if not file.form.startswith("api"):
        lines = [_HEADER, *(_download_line(slot, row) for slot, row in file.rows)]
        end = "\r\n" if file.form == "crlf" else "\n"
        text = "".join(f"{'|'.join(line)}{end}" for line in lines)
        return text.encode("utf-16" if file.form == "utf-16" else "utf-8")
    header = [*_API_HEADER, *(["weekStartDate"] if file.with_week else [])]
    answers = [_answer(slot, row, file.with_week) for slot, row in file.rows]
    if file.form == "api json":
        return json.dumps([dict(zip(header, line, strict=True)) for line in answers]).encode()
    if file.form == "api lower case":
        header = [name.lower() for name in header]
    is_comma = file.form == "api csv"
    is_quoted = is_comma or file.form == "api quoted pipe"
    buffer = io.StringIO(newline="")
    writer = csv.writer(
        buffer,
        delimiter="," if is_comma else "|",
        quoting=csv.QUOTE_ALL if is_quoted else csv.QUOTE_NONE,
        lineterminator="\n",
    )
    writer.writerows([header, *answers])
    return buffer.getvalue().encode()


def _venue(slot: Slot, row: Row) -> tuple[str, str, str]:
    """Name, MPID and CRD number."""
    if slot.venue_class == "ATS":
        return f"{row.venue} {row.venue.title()} Pool", row.venue, "104" + str(ord(row.venue[-1]))
    return f"{row.venue} SECURITIES LLC", "", "205" + str(ord(row.venue[-1]))


def _download_line(slot: Slot, row: Row) -> tuple[str, ...]:
    name, mpid, _ = _venue(slot, row)
    figures = (str(row.shares), str(row.trades), str(row.updated))
    return _TEXT[slot.tier], row.symbol, f"{row.symbol} Corp", name, mpid, *figures


def _answer(slot: Slot, row: Row, with_week: bool) -> tuple[str, ...]:
    name, mpid, crd = _venue(slot, row)
    week = (str(slot.week - timedelta(days=4)),) if with_week else ()
    return (
        *(_TEXT[slot.tier], _API[slot.tier], row.symbol, f"{row.symbol} Corp", name, mpid, crd),
        *(_TYPES[slot.venue_class], str(row.shares), str(row.trades), str(row.updated), *week),
    )


# --- steps


@dataclass(frozen=True)
class Drop:
    """A file arrives."""

    file: File


@dataclass(frozen=True)
class Remove:
    """A file is deleted from the landing folder."""

    number: int


@dataclass(frozen=True)
class Build:
    """A run: all weeks with input, in threads, or one after the other in a shuffled order."""

    threads: int
    shuffle: int = 0


@dataclass(frozen=True)
class Decide:
    """A person pins or retracts the captures of a file, or releases the pins of its slots."""

    action: str
    number: int


Step = Drop | Remove | Build | Decide


@dataclass(frozen=True)
class History:
    """What happens, in order."""

    seed: int
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return "\n".join(f"  {number}. {_shown(step)}" for number, step in enumerate(self.steps))


def _shown(step: Step) -> str:
    if isinstance(step, Drop):
        return f"drop {step.file}"
    if isinstance(step, Remove):
        return f"remove file{step.number}"
    if isinstance(step, Build):
        return f"build, {step.threads} threads" if step.threads else f"build each ({step.shuffle})"
    return f"{step.action} file{step.number}"


# --- drawing one


@dataclass
class Market:
    """What FINRA publishes: versions of each slot, the first one first, each with what it is."""

    weeks: list[date]
    versions: dict[Slot, list[tuple[str, Rows]]] = field(default_factory=dict)

    def slot(self, dice: random.Random, files: Sequence[File]) -> Slot:
        """Any, more often that of an earlier file, or another week of its tier and class."""
        slots = [*self.versions]
        if files and dice.random() < 0.75:
            before = dice.choice(files).parts[0].slot
            return dice.choice([slot for slot in slots if slot[1:] == before[1:]])
        return dice.choice(slots)


def draw(seed: int, forms: Sequence[str] = (*DOWNLOADS, *ANSWERS)) -> History:
    """The history of a seed."""
    dice = random.Random(seed)
    market = _market(dice)
    files: list[File] = []
    steps: list[Step] = []
    for number in range(dice.randint(2, 9)):
        files.append(_file(dice, market, files, number, forms))
        steps.append(Drop(files[-1]))
        steps += _between(dice, files)
    return History(seed, (*steps, Build(dice.choice((0, 1, 2)), dice.getrandbits(16))))


def _between(dice: random.Random, files: list[File]) -> list[Step]:
    """What happens before the next file: mostly nothing, or a run."""
    steps: list[Step] = []
    if dice.random() < 0.45:
        steps.append(Build(dice.choice((0, 1, 2)), dice.getrandbits(16)))
    if dice.random() < 0.3:
        which = dice.choice(files).number
        kind = dice.choices(("pin", "retract", "release", "remove"), weights=(4, 3, 2, 2))[0]
        steps.append(Remove(which) if kind == "remove" else Decide(kind, which))
        if dice.random() < 0.3:
            steps.append(Build(0, dice.getrandbits(16)))
    return steps


def _market(dice: random.Random) -> Market:
    first = _FIRST_FRIDAY + dice.randrange(_FRIDAYS) * _WEEK
    market = Market([first + n * _WEEK for n in range(3)])
    classes = ["ATS", "NON_ATS"] if dice.random() < 0.4 else ["ATS"]
    for tier in dice.sample([*LAG_DAYS], dice.choice((1, 2, 2, 3))):
        for venue_class in classes:
            keys = _keys(dice, tier, dice.choice((12, 21, 30, 40, 40, 60, 120)))
            for week in market.weeks:
                slot = Slot(week, tier, venue_class)
                market.versions[slot] = _versions(dice, market, slot, keys)
    return market


def _keys(dice: random.Random, tier: str, count: int) -> list[Key]:
    """Symbols of one to five venues each."""
    found: list[Key] = []
    while len(found) < count:
        symbol = f"{tier[-1]}S{len(found):03}"
        venues = dice.sample(["VENA", "VENB", "VENC", "VEND", "VENE"], dice.randint(1, 5))
        found += [(symbol, venue) for venue in venues]
    return found[:count]


def _versions(
    dice: random.Random, market: Market, slot: Slot, keys: list[Key]
) -> list[tuple[str, Rows]]:
    day = published(slot.week, slot.tier)
    kept = [key for key in keys if dice.random() < 0.97]
    first = tuple(Row(*key, *_figures(dice), day) for key in kept)
    found = [("as first published", first)]
    for _ in range(dice.choice((0, 1, 1, 2))):
        about, before = found[-1]
        day += timedelta(days=dice.randint(1, 3))
        touched, changed = dice.choice(((3, 1.0), (3, 1.0), (0.3, 1.0), (1.0, dice.random())))
        other = _other_week(dice, market, slot, day)
        if other is not None and dice.random() < 0.6:
            day = published(other, slot.tier)
        count = touched if touched > 1 else round(touched * len(before))
        chosen = {row.key for row in dice.sample(before, min(int(count), len(before)))}
        rows = [_restated(dice, row, day, changed) if row.key in chosen else row for row in before]
        gone = dice.choice((0, 0, 1, 2)) if len(rows) > 40 else 0
        about = f"restated on {day}: {len(chosen)} rows, {changed:.0%} with other figures"
        found.append((about, tuple(rows[gone:])))
    return found


def _figures(dice: random.Random) -> tuple[int, int]:
    """Mostly unlike those of any other week; some rows are of a hundred shares in one trade."""
    if dice.random() < 0.03:
        return 100, 1
    return dice.randint(1, 900_000), dice.randint(1, 3_000)


def _restated(dice: random.Random, row: Row, day: date, changed: float) -> Row:
    shares, trades = _figures(dice) if dice.random() < changed else (row.shares, row.trades)
    return row._replace(shares=shares, trades=trades, updated=day)


def _other_week(dice: random.Random, market: Market, slot: Slot, after: date) -> date | None:
    """A week that is published later, one of the market where there is one."""
    near = [week for week in market.weeks if published(week, slot.tier) > after]
    far = slot.week + dice.randint(1, 12) * _WEEK
    chosen = dice.choice(near) if near and dice.random() < 0.8 else far
    return chosen if published(chosen, slot.tier) > after else None


def _file(
    dice: random.Random, market: Market, files: list[File], number: int, forms: Sequence[str]
) -> File:
    if files and dice.random() < 0.08:
        copied = dice.choice(files)
        named = _named(dice, replace(copied, number=number, folder="", day=None))
        return replace(named, about=f"the content of file{copied.number}: {copied.about}")
    slot = market.slot(dice, files)
    kinds = {"whole": 55, "ticker": 10, "cut": 9, "edge": 8, "shifted": 12, "mixed": 5}
    kinds |= {"joined versions": 4, "joined weeks": 4, "joined tiers": 2, "doubled": 2}
    kind = dice.choices([*kinds], [*kinds.values()])[0]
    about, parts = _parts(dice, market, slot, kind)
    of_parts = [form for form in forms if len(parts) == 1 or kind != "mixed" or "api" in form]
    form = dice.choice(of_parts if dice.random() < 0.6 else [f for f in of_parts if f in PLAIN])
    made = File(number, about, parts, form, "api" in form and dice.random() < 0.5)
    return _named(dice, made)


def _named(dice: random.Random, file: File) -> File:
    """With a week in its path, a date in its name, or neither."""
    slot = file.parts[0].slot
    draw = dice.random()
    if draw < 0.2:
        kind = dice.choice(("week_ending=", "week_"))
        return replace(file, folder=f"{kind}{slot.week}/")
    if draw < 0.23:  # a later week than that of the rows
        return replace(file, folder=f"week_ending={slot.week + 9 * _WEEK}/")
    if draw < 0.32:
        return replace(file, day=published(slot.week, slot.tier))
    if draw < 0.4:
        other = slot.week + dice.choice((-1, 1, 2)) * _WEEK
        return replace(file, day=published(other, slot.tier))
    if draw < 0.45:
        return replace(file, day=published(slot.week, slot.tier) + timedelta(days=2))
    return file


def _parts(
    dice: random.Random, market: Market, slot: Slot, kind: str
) -> tuple[str, tuple[Part, ...]]:
    about, rows = dice.choice(market.versions[slot])
    about = f"{slot.week} {slot.tier} {slot.venue_class} {about}"
    whole = (Part(slot, rows, True),)
    if kind == "ticker":
        symbol = dice.choice(rows).symbol
        return f"{symbol} of {about}", (
            Part(slot, tuple(row for row in rows if row.symbol == symbol), False),
        )
    if kind in {"cut", "edge"}:
        least = -(-9 * len(rows) // 10)
        left = dice.randint(1, len(rows) // 2) if kind == "cut" else least - dice.randint(0, 1)
        return f"{left} of {len(rows)} rows of {about}", (Part(slot, rows[:left], False),)
    if kind == "shifted":
        day = published(slot.week + _WEEK, slot.tier)
        moved = tuple(row._replace(updated=day) for row in rows)
        return f"all dates set to {day}: {about}", (Part(slot, moved, True),)
    if kind == "doubled":
        return f"each row twice: {about}", (Part(slot, (*rows, *rows), True),)
    return _joined(dice, market, slot, kind) or (about, whole)


def _joined(
    dice: random.Random, market: Market, slot: Slot, kind: str
) -> tuple[str, tuple[Part, ...]] | None:
    """Two files in one, where there are two of the kind; a mixed one is of both classes."""
    _, rows = market.versions[slot][0]
    others = {
        "mixed": [s for s in market.versions if s[:2] == slot[:2] and s != slot],
        "joined weeks": [s for s in market.versions if s[1:] == slot[1:] and s != slot],
        "joined tiers": [s for s in market.versions if s.tier != slot.tier],
        "joined versions": [slot],
    }.get(kind, [])
    if not others:
        return None
    other = dice.choice(others)
    second = market.versions[other][-1][1]
    if kind == "joined versions" and _differing(rows, second) <= max(5, len(rows) // 50):
        return None
    parts = [Part(slot, rows, True), Part(other, second, True)]
    if kind == "joined weeks":
        parts.sort(key=lambda part: part.slot)
    return f"{kind}: {slot} and {other}", tuple(parts)


def _differing(one: Rows, other: Rows) -> int:
    """Keys that both have with other figures."""
    figures = {row.key: (row.shares, row.trades) for row in one}
    return sum(figures.get(row.key, row[2:4]) != row[2:4] for row in other)
