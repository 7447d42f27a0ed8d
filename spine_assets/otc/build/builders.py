"""Which frames make a table's week: one way for runs and for questions about the past."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl

from spine_assets.core.tables import BuildStage, Table
from spine_assets.lake.base import Lake
from spine_assets.otc.build import corrections, restatement_rows
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.state.freshness import build_hash
from spine_assets.otc.tables import rejects, restatements, venue_volume
from spine_assets.otc.tables.registry import MODULES

BUILDERS: dict[str, Callable[[pl.DataFrame, pl.DataFrame, str], pl.DataFrame]] = {
    module.TABLE.name: module.build
    for module in MODULES
    if module.TABLE.stage is BuildStage.SUMMARIZE and not module.TABLE.depends_on_history
}
"""Builders of the tables that are made from `otc_venue_volume` alone, as their modules name them:
(venue rows, inputs, build id) -> frame."""

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
    if declared.name in BUILDERS:
        inputs = pl.DataFrame(
            [(tier, cls, item.capture_id) for (tier, cls), item in frames.known.current.items()],
            schema=dict.fromkeys(("tier", "venue_class", "input_capture_id"), pl.String),
            orient="row",
        )
        return BUILDERS[declared.name](frames[venue_volume.TABLE.name], inputs, name)
    if declared.name in HISTORY_BUILDERS:
        found = corrections.of_week(lake, frames.week, frames.known)
        return HISTORY_BUILDERS[declared.name](found, name)
    accepted, broken = frames.split
    if declared.name == rejects.TABLE.name:
        return pl.concat([frames.parse_rejects(), rejects.from_rules(broken)])
    return venue_volume.build(accepted, name)
