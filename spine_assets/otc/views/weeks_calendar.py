"""Writes the view `otc_weeks_calendar`: `python -m spine_assets.otc.views.weeks_calendar`.

The SQL has the days on which the exchanges were closed as values, so that a query needs no package
of holidays; a test compares them with `weeks.closings`. Run it again when a day is added there.
"""

from __future__ import annotations

import textwrap
from datetime import date
from pathlib import Path

from spine_assets.core.sql import literal
from spine_assets.core.weeks import FIRST_WEEK, closings, weeks_between

PATH = Path(__file__).parent / "sql" / "otc_weeks_calendar.sql"
LAST_WEEK = date(2040, 12, 28)  # no week of data lies as far ahead

_SQL = """\
-- Written by `python -m spine_assets.otc.views.weeks_calendar`; do not edit.
-- Weeks of fewer than five trading days by the holiday; as texts, which DuckDB reads ten times
-- faster than a literal a week.
WITH listed (holiday, weeks) AS (
    VALUES
{rows}
),

closings AS (
    SELECT
        week::DATE AS week_ending,
        count(*) AS closed_days,
        string_agg(holiday, '; ' ORDER BY holiday) AS holidays
    FROM (
        SELECT holiday, unnest(regexp_split_to_array(weeks, '\\s+')) AS week
        FROM listed
    )
    GROUP BY week
)

SELECT
    day::DATE AS week_ending,
    5 - coalesce(closed_days, 0) AS trading_days,
    holidays
FROM generate_series(DATE '{first}', DATE '{last}', INTERVAL 7 DAYS) AS weeks (day)
LEFT JOIN closings ON closings.week_ending = weeks.day
"""
_INDENT = " " * 8


def text() -> str:
    """The SELECT of the view."""
    weeks: dict[str, list[str]] = {}
    for week in weeks_between(FIRST_WEEK, LAST_WEEK):
        for holiday in closings(week).values():
            weeks.setdefault(holiday, []).append(str(week))
    rows = [_row(holiday, found) for holiday, found in sorted(weeks.items())]
    return _SQL.format(rows=",\n".join(rows), first=FIRST_WEEK, last=LAST_WEEK)


def _row(holiday: str, weeks: list[str]) -> str:
    listed = textwrap.fill(" ".join(weeks), width=90, subsequent_indent=_INDENT + " ")
    return f"{_INDENT}({literal(holiday)},\n{_INDENT}'{listed}')"


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
