"""FINRA's weekly datasets: their names, fields and requests.

Belongs here: the body of a request. Does not belong here: sending it (`client`) and which requests
are worth sending (`fetching`, `restatements`).

Source: developer.finra.org, datasets `weeklySummary` and `weeklySummaryHistoric` of the group
`otcMarket`, and FINRA's notice of 2021-03-08 about the historic one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from spine_assets.core.weeks import Tier, VenueClass, monday_of

GROUP = "otcMarket"
MARKET_TIERS = frozenset({"NMS", "NA"})  # partitions with totals of several tiers
MOST_ROWS = 5_000  # per page; FINRA sends fewer if they exceed 3 MB
MOST_OFFSET = 500_000  # of the first row of a page


class Dataset(StrEnum):
    """The newest weeks, at least twelve months of them, or about four years before them."""

    CURRENT = "weeklySummary"
    HISTORIC = "weeklySummaryHistoric"


SUMMARY_TYPES = {
    VenueClass.ATS: "ATS_W_SMBL_FIRM",
    VenueClass.NON_ATS: "OTC_W_SMBL_FIRM",
}
"""Types of rows by venue and symbol; all other types are sums of these rows."""

TOTAL_TYPES = {
    VenueClass.ATS: ("ATS_W_SMBL", "ATS_W_FIRM", "ATS_W_VOL_STATS"),
    VenueClass.NON_ATS: ("OTC_W_SMBL", "OTC_W_FIRM", "OTC_W_VOL_STATS"),
}
"""FINRA's sums of those rows, by symbol, by firm and of everything: its control totals."""

FIELDS = (
    "tierIdentifier",
    "tierDescription",
    "issueSymbolIdentifier",
    "issueName",
    "MPID",
    "marketParticipantName",
    "firmCRDNumber",
    "productTypeCode",
    "summaryTypeCode",
    "totalWeeklyShareQuantity",
    "totalWeeklyTradeCount",
    "totalNotionalSum",
    "weekStartDate",
    "lastUpdateDate",
    "initialPublishedDate",
    "lastReportedDate",
)
"""The requested fields, in the order of the columns of a fetched file."""

# Pages in this order do not overlap. Two issues of a symbol are equal in it.
ROW_ORDER = ("issueSymbolIdentifier", "MPID", "firmCRDNumber", "marketParticipantName")
ROW_KEY = (
    "weekStartDate",
    "tierIdentifier",
    "summaryTypeCode",
    *ROW_ORDER,
    "issueName",
    "productTypeCode",
)
"""What no two rows of an answer have in common."""


@dataclass(frozen=True, order=True)
class Offer:
    """A tier of a week that a dataset has."""

    week_ending: date
    tier: Tier
    dataset: Dataset


@dataclass(frozen=True)
class Question:
    """A request for rows of one tier of a week.

    Attributes:
        venue_class: Only rows of this class; None means all summary types. The historic dataset
            cannot be filtered by class, so there it must be None.
        with_totals: Of that class also FINRA's control totals, so that rows and totals are of the
            same moment.
        updated_from: Only rows that FINRA changed on this day or later.
        limit: Rows per page.
    """

    week_ending: date
    tier: Tier
    dataset: Dataset
    venue_class: VenueClass | None = None
    with_totals: bool = True
    updated_from: date | None = None
    limit: int = MOST_ROWS

    @property
    def description(self) -> str:
        """The request in words, for messages."""
        what = f"week {self.week_ending}, {self.tier}"
        return f"{what}, {self.venue_class}" if self.venue_class else what

    @property
    def summary_types(self) -> tuple[str, ...]:
        """The summary types that are requested."""
        classes = [self.venue_class] if self.venue_class else list(VenueClass)
        return tuple(code for item in classes for code in _types(item, totals=self.with_totals))

    def body(self, offset: int) -> dict[str, Any]:
        """The body of the request for the page after `offset` rows."""
        compared = [
            ("weekStartDate", "EQUAL", str(monday_of(self.week_ending))),
            ("tierIdentifier", "EQUAL", self.tier.api_id),
        ]
        if self.updated_from is not None:
            compared.append(("lastUpdateDate", "GTE", str(self.updated_from)))
        body: dict[str, Any] = {
            "fields": list(FIELDS),
            **_filters(compared, self.summary_types if self.venue_class else ()),
            "limit": self.limit,
            "offset": offset,
        }
        if self.dataset is Dataset.CURRENT:  # allowed since both partition keys are given
            body["sortFields"] = [f"+{name}" for name in ("summaryTypeCode", *ROW_ORDER)]
        return body


@dataclass(frozen=True)
class ChangesQuestion:
    """A request for the rows of a tier and class that FINRA changed, whatever their week.

    Without a filter on one week FINRA sorts no rows.

    Attributes:
        updated_from: Only rows that FINRA changed on this day or later.
        last_week: Only this week and earlier ones.
        limit: Rows per page.
    """

    tier: Tier
    venue_class: VenueClass
    updated_from: date
    last_week: date
    limit: int = MOST_ROWS

    @property
    def dataset(self) -> Dataset:
        """The only one that filters by day of the last change."""
        return Dataset.CURRENT

    @property
    def summary_types(self) -> tuple[str, ...]:
        """Totals as well: a row that FINRA removes changes nothing but these."""
        return _types(self.venue_class, totals=True)

    @property
    def description(self) -> str:
        """The request in words, for messages."""
        return (
            f"{self.tier}, {self.venue_class}, changes since {self.updated_from} in weeks up to "
            f"{self.last_week}"
        )

    def body(self, offset: int) -> dict[str, Any]:
        """The body of the request for the page after `offset` rows."""
        compared = [
            ("tierIdentifier", "EQUAL", self.tier.api_id),
            ("weekStartDate", "LTE", str(monday_of(self.last_week))),
            ("lastUpdateDate", "GTE", str(self.updated_from)),
        ]
        return {
            "fields": [*ROW_KEY, "lastUpdateDate"],
            **_filters(compared, self.summary_types),
            "limit": self.limit,
            "offset": offset,
        }


def _types(venue_class: VenueClass, *, totals: bool) -> tuple[str, ...]:
    return (SUMMARY_TYPES[venue_class], *(TOTAL_TYPES[venue_class] if totals else ()))


def _filters(
    compared: list[tuple[str, str, str]], summary_types: tuple[str, ...]
) -> dict[str, Any]:
    """Filters by comparison, and those on some summary types; no summary type means all."""
    domains: list[dict[str, Any]] = []
    if len(summary_types) == 1:
        compared = [*compared, ("summaryTypeCode", "EQUAL", summary_types[0])]
    elif summary_types:
        domains = [{"fieldName": "summaryTypeCode", "values": list(summary_types)}]
    return {
        "compareFilters": [
            {"fieldName": name, "compareType": kind, "fieldValue": value}
            for name, kind, value in compared
        ],
        **({"domainFilters": domains} if domains else {}),
    }
