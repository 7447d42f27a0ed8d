"""Assets of another team below ours: a code location of its own, which the daemon keeps up to date.

    dagster dev -m spine_assets.definitions -f examples/another_team.py

`largest_venues` is made of each week whose `otc_venue_share` is built and passed its blocking
checks. `routed_days` has days: each of the seven days of a week reads that week. docs/library.md
explains the lines.
"""

from __future__ import annotations

from datetime import date

import dagster as dg
import polars as pl

from spine_assets import SpineTables, trading_days, trading_week_mapping, trading_weeks

FIRST = date(2025, 1, 3)
WEEKS = trading_weeks(FIRST)
DAYS = trading_days(FIRST)
SHARE = dg.AssetSpec("otc_venue_share", partitions_def=trading_weeks())  # made by spine_assets
WHEN_BUILT = (
    # FINRA publishes a week weeks after it: no week is the latest one when it arrives.
    dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
)


@dg.asset(
    partitions_def=WEEKS,
    ins={"shares": dg.AssetIn("otc_venue_share", input_manager_key="spine_tables")},
    automation_condition=WHEN_BUILT,
)
def largest_venues(shares: pl.DataFrame) -> dg.MaterializeResult[None]:
    """The venue with the largest volume of each week."""
    largest = shares.sort("total_volume", descending=True).head(1)
    return dg.MaterializeResult(metadata={"venue": largest["mpid"].item()})


@dg.asset(
    partitions_def=DAYS,
    ins={
        "shares": dg.AssetIn(
            "otc_venue_share",
            input_manager_key="spine_tables",
            partition_mapping=trading_week_mapping(DAYS),
        )
    },
)
def routed_days(shares: pl.DataFrame) -> dg.MaterializeResult[None]:
    """A day of orders, compared with the venues of its week."""
    return dg.MaterializeResult(metadata={"week": str(shares["week_ending"].unique().item())})


defs = dg.Definitions(
    assets=[SHARE, largest_venues, routed_days],
    resources={"spine_tables": SpineTables()},
    sensors=[
        dg.AutomationConditionSensorDefinition(
            "another_team_automation",
            target=[largest_venues],
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=30,
        )
    ],
)
