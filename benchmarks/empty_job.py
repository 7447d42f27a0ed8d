"""A job of the shape of `otc_week` that does nothing: what Dagster alone costs.

    dagster asset materialize -m empty_job --select 'group:otc' --partition 2025-10-03

As many assets, the same partitions and checks, the same events with as much in them, all of it
constant. `one_week.py` starts it beside the project.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

WEEKS = dg.WeeklyPartitionsDefinition(start_date="2014-05-16", day_offset=5)
CHECKS = {
    "otc_raw": ("conservation", "schema", "delivery", "rejects"),
    "otc_rejects": (),
    "otc_venue_volume": ("schema", "reconciles", "volumes", "continuity"),
    "otc_symbol_summary": ("schema", "reconciles"),
    "otc_venue_share": ("schema", "reconciles", "share_shift"),
    "otc_restatements": ("schema", "reconciles", "size"),
}
DEPS = {
    "otc_raw": ["finra_otc_files"],
    "otc_rejects": ["otc_raw"],
    "otc_venue_volume": ["otc_raw", "otc_rejects"],
    "otc_symbol_summary": ["otc_venue_volume"],
    "otc_venue_share": ["otc_venue_volume"],
    "otc_restatements": ["otc_raw", "otc_rejects"],
}
TIERS = ("tier1", "tier2", "otc")
BUILT: dict[str, Any] = {
    "dagster/partition_row_count": 190_216,
    "shares": 7_905_651_111,
    "unchanged": False,
    "build_id": "20261121T171326Z-f01689e452fb",
    "tiers_in": "NMS_TIER_1, NMS_TIER_2, OTC",
    "files": [f"finra_otc_weekly_{tier}_20251103.csv" for tier in TIERS],
    "capture_ids": [f"20261121T171324Z-{tier:0>12}" for tier in TIERS],
    "seconds": 0.5,
}
COUNTED = {"rows": 190_216, "columns": 13, "shares": 7_905_651_111, "differing": 0}
VERSION = {"dagster/data_version": "73379cdfdc8c"}


def _specs() -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(name, deps=deps, group_name="otc", partitions_def=WEEKS, skippable=True)
        for name, deps in DEPS.items()
    ]


def _check_specs() -> list[dg.AssetCheckSpec]:
    # As in spine_assets.defs.otc.specs: partitions of a check are a preview in 1.13.27.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(name, asset=table, blocking=name == "schema", partitions_def=WEEKS)
            for table, names in CHECKS.items()
            for name in names
        ]


@dg.multi_asset(
    specs=_specs(),
    check_specs=_check_specs(),
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def otc_week(
    context: dg.AssetExecutionContext,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Say of every week what a build would say."""
    for week in context.partition_keys:
        for table, names in CHECKS.items():
            for name in names:
                yield dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(table),
                    check_name=name,
                    passed=True,
                    description="190,216 rows as declared",
                    metadata=COUNTED,
                    blocking=name == "schema",
                    partition=week,
                )
            yield dg.AssetMaterialization(table, partition=week, metadata=BUILT, tags=VERSION)


@dg.definitions
def defs() -> dg.Definitions:
    """The one multi-asset, run in one process as the project's is."""
    return dg.Definitions([otc_week], executor=dg.in_process_executor)
