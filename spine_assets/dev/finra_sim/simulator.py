"""A simulated FINRA: its day, its rows, its limits and its faults.

Belongs here: the one object that tests hold and requests are answered from. Does not belong
here: HTTP (`app`, `steering`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl

from spine_assets.core.weeks import Tier
from spine_assets.dev.finra_sim.access import Access
from spine_assets.dev.finra_sim.answering import Answers
from spine_assets.dev.finra_sim.archive import Archive, Partition
from spine_assets.dev.finra_sim.dataset import DATASETS, FIELDS, SUMMARY_TYPE, WEEKLY
from spine_assets.dev.finra_sim.faults import Fault, Faults
from spine_assets.dev.finra_sim.options import Options
from spine_assets.dev.finra_sim.restating import Restatement
from spine_assets.dev.finra_sim.traffic import Traffic


class Simulator:
    """What a test or `/sim` can change and ask while the server runs.

    Attributes:
        today: FINRA's day; setting it publishes, restates or takes back.
        faults: what goes wrong.
        traffic: who asked for what.
        access: tokens.
    """

    def __init__(
        self, options: Options | None = None, log: Callable[[str], object] | None = None
    ) -> None:
        self.options = options or Options()
        self.today: date = self.options.today
        self.archive = Archive(self.options)
        self.answers = Answers(self.archive, self.options.cache_bytes)
        self.faults = Faults(self.options.seed)
        self.traffic = Traffic(self.options.requests_per_second)
        self.access = Access(self.options)
        self.log = log

    def add_faults(self, *faults: Fault) -> None:
        """Have requests go wrong."""
        self.faults.add(*faults)

    def clear_faults(self) -> None:
        """Have nothing go wrong any more."""
        self.faults.clear()

    def restate(self, *plans: Restatement) -> None:
        """Have rows change, go or come from a day on.

        Raises:
            CannotRestate: one names rows that are not there.
            WeekError: its week does not end on a Friday.
        """
        for plan in plans:
            self.archive.restate(plan)

    def requests(self) -> dict[str, Any]:
        """What was asked since the start or `forget_requests`; see `Traffic.told`."""
        return self.traffic.told()

    def forget_requests(self) -> None:
        """Start that account again."""
        self.traffic.forget()

    def expire_tokens(self) -> int:
        """End all tokens now; how many there were."""
        return self.access.expire_all()

    def partitions(self, dataset: str = WEEKLY.name) -> tuple[Partition, ...]:
        """What a dataset has today, newest first."""
        return self.archive.partitions(DATASETS[dataset.casefold()], self.today)

    def rows(
        self, week_ending: date, tier: Tier | str, summary_type: str | None = None
    ) -> pl.DataFrame:
        """The rows of a partition as they are today, with all fields: what a fetch must find.

        Empty where the partition is not published in either dataset.
        """
        name = tier.api_id if isinstance(tier, Tier) else tier
        partition = Partition(week_ending, name)
        rows = self.archive.rows(partition, self.today).select(FIELDS.keys())
        if not any(partition in self.partitions(dataset) for dataset in DATASETS):
            return rows.clear()
        return rows if summary_type is None else rows.filter(pl.col(SUMMARY_TYPE) == summary_type)
