"""Deliveries that follow each other: a first one, corrections, a late tier, broken lines.

Every stage changes figures, so that a reader can tell which stage a table shows, and later
stages lack a symbol that earlier ones had, so that a leftover row would be seen.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from spine_assets.core.weeks import Tier, publication_day
from spine_assets.dev.sample import ATS_HEADER, generate_week

MEDIUM = {Tier.NMS_TIER_1: 1_500, Tier.NMS_TIER_2: 1_500, Tier.OTC: 700}
"""Rows a tier: a week is worked upon for some tenths of a second."""
SMALL = {Tier.NMS_TIER_1: 60, Tier.NMS_TIER_2: 60, Tier.OTC: 60}
STAGES = 3
_SYMBOL, _SHARES, _TRADES, _UPDATED = 1, 5, 6, 7


@dataclass(frozen=True)
class Parcel:
    """One file for the landing folder."""

    name: str
    content: bytes


def stages(week: date, seed: int, rows: dict[Tier, int]) -> tuple[tuple[Parcel, ...], ...]:
    """What arrives for a week, stage after stage.

    First two tiers; then corrections of both and the late third tier, with rejects of both
    stages; then a correction without those rejects and one of the late tier.
    """
    files = {item.tier: item.content for item in generate_week(week, seed=seed, rows=rows)}
    one, two, otc = Tier.NMS_TIER_1, Tier.NMS_TIER_2, Tier.OTC

    def parcel(tier: Tier, stage: int, *, broken: bool = False) -> Parcel:
        content = corrected(files[tier], publication_day(week, tier), stage)
        content = spoiled(content, seed) if broken else content
        return Parcel(f"week_ending={week}/{tier.value.lower()}-{stage}.csv", content)

    return (
        (parcel(one, 0), parcel(two, 0, broken=True)),
        (parcel(one, 1), parcel(two, 1, broken=True), parcel(otc, 1, broken=True)),
        (parcel(two, 2), parcel(otc, 2)),
    )


def with_totals(parcels: Iterable[Parcel]) -> list[Parcel]:
    """Parcels of ATS files, each after FINRA's totals by symbol of its readable lines."""
    found = []
    for parcel in parcels:
        _, rows = _cut(parcel.content)
        sums: Counter[tuple[str, str, str]] = Counter()
        for row in rows:
            if len(row) > _UPDATED and row[_SHARES].isdigit():
                sums[row[0], row[_SYMBOL], row[_UPDATED]] += int(row[_SHARES])
        lines = [
            f"{tier}|{symbol}||||{shares}|1|{updated}|ATS_W_SMBL"
            for (tier, symbol, updated), shares in sums.items()
        ]
        header = f"{ATS_HEADER}|summaryTypeCode"
        content = "".join(f"{line}\n" for line in (header, *lines)).encode()
        found += [Parcel(parcel.name.replace(".csv", ".totals.csv"), content), parcel]
    return found


def corrected(content: bytes, published: date, stage: int) -> bytes:
    """The file as it is at a stage: other figures, and a symbol fewer a stage."""
    header, rows = _cut(content)
    gone = sorted({row[_SYMBOL] for row in rows})[:stage]
    updated = str(published + timedelta(days=stage))
    for row in rows:
        row[_SHARES] = str(int(row[_SHARES]) * (stage + 1) + stage)
        row[_TRADES] = str(int(row[_TRADES]) + stage)
        row[_UPDATED] = updated
    return _joined(header, [row for row in rows if row[_SYMBOL] not in gone])


def spoiled(content: bytes, seed: int) -> bytes:
    """The file with lines that the parser rejects and lines that break a rule."""
    header, rows = _cut(content)
    comma, short, negative, blank, twin = random.Random(seed).sample(rows, 5)
    comma[_SHARES] = "6,753,871"
    del short[_TRADES:]
    negative[_SHARES] = "-5"
    blank[_SYMBOL] = ""
    rows.insert(rows.index(twin), list(twin))
    return _joined(header, rows)


def _cut(content: bytes) -> tuple[str, list[list[str]]]:
    header, *lines = content.decode().splitlines()
    return header, [line.split("|") for line in lines]


def _joined(header: str, rows: list[list[str]]) -> bytes:
    return "".join(f"{line}\n" for line in (header, *map("|".join, rows))).encode()
