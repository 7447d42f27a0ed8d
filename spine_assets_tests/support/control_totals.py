"""FINRA's files of a week as a test has them: rows by symbol and venue, and their control totals.

The totals are summed up here in plain Python, so that no code of the program vouches for itself.
Small firms are pooled by symbol, as FINRA does, and named in the totals by firm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from spine_assets.core.weeks import Tier, VenueClass, publication_day

HEADER = (
    "tierIdentifier|tierDescription|issueSymbolIdentifier|issueName|MPID|marketParticipantName"
    "|firmCRDNumber|summaryTypeCode|totalWeeklyShareQuantity|totalWeeklyTradeCount|weekStartDate"
    "|lastUpdateDate"
)
_PREFIX = {VenueClass.ATS: "ATS_W", VenueClass.NON_ATS: "OTC_W"}
_POOL = ("", "De Minimis Firms", "0")


@dataclass(frozen=True)
class Trade:
    """What one venue or firm traded of one symbol; `venue` is an MPID, or a CRD number."""

    symbol: str
    venue: str
    shares: str
    trades: int = 1
    is_pooled: bool = False

    @property
    def names(self) -> tuple[str, str, str]:
        """MPID, participant and CRD number, as FINRA writes them."""
        if self.venue.isdigit():
            return "", f"FIRM {self.venue}", self.venue
        return self.venue, f"{self.venue} VENUE".strip(), ""


@dataclass(frozen=True)
class Part:
    """One tier and class of one week."""

    week: date
    tier: Tier
    venue_class: VenueClass
    trades: tuple[Trade, ...]
    updated: date | None = None

    def rows(self) -> str:
        """The file of rows by symbol and venue."""
        sums: dict[tuple[str, tuple[str, str, str]], tuple[Decimal, int]] = {}
        for item in self.trades:
            key = (item.symbol, _POOL if item.is_pooled else item.names)
            shares, trades = sums.get(key, (Decimal(0), 0))
            sums[key] = (shares + Decimal(item.shares), trades + item.trades)
        return self.text((symbol, *who, "SMBL_FIRM", *sums[symbol, who]) for symbol, who in sums)

    def totals(self, kinds: Sequence[str] = ("SMBL", "FIRM", "VOL_STATS")) -> list[list[str]]:
        """The lines of control totals: symbol, MPID, firm, CRD number, kind, shares, trades."""
        found: list[list[str]] = []
        for kind in kinds:
            sums: dict[tuple[str, str, str, str], tuple[Decimal, int]] = {}
            for item in self.trades:
                key = ("", "", "", "")
                if kind == "SMBL":
                    key = (item.symbol, "", "", "")
                elif kind == "FIRM":
                    key = ("", *item.names)
                shares, trades = sums.get(key, (Decimal(0), 0))
                sums[key] = (shares + Decimal(item.shares), trades + item.trades)
            for key, (shares, trades) in sums.items():
                found.append([*key, kind, str(shares), str(trades)])
        return found

    def text(self, lines: Iterable[Iterable[object]]) -> str:
        """A file of lines as `totals` has them."""
        day = self.updated or publication_day(self.week, self.tier)
        monday = self.week - timedelta(days=4)
        texts = [HEADER]
        for symbol, mpid, firm, crd, kind, shares, trades in lines:
            issue = f"{symbol} Corp" if symbol else ""
            code = f"{_PREFIX[self.venue_class]}_{kind}"
            texts.append(
                f"{self.tier.api_id}|{self.tier.description}|{symbol}|{issue}|{mpid}|{firm}|{crd}"
                f"|{code}|{shares}|{trades}|{monday}|{day}"
            )
        return "".join(f"{text}\n" for text in texts)

    def totals_text(self) -> str:
        """The file of control totals."""
        return self.text(self.totals())
