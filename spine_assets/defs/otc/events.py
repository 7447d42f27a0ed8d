"""What happened in the domain -> Dagster events."""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg

from spine_assets.otc.checking import CheckResult, Severity
from spine_assets.otc.outcome import TableBuilt


def materialization(built: TableBuilt, week: date) -> dg.AssetMaterialization:
    """A published week of a table; the data version depends on content and code alone."""
    facts = dict(built.facts)
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": facts.pop("rows"),
        **({"shares": facts.pop("shares")} if "shares" in facts else {}),
        "unchanged": built.unchanged,
    }
    for name, value in facts.items():
        metadata[name] = ", ".join(value) if name == "tiers_in" else value
    return dg.AssetMaterialization(
        asset_key=built.table,
        partition=str(week),
        metadata=metadata,
        tags={"dagster/data_version": built.data_version},
    )


def evaluation(result: CheckResult, week: date) -> dg.AssetCheckEvaluation:
    """The outcome of a check on a week, with its sample as a table."""
    metadata: dict[str, Any] = dict(result.facts)
    if result.samples:
        metadata["sample"] = dg.MetadataValue.table(
            records=[dg.TableRecord(row) for row in result.samples]
        )
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(result.table),
        check_name=result.check,
        passed=result.passed,
        severity=_SEVERITIES[result.severity],
        description=result.summary,
        metadata=metadata,
        blocking=result.blocking,
        partition=str(week),
    )


_SEVERITIES = {
    Severity.WARN: dg.AssetCheckSeverity.WARN,
    Severity.ERROR: dg.AssetCheckSeverity.ERROR,
}
