"""What is published on which day: partitions and their rows.

Belongs here: publication, the windows of the two datasets, when restatements take effect, and a
cache of generated weeks. Does not belong here: requests (`answering`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from threading import RLock
from typing import NamedTuple

import polars as pl

from spine_assets.core.weeks import FIRST_WEEK, Tier, monday_of, publication_day, week_ending_of
from spine_assets.dev.finra_sim.dataset import HISTORIC, SimDataset
from spine_assets.dev.finra_sim.market import (
    MARKET_WIDE,
    firm_rows,
    market_wide,
    with_rows_alone,
    with_summaries,
)
from spine_assets.dev.finra_sim.options import SimOptions
from spine_assets.dev.finra_sim.restating import Restatement, restated, usual_restatements
from spine_assets.dev.finra_sim.wrong_totals import WrongTotal, misstated

_WEEK = timedelta(weeks=1)
_NEWEST_DAYS = 120  # the newest week is published within this time, whatever the holidays


class Partition(NamedTuple):
    """A week of a tier; `tier` is FINRA's `tierIdentifier`."""

    week_ending: date
    tier: str

    @property
    def monday(self) -> date:
        """FINRA's name of the week."""
        return monday_of(self.week_ending)


class FrameCache:
    """An LRU cache of frames, bounded by their bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0.0
        self._frames: OrderedDict[object, pl.DataFrame] = OrderedDict()

    def get(self, key: object) -> pl.DataFrame | None:
        """The frame, which is evicted last from now on."""
        if (frame := self._frames.get(key)) is not None:
            self._frames.move_to_end(key)
        return frame

    def put(self, key: object, frame: pl.DataFrame) -> pl.DataFrame:
        """Store a frame, at least until the next one is stored."""
        self._frames[key] = frame
        self._bytes += frame.estimated_size()
        while self._bytes > self._most_bytes and len(self._frames) > 1:
            self._bytes -= self._frames.popitem(last=False)[1].estimated_size()
        return frame


class Archive:
    """All rows that FINRA has published up to a day.

    `planned` are the restatements that were requested, apart from the usual ones, and
    `wrong_totals` the control totals that the rows do not add up to.
    """

    def __init__(self, options: SimOptions) -> None:
        self._options = options
        self._kept = FrameCache(options.cache_bytes)
        self.planned: list[Restatement] = []
        self.wrong_totals: list[WrongTotal] = []
        self._one_at_a_time = RLock()

    def partitions(self, dataset: SimDataset, today: date) -> tuple[Partition, ...]:
        """The partitions of a dataset on a day, newest first."""
        newest = newest_week(today)
        if newest is None:
            return ()
        first = newest - (self._options.weeks - 1) * _WEEK
        last = newest
        if dataset is HISTORIC:
            first, last = first - self._options.historic_weeks * _WEEK, first - _WEEK
        return _published(first, last, today, self._options.market_wide)

    def rows(self, partition: Partition, today: date) -> pl.DataFrame:
        """All rows of a partition as of a day, whether or not it is published then."""
        with self._one_at_a_time:
            key = self.version(partition, today)
            if (kept := self._kept.get(key)) is not None:
                return kept
            week = partition.week_ending
            tiers = [self._firm_rows(week, tier, today) for tier in _tiers_of(partition)]
            if partition.tier in MARKET_WIDE:
                wide = market_wide(partition.tier, tiers, _market_wide_day(week))
                return self._kept.put(key, wide)
            served = with_summaries if self._options.totals else with_rows_alone
            rows = served(tiers[0])
            for wrong in self._wrong_totals(partition):
                rows = misstated(rows, wrong)
            return self._kept.put(key, rows)

    def version(self, partition: Partition, today: date) -> tuple[object, ...]:
        """What the rows of a partition depend on."""
        week = partition.week_ending
        plans = [plan for tier in _tiers_of(partition) for plan in self._plans(week, tier, today)]
        return (partition, *plans, *self._wrong_totals(partition))

    def misstate(self, *totals: WrongTotal) -> None:
        """Serve control totals that the rows do not add up to.

        Raises:
            CannotMisstate: a week has no such total.
        """
        for wrong in totals:
            rows = self._firm_rows(wrong.week_ending, wrong.tier, date.max)
            misstated(with_summaries(rows), wrong)
            self.wrong_totals.append(wrong)

    def _wrong_totals(self, partition: Partition) -> list[WrongTotal]:
        return [
            wrong
            for wrong in self.wrong_totals
            if (wrong.week_ending, wrong.tier.api_id) == partition
        ]

    def restate(self, *plans: Restatement) -> None:
        """Change, remove or add rows from a day on.

        Raises:
            CannotRestate: a plan names rows that do not exist.
            WeekError: the week of a plan does not end on a Friday.
        """
        for plan in plans:
            before = self._firm_rows(plan.week_ending, plan.tier, plan.day)
            restated(before, plan, self._options.seed)
            self.planned.append(plan)

    def _firm_rows(self, week_ending: date, tier: Tier, today: date) -> pl.DataFrame:
        seed = self._options.seed
        rows = firm_rows(week_ending, tier, seed=seed, rows=self._options.rows)
        for plan in self._plans(week_ending, tier, today):
            rows = restated(rows, plan, seed)
        return rows

    def _plans(self, week_ending: date, tier: Tier, today: date) -> list[Restatement]:
        """Restatements of a tier up to a day, oldest first."""
        options = self._options
        usual = usual_restatements(
            week_ending, tier, seed=options.seed, share=options.restated_share
        )
        mine = [p for p in self.planned if (p.week_ending, p.tier) == (week_ending, tier)]
        seen = [plan for plan in [*usual, *mine] if plan.day <= today]
        return sorted(seen, key=lambda plan: plan.day)


def newest_week(today: date, tiers: Iterable[Tier] = (Tier.NMS_TIER_1,)) -> date | None:
    """The newest week whose `tiers` are all published; tier 1 is the first tier of its week."""
    for days in range(0, _NEWEST_DAYS, 7):
        week = week_ending_of(today - timedelta(days))
        if week >= FIRST_WEEK and all(publication_day(week, tier) <= today for tier in tiers):
            return week
    return None


def _tiers_of(partition: Partition) -> list[Tier]:
    wide = MARKET_WIDE.get(partition.tier, ())
    return [tier for tier in Tier if partition.tier == tier.api_id or tier in wide]


def _market_wide_day(week_ending: date) -> date:
    """When the totals of all tiers are published: a week after tier 2."""
    return publication_day(week_ending + _WEEK, Tier.NMS_TIER_2)


@lru_cache(maxsize=8)  # both datasets on a few days
def _published(first: date, last: date, today: date, totals: bool) -> tuple[Partition, ...]:
    found = []
    week = last
    while week >= max(first, FIRST_WEEK):
        days = {tier.api_id: publication_day(week, tier) for tier in Tier}
        if totals:
            days |= dict.fromkeys(MARKET_WIDE, _market_wide_day(week))
        found += [Partition(week, tier) for tier, day in days.items() if day <= today]
        week -= _WEEK
    return tuple(found)
