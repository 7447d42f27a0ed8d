"""The weekly partitions that every executable asset of the `otc` group shares."""

from __future__ import annotations

import dagster as dg

from spine_assets.core.weeks import FIRST_WEEK

WEEKS = dg.WeeklyPartitionsDefinition(start_date=FIRST_WEEK.isoformat(), day_offset=5)
"""Keys are week-ending Fridays. Dagster's time window of a key *starts* at that Friday:
never read it as the trading week."""
