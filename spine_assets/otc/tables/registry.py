"""The tables of the domain, in the order in which they are built."""

from __future__ import annotations

from pathlib import Path

from spine_assets.core.tables import Table
from spine_assets.otc.tables import (
    raw,
    rejects,
    restatements,
    symbol_summary,
    venue_share,
    venue_volume,
)

_MODULES = (raw, rejects, venue_volume, symbol_summary, venue_share, restatements)
"""A new table is a module with its declaration and builder, and a name here (`build.builders`)."""

TABLES: tuple[Table, ...] = tuple(module.TABLE for module in _MODULES)


def table(name: str) -> Table:
    """The table called `name`."""
    return next(found for found in TABLES if found.name == name)


def source_of(name: str) -> Path:
    """The file that declares a table."""
    module = next(found for found in _MODULES if found.TABLE.name == name)
    return Path(str(module.__file__))


def upstream(name: str) -> list[str]:
    """Names of all tables that `name` is made from, directly or not, in build order."""
    wanted = {*table(name).deps}
    for found in reversed(TABLES):
        if found.name in wanted:
            wanted |= {*found.deps}
    return [found.name for found in TABLES if found.name in wanted]
