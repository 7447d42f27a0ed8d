"""What each column heading of the pages means, for who points at it.

Belongs here: one text per heading, the same on every page. Does not belong here: the columns of
tables and answers, which `otc.tables` and `questions` declare.
"""

from __future__ import annotations

_OFF_EXCHANGE = "of reported off-exchange volume, not of all trading"

HEADINGS = {
    "%": "The change in percent of the shares of the earlier week",
    "% of it": "Part of the symbol's shares",
    "ATS %": "ATS shares in percent of all reported off-exchange shares; a dash where a class is "
    "not loaded",
    "ATS shares": "Shares traded on alternative trading systems",
    "FINRA's total †": "Shares of the firm by FINRA's own totals, small volume included",
    "HHI": "Concentration: sum of the squared shares of identified venues, from 0 to 1; a bucket "
    "counts in the total and is no venue",
    "HHI high": "The same with each bucket counted as one venue",
    "as equal venues": "Number of equally large venues that would have this HHI",
    "average size": "Shares per trade",
    "before": "Shares of the earlier week",
    "captures": "Deliveries of this tier and class, corrections included",
    "change": "Change of shares since the earlier week",
    "change %": "Change of shares since the earlier week, over the tiers and classes that both "
    "have; a dash where they are not alike",
    "changed": "Rows of which a value changed",
    "check": "Name of the asset check",
    "class": "ATS: alternative trading system; NON_ATS: a firm outside of ATSs",
    "class %": "Share of the venue's class (ATS or NON_ATS)",
    "current file": "The delivered file that the figures are from",
    "due": "Day on which FINRA publishes the tier",
    "first captured (UTC)": "When the first delivery was read",
    "issue": "Name of the issue as last delivered",
    "its %": "Part of the symbol's shares at that venue",
    "its share, %": "Share of the largest venue in this volume",
    "largest": "Symbols of the tier by shares, largest first",
    "largest venue": "Identified venue with most shares",
    "latest update by FINRA": "Newest date at which FINRA changed a row of the file",
    "lines": "Delivered lines with this reason",
    "loaded": "Whether all three tiers are loaded, and which classes",
    "moved most": "Symbols with a row in both weeks, by change of shares, up or down",
    "non-ATS shares": "Shares traded by firms outside of alternative trading systems",
    "of": "Which part of the volume",
    "of symbol %": "The venue's part of the symbol's shares",
    "of venue %": "The symbol's part of the venue's shares",
    "of it in rows, %": "Rows name so much of FINRA's total; the rest is in De Minimis",
    "outcome": "Of the check: passed, warned or failed",
    "points": f"Change of the share {_OFF_EXCHANGE}, in percentage points",
    "rank": "1 = most shares; a bucket has no rank",
    "rank in class": "Rank in the venue's class, by FINRA's own totals where they are loaded",
    "rank in class †": "Rank among all firms of the class, by FINRA's own totals",
    "rank moved": "Places up (+) or down since the earlier week",
    "reason": "The rule that a line broke",
    "rejects": "Delivered lines that are in no figure, each with a reason",
    "remarks": "Checks that failed or warned, rejected lines, and whether FINRA restated the week",
    "removed": "Rows that are no longer delivered",
    "rows": "Rows of the current file",
    "rows added": "Rows that were not in the earlier file",
    "share %": f"Share {_OFF_EXCHANGE}",
    "share of class, %": "Share of the venue's class (ATS or NON_ATS)",
    "share of reported off-exchange volume, %": f"Share {_OFF_EXCHANGE}",
    "shares": "Shares traded off-exchange and reported to FINRA; each trade counts once",
    "shares after": "Shares of the tier and class after the correction",
    "shares before": "Shares of the tier and class before the correction",
    "shares, if readable": "Shares of the rejected lines, as far as their number can be read",
    "six weeks %": "Mean share of the class over six weeks with the same tiers and classes",
    "stage": "Where the line was rejected: its form, or a rule of the data",
    "state": "Whether the tier has arrived, is waited for, or is overdue",
    "symbol": "As FINRA writes it",
    "symbols": "Symbols with a row, each counted once",
    "table": "Which table the check is of",
    "tier": "FINRA publishes NMS_TIER_1 two weeks, NMS_TIER_2 and OTC four weeks after the week",
    "top venue": "Identified venue with most shares of the symbol",
    "trades": "Trades reported to FINRA",
    "venue": "Name and id: an MPID of an ATS, or CRD and number of a firm",
    "venues": "Identified venues with a row; buckets are none",
    "week ending": "Friday of the week",
    "what it found": "Result of the check",
    "what to do": "How to mend it",
    "when (UTC)": "When the other capture became current",
}


def explained(heading: str) -> str:
    """What a heading means; the star of a footnote belongs to the text.

    Raises:
        KeyError: it is not explained yet.
    """
    return HEADINGS[heading.removesuffix(" *")]
