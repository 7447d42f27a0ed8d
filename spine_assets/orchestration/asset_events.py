"""Results of the domain as Dagster events."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from spine_assets.lake.bucket.objects import ObjectFile
from spine_assets.otc.state.results import CheckResult, TableBuilt

_LISTED = ("tiers_in", "tiers_missing", "classes_in")


def materialization(
    built: TableBuilt, week: date | None, key: dg.AssetKey | None = None
) -> dg.AssetMaterialization:
    """A published week of a table; the data version depends on content and code alone.

    Args:
        built: What was published.
        week: Its week; None of a table without weeks.
        key: Its key, where that is not its name.
    """
    facts = dict(built.facts)
    metadata: dict[str, Any] = {
        **({"dagster/partition_row_count": facts.pop("rows")} if "rows" in facts else {}),
        **({"shares": facts.pop("shares")} if "shares" in facts else {}),
        "unchanged": built.unchanged,
        **{name: _entry(name, value) for name, value in facts.items() if value is not None},
    }
    return dg.AssetMaterialization(
        asset_key=key or built.table,
        partition=str(week) if week else None,
        metadata=metadata,
        tags={"dagster/data_version": built.data_version},
    )


def _entry(name: str, value: Any) -> Any:
    """A fact as metadata: rows as a table, files as paths, tiers and classes as one text."""
    if name in _LISTED:
        return ", ".join(value)
    if isinstance(value, Path | ObjectFile):
        return dg.MetadataValue.path(str(value))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return dg.MetadataValue.table(records=[dg.TableRecord(row) for row in value])
    return value


def evaluation(
    result: CheckResult, week: date | None, key: dg.AssetKey | None = None
) -> dg.AssetCheckEvaluation:
    """The outcome of a check on a week, with its sample as a table."""
    metadata: dict[str, Any] = dict(result.facts)
    if result.samples:
        metadata["sample"] = _entry("sample", result.samples)
    return dg.AssetCheckEvaluation(
        asset_key=key or dg.AssetKey(result.table),
        check_name=result.check,
        passed=result.passed,
        severity=dg.AssetCheckSeverity(result.severity.value),
        description=result.summary,
        metadata=metadata,
        blocking=result.blocking,
        partition=str(week) if week else None,
    )
