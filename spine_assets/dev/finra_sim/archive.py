"""What is published on which day: partitions and their rows.

Belongs here: publication, the windows of the two datasets, when restatements take effect, and a
cache of generated weeks. Does not belong here: requests (`answering`).
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import date, timedelta
from functools import lru_cache
from threading import RLock
from typing import NamedTuple

import polars as pl

from spine_assets.core.weeks import FIRST_WEEK, Tier, monday_of, publication_day, week_ending_of
from spine_assets.dev.finra_sim.dataset import HISTORIC, SimDataset
from spine_assets.dev.finra_sim.market import MARKET_WIDE, firm_rows, market_wide, with_summaries
from spine_assets.dev.finra_sim.options import SimOptions
from spine_assets.dev.finra_sim.restating import Restatement, restated, usual_restatements

_WEEK = timedelta(weeks=1)
_API_TIERS = {tier.api_id: tier for tier in Tier}
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
    """All rows that FINRA has published up to a day."""

    def __init__(self, options: SimOptions) -> None:
        self._options = options
        self._kept = FrameCache(options.cache_bytes)
        self._planned: list[Restatement] = []
        self._one_at_a_time = RLock()

    def partitions(self, dataset: SimDataset, today: date) -> tuple[Partition, ...]:
        """The partitions of a dataset on a day, newest first."""
        newest = self.newest_week(today)
        if newest is None:
            return ()
        first = newest - (self._options.weeks - 1) * _WEEK
        last = newest
        if dataset is HISTORIC:
            first, last = first - self._options.historic_weeks * _WEEK, first - _WEEK
        return _published(first, last, today, self._options.market_wide)

    def newest_week(self, today: date) -> date | None:
        """The newest week of which tier 1 is published; it is the first tier of its week."""
        return _newest(today, (Tier.NMS_TIER_1,))

    def newest_complete_week(self, today: date) -> date | None:
        """The newest week of which all three tiers are published."""
        return _newest(today, tuple(Tier))

    def rows(self, partition: Partition, today: date) -> pl.DataFrame:
        """All rows of a partition as of a day, whether or not it is published then."""
        with self._one_at_a_time:
            key = self.version(partition, today)
            kept = self._kept.get(key)
            return self._kept.put(key, self._made(partition, today)) if kept is None else kept

    def _made(self, partition: Partition, today: date) -> pl.DataFrame:
        week = partition.week_ending
        if partition.tier == MARKET_WIDE:
            tiers = [self._firm_rows(week, tier, today) for tier in Tier]
            return market_wide(tiers, _market_wide_day(week))
        tier = _API_TIERS[partition.tier]
        return with_summaries(self._firm_rows(week, tier, today))

    def version(self, partition: Partition, today: date) -> tuple[object, ...]:
        """What the rows of a partition depend on."""
        tiers = [_API_TIERS[partition.tier]] if partition.tier in _API_TIERS else list(Tier)
        plans = [plan for tier in tiers for plan in self._plans(partition.week_ending, tier, today)]
        return (partition, *plans)

    def restate(self, *plans: Restatement) -> None:
        """Change, remove or add rows from a day on.

        Raises:
            CannotRestate: a plan names rows that do not exist.
            WeekError: the week of a plan does not end on a Friday.
        """
        for plan in plans:
            before = self._firm_rows(plan.week_ending, plan.tier, plan.day)
            restated(before, plan, self._options.seed)
            self._planned.append(plan)

    @property
    def planned(self) -> tuple[Restatement, ...]:
        """Restatements that were requested, apart from the usual ones."""
        return tuple(self._planned)

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
        mine = [p for p in self._planned if (p.week_ending, p.tier) == (week_ending, tier)]
        seen = [plan for plan in [*usual, *mine] if plan.day <= today]
        return sorted(seen, key=lambda plan: plan.day)


def _newest(today: date, tiers: tuple[Tier, ...]) -> date | None:
    """The newest week of which some tiers are all published."""
    for days in range(0, _NEWEST_DAYS, 7):
        week = week_ending_of(today - timedelta(days))
        if week >= FIRST_WEEK and all(publication_day(week, tier) <= today for tier in tiers):
            return week
    return None


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
            days[MARKET_WIDE] = _market_wide_day(week)
        found += [Partition(week, tier) for tier, day in days.items() if day <= today]
        week -= _WEEK
    return tuple(found)
