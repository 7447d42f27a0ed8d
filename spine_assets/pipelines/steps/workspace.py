"""The workspace of a step: the tables that its tenant may read, and the folders it may write.

A tenant reads shared tables and its own. DuckDB restricts its queries to the folders of these, so
that no path in a query reads another tenant's. What steps do there does not belong here.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb

from spine_assets.core.settings import Settings
from spine_assets.lake.base import Lake
from spine_assets.lake.opening import open_lake
from spine_assets.otc.state.stored_tables import GIVEN
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse import connection as warehouse
from spine_assets.warehouse.views import declared_names, declared_views

TENANTS = "_tenants"
"""Folder of the lake with one lake per tenant; its name cannot be that of a table."""

TENANT_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""A tenant's id is a folder, a schema in SQL and part of names in Dagster."""

_SHARED = "_shared"  # exports of pipelines without tenants; no tenant's id begins so


@dataclass(frozen=True)
class Workspace:
    """The folders of one pipeline's work.

    Attributes:
        lake_place: Folder or URL of the tables that all share.
        data_dir: Folder of landing and exports.
        tenant_id: The tenant; None reads and writes the shared tables.
    """

    lake_place: Path | str
    data_dir: Path
    tenant_id: str | None = None

    @classmethod
    def of(cls, settings: Settings, tenant_id: str | None) -> Workspace:
        """The workspace that the settings name."""
        return cls(settings.lake_place, settings.data_dir, tenant_id)

    @property
    def shared(self) -> Lake:
        """The lake that all tenants read."""
        return open_lake(self.lake_place)

    @property
    def own(self) -> Lake:
        """The lake that this pipeline's tables are written to."""
        return self.shared if self.tenant_id is None else tenant_lake(self.shared, self.tenant_id)

    @property
    def landing(self) -> Path:
        """Folder into which files are delivered."""
        return self.data_dir / "landing"

    @property
    def exports(self) -> Path:
        """Folder of exports; each tenant has its own."""
        return self.data_dir / "exports" / (self.tenant_id or _SHARED)

    @contextmanager
    def connect(self, staged: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A private database with views of all readable tables; it can open no other file.

        Args:
            staged: A file that may be read as well; those of a lake in a bucket are not in it.
        """
        with warehouse.connect(self.shared, TABLES) as connection:
            lakes = (
                [self.shared] if self.own.place == self.shared.place else [self.shared, self.own]
            )
            for lake in lakes:
                warehouse.create(connection, partial(declared_views, lake))
            self._confine(connection, staged)
            yield connection

    def _confine(self, connection: duckdb.DuckDBPyConnection, staged: Path | None) -> None:
        """Let no statement open anything but the folders of these tables."""
        shared = {table.name for table in (*TABLES, *GIVEN)} | {*declared_names(self.shared)}
        folders = [f"{self.shared.root / name}/" for name in sorted(shared)]
        if self.tenant_id is not None:
            folders.append(f"{self.own.root}/")
        # The path in a view is a pattern, which DuckDB compares with these folders too.
        folders += [escaped for folder in folders if (escaped := glob.escape(folder)) != folder]
        connection.execute("SET allowed_directories = $folders", {"folders": folders})
        if staged is not None:
            files = sorted({str(staged), glob.escape(str(staged))})
            connection.execute("SET allowed_paths = $files", {"files": files})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")


def tenant_lake(lake: Lake, tenant_id: str) -> Lake:
    """A tenant's own lake, within the shared one."""
    return lake.within(TENANTS, tenant_id)


def tenants_in(lake: Lake) -> list[str]:
    """Tenants that have tables in a lake."""
    return [name for name in lake.entries(TENANTS) if TENANT_ID.fullmatch(name)]
