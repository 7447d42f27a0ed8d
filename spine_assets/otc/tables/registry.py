"""The tables of the domain, in the order in which they are built.

Everything that names tables reads this list: asset specs, jobs, pipelines, checks, views, commands
and generated pages.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from spine_assets.core.tables import BuildStage, Table
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.tables import (
    control_totals,
    firm_totals,
    raw,
    rejects,
    restatements,
    symbol_summary,
    venue_share,
    venue_volume,
)

MODULES = (
    raw,
    rejects,
    venue_volume,
    control_totals,
    firm_totals,
    symbol_summary,
    venue_share,
    restatements,
)
"""Each has a `TABLE`. A summary's module also has its `build`, unless it depends on history."""

TABLES: tuple[Table, ...] = tuple(module.TABLE for module in MODULES)


def names_of(stage: BuildStage) -> tuple[str, ...]:
    """Names of the tables of a stage, in build order."""
    return tuple(found.name for found in TABLES if found.stage is stage)


def table(name: str) -> Table:
    """The table called `name`."""
    return next(found for found in TABLES if found.name == name)


def source_of(name: str) -> Path:
    """The file that declares a table."""
    module = next(found for found in MODULES if found.TABLE.name == name)
    return Path(str(module.__file__))


def grains_of(name: str) -> set[Grain]:
    """What captures a table is made from, directly or not."""
    made_from = {name, *upstream(name)}
    sources = {raw.TABLE.name: Grain.VENUES, control_totals.TABLE.name: Grain.TOTALS}
    return {grain for source, grain in sources.items() if source in made_from}


def with_rejects(names: Collection[str]) -> set[str]:
    """Tables that are built where these are wanted: rejects come with `otc_venue_volume`.

    Which lines of `otc_raw` become rejects is decided together with which become rows, so nobody
    has to choose `otc_rejects` as well.
    """
    return {*names, *([rejects.TABLE.name] if venue_volume.TABLE.name in names else [])}


def with_upstream(names: Collection[str]) -> set[str]:
    """Tables, and all that they are made from."""
    return {*names, *(before for name in names for before in upstream(name))}


def upstream(name: str) -> list[str]:
    """Names of all tables that `name` is made from, directly or not, in build order."""
    wanted = {*table(name).deps}
    for found in reversed(TABLES):
        if found.name in wanted:
            wanted |= {*found.deps}
    return [found.name for found in TABLES if found.name in wanted]
