"""Tags by which runs are found, limited and explained, whoever starts them; groups of assets."""

from __future__ import annotations

from enum import StrEnum

LANE = "spine/lane"
TRIGGER = "spine/trigger"
PIPELINE = "spine/pipeline"
TENANT = "spine/tenant"
DATE = "spine/date"
"""The day that a run is about, where that is not the day on which it was created (UTC)."""
ONCE = "spine/once"
"""The queue executes one run at a time of those with the same value (`dagster.yaml`)."""
FRONT = ".dagster/spine_front"
"""Set to `cli` on runs in a `spine` process, which monitors them itself.

Dagster's UI hides tags with this prefix, and a re-execution in the UI does not copy them.
"""
PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
MAX_RUNTIME = "dagster/max_runtime"
"""Seconds after which Dagster's run monitoring ends a run."""

SHORT_ID = 8  # letters of a run id that are shown; two of 10,000 runs share them once in 100 stores


class AssetGroup(StrEnum):
    """Groups of the platform's own assets; a YAML pipeline's tables are in a group of its name."""

    OTC = "otc"
    ANALYSIS = "analysis"
    LANDING = "landing"


class Lane(StrEnum):
    """Queues of different width (`dagster.yaml`), so that backfills never delay this week."""

    NORMAL = "normal"
    BACKFILL = "backfill"
    SLOW = "slow"


def run_tags(
    pipeline: str, lane: Lane, trigger: str, max_runtime: int | None = None
) -> dict[str, str]:
    """The tags of every run of ours, with the seconds that it may take."""
    longest = {MAX_RUNTIME: str(max_runtime)} if max_runtime else {}
    return {PIPELINE: pipeline, LANE: lane.value, TRIGGER: trigger, **longest}


def week_tags(first: str, last: str) -> dict[str, str]:
    """Tags that name the week of a run, or the weeks from first to last."""
    return {PARTITION: first} if first == last else {RANGE_START: first, RANGE_END: last}
