"""The views of the domain, in an order in which they can be made, and the SQL beside them.

A new view is a declaration, a SELECT in `sql/<name>.sql` and a line here. `sql/` has all views and
macros that people query. The SQL that a check runs on files is in `otc/checks/sql/`.
"""

from __future__ import annotations

from importlib import resources

from spine_assets.core.tables import Column, Type
from spine_assets.core.views import View
from spine_assets.otc.tables import columns as c
from spine_assets.otc.views import (
    notional_view,
    off_exchange_view,
    structure_view,
    symbol_views,
    venue_views,
    venues_view,
)

CALENDAR = View(
    name="otc_weeks_calendar",
    description="Every week from FINRA's first published one to the end of 2040, loaded or not, "
    "with its trading days. A day that closed early counts as a day.",
    grain="week",
    key=("week_ending",),
    deps=(),
    columns=(
        c.WEEK_ENDING,
        c.TRADING_DAYS,
        Column("holidays", Type.TEXT, "Why days are missing, null of a full week", nullable=True),
    ),
    by_week=False,
)

VIEWS: tuple[View, ...] = (
    CALENDAR,
    venues_view.VENUES,
    symbol_views.WEEK,
    off_exchange_view.SHARE,
    symbol_views.TREND,
    venue_views.TREND,
    structure_view.STRUCTURE,
    symbol_views.MOVERS,
    venue_views.TIER_SHARE,
    notional_view.NOTIONAL,
)


def statements_in(name: str) -> list[str]:
    """The statements of `sql/NAME.sql`; of a view it is the one SELECT."""
    text = resources.files(__package__).joinpath("sql", f"{name}.sql").read_text("utf-8")
    return [statement.strip() for statement in text.strip().removesuffix(";").split(";\n")]
