"""FINRA's weekly datasets: their names, fields and requests.

Belongs here: the body of a request. Does not belong here: sending it (`client`) and which requests
are worth sending (`fetching`).

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
MARKET_WIDE = "NA"  # a partition with totals of the whole market, which no table has
MOST_ROWS = 5_000  # per page; FINRA sends fewer if they exceed 3 MB
MOST_OFFSET = 500_000  # of the first row of a page


class Dataset(StrEnum):
    """The newest twelve months, or about four years before them."""

    CURRENT = "weeklySummary"
    HISTORIC = "weeklySummaryHistoric"


SUMMARY_TYPES = {
    VenueClass.ATS: "ATS_W_SMBL_FIRM",
    VenueClass.NON_ATS: "OTC_W_SMBL_FIRM",
}
"""Types of rows by venue and symbol; all other types are sums of these rows."""

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

# The key of a row within a week, tier and summary type: pages in this order do not overlap.
ROW_ORDER = ("issueSymbolIdentifier", "MPID", "firmCRDNumber", "marketParticipantName")


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
        updated_from: Only rows that FINRA changed on this day or later.
        limit: Rows per page.
    """

    week_ending: date
    tier: Tier
    dataset: Dataset
    venue_class: VenueClass | None = None
    updated_from: date | None = None
    limit: int = MOST_ROWS

    @property
    def description(self) -> str:
        """The request in words, for messages."""
        what = f"week {self.week_ending}, {self.tier}"
        return f"{what}, {self.venue_class}" if self.venue_class else what

    def body(self, offset: int) -> dict[str, Any]:
        """The body of the request for the page after `offset` rows."""
        compared = [
            ("weekStartDate", "EQUAL", str(monday_of(self.week_ending))),
            ("tierIdentifier", "EQUAL", self.tier.api_id),
        ]
        if self.venue_class is not None:
            compared.append(("summaryTypeCode", "EQUAL", SUMMARY_TYPES[self.venue_class]))
        if self.updated_from is not None:
            compared.append(("lastUpdateDate", "GTE", str(self.updated_from)))
        return {
            "fields": list(FIELDS),
            "compareFilters": [
                {"fieldName": name, "compareType": kind, "fieldValue": value}
                for name, kind, value in compared
            ],
            # Allowed because both partition keys are given; without it pages may overlap.
            "sortFields": [f"+{name}" for name in ROW_ORDER],
            "limit": self.limit,
            "offset": offset,
        }
