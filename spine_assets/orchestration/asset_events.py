"""Results of the domain as Dagster events, for every step that builds or checks tables.

A step yields raw events and not `MaterializeResult`, because those would mark all partitions of a
run alike. So each evaluation names here what Dagster's `AssetCheckResult` would find out: the
materialization that it is about. Belongs here: events, their order, and the outputs of checks. Does
not belong here: what happened (`otc.state.results`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from spine_assets.lake.bucket.objects import ObjectFile
from spine_assets.orchestration.check_targets import CheckTarget, target_of
from spine_assets.orchestration.dagster_private import DATA_VERSION_TAG
from spine_assets.orchestration.history.lake_identity import LAKE_ID
from spine_assets.otc.state.results import CheckResult, TableBuilt

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation
_LISTED = ("tiers_in", "tiers_missing", "classes_in")


def events_of(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    results: Iterable[TableBuilt | CheckResult],
    week: date | None,
    key_of: Callable[[str], dg.AssetKey] = dg.AssetKey,
    lake_id: str | None = None,
) -> Iterator[Event]:
    """What happened to a week: materializations, then the evaluations of their checks.

    Each event is stored before the next one is made, so an evaluation names the materialization of
    the same week if there is one, and else the latest of earlier runs.

    Args:
        context: The step that yields them.
        results: In any order.
        week: None of a table without weeks.
        key_of: The asset of a table.
        lake_id: Of the lake in which it is.
    """
    made = list(results)
    for item in made:
        if isinstance(item, TableBuilt):
            yield materialization(item, week, key_of(item.table), lake_id)
    for item in made:
        if isinstance(item, CheckResult):
            key = key_of(item.table)
            target = target_of(context.instance, key, str(week) if week else None)
            yield evaluation(item, week, key, target)


def check_outputs(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
    """The outputs of a step's checks, which Dagster expects of a step that ends well."""
    assets = context.assets_def.keys_by_output_name
    for name in sorted({*context.op_execution_context.selected_output_names} - {*assets}):
        yield dg.Output(None, name)


def materialization(
    built: TableBuilt, week: date | None, key: dg.AssetKey, lake_id: str | None = None
) -> dg.AssetMaterialization:
    """A published week of a table; the data version depends on content and code alone.

    Args:
        built: What was published.
        week: Its week; None of a table without weeks.
        key: Its asset.
        lake_id: Of the lake in which it is, by which a history of another lake is known.
    """
    facts = dict(built.facts)
    metadata: dict[str, Any] = {
        **({"dagster/partition_row_count": facts.pop("rows")} if "rows" in facts else {}),
        **({"shares": facts.pop("shares")} if "shares" in facts else {}),
        "unchanged": built.unchanged,
        **{name: _entry(name, value) for name, value in facts.items() if value is not None},
        **({LAKE_ID: lake_id} if lake_id else {}),
    }
    return dg.AssetMaterialization(
        asset_key=key,
        partition=str(week) if week else None,
        metadata=metadata,
        tags={DATA_VERSION_TAG: built.data_version},
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
    result: CheckResult, week: date | None, key: dg.AssetKey, target: CheckTarget | None
) -> dg.AssetCheckEvaluation:
    """The outcome of a check on a week, with its sample as a table.

    Args:
        result: What the check found.
        week: Its week; None of a table without weeks.
        key: The asset that is checked.
        target: Its latest materialization (`check_targets`).
    """
    metadata: dict[str, Any] = dict(result.facts)
    if result.samples:
        metadata["sample"] = _entry("sample", result.samples)
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=result.check,
        passed=result.passed,
        severity=dg.AssetCheckSeverity(result.severity.value),
        description=result.summary,
        metadata=metadata,
        target_materialization_data=target,
        blocking=result.blocking,
        partition=str(week) if week else None,
    )
