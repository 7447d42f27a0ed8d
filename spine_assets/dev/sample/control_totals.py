"""Synthetic data made by our own seeded generator, not FINRA's: control totals of a week's files.

They are FINRA's sums of the rows: by symbol, by firm, and over all. The pool of small firms of a
symbol (De Minimis) has a firm here. Belongs here: the file of totals of one file of rows. Does not
belong here: which weeks of the committed sample have one (`committed`).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from decimal import Decimal

from spine_assets.core.weeks import VenueClass, monday_of
from spine_assets.dev.sample.draws import key_of
from spine_assets.dev.sample.files import SampleFile
from spine_assets.dev.sample.names import DE_MINIMIS, OFTEN_POOLED, POOLED_FIRMS

HEADER = (
    "tierIdentifier|tierDescription|issueSymbolIdentifier|issueName|MPID|marketParticipantName"
    "|firmCRDNumber|summaryTypeCode|totalWeeklyShareQuantity|totalWeeklyTradeCount|weekStartDate"
    "|lastUpdateDate"
)
_Key = tuple[str, str, str, str, str]  # symbol, issue, MPID, firm, CRD number


def totals_of(file: SampleFile) -> SampleFile:
    """The control totals of a file of rows, gzipped, with FINRA's API columns."""
    is_ats = file.venue_class is VenueClass.ATS
    content = file.content if is_ats else gzip.decompress(file.content)
    header, *lines = content.decode().splitlines()
    rows = [dict(zip(header.split("|"), line.split("|"), strict=True)) for line in lines]
    prefix = "ATS_W" if is_ats else "OTC_W"
    ends = f"{monday_of(file.week_ending)}|{max(row['lastUpdateDate'] for row in rows)}"
    tier = f"{file.tier.api_id}|{file.tier.description}"
    texts = [HEADER]
    for kind, sums in _sums(rows):
        texts += [
            f"{tier}|{'|'.join(key)}|{prefix}_{kind}|{shares}|{trades}|{ends}"
            for key, (shares, trades) in sorted(sums.items())
        ]
    packed = gzip.compress("".join(f"{text}\n" for text in texts).encode(), mtime=0)
    word = "ats" if is_ats else "non_ats"
    path = f"week_ending={file.week_ending}/class={word}/totals_{file.tier.api_id.lower()}.csv.gz"
    return SampleFile(path, packed, file.week_ending, file.tier, file.venue_class)


def _sums(rows: list[dict[str, str]]) -> Iterator[tuple[str, dict[_Key, tuple[Decimal, int]]]]:
    """Shares and trades by what each kind of total is of."""
    named = {(row["issueSymbolIdentifier"], row.get("firmCRDNumber", "")) for row in rows}
    for kind in ("SMBL", "FIRM", "VOL_STATS"):
        sums: dict[_Key, tuple[Decimal, int]] = {}
        for row in rows:
            key = ("", "", "", "", "")
            if kind == "SMBL":
                key = (row["issueSymbolIdentifier"], row["issueName"], "", "", "")
            elif kind == "FIRM":
                key = ("", "", *_firm(row, named))
            shares, trades = sums.get(key, (Decimal(0), 0))
            sums[key] = (
                shares + Decimal(row["totalWeeklyShareQuantity"]),
                trades + int(row["totalWeeklyTradeCount"]),
            )
        yield kind, sums


def _firm(row: dict[str, str], named: set[tuple[str, str]]) -> tuple[str, str, str]:
    """MPID, name and CRD number; of the pool those of a firm that no row of the symbol names."""
    symbol, crd = row["issueSymbolIdentifier"], row.get("firmCRDNumber", "")
    if crd == DE_MINIMIS.crd:
        small = [firm for firm in (OFTEN_POOLED, *POOLED_FIRMS) if (symbol, firm.crd) not in named]
        firm = small[int(key_of("pooled", symbol)) % len(small)]
        return "", firm.name, firm.crd
    return row["MPID"], row["marketParticipantName"], crd
