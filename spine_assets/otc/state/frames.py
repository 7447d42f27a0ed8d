"""The frames of one week: in memory where this run made them, else read from the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from functools import cached_property

import polars as pl

from spine_assets.core.table_schema import polars_schema
from spine_assets.core.tables import Table
from spine_assets.lake.base import Lake
from spine_assets.otc.captures import storage as captures
from spine_assets.otc.captures.current import WeekCaptures
from spine_assets.otc.captures.model import Capture, CapturedFrames
from spine_assets.otc.state.control import (
    Compared,
    OurSums,
    compared,
    our_sums,
    rejected_lines,
)
from spine_assets.otc.state.freshness import Freshness, freshness, part_of
from spine_assets.otc.state.venue_totals import COLUMNS, totals
from spine_assets.otc.tables import control_totals, raw, rejects, row_rules, venue_volume


class WeekFrames(dict[str, pl.DataFrame]):
    """Frames of a week by table name, loaded at first use.

    `otc_raw` holds the rows of the current captures only, `otc_rejects` their rejects of
    both stages.

    Attributes:
        week: Week ending.
        known: Its captures and pins.
    """

    def __init__(
        self, lake: Lake, week: date, known: WeekCaptures, fresh: Iterable[CapturedFrames] = ()
    ) -> None:
        super().__init__()
        self._lake, self.week, self.known = lake, week, known
        self._fresh = {item.capture.capture_id: item for item in fresh}

    def __missing__(self, name: str) -> pl.DataFrame:
        """Load a stored table of the week."""
        if name == raw.TABLE.name:
            frame = self._current_parts(raw.TABLE, lambda item: item.rows, captures.read_rows)
        elif name == rejects.TABLE.name:
            frame = pl.concat([self.parse_rejects(), self._rule_rejects()])
        elif name == control_totals.TABLE.name:
            frame = self._control_totals()
        else:
            frame = self._lake.read(part_of(self._lake, name, self.week))
        self[name] = frame
        return frame

    @cached_property
    def split(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Current raw rows, split into (accepted, broken) by the row rules."""
        return row_rules.split(self[raw.TABLE.name])

    @cached_property
    def our_sums(self) -> OurSums:
        """The venue rows, added up by symbol and by venue."""
        return our_sums(self[venue_volume.TABLE.name])

    @cached_property
    def compared(self) -> Compared:
        """The venue rows beside FINRA's totals."""
        rejected = rejected_lines(self[rejects.TABLE.name], self.known.current.values())
        return compared(self.our_sums, self[control_totals.TABLE.name], rejected)

    @cached_property
    def venue_totals(self) -> pl.DataFrame:
        """Shares by tier, class and venue; of a stored week no other column is read."""
        name = venue_volume.TABLE.name
        if name in self:
            return totals(self.our_sums.by_venue)
        return totals(self._lake.read(part_of(self._lake, name, self.week), COLUMNS))

    def without_rows(self, *, totals_too: bool) -> WeekFrames:
        """The same week with at most its totals in memory; rows are read again where needed."""
        small = WeekFrames(self._lake, self.week, self.known)
        if totals_too:
            small.venue_totals = self.venue_totals
        return small

    def rows_of(self, capture: Capture) -> pl.DataFrame:
        """The rows of any capture of the week, as made by this run or as stored.

        Raises:
            LakeError: its file cannot be read.
        """
        fresh = self._fresh.get(capture.capture_id)
        return captures.read_rows(self._lake, capture) if fresh is None else fresh.rows

    @cached_property
    def captured_totals(self) -> pl.DataFrame:
        """Rows of all captures of control totals, the greatest capture last."""
        return pl.concat(
            [
                raw.empty(),
                *(
                    self._part(item, lambda made: made.rows, captures.read_rows)
                    for item in self.known.ranked_totals
                ),
            ]
        )

    def parse_rejects(self) -> pl.DataFrame:
        """Parse rejects of the current captures."""
        return self._current_parts(rejects.TABLE, lambda item: item.rejects, captures.read_rejects)

    def _current_parts(
        self,
        table: Table,
        made: Callable[[CapturedFrames], pl.DataFrame],
        read: Callable[[Lake, Capture], pl.DataFrame],
    ) -> pl.DataFrame:
        """One frame of all current captures, by their ids: of this run as made, others as stored.

        It is empty where every capture of the week is retracted.
        """
        if not self.known.current:
            return pl.DataFrame(schema=polars_schema(table))
        current = sorted(self.known.current.values(), key=lambda item: item.capture_id)
        return pl.concat(self._part(item, made, read) for item in current)

    def _part(
        self,
        item: Capture,
        made: Callable[[CapturedFrames], pl.DataFrame],
        read: Callable[[Lake, Capture], pl.DataFrame],
    ) -> pl.DataFrame:
        """A frame of one capture: of this run as made, else as stored."""
        fresh = self._fresh.get(item.capture_id)
        return read(self._lake, item) if fresh is None else made(fresh)

    def _control_totals(self) -> pl.DataFrame:
        """FINRA's totals: as stored where that is fresh, else from their captures now.

        So a table that uses them needs no stored one.
        """
        name = control_totals.TABLE.name
        if freshness(self._lake, name, self.week, self.known) is Freshness.FRESH:
            stored = part_of(self._lake, name, self.week)
            self._lake.verify(stored)
            return self._lake.read(stored)
        return control_totals.build(self.captured_totals, "")

    def _rule_rejects(self) -> pl.DataFrame:
        """Rows that break a rule: as stored where that is fresh, else found now."""
        name = rejects.TABLE.name
        if freshness(self._lake, name, self.week, self.known) is Freshness.FRESH:
            stored = part_of(self._lake, name, self.week)
            self._lake.verify(stored)
            return self._lake.read(stored)
        return rejects.from_rules(self.split[1])
