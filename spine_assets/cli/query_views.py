"""The database in which a query runs: with the views that it needs, of the lake or of a tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import duckdb

from spine_assets.cli.errors import open_lake
from spine_assets.core.settings import load_settings
from spine_assets.core.text import nearest
from spine_assets.otc.tables.registry import TABLES
from spine_assets.pipelines.steps.workspace import Workspace, tenants_in
from spine_assets.pipelines.yaml import loader
from spine_assets.warehouse.connection import connect
from spine_assets.warehouse.views import declared_views, needs_analysis


@contextmanager
def warehouse_of(sql: str, tenant: str | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory database with views, for one query."""
    lake = open_lake()
    if tenant is not None:
        with _tenant_warehouse(tenant) as connection:
            yield connection
        return
    with connect(lake, TABLES, analysis=needs_analysis(sql)) as connection:
        for statement in declared_views(lake):
            connection.execute(statement)
        yield connection


@contextmanager
def _tenant_warehouse(tenant: str) -> Iterator[duckdb.DuckDBPyConnection]:
    workspace = Workspace.of(load_settings(), tenant)
    known = tenants_in(workspace.shared)
    if tenant not in known:
        declared = [item.pipeline for item in loader.declared()]
        own = [item.pipeline_id for item in declared if item.tenant_id == tenant]
        if own:
            raise click.ClickException(
                f"{tenant} has no tables yet; spine run {own[0]} builds some"
            )
        hint = nearest(tenant, known) if known else "no tenant has tables yet"
        raise click.ClickException(f"there is no tenant {tenant}; {hint}")
    with workspace.connect() as connection:
        yield connection
