"""A simulated FINRA: its day, its rows, its limits and its faults.

Belongs here: the object that tests steer and that requests are answered from. Does not belong
here: HTTP (`app`, `steering`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import polars as pl

from spine_assets.core.weeks import Tier
from spine_assets.dev.finra_sim.access import Access
from spine_assets.dev.finra_sim.answering import Answers
from spine_assets.dev.finra_sim.archive import Archive, Partition
from spine_assets.dev.finra_sim.dataset import DATASETS, FIELDS, SUMMARY_TYPE, WEEKLY
from spine_assets.dev.finra_sim.faults import Faults
from spine_assets.dev.finra_sim.options import SimOptions
from spine_assets.dev.finra_sim.traffic import Traffic


class Simulator:
    """What a test or `/sim` can change and read while the server runs.

    Attributes:
        today: FINRA's day; setting it publishes, restates or withdraws rows.
        archive: what is published, and planned restatements.
        faults: what goes wrong.
        traffic: which requests came.
        access: tokens.
    """

    def __init__(
        self, options: SimOptions | None = None, log: Callable[[str], object] | None = None
    ) -> None:
        self.options = options or SimOptions()
        self.today: date = self.options.today
        self.archive = Archive(self.options)
        self.answers = Answers(self.archive, self.options.cache_bytes)
        self.faults = Faults(self.options.seed)
        self.traffic = Traffic(self.options.requests_per_second)
        self.access = Access(self.options)
        self.log = log

    def partitions(self, dataset: str = WEEKLY.name) -> tuple[Partition, ...]:
        """The partitions of a dataset today, newest first."""
        return self.archive.partitions(DATASETS[dataset.casefold()], self.today)

    def rows(
        self, week_ending: date, tier: Tier | str, summary_type: str | None = None
    ) -> pl.DataFrame:
        """The rows of a partition as of today, with all fields: what a fetch must return.

        Empty where neither dataset has the partition.
        """
        name = tier.api_id if isinstance(tier, Tier) else tier
        partition = Partition(week_ending, name)
        rows = self.archive.rows(partition, self.today).select(FIELDS.keys())
        if not any(partition in self.partitions(dataset) for dataset in DATASETS):
            return rows.clear()
        return rows if summary_type is None else rows.filter(pl.col(SUMMARY_TYPE) == summary_type)
