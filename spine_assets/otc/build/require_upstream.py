"""What a build requires of stored tables, and the command that builds what is missing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake
from spine_assets.otc.state.build_context import WeekInputs
from spine_assets.otc.state.freshness import Freshness, freshness, part_of
from spine_assets.otc.state.results import BuildFailed
from spine_assets.otc.tables import control_totals, raw
from spine_assets.otc.tables.registry import TABLES, upstream, with_upstream


def require_upstream(
    declared: Table, inputs: WeekInputs, lake: Lake, wanted: Collection[str] = ()
) -> None:
    """Make sure that every table it is made from is wanted too, or stored, fresh and intact.

    FINRA's totals need not be stored: the frames of a week make them from their captures.

    Raises:
        BuildFailed: one is missing or stale.
        LakeError: one is damaged.
    """
    for name in upstream(declared.name):
        if name not in wanted and name != control_totals.TABLE.name:
            require_fresh(name, declared.name, inputs, lake, wanted)
            if name != raw.TABLE.name:
                lake.verify(part_of(lake, name, inputs.week))


def require_fresh(
    name: str, needed_by: str, inputs: WeekInputs, lake: Lake, wanted: Collection[str] = ()
) -> None:
    """Make sure that a stored table of the week is there and fresh.

    Raises:
        BuildFailed: it is missing or stale.
    """
    found = freshness(lake, name, inputs.week, inputs.known)
    if found is not Freshness.FRESH:
        problem = "older than its inputs" if found is Freshness.STALE else "missing"
        raise BuildFailed(
            f"{inputs.week}: {needed_by} needs {name}, which is {problem}; "
            f"run {build_command(inputs.week, {*wanted, needed_by})}"
        )


def build_command(week: date, names: Collection[str]) -> str:
    """The command that builds tables of a week and all that they are made from."""
    wanted = with_upstream(names)
    chosen = ",".join(table.name for table in TABLES if table.name in wanted)
    return (
        f"dagster asset materialize -m spine_assets.definitions --select '{chosen}' "
        f"--partition {week}"
    )
