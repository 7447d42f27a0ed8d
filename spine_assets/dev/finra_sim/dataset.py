"""What can be asked of FINRA's weekly datasets: fields, filters and limits.

Belongs here: declarations, no behaviour. Sources: FINRA's API documentation and answers of it
that were recorded. Does not belong here: reading a request (`query`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

GROUP = "otcMarket"
WEEK, TIER = "weekStartDate", "tierIdentifier"
PARTITION_FIELDS = (WEEK, TIER)
HISTORICAL_WEEK, HISTORICAL_MONTH = "historicalWeek", "historicalMonth"
SUMMARY_TYPE = "summaryTypeCode"
SYMBOL, ISSUE, MPID = "issueSymbolIdentifier", "issueName", "MPID"
FIRM, CRD, PRODUCT = "marketParticipantName", "firmCRDNumber", "productTypeCode"
SHARES, TRADES, NOTIONAL = (
    "totalWeeklyShareQuantity",
    "totalWeeklyTradeCount",
    "totalNotionalSum",
)
UPDATED, PUBLISHED, REPORTED = "lastUpdateDate", "initialPublishedDate", "lastReportedDate"

DEFAULT_LIMIT = 1000
MAX_LIMIT = 5000  # rows of a page; more is not refused, but not given either
MAX_PAGE_BYTES = 3 * 1024 * 1024
MAX_OFFSET = 500_000


class Kind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"


FIELDS: dict[str, Kind] = {
    TIER: Kind.TEXT,
    "tierDescription": Kind.TEXT,
    SYMBOL: Kind.TEXT,
    ISSUE: Kind.TEXT,
    MPID: Kind.TEXT,
    FIRM: Kind.TEXT,
    CRD: Kind.NUMBER,
    PRODUCT: Kind.TEXT,
    SUMMARY_TYPE: Kind.TEXT,
    SHARES: Kind.NUMBER,
    TRADES: Kind.NUMBER,
    NOTIONAL: Kind.NUMBER,
    WEEK: Kind.DATE,
    "summaryStartDate": Kind.DATE,
    UPDATED: Kind.DATE,
    PUBLISHED: Kind.DATE,
    REPORTED: Kind.DATE,
}
"""Fields of a row, in the order of an answer to a request that names none."""

FORM = "_form"
"""Hidden column: how JSON spells the numbers of a row (see `rendering`)."""

_SUM = pl.Decimal(28, 6)  # shares may be fractional, to six places
SCHEMA: dict[str, pl.DataType] = {
    name: {Kind.TEXT: pl.String(), Kind.DATE: pl.Date(), Kind.NUMBER: _SUM}[kind]
    for name, kind in FIELDS.items()
} | {CRD: pl.Int64(), TRADES: pl.Int64()}
"""How rows are held here."""


@dataclass(frozen=True)
class Dataset:
    """One of the two datasets; `filters` are the fields it can be filtered by, and their kinds."""

    name: str
    filters: dict[str, Kind]


WEEKLY = Dataset("weeklySummary", FIELDS)
HISTORIC = Dataset(
    "weeklySummaryHistoric",
    {
        WEEK: Kind.DATE,
        TIER: Kind.TEXT,
        HISTORICAL_WEEK: Kind.TEXT,
        HISTORICAL_MONTH: Kind.TEXT,
    },
)
DATASETS = {dataset.name.casefold(): dataset for dataset in (WEEKLY, HISTORIC)}
"""By name in small letters: FINRA takes group and dataset in any case."""
