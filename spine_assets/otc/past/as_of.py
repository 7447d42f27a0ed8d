"""Any table as it was known at a time, built from the captures and pins up to then.

Only captures and pins are read, so an answer does not depend on what was built when. The rule of
which capture is current and the builders are those of a run, so the answer as of now equals what a
run publishes.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from spine_assets.core.errors import Explained
from spine_assets.lake.base import Lake
from spine_assets.otc.build.builders import build, build_id
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.state.frames import WeekFrames
from spine_assets.otc.state.freshness import Freshness, freshness
from spine_assets.otc.tables import raw
from spine_assets.otc.tables.registry import table, upstream


class NotKnown(Explained):
    """A table's week is not known; the message says since when it is, or what to run."""


def table_as_of(lake: Lake, name: str, week: date, moment: datetime) -> pl.DataFrame:
    """A table's week as it was known at a moment.

    Args:
        lake: Where the captures are.
        name: `otc_raw` (rows of the captures that were current), or another table's name.
        week: Week ending.
        moment: With a time zone. A capture counts from its `captured_at` on, a pin from its
            `pinned_at` on. The rows are made by today's code.

    Raises:
        NotKnown: no file of the week was captured by then.
        LakeError: a capture cannot be read.
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; captured_at is in UTC")
    known = captures.known_of(lake, week, moment)
    if not known.captures:
        raise NotKnown(_since_when(lake, week, moment))
    frames = WeekFrames(lake, week, known)
    for needed in (*upstream(name), name):
        if needed != raw.TABLE.name:
            declared = table(needed)
            frames[needed] = build(declared, frames, build_id(declared, known, moment), lake)
    return frames[name]


def table_now(lake: Lake, name: str, week: date) -> pl.DataFrame:
    """A table's week as it is in the lake; of `otc_raw` the rows of the current captures.

    Raises:
        NotKnown: the table's week is not built from its current captures.
        LakeError: a file cannot be read.
    """
    known = captures.known_of(lake, week)
    state = freshness(lake, name, week, known)
    if state is not Freshness.FRESH:
        found = "older than its captures" if state is Freshness.STALE else "not built"
        raise NotKnown(
            f"{name} of week {week} is {found}; run dagster asset materialize "
            f"-m spine_assets.definitions --select 'group:otc' --partition {week}"
        )
    return WeekFrames(lake, week, known)[name]


def _since_when(lake: Lake, week: date, moment: datetime) -> str:
    stored = captures.stored(lake, week)
    nothing = (
        f"nothing of week {week} was captured by {moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    )
    if not stored:
        return f"{nothing}, or later; deliver its files, then run spine backfill {week}"
    first = min(item.captured_at for item in stored)
    return f"{nothing}; its first file was captured at {first:%Y-%m-%d %H:%M:%S} UTC"
