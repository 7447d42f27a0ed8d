"""What must become of the accepted lines of a week: placement, row rules and totals.

Plain Python over single rows, written from the contract of the feed like `oracle`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from spine_assets_tests.abuse.oracle import (
    CRD,
    FIRM,
    MPID,
    NOTIONAL,
    SHARES,
    TRADES,
    UPDATED,
    WEEK_COLUMNS,
    Account,
    Line,
    Value,
    add,
)

WEEK = date(2025, 11, 21)
PUBLISHED = {
    "NMS_TIER_1": date(2025, 12, 8),
    "NMS_TIER_2": date(2025, 12, 22),
    "OTC": date(2025, 12, 22),
}
"""First publication of WEEK by tier, from FINRA's calendar."""

_TIERS = {
    text: tier
    for tier, texts in {
        "NMS_TIER_1": ("nms tier 1", "t1", "nms_tier_1"),
        "NMS_TIER_2": ("nms tier 2", "t2", "nms_tier_2"),
        "OTC": ("otc", "otce"),
    }.items()
    for text in texts
}
_CLASSES = {"ATS_W_": "ATS", "OTC_W_": "NON_ATS"}
_VENUE_GRAIN = {"ATS_W_SMBL_FIRM", "OTC_W_SMBL_FIRM"}
_POOL = ["de", "minimis", "firms"]


Part = tuple[str, str]
"""Class, and grain: venues or totals."""


class Unclear(Exception):
    """A file whose week, tier or class is unknown or contradictory: it must be refused."""


@dataclass(frozen=True)
class Told:
    """What a file says it holds; `week` is None where only its dates can tell."""

    week: date | None
    tier: str
    parts: tuple[Part, ...]

    def part_of(self, line: Line) -> Part:
        """The part that a line belongs to: the one it names, if that has rows, else the first."""
        named = _part(line.code)
        return named if named in self.parts else self.parts[0]

    def lines_of(self, found: Account, part: Part) -> tuple[list[Line], list[Line]]:
        """Accepted and rejected lines of a part."""
        return (
            [line for line in found.accepted if self.part_of(line) == part],
            [line for line in found.rejected if self.part_of(line) == part],
        )


@dataclass(frozen=True)
class Row:
    """A raw row of the week with the name of its file."""

    file: str
    number: int
    tier: str
    venue_class: str
    values: dict[str, Value]

    @property
    def place(self) -> tuple[str, int]:
        return self.file, self.number

    @property
    def shares(self) -> Decimal:
        return Decimal(str(self.values[SHARES]))

    @property
    def trades(self) -> int:
        return int(str(self.values[TRADES]))

    def text(self, name: str) -> str:
        return str(self.values.get(name) or "")

    @property
    def words(self) -> list[str]:
        """Words of the name of its firm."""
        text = self.text(FIRM).lower()
        return "".join(char if _is_letter_or_digit(char) else " " for char in text).split()

    @property
    def symbol_and_venue(self) -> tuple[str, str]:
        """By what files are held to be as full as one another."""
        return self.text("issueSymbolIdentifier"), self.text(MPID) or " ".join(self.words)

    @property
    def venue(self) -> str:
        """Identity of the venue, blank where the row names none."""
        if self.venue_class == "ATS":
            mpid = self.text(MPID)
            is_firm = mpid == "DE_MINIMIS" or mpid[:5] == "FIRM:" or re.fullmatch("CRD[0-9]+", mpid)
            return "UNATTRIBUTED" if is_firm or not mpid else mpid
        firm, crd, words = self.text(FIRM), self.text(CRD), self.words
        if crd == "0" or words in (["de", "minimis"], ["de", "minimis", "firm"], _POOL):
            return "DE_MINIMIS"
        if crd:
            return f"CRD{crd}"
        return f"FIRM:{firm}" if firm else ""

    @property
    def says(self) -> tuple[Value, ...]:
        """All that its line says, but for what all lines of the file say."""
        return tuple(
            _rounded(value) if name == NOTIONAL else value
            for name, value in sorted(self.values.items())
            if name not in {"tierIdentifier", *WEEK_COLUMNS}
        )

    @property
    def issue(self) -> tuple[str, ...]:
        """Its key, and the fields in which issues of a symbol differ."""
        return *self.key, self.text("issueName"), self.text("productTypeCode")

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.tier, self.text("issueSymbolIdentifier"), self.venue_class, self.venue


def told(found: Account, name: str) -> Told:
    """What a file holds, by its lines and its path.

    Raises:
        Unclear: it must be refused.
    """
    lines = found.accepted
    if not lines:
        raise Unclear("no line can be read")
    tier = _tier(lines)
    parts = _parts(lines, name)
    weeks = {week for week in (_path_week(name), *_column_weeks(lines)) if week is not None}
    if len(weeks) > 1:
        raise Unclear(f"several weeks: {weeks}")
    week = weeks.pop() if weeks else None
    if week == WEEK and any(_date(line) < PUBLISHED[tier] for line in lines):
        raise Unclear("updated before it was published")
    return Told(week, tier, parts)


def _texts(lines: list[Line], name: str) -> set[str]:
    return {str(line.values.get(name) or "") for line in lines}


def _date(line: Line) -> date:
    day = line.values[UPDATED]
    assert isinstance(day, date)
    return day


def _tier(lines: list[Line]) -> str:
    columns = [_texts(lines, "tierDescription")]
    if (other := _texts(lines, "tierIdentifier")) != {""}:
        columns.append(other)
    tiers = {_TIERS.get(" ".join(text.split()).casefold()) for texts in columns for text in texts}
    if len(tiers) > 1 or None in tiers:
        raise Unclear(f"tiers {tiers}")
    return str(tiers.pop())


def _part(code: str | None) -> Part | None:
    """Class and grain that a summary type names."""
    kind = _CLASSES.get((code or "")[:6])
    if kind is None:
        return None
    return kind, "totals" if (code or "")[6:] in {"SMBL", "FIRM", "VOL_STATS"} else "venues"


def _parts(lines: list[Line], name: str) -> tuple[Part, ...]:
    """What a file has rows of: venues before totals, ATS before the other."""
    codes = _texts(lines, "summaryTypeCode")
    by_path = {text.upper() for text in re.findall("class=([a-z_]+)", name)}
    found = {_part(code) for code in codes if code}
    if None in found or (found and by_path and {part[0] for part in found if part} != by_path):
        raise Unclear(f"classes {found} {by_path}")
    if len(by_path) > 1:
        raise Unclear(f"classes {by_path}")
    parts = sorted((part for part in found if part), key=lambda part: (part[1] != "venues", part))
    if "" in codes and (len(parts) > 1 or (parts and parts[0][1] == "totals")):
        raise Unclear("rows of which the part is unknown")
    if parts:
        return tuple(parts)
    by_mpid = "NON_ATS" if _texts(lines, "MPID") == {""} else "ATS"
    if by_mpid == "ATS" and not by_path:
        firms = [line for line in lines if not line.values.get(MPID) and line.values.get(FIRM)]
        if 5 * len(firms) > len(lines) and len({line.values[FIRM] for line in firms}) >= 3:
            raise Unclear("rows of both classes, and none says which")
    return ((by_path.pop() if by_path else by_mpid, "venues"),)


def _path_week(name: str) -> date | None:
    found = re.findall(r"week_ending=(\d{4}-\d{2}-\d{2})", name)
    return date.fromisoformat(found[0]) if found else None


def _column_weeks(lines: list[Line]) -> Iterable[date]:
    for name in WEEK_COLUMNS:
        days = {line.values.get(name) for line in lines}
        if days == {None}:
            continue
        day = next(iter(days))
        if len(days) > 1 or not isinstance(day, date) or day.weekday() != 0:
            raise Unclear(f"{name} {days}")
        if day < date(2014, 5, 12):  # FINRA's first week
            raise Unclear(f"{name} is before the feed")
        yield day + timedelta(days=4)


def rows_of(found: Account, name: str, said: Told, part: Part) -> list[Row]:
    """The raw rows of a part of a file."""
    accepted, _ = said.lines_of(found, part)
    return [Row(name, line.number, said.tier, part[0], line.values) for line in accepted]


def judge(rows: Iterable[Row]) -> dict[tuple[str, int], set[str]]:
    """By place of a row, the reasons that its rule reject may have; none where it stands."""
    verdicts = {row.place: _row_faults(row) for row in rows}
    by_file: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.place):
        if not verdicts[row.place]:
            by_file[row.file].append(row)
    for group in by_file.values():
        _judge_rivals(group, joined(group), verdicts)
    return verdicts


def _row_faults(row: Row) -> set[str]:
    code = row.text("summaryTypeCode")
    found = {
        "SUMMARY_TYPE": bool(code) and code not in _VENUE_GRAIN,
        "BLANK_SYMBOL": not row.text("issueSymbolIdentifier"),
        "BLANK_MPID": not row.venue,
        "NEGATIVE": row.shares < 0 or row.trades < 0,
    }
    return {reason for reason, holds in found.items() if holds}


def joined(rows: Sequence[Row]) -> set[tuple[str, ...]]:
    """Issues of a file that stand in it with two figures, where it is two versions joined."""
    figures: dict[tuple[str, ...], list[tuple[Decimal, int]]] = defaultdict(list)
    for row in rows:
        figures[row.issue].append((row.shares, row.trades))
    twice = {issue[:4] for issue, found in figures.items() if len(found) > 1}
    changed = {issue for issue, found in figures.items() if len(set(found)) > 1}
    keys = {row.key for row in rows}
    return changed if len(twice) > 5 and 100 * len(twice) > len(keys) else set()


def _judge_rivals(
    group: Sequence[Row], in_doubt: set[tuple[str, ...]], verdicts: dict[tuple[str, int], set[str]]
) -> None:
    """Of equal lines the first stands; of an issue in doubt no line does."""
    seen: set[tuple[Value, ...]] = set()
    for row in group:
        if row.says in seen:
            verdicts[row.place] = {"DUPLICATE_ROW"}
        elif row.issue in in_doubt:
            verdicts[row.place] = {"CONFLICTING_KEY"}
        seen.add(row.says)


def _rounded(value: Value) -> Value:
    return round(value, 6) if isinstance(value, Decimal) else value


def _is_letter_or_digit(char: str) -> bool:
    return unicodedata.category(char)[0] in "LN"


Totals = dict[tuple[str, ...], tuple[Decimal, int]]


def totals(rows: Iterable[Row], *parts: int) -> Totals:
    """Shares and trades by some parts of the key (tier, symbol, class, venue)."""
    found: dict[tuple[str, ...], tuple[Decimal, int]] = defaultdict(lambda: (Decimal(0), 0))
    for row in rows:
        group = tuple(row.key[part] for part in parts)
        shares, trades = found[group]
        found[group] = add(shares, row.shares), trades + row.trades
    return dict(found)
