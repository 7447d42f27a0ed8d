"""Columns that several tables share, so that one quantity has one description."""

from __future__ import annotations

from dataclasses import replace

from spine_assets.core.tables import Column, Type
from spine_assets.core.weeks import SESSIONS, Tier, VenueClass

_LEAST_SHARES = 0  # a volume below it is a reject, never a row
_HHI_CEILING = 1 + 1e-12  # sums of squared fractions may exceed 1 by rounding

WEEK_ENDING = Column(
    "week_ending", Type.DATE, "Friday that names the Monday-to-Sunday trading week"
)
TIER = Column("tier", Type.TEXT, "FINRA's group of issues", isin=tuple(t.value for t in Tier))
VENUE_CLASS = Column(
    "venue_class",
    Type.TEXT,
    "ATS (alternative trading system) or NON_ATS (broker-dealer outside one)",
    isin=tuple(c.value for c in VenueClass),
)
SYMBOL = Column("symbol", Type.TEXT, "Issue symbol as FINRA writes it; case matters")
MPID = Column(
    "mpid",
    Type.TEXT,
    "Venue: the MPID of an ATS; for a firm outside an ATS CRD and its number, else FIRM: and its "
    "name. Two buckets are no venues: DE_MINIMIS for FINRA's pool of small firms, UNATTRIBUTED for "
    "ATS volume published without an MPID",
)
VENUE_NAME = Column("venue_name", Type.TEXT, "Venue or firm name, without its MPID in front")
ISSUE_NAME = Column("issue_name", Type.TEXT, "Issue name as delivered")
SOURCE_FILE = Column("source_file", Type.TEXT, "Delivered file, path below the landing folder")
SOURCE_LINE = Column("source_line", Type.COUNT, "Line of the file, header = 1", "line", ge=1)
CAPTURED_AT = Column("captured_at", Type.TIMESTAMP, "First commit of this content", "UTC")
RECORD_HASH = Column(
    "record_hash", Type.TEXT, "xxh3-128 (hex) of the eight delivered fields, joined by |"
)
CAPTURE_ID = Column(
    "capture_id",
    Type.TEXT,
    "The capture: its time (UTC), 12 hex of its sha256, and its part where a content has several",
)
BUILD_ID = Column(
    "build_id",
    Type.TEXT,
    "The build: its time (UTC), then 12 hex of its input captures and code version",
)
CAPTURE_ID_OF_BUILD = replace(
    BUILD_ID, name="capture_id", description="The same as build_id, under the name of Market Spine"
)
INPUT_MIN = Column("input_min_capture_id", Type.TEXT, "Least capture among the row's inputs")
INPUT_MAX = Column("input_max_capture_id", Type.TEXT, "Greatest capture among the row's inputs")
LAST_UPDATE_DATE = Column(
    "last_update_date", Type.DATE, "Day FINRA last changed this aggregate (not a trading week)"
)


def shares(name: str, description: str, *, nullable: bool = False) -> Column:
    """An exact count of shares."""
    return Column(name, Type.SHARES, description, "shares", nullable=nullable, ge=_LEAST_SHARES)


def trades(name: str, description: str) -> Column:
    """A count of trades."""
    return Column(name, Type.COUNT, description, "trades", ge=0)


def percentage(name: str, description: str) -> Column:
    """A share of a total; null when the total is 0."""
    return Column(name, Type.RATIO, description, "percent, 0-100", nullable=True, ge=0, le=100)


def _hhi(name: str, description: str) -> Column:
    return Column(name, Type.RATIO, description, "0-1", nullable=True, ge=0, le=_HHI_CEILING)


def rank(name: str, description: str) -> Column:
    """A rank, 1 = first; null for what has none."""
    return Column(name, Type.COUNT, description, nullable=True, ge=1)


def window_weeks(name: str, description: str) -> Column:
    """Some of the six weeks of a window, of which at least one counts."""
    return Column(name, Type.COUNT, description, "weeks", ge=1, le=6)


def shares_sum(name: str, description: str, *, nullable: bool = False) -> Column:
    """An exact sum of shares."""
    return Column(name, Type.SHARES_SUM, description, "shares", nullable=nullable, ge=_LEAST_SHARES)


def change(name: str, description: str, unit: str = "percent") -> Column:
    """A difference, of either sign; null where two weeks cannot be compared."""
    return Column(name, Type.RATIO, description, unit, nullable=True)


TRADING_DAYS = Column(
    "trading_days",
    Type.COUNT,
    f"Days of the week on which the New York exchanges were open, {SESSIONS} but for holidays",
    "days",
    ge=0,
    le=SESSIONS,
)
PRIOR_TRADING_DAYS = replace(
    TRADING_DAYS,
    name="prior_trading_days",
    description="Trading days of the prior week",
    nullable=True,
)
AVG_TRADE_SIZE = Column(
    "avg_trade_size",
    Type.RATIO,
    "Shares per trade, null without trades",
    "shares/trade",
    nullable=True,
    ge=0,
)
VENUE_COUNT = Column(
    "venue_count", Type.COUNT, "Identified venues, buckets not counted", "venues", ge=0
)
TOP_MPID = Column(
    "top_mpid", Type.TEXT, "Identified venue of the largest volume, ties by mpid", nullable=True
)
TOP_SHARE = percentage("top_share_pct", "That venue's part of total_volume")
HHI = _hhi("hhi", "Sum of squared shares of identified venues in total_volume")
HHI_HIGH = _hhi("hhi_high", "hhi plus the squared share of each bucket")
IS_COMPLETE = Column(
    "is_complete", Type.FLAG, "Each class that is loaded in the week is loaded of all three tiers"
)
CLASSES = Column("classes", Type.TEXT_LIST, "Venue classes loaded for the tier and week, sorted")
IS_COMPARABLE = Column(
    "is_comparable",
    Type.FLAG,
    "There is a prior week, and the same is loaded in both",
)
PRIOR_WEEK = Column(
    "prior_week_ending",
    Type.DATE,
    "Nearest earlier loaded week, at most 4 weeks before; null when there is none",
    nullable=True,
)
