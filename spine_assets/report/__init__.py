"""HTML pages that need no network: a report per week, a page per symbol and venue, an index.

Belongs here: what the report shows of a week (`source`, `market`, `symbols`, `trend`, `notes`,
`values`), how it is drawn and written (`charts`, `headings`, `page`, `index`), when a stored one is
stale (`stored`, `building`), and the pages of symbols and venues (`browse`). Knows no Dagster. Does
not belong here: the definition of a figure, other than comparisons of two weeks; the tables of
`otc` have the figures, `questions` the answers.
"""

from __future__ import annotations

NAME = "otc_weekly_report"
"""Asset key, and folder in the lake."""

DESCRIPTION = (
    "One self-contained HTML page per week: venue shares and their changes, concentration, ATS "
    "against non-ATS, top symbols and movers, arrival of the tiers, checks and rejects, "
    "restatements, with caveats. `spine report --open` shows it; an index lists all weeks."
)
GRAIN = "one page per week"
