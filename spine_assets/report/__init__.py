"""The weekly report: one HTML page a week that needs no network, and an index of all weeks.

Belongs here: what is told of a week (`source`, `market`, `symbols`, `said`), how it is drawn and
written (`charts`, `page`, `index`), and when a stored page still holds (`stored`). Knows no
Dagster. Does not belong here: any figure's definition other than a comparison of two weeks; the
tables of `otc` hold the figures.
"""

from __future__ import annotations

NAME = "otc_weekly_report"
"""Asset key and lake folder."""

DESCRIPTION = (
    "One self-contained HTML page a week: venue shares and how they changed, concentration, ATS "
    "against non-ATS, top symbols and movers, arrival of the tiers, checks and rejects, "
    "restatements, with their caveats. `spine report --open` shows it; an index lists all weeks."
)
GRAIN = "one page a week"
