"""FINRA's weekly datasets as its API serves them: fields, filters and limits.

Belongs here: declarations, no behaviour. Sources: FINRA's API documentation and recorded answers.
Does not belong here: reading a request (`query`).
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
SHARES, TRADES = "totalWeeklyShareQuantity", "totalWeeklyTradeCount"
NOTIONAL = "totalNotionalSum"
UPDATED, PUBLISHED, REPORTED = "lastUpdateDate", "initialPublishedDate", "lastReportedDate"

DEFAULT_LIMIT = 1000
MAX_LIMIT = 5000  # rows of a page; a higher limit is accepted, and has no effect
MAX_PAGE_BYTES = 3 * 1024 * 1024
MAX_OFFSET = 500_000


class FieldKind(StrEnum):
    """The type of a field."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"


FIELDS: dict[str, FieldKind] = {
    TIER: FieldKind.TEXT,
    "tierDescription": FieldKind.TEXT,
    SYMBOL: FieldKind.TEXT,
    ISSUE: FieldKind.TEXT,
    MPID: FieldKind.TEXT,
    FIRM: FieldKind.TEXT,
    CRD: FieldKind.NUMBER,
    PRODUCT: FieldKind.TEXT,
    SUMMARY_TYPE: FieldKind.TEXT,
    SHARES: FieldKind.NUMBER,
    TRADES: FieldKind.NUMBER,
    NOTIONAL: FieldKind.NUMBER,
    WEEK: FieldKind.DATE,
    "summaryStartDate": FieldKind.DATE,
    UPDATED: FieldKind.DATE,
    PUBLISHED: FieldKind.DATE,
    REPORTED: FieldKind.DATE,
}
"""Fields of a row, in the order of an answer to a request that names none."""

FORM = "_form"
"""Hidden column: the form that a row's numbers have in JSON (see `rendering`)."""

_SUM = pl.Decimal(28, 6)  # shares may be fractional, to six places
SCHEMA: dict[str, pl.DataType] = {
    name: {FieldKind.TEXT: pl.String(), FieldKind.DATE: pl.Date(), FieldKind.NUMBER: _SUM}[kind]
    for name, kind in FIELDS.items()
} | {CRD: pl.Int64(), TRADES: pl.Int64(), NOTIONAL: pl.Float64()}
"""Column types of the rows in memory."""


@dataclass(frozen=True)
class SimDataset:
    """One of the two datasets; `filters` are the fields that it can be filtered by."""

    name: str
    filters: dict[str, FieldKind]
    is_sorted: bool


WEEKLY = SimDataset("weeklySummary", FIELDS, is_sorted=True)
_TEXTS = dict.fromkeys((TIER, HISTORICAL_WEEK, HISTORICAL_MONTH), FieldKind.TEXT)
HISTORIC = SimDataset("weeklySummaryHistoric", {WEEK: FieldKind.DATE} | _TEXTS, is_sorted=False)
DATASETS = {dataset.name.casefold(): dataset for dataset in (WEEKLY, HISTORIC)}
"""By name in lower case: FINRA accepts group and dataset in any case."""
