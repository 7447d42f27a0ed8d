"""Which frames make a table's week: one way for runs and for questions about the past."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl

from spine_assets.core.tables import BuildStage, Table
from spine_assets.lake.base import Lake
from spine_assets.otc.build import corrections, restatement_rows
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.delivery.placement import Grain
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.state.freshness import build_hash
from spine_assets.otc.tables import (
    control_totals,
    firm_totals,
    rejects,
    restatements,
    venue_volume,
)
from spine_assets.otc.tables.registry import MODULES, grains_of

BUILDERS: dict[str, Callable[..., pl.DataFrame]] = {
    module.TABLE.name: module.build
    for module in MODULES
    if module.TABLE.stage is BuildStage.SUMMARIZE
    and Grain.VENUES in grains_of(module.TABLE.name)
    and not module.TABLE.depends_on_history
}
"""Builders of the tables that are made from `otc_venue_volume`, as their modules name them:
(venue rows, inputs, build id) -> frame; one that is made from `otc_control_totals` as well takes
these last, if there are any."""

HISTORY_BUILDERS = {restatements.TABLE.name: restatement_rows.build}
"""Builders of the tables that depend on history: (corrections of the week, build id) -> frame."""


def build_id(declared: Table, known: WeekCaptures, built_at: datetime) -> str:
    """`<built_at>-<12 hex of the input captures and the code version>`."""
    return f"{built_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{build_hash(declared, known)}"


def build(declared: Table, frames: WeekFrames, name: str, lake: Lake) -> pl.DataFrame:
    """A derived table's week from the frames it is made of.

    Args:
        declared: Any table but `otc_raw`, whose rows are the captures' own.
        frames: The week's frames; what the table is made from is taken from here.
        name: Written as `capture_id` of each row (`build_id`).
        lake: Where earlier captures are read from, by tables that depend on history.
    """
    totals = control_totals.TABLE.name
    if declared.name in BUILDERS:
        return _summary(declared, frames, name)
    if declared.name in HISTORY_BUILDERS:
        found = corrections.of_week(lake, frames.week, frames.known)
        return HISTORY_BUILDERS[declared.name](found, name)
    if declared.name == totals:
        return control_totals.build(frames.captured_totals, name)
    if declared.name == firm_totals.TABLE.name:
        return firm_totals.build(frames[totals], name)
    return _split(declared, frames, name)


def _summary(declared: Table, frames: WeekFrames, name: str) -> pl.DataFrame:
    inputs = pl.DataFrame(
        [(tier, cls, item.capture_id) for (tier, cls), item in frames.known.current.items()],
        schema=dict.fromkeys(("tier", "venue_class", "input_capture_id"), pl.String),
        orient="row",
    )
    uses_totals = control_totals.TABLE.name in declared.deps
    totals = [frames[control_totals.TABLE.name]] if uses_totals else []
    return BUILDERS[declared.name](frames[venue_volume.TABLE.name], inputs, name, *totals)


def _split(declared: Table, frames: WeekFrames, name: str) -> pl.DataFrame:
    """The rows that are accepted, or those that are not."""
    accepted, broken = frames.split
    if declared.name == rejects.TABLE.name:
        return pl.concat([frames.parse_rejects(), rejects.from_rules(broken)])
    return venue_volume.build(accepted, name)
