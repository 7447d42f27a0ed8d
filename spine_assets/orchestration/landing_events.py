"""What is in the landing folder, as events of `finra_otc_files`: its weeks and its check `usable`.

People, programs and our fetch deliver files, and no run makes them. So sensor, fetch and runs
report what they saw, as Dagster wants it of assets that are made elsewhere. An event is written
where the delivered content of a week has changed, and never because somebody looked. Belongs here:
these events. Does not belong here: what is delivered (`otc.delivery`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import date
from typing import Any

import dagster as dg

from spine_assets.alerts.ongoing import FILES, USABLE
from spine_assets.core.settings import load_settings
from spine_assets.core.text import Shown, counted, named
from spine_assets.orchestration.dagster_private import DATA_VERSION_TAG
from spine_assets.orchestration.history.storage import data_versions
from spine_assets.orchestration.site import our_key
from spine_assets.otc.delivery.deliveries import Delivery, Landing, Unusable
from spine_assets.otc.delivery.week_contents import content_hash, contents_by_week

_STATE = "state"
_SAMPLE_ROWS = 20
_MOST_FILES = 100  # of a week in its event; FINRA's are six, and their control totals
_NAMED = 3  # in the description; the sample has the others
_SHORT_HASH = 12


def report_delivered(
    instance: dg.DagsterInstance,
    landing: Landing,
    weeks: Collection[date] | None = None,
    most: int | None = None,
) -> int:
    """Report what is delivered where it has changed since it was reported last.

    Weeks before `SPINE_FIRST_WEEK` have no partition, and are left out.

    Args:
        instance: Where to.
        landing: What is delivered.
        weeks: Weeks that were looked at; by default all.
        most: Report no more weeks now.

    Returns:
        How many weeks are left to report.
    """
    first = load_settings().first_week
    delivered = {week: held for week, held in contents_by_week(landing).items() if week >= first}
    if weeks is not None:
        delivered = {week: delivered[week] for week in sorted({*weeks} & {*delivered})}
    reported = data_versions(instance, our_key(FILES), [str(week) for week in delivered])
    versions = {week: content_hash(items) for week, items in delivered.items()}
    changed = [week for week in delivered if reported.get(str(week)) != versions[week]]
    for week in changed[:most]:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                our_key(FILES),
                partition=str(week),
                tags={DATA_VERSION_TAG: versions[week]},
                metadata=_metadata(delivered[week]),
            )
        )
    return len(changed[most:]) if most is not None else 0


def report_usable(instance: dg.DagsterInstance, landing: Landing) -> None:
    """Evaluate the check `usable` where its outcome has changed since it was reported last."""
    key = dg.AssetCheckKey(our_key(FILES), USABLE)
    found = usable(landing)
    latest = instance.get_latest_asset_check_evaluation_record(key)
    event = latest.event if latest else None
    if event is not None and event.dagster_event is not None:
        data = event.dagster_event.event_specific_data
        before = getattr(data, "metadata", {}).get(_STATE)
        if before is not None and before == found.metadata[_STATE]:
            return
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=USABLE,
            passed=found.passed,
            severity=found.severity,
            description=found.description,
            metadata=found.metadata,
        )
    )


def usable(landing: Landing) -> dg.AssetCheckResult:
    """Whether something is loaded from every file, as of now."""
    refused = sorted(landing.refused(), key=lambda item: item.name)
    rows = [_of_refused(item) for item in refused]
    metadata: dict[str, Any] = {
        "unusable": len(refused),
        "of_no_week": sum(item.week_ending is None for item in refused),
        _STATE: dg.MetadataValue.text(_digest(rows)),
    }
    if rows:
        metadata["sample"] = _table(rows[:_SAMPLE_ROWS])
    return dg.AssetCheckResult(
        passed=not refused,
        severity=dg.AssetCheckSeverity.WARN,
        description=_text(refused),
        metadata=metadata,
    )


def _text(refused: list[Unusable]) -> str:
    if not refused:
        return "something is loaded from every file"
    texts = named([item.text for item in refused], "; ", _NAMED)
    return f"nothing is loaded from {counted(len(refused), 'file')}: {texts}"


def _metadata(items: Iterable[Delivery]) -> dict[str, Any]:
    rows = [_of_delivery(item) for item in sorted(items, key=lambda item: item.name)]
    return {
        "files": _table(rows[:_MOST_FILES]),
        "file_count": len(rows),
        "tiers_in": ", ".join(sorted({row["tier"] for row in rows})),
        "bytes": sum(row["bytes"] for row in rows),
    }


def _of_delivery(item: Delivery) -> dict[str, Any]:
    size = 0
    with suppress(OSError):  # removed since it was read
        size = item.path.stat().st_size
    place = item.placement
    return {
        "file": Shown(item.name),
        "bytes": size,
        "sha256": item.sha256[:_SHORT_HASH],
        "tier": place.tier.value,
        "class": place.venue_class.value,
        "grain": place.grain.value,
    }


def _of_refused(item: Unusable) -> dict[str, Any]:
    week = str(item.week_ending) if item.week_ending else ""
    return {"file": Shown(item.name), "week_ending": week, "reason": item.reason}


def _table(rows: list[dict[str, Any]]) -> dg.MetadataValue:
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows])


def _digest(rows: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:_SHORT_HASH]
