"""Pages of rows: what a query finds on a day, counted, sorted and cut.

Belongs here: from a `SimQuery` to the rows of one page. Does not belong here: how they are
written (`rendering`), and HTTP (`app`).

A partition that the conditions on week and tier exclude is never generated. Filtered rows are
cached for the next page of the same query.
"""

from __future__ import annotations

from datetime import date
from threading import RLock

import polars as pl

from spine_assets.dev.finra_sim.archive import Archive, FrameCache, Partition
from spine_assets.dev.finra_sim.dataset import FIELDS, HISTORICAL_MONTH, HISTORICAL_WEEK, TIER, WEEK
from spine_assets.dev.finra_sim.query import Condition, SimQuery, Value

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OF_PARTITION = {WEEK, TIER, HISTORICAL_WEEK, HISTORICAL_MONTH}
_MOST_COUNTS = 100_000  # cached counts, a few MB
_Key = tuple[object, tuple[Condition, ...], tuple[tuple[str, bool], ...]]


class Answers:
    """Answers queries from an archive, one query at a time."""

    def __init__(self, archive: Archive, kept_bytes: int) -> None:
        self._archive = archive
        self._kept = FrameCache(kept_bytes)
        self._counts: dict[_Key, int] = {}
        self._one_at_a_time = RLock()

    def page(self, query: SimQuery, today: date) -> tuple[pl.DataFrame, int]:
        """The rows of one page of what is published on a day, and how many the query finds."""
        total, found = 0, []
        start, end = query.offset, query.offset + query.limit
        of_rows = tuple(c for c in query.conditions if c.field not in _OF_PARTITION)
        with self._one_at_a_time:
            for partition in self._archive.partitions(query.dataset, today):
                if not _lets_through(query.conditions, partition):
                    continue
                key = (self._archive.version(partition, today), of_rows, query.sort)
                count = self._counts.get(key)
                if count is None or (total < end and total + count > start):
                    rows = self._filtered(key, partition, today)
                    if len(self._counts) >= _MOST_COUNTS:
                        self._counts.clear()
                    count = self._counts[key] = rows.height
                    if total < end and total + count > start:
                        first = max(start - total, 0)
                        found.append(rows.slice(first, end - total - first))
                total += count
        return pl.concat(found) if found else pl.DataFrame(schema=list(FIELDS)), total

    def _filtered(self, key: _Key, partition: Partition, today: date) -> pl.DataFrame:
        if (kept := self._kept.get(key)) is not None:
            return kept
        _, conditions, sort = key
        rows = self._archive.rows(partition, today)
        if conditions:
            rows = rows.filter(*(condition.expression() for condition in conditions))
        if sort:
            names, descending = zip(*sort, strict=True)
            rows = rows.sort(
                names, descending=list(descending), nulls_last=True, maintain_order=True
            )
        return self._kept.put(key, rows)


def _lets_through(conditions: tuple[Condition, ...], partition: Partition) -> bool:
    monday = partition.monday
    year, week, _ = monday.isocalendar()
    values: dict[str, Value] = {
        WEEK: monday,
        TIER: partition.tier,
        HISTORICAL_MONTH: f"{monday.year}-{_MONTHS[monday.month - 1]}",
        HISTORICAL_WEEK: f"{year}-W{week:02d}",
    }
    return all(c.holds(values[c.field]) for c in conditions if c.field in values)
