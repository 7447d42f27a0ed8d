"""The view `otc_off_exchange_share`: which part of all trading was off exchange, and on ATSs.

FINRA's figures are the numerator, and consolidated volume that a user gives is the denominator.
Where either is not known the share is null, and `state` says why; nothing is estimated.
"""

from __future__ import annotations

from enum import StrEnum

from spine_assets.core.tables import Column, Type
from spine_assets.core.views import View
from spine_assets.otc.tables import columns as c

_GIVEN, _WEEK = "otc_consolidated_volume", "otc_symbol_week"


class ShareState(StrEnum):
    """Whether a share is known, and if not, why; the first that applies."""

    NOT_LOADED = "not loaded"
    NOT_GIVEN = "no consolidated volume"
    DAYS_MISSING = "trading days missing"
    INCOMPLETE = "incomplete week"
    NO_ROW = "no row"
    BELOW = "consolidated below off-exchange"
    NO_TRADING = "no trading"
    ONE_CLASS = "one class loaded"
    COMPLETE = "complete"


STATE = Column(
    "state",
    Type.TEXT,
    "`complete`, or why off_exchange_share is null: `not loaded`, the week; `no consolidated "
    "volume`, no row in your files; `trading days missing` in them; `incomplete week`, a tier or "
    "class of FINRA is not loaded; `no row` of the symbol by FINRA, perhaps for another spelling; "
    "`consolidated below off-exchange`, so one of both is wrong; `no trading`, both are 0; `one "
    "class loaded`, only ATSs or only the others",
    isin=tuple(ShareState),
)


def _fraction(name: str, description: str) -> Column:
    return Column(name, Type.RATIO, description, "0-1", nullable=True, ge=0, le=1)


_OFF_EXCHANGE = ((_WEEK, "total_volume"),)
_ATS = ((_WEEK, "ats_volume"),)
_ALL = ((_GIVEN, "share_volume"),)

SHARE = View(
    name="otc_off_exchange_share",
    description="Part of all trading that was off exchange, and on ATSs: FINRA's figures over your "
    "own consolidated volume (`otc_consolidated_volume`). The row of symbol `*` is of all NMS "
    "stocks; OTC equities, which trade on no exchange, are not in it on either side.",
    grain="week x symbol, and symbol `*` for all NMS stocks together",
    key=("week_ending", "symbol"),
    deps=(_WEEK, "otc_venue_volume", _GIVEN),
    columns=(
        c.WEEK_ENDING,
        Column("symbol", Type.TEXT, "As FINRA writes it; `*` is all NMS stocks"),
        c.shares_sum(
            "off_exchange_shares",
            "Shares by FINRA; null without a row, or unless both classes are loaded",
            nullable=True,
        ),
        c.shares_sum(
            "ats_shares",
            "Of off_exchange_shares on ATSs; null without a row, or if none is loaded",
            nullable=True,
        ),
        c.shares_sum(
            "consolidated_shares",
            "Shares of all trading by your files; null where a trading day is missing",
            nullable=True,
        ),
        _fraction("off_exchange_share", "Part of all trading off exchange; null unless complete"),
        _fraction("ats_share", "Part of all trading on ATSs; also where ATSs alone are loaded"),
        STATE,
        c.IS_COMPLETE,
    ),
    formulas={
        "off_exchange_share": "off_exchange_shares / consolidated_shares",
        "ats_share": "ats_shares / consolidated_shares",
    },
    lineage={
        "week_ending": ((_WEEK, "week_ending"), (_GIVEN, "week_ending")),
        "symbol": ((_WEEK, "symbol"), (_GIVEN, "symbol")),
        "off_exchange_shares": _OFF_EXCHANGE,
        "ats_shares": _ATS,
        "consolidated_shares": _ALL,
        "off_exchange_share": (*_OFF_EXCHANGE, *_ALL),
        "ats_share": (*_ATS, *_ALL),
    },
)
