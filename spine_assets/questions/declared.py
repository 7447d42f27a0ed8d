"""The questions and the columns of their answers.

Belongs here: declarations; the SELECT of a question is `sql/NAME.sql`. Does not belong here: how
one is asked (`otc`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import resources

import polars as pl

from spine_assets.core.errors import Explained
from spine_assets.core.table_schema import polars_type
from spine_assets.core.tables import Column, Type
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables import restatements
from spine_assets.otc.views import (
    off_exchange_view,
    structure_view,
    symbol_views,
    venue_views,
)

_EXACT = (Type.SHARES, Type.SHARES_SUM)


class NothingFound(Explained, LookupError):
    """A symbol, venue or week is not in the data; the message says what is."""


class WeekState(StrEnum):
    """What is known of a week; figures are null unless it is one of the first two."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete week"
    NO_ROW = "no row"
    NOT_KNOWN = "not known"
    NOT_LOADED = "not loaded"


STATE = Column(
    "state",
    Type.TEXT,
    "`complete`; `incomplete week`: a tier of a loaded class is missing; `no row`: a complete week "
    "in which FINRA reports nothing; `not known`: an incomplete week without a row; `not loaded`",
    isin=tuple(WeekState),
)


@dataclass(frozen=True)
class AnalystQuestion:
    """One question.

    Attributes:
        name: Of its method, its command and its SQL.
        asks: The question in words.
        grain: What one row of the answer is.
        columns: Of the answer.
        every_week: The answer has a row for each week of a range, loaded or not.
    """

    name: str
    asks: str
    grain: str
    columns: tuple[Column, ...]
    every_week: bool = False

    @property
    def sql(self) -> str:
        """Its SELECT, with named parameters."""
        return resources.files(__package__).joinpath("sql", f"{self.name}.sql").read_text("utf-8")

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Polars types of the answer. Shares are Float64, which plots and pandas take."""
        return {
            column.name: pl.Float64() if column.type in _EXACT else polars_type(column.type)
            for column in self.columns
        }


def _of(columns: tuple[Column, ...], *names: str, nullable: bool = True) -> tuple[Column, ...]:
    """Columns of a view; null where the week has no figure."""
    by_name = {column.name: column for column in columns}
    return tuple(replace(by_name[name], nullable=nullable) for name in names)


_WEEK, _TREND = symbol_views.WEEK.columns, venue_views.TREND.columns
_STATE_OF_WEEK = replace(
    STATE, description="Of the week: `complete`, or `incomplete week`: a tier is missing"
)
_CLASSES = Column(
    "classes", Type.TEXT_LIST, "Classes (ATS, NON_ATS) that are loaded in the week", nullable=True
)
_OF_WEEK = (_STATE_OF_WEEK, _CLASSES)
_VENUE_ID = Column("venue_id", Type.TEXT, "The venue, as in `otc_venues`")
_PART = c.percentage("share_pct", "Part of the shares that are reported for the symbol")

SYMBOL = AnalystQuestion(
    "symbol",
    "How much of a symbol traded off exchange, week by week?",
    "symbol x week, each week of the range",
    (
        c.SYMBOL,
        c.WEEK_ENDING,
        STATE,
        *_of(
            _WEEK,
            *("issue_name", "total_volume", "total_trades", "ats_volume", "non_ats_volume"),
            *("ats_share_pct", "avg_trade_size", "venue_count", "top_mpid", "top_share_pct"),
            *("hhi", "prior_week_ending", "volume_change", "volume_change_pct", "is_comparable"),
        ),
        c.TRADING_DAYS,
        *_of(_WEEK, "tiers", "classes"),
    ),
    every_week=True,
)
SYMBOL_VENUES = AnalystQuestion(
    "symbol_venues",
    "Who trades a symbol?",
    "week x symbol x venue",
    (
        c.WEEK_ENDING,
        c.SYMBOL,
        c.rank("rank", "1 = most shares; null for a bucket"),
        _VENUE_ID,
        c.VENUE_NAME,
        c.VENUE_CLASS,
        c.shares("share_volume", "Shares over the symbol's tiers"),
        c.trades("trade_count", "Trades over the symbol's tiers"),
        _PART,
        c.AVG_TRADE_SIZE,
        c.PRIOR_WEEK,
        c.shares("prior_volume", "Shares of the prior week, if comparable", nullable=True),
        c.change("share_change_points", "Change of share_pct", "percentage points"),
        c.IS_COMPARABLE,
        *_OF_WEEK,
    ),
)
VENUE = AnalystQuestion(
    "venue",
    "How much does a venue trade, what is its share and rank, week by week?",
    "venue x week, each week of the range",
    (
        _VENUE_ID,
        c.WEEK_ENDING,
        STATE,
        *_of(
            _TREND,
            *("venue_name", "venue_class", "total_volume", "reported_total_volume"),
            *("market_share_pct", "class_share_pct", "rank", "class_rank", "prior_week_ending"),
            *("share_change_points", "class_share_change_points", "rank_change"),
            *("avg_6w_class_share_pct", "is_comparable"),
        ),
        c.TRADING_DAYS,
        _CLASSES,
    ),
    every_week=True,
)
VENUES = AnalystQuestion(
    "venues",
    "Which venues trade most in a week?",
    "venue",
    (
        c.WEEK_ENDING,
        _VENUE_ID,
        *_of(
            _TREND,
            *("rank", "venue_name", "venue_class", "total_volume", "market_share_pct"),
            *("class_share_pct", "class_rank", "prior_week_ending", "share_change_points"),
            *("class_share_change_points", "rank_change", "is_new", "is_comparable"),
        ),
        *_OF_WEEK,
    ),
)
VENUE_SYMBOLS = AnalystQuestion(
    "venue_symbols",
    "What does a venue trade?",
    "week x venue x symbol",
    (
        c.WEEK_ENDING,
        _VENUE_ID,
        c.rank("rank", "1 = most shares"),
        c.SYMBOL,
        c.ISSUE_NAME,
        c.shares("share_volume", "The venue's shares in the symbol"),
        c.trades("trade_count", "The venue's trades in the symbol"),
        c.percentage("venue_share_pct", "Part of the venue's shares"),
        replace(_PART, description="The venue's part of the shares reported for the symbol"),
        c.AVG_TRADE_SIZE,
        *_OF_WEEK,
    ),
)
MARKET = AnalystQuestion(
    "market",
    "How large is off-exchange trading, how much is on ATSs, how concentrated is it?",
    "week, each week of the range",
    (
        c.WEEK_ENDING,
        STATE,
        *_of(
            structure_view.STRUCTURE.columns,
            *("total_volume", "total_trades", "ats_volume", "non_ats_volume", "ats_share_pct"),
            *("symbol_count", "venue_count", "hhi", "effective_venues", "top_mpid"),
            *("top_venue_name", "top_share_pct", "avg_trade_size"),
        ),
        c.PRIOR_WEEK,
        c.change("volume_change_pct", "Change of total_volume"),
        Column("is_comparable", Type.FLAG, c.IS_COMPARABLE.description, nullable=True),
        c.TRADING_DAYS,
        *_of(structure_view.STRUCTURE.columns, "classes"),
    ),
    every_week=True,
)
_SHARE = off_exchange_view.SHARE.columns
OFF_EXCHANGE_SHARE = AnalystQuestion(
    "off_exchange_share",
    "Which part of all trading is off exchange? Needs your own "
    "[consolidated volume](cookbook.md#off-exchange-share-of-all-trading).",
    "symbol x week, each week of the range",
    (
        *_of(_SHARE, "symbol", nullable=False),
        c.WEEK_ENDING,
        off_exchange_view.STATE,
        *_of(
            _SHARE,
            *("off_exchange_shares", "ats_shares", "consolidated_shares"),
            *("off_exchange_share", "ats_share"),
        ),
        c.TRADING_DAYS,
    ),
    every_week=True,
)
MOVERS = AnalystQuestion(
    "movers",
    "Which symbols changed most since the week before, which are new or gone?",
    "symbol, over all tiers",
    (
        c.WEEK_ENDING,
        c.rank("rank", "1 = largest change of shares, up or down; null for new and gone"),
        c.SYMBOL,
        c.ISSUE_NAME,
        Column(
            "kind",
            Type.TEXT,
            "UP, DOWN, SAME, NEW (no row in the prior week), GONE (no row now); null where the "
            "weeks are not comparable",
            nullable=True,
        ),
        c.shares_sum("total_volume", "Shares of the week; null if gone", nullable=True),
        c.PRIOR_WEEK,
        c.shares_sum("prior_volume", "Shares of the prior week; null if new", nullable=True),
        Column("volume_change", Type.SHARES_SUM, "Change of shares", "shares", nullable=True),
        c.change("volume_change_pct", "volume_change in percent"),
        c.change("volume_change_per_day_pct", "Change of shares per trading day"),
        c.TRADING_DAYS,
        replace(c.PRIOR_TRADING_DAYS, description="Trading days of the prior week"),
        c.IS_COMPARABLE,
        *_OF_WEEK,
    ),
)
RESTATED = AnalystQuestion(
    "restated",
    "What did FINRA correct in a week?",
    restatements.TABLE.grain,
    restatements.TABLE.columns,
)
PROVENANCE = AnalystQuestion(
    "provenance",
    "Which delivered lines is a symbol's number made of?",
    "line of a delivered file",
    (
        c.WEEK_ENDING,
        c.TIER,
        c.SYMBOL,
        c.VENUE_CLASS,
        replace(c.MPID, nullable=True, description="Venue, as in otc_venue_volume"),
        c.shares("share_volume", "Shares as delivered"),
        c.trades("trade_count", "Trades as delivered"),
        Column("counts", Type.FLAG, "The line is in the tables now"),
        Column("reason", Type.TEXT, "The rule that rejected it", nullable=True),
        c.SOURCE_FILE,
        c.SOURCE_LINE,
        c.CAPTURED_AT,
        c.CAPTURE_ID,
        c.RECORD_HASH,
    ),
)

QUESTIONS = (
    *(SYMBOL, SYMBOL_VENUES, VENUE, VENUES, VENUE_SYMBOLS),
    *(MARKET, OFF_EXCHANGE_SHARE, MOVERS, RESTATED, PROVENANCE),
)
"""All questions, in the order of the documentation."""
