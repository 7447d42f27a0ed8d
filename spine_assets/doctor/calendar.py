"""Whether FINRA's publication days can be told for the weeks to come."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from spine_assets.doctor.findings import Finding, fail, ok
from spine_assets.weeks import max_session

# The last tier of this week is published five weeks after its Monday, later after a holiday.
_NEEDED = timedelta(days=45)
_MEND = "uv lock --upgrade-package exchange-calendars, then make setup"


def exchange_calendar(root: Path) -> Finding:
    """Whether the exchange calendar reaches far enough from today."""
    return judge_calendar(datetime.now(UTC).date())


def judge_calendar(today: date) -> Finding:
    """Compare the end of the calendar with the publication days that follow a day."""
    try:
        last = max_session()
    except ValueError as error:  # the package refuses a calendar that ends so late
        return fail(f"the exchange calendar cannot be made: {error}", _MEND)
    if last < today + _NEEDED:
        return fail(
            f"the exchange calendar ends on {last}, before the last tier of this week is due", _MEND
        )
    return ok(f"the exchange calendar reaches to {last}")
