"""The view `otc_notional`: dollars that a venue traded of a symbol, from FINRA's own amounts.

FINRA's API delivers `totalNotionalSum` with lines of firms outside of ATSs; its downloads have
none. The amounts are added up from `otc_raw` when they are asked for: a stored column would change
the format of all lakes for a figure that few weeks have.
"""

from __future__ import annotations

from spine_assets.core.tables import Column, Type
from spine_assets.core.views import View
from spine_assets.otc.tables import columns as c
from spine_assets.otc.tables import venue_volume

_VOLUMES, _RAW = venue_volume.TABLE.name, "otc_raw"

NOTIONAL = View(
    name="otc_notional",
    description="Dollars that a venue traded of a symbol in a week, beside its shares: the rows of "
    "otc_venue_volume. Null where not delivered with each line of the row, never a part of a sum. "
    "FINRA's downloads have no amounts.",
    grain=venue_volume.TABLE.grain,
    key=venue_volume.TABLE.key,
    deps=(_VOLUMES, _RAW, "otc_rejects"),
    columns=(
        *venue_volume.TABLE.columns[:7],
        venue_volume.TABLE.column("share_volume"),
        Column(
            "notional",
            Type.SHARES_SUM,
            "Dollars over its lines, each rounded to cents; null where a line has none",
            "US dollars",
            nullable=True,
        ),
        Column("avg_price", Type.RATIO, "Dollars per share", "US dollars/share", nullable=True),
        c.IS_COMPLETE,
    ),
    formulas={
        "notional": "sum(round(notional, 2)) over the lines of the row",
        "avg_price": "notional / share_volume",
    },
    lineage={
        **{
            name: ((_VOLUMES, name),)
            for name in (*venue_volume.TABLE.key, "venue_name", "issue_name", "share_volume")
        },
        "notional": ((_RAW, "notional"),),
        "avg_price": ((_RAW, "notional"), (_VOLUMES, "share_volume")),
        "is_complete": tuple((_VOLUMES, name) for name in ("week_ending", "tier", "venue_class")),
    },
)
