"""Asset keys of what pipelines make and read: a tenant's tables stand below the tenant's name."""

from __future__ import annotations

import dagster as dg

from spine_assets.otc.tables.registry import TABLES
from spine_assets.otc.views.registry import VIEWS
from spine_assets.pipelines.yaml.loader import declared
from spine_assets.pipelines.yaml.pipeline import DeclaredPipeline

_OURS = {table.name for table in TABLES} | {view.name for view in VIEWS}


def own_key(pipeline: DeclaredPipeline, table: str) -> dg.AssetKey:
    """Key of a table that a pipeline makes."""
    return dg.AssetKey([pipeline.tenant_id, table] if pipeline.tenant_id else [table])


def key_of(pipeline: DeclaredPipeline, name: str) -> dg.AssetKey:
    """Key of a table or view that a pipeline reads, as its SQL names it."""
    plain = name.removesuffix("_all")
    if plain in _OURS or name in _OURS:
        return dg.AssetKey(name if name in _OURS else plain)
    if name in _made_by(pipeline) or (pipeline.tenant_id and _is_of_tenant(name, pipeline)):
        return own_key(pipeline, name)
    return dg.AssetKey(name)


def _made_by(pipeline: DeclaredPipeline) -> set[str]:
    return {step.destination.table for step in pipeline.table_steps}


def _is_of_tenant(name: str, pipeline: DeclaredPipeline) -> bool:
    """Whether another pipeline of the tenant makes a table; all files are read to know."""
    others = (item.pipeline for item in declared())
    return any(name in _made_by(other) for other in others if other.tenant_id == pipeline.tenant_id)
