"""What a database is to hold: which tables of which lake, and which of Dagster's records.

Belongs here: the choice. Does not belong here: what a database holds now (`database_objects`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from spine_assets.core.settings import WrongSetting
from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake
from spine_assets.otc.state.stored_tables import GIVEN
from spine_assets.otc.tables.registry import TABLES
from spine_assets.warehouse.run_tables import LogTable, RunLog
from spine_assets.warehouse.views import declared_names

Weeks = dict[date | None, str]
"""Of a table: the hash of its files by week, None for a table without weeks."""


@dataclass(frozen=True)
class Contents:
    """What a database is to hold.

    Attributes:
        lake: Where it is loaded from.
        tables: Tables that are stored in it.
        views: Tables that it only has a view of, with the lake's path.
        since: First week; None for all.
        declared: Also the tables that pipelines in YAML declare.
    """

    lake: Lake
    tables: tuple[Table, ...]
    views: tuple[Table, ...] = ()
    since: date | None = None
    declared: bool = True

    def listed(self) -> dict[str, Weeks]:
        """The stored tables by name, each with its weeks in the lake."""
        names = [table.name for table in self.stored]
        if self.declared:
            names += declared_names(self.lake)
        return {name: self._weeks(name) for name in names}

    @property
    def stored(self) -> tuple[Table, ...]:
        """The tables of the domain that are stored, and those that people gave."""
        return (*self.tables, *GIVEN)

    def files_of(self, name: str, week: date | None) -> list[tuple[str, str]]:
        """Names and versions of the files of one week in the lake."""
        return sorted(self.lake.stamps_of(name, week).items())

    def _weeks(self, name: str) -> Weeks:
        return {
            week: digest(sorted(files.items()))
            for week, files in self.lake.stamps(name).items()
            if week is None or self.since is None or week >= self.since
        }


def contents_of(lake: Lake, stored: str = "all", since: date | None = None) -> Contents:
    """What the database of a lake holds.

    Args:
        lake: The lake.
        stored: Names of the stored tables with commas between, `all` or `none`.
        since: First week; None for all.

    Raises:
        WrongSetting: there is no such table.
    """
    names = {table.name for table in TABLES}
    wanted = {name.strip() for name in stored.split(",") if name.strip()}
    if stored.strip() in ("all", "none"):
        wanted = names if stored.strip() == "all" else set()
    if unknown := sorted(wanted - names):
        raise WrongSetting(
            f"SPINE_DATABASE_TABLES: there is no table {unknown[0]}; known are "
            f"{', '.join(sorted(names))}, all and none"
        )
    return Contents(
        lake,
        tuple(table for table in TABLES if table.name in wanted),
        tuple(table for table in TABLES if table.name not in wanted),
        since,
    )


@dataclass(frozen=True)
class DagsterTables:
    """Tables whose rows are read from Dagster, and what reads them in pages; None: they stay."""

    tables: tuple[LogTable, ...] = ()
    read: Callable[[], Iterable[RunLog]] | None = None


def digest(value: object) -> str:
    """A hash by which values are compared."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
