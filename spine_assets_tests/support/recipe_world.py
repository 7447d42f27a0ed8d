"""Weeks in which a careless query gives a wrong figure, and the queries that the pages print.

Belongs here: a small lake with all that makes weeks differ, written so that figures can be computed
in the head, and the SQL of README and docs. Expected figures stand in the tests.

| week | loaded | |
|---|---|---|
| S1 to S6 | ATS of three tiers | PMCY 100 a week, 130 in S6; S1 is 2025-09-19 |
| FIRST_BOTH | both classes | the first non-ATS files: PMCY 500 |
| NO_TIER_2 | both classes, without tier 2 | firms by name, as in a download |
| BY_NAME | both classes | firms by name |
| MIXED | both classes | tier 1 with CRDs, tiers 2 and OTC by name; 2025-11-21 |
| HOLIDAY | both classes | four trading days, four fifths of every volume of MIXED |
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from spine_assets_tests.support.analysis_lake import ATS, BUCKET, OTC, T1, T2, Row
from spine_assets_tests.support.shown import blocks, shell_blocks

S1 = date(2025, 9, 19)
S1_TO_S6 = [S1 + timedelta(weeks=n) for n in range(6)]
S6, FIRST_BOTH, NO_TIER_2, BY_NAME, MIXED, HOLIDAY = (S1 + timedelta(weeks=n) for n in range(5, 11))
ACME, BETA = "ACME, L.L.C.", "BETA TRADING"
_VENUES = {  # as rows of tier 1 name them: identity and name
    "ubs": ("UBSA", "UBS ATS"),
    "link": ("OTCX", "OTC LINK"),
    "acme": ("CRD7", ACME),
    "acme by name": ("FIRM:Acme, L.L.C", "Acme, L.L.C"),
    "beta": ("CRD8", BETA),
    "pool": (BUCKET, "De Minimis Firms"),
}
_WEEKS: dict[date, dict[tuple[str, str], dict[str, int]]] = {
    **{
        week: {
            (T1, "PMCY"): {"ubs": 130 if week == S6 else 100},
            (T2, "TWO"): {"ubs": 10},
            (OTC, "PNK"): {"link": 10},
        }
        for week in S1_TO_S6
    },
    FIRST_BOTH: {
        (T1, "PMCY"): {"ubs": 120, "acme": 280, "pool": 100},
        (T2, "TWO"): {"ubs": 10, "acme": 10},
        (OTC, "PNK"): {"link": 10, "acme": 10},
    },
    NO_TIER_2: {
        (T1, "PMCY"): {"ubs": 120, "acme by name": 300, "pool": 80},
        (OTC, "PNK"): {"link": 10, "acme by name": 10},
    },
    BY_NAME: {
        (T1, "PMCY"): {"ubs": 110, "acme by name": 300, "pool": 90},
        (T1, "WENT"): {"ubs": 40},
        (T2, "TWO"): {"ubs": 10, "acme by name": 10},
        (OTC, "PNK"): {"link": 10, "acme by name": 30},
    },
    MIXED: {
        (T1, "PMCY"): {"ubs": 150, "acme": 250, "beta": 300, "pool": 50},
        (T1, "NEWS"): {"ubs": 70},
        (T2, "TWO"): {"ubs": 10, "acme by name": 60},
        (OTC, "PNK"): {"link": 20, "acme by name": 25},
    },
    HOLIDAY: {
        (T1, "PMCY"): {"ubs": 120, "acme": 200, "pool": 280},
        (T1, "NEWS"): {"ubs": 56},
        (T2, "TWO"): {"ubs": 8, "acme": 48},
        (OTC, "PNK"): {"link": 16, "acme": 20},
    },
}
ROWS = [
    Row(
        week, tier, symbol, _VENUES[venue][0], str(shares), issue=f"{symbol} Inc.",
        name=_VENUES[venue][1],
    )
    for week, issues in _WEEKS.items()
    for (tier, symbol), venues in issues.items()
    for venue, shares in venues.items()
]  # fmt: skip

_COLUMNS = (
    *("tierDescription", "issueSymbolIdentifier", "issueName", "MPID", "marketParticipantName"),
    *("firmCRDNumber", "totalWeeklyShareQuantity", "totalWeeklyTradeCount", "weekStartDate"),
    "lastUpdateDate",
)


def delivered(week: date) -> Iterator[tuple[str, bytes]]:
    """The files that make these rows of a week: path below the landing folder, and content."""
    files: dict[str, list[str]] = defaultdict(list)
    for row in ROWS:
        if row.week == week:
            is_ats = row.venue_class == ATS
            fields = (
                *(row.tier.replace("_", " "), row.symbol, row.issue),
                *(row.mpid if is_ats else "", f"{row.mpid} {row.name}" if is_ats else row.name),
                *(row.mpid.removeprefix("CRD") if row.mpid.startswith("CRD") else "", row.shares),
                *(str(row.trades), str(week - timedelta(days=4)), "2026-01-15"),
            )
            files[f"class={row.venue_class.lower()}/{week}_{row.tier}.csv"].append("|".join(fields))
    for path, lines in files.items():
        yield path, "\n".join(["|".join(_COLUMNS), *lines]).encode()


@dataclass(frozen=True)
class Printed:
    """A SELECT that a page shows."""

    page: str
    sql: str


def printed() -> list[Printed]:
    """Every SELECT in a block of SQL of README and docs, and in a `spine query` of their shells."""
    found = [
        Printed(block.page.name, statement.strip())
        for block in blocks("sql")
        for statement in block.text.split(";\n")
        if statement.strip()
    ]
    for block in shell_blocks():
        for command in block.commands:
            if re.match(r"(\.venv/bin/)?spine query ", command):
                words = shlex.split(command)[2:]
                found.append(Printed(block.page.name, next(word for word in words if " " in word)))
    return found
