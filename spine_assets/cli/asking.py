"""The database that a query is asked: with the views that it needs, of all or of a tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from spine_assets.cli.shared import open_lake
from spine_assets.core.text import nearest

if TYPE_CHECKING:
    import duckdb


@contextmanager
def warehouse_of(sql: str, tenant: str | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private database for a query."""
    from spine_assets.otc.tables import TABLES
    from spine_assets.warehouse import connect
    from spine_assets.warehouse_views import declared_views, needs_analysis

    lake = open_lake()
    if tenant is not None:
        with _of_tenant(tenant) as connection:
            yield connection
        return
    with connect(lake, TABLES, analysis=needs_analysis(sql)) as connection:
        for statement in declared_views(lake):
            connection.execute(statement)
        yield connection


@contextmanager
def _of_tenant(tenant: str) -> Iterator[duckdb.DuckDBPyConnection]:
    from spine_assets.declarative import reading
    from spine_assets.declarative.place import Place, tenants_in
    from spine_assets.settings import load_settings

    place = Place.of(load_settings(), tenant)
    known = tenants_in(place.shared)
    if tenant not in known:
        declared = [item.pipeline for item in reading.declared()]
        own = [item.pipeline_id for item in declared if item.tenant_id == tenant]
        if own:
            raise click.ClickException(f"{tenant} has no tables yet; spine run {own[0]} makes some")
        said = nearest(tenant, known) if known else "no tenant has tables yet"
        raise click.ClickException(f"there is no tenant {tenant}; {said}")
    with place.connect() as connection:
        yield connection
