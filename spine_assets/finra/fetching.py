"""Fetching: which answers are requested, and how each becomes a file in the landing folder.

An answer is the rows of one tier and class of a week. A missing answer is fetched. For one that is
in the landing folder or the lake, two small requests return how many rows it has and how many
changed since; it is fetched again if either differs. Files are never changed: a different answer
becomes a new file.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.finra.answers import Row
from spine_assets.finra.api import Dataset, Offer, Question
from spine_assets.finra.delivered import FetchedName, content, of_class, packed
from spine_assets.finra.errors import AnswerChanged
from spine_assets.finra.holdings import NEW_YORK, Holding, Holdings
from spine_assets.finra.spool import Spool, spooled
from spine_assets.lake import atomic_write
from spine_assets.otc.delivery.placement import Key

if TYPE_CHECKING:
    from spine_assets.finra.client import FinraClient

_ATTEMPTS = 3  # FINRA publishes within minutes; an answer that changes more often is an error
_ONE_SECOND = timedelta(seconds=1)

OnPage = Callable[[int, int], object]
"""Called after each page with the number of rows so far, and the total."""


class FetchOutcome(StrEnum):
    """The outcome for an answer."""

    FETCHED = "fetched"
    SAME = "same"  # fetched again, and equal to the existing file
    UNCHANGED = "unchanged"  # not fetched: FINRA reports no change
    EMPTY = "empty"  # FINRA has no row of that class


@dataclass(frozen=True)
class Fetched:
    """An answer that was requested.

    Attributes:
        key: Week, tier and class.
        outcome: What happened.
        rows: Number of rows at FINRA.
        file: Path of a new file, below the landing folder.
    """

    key: Key
    outcome: FetchOutcome
    rows: int
    file: str | None = None


@dataclass(frozen=True)
class FetchTask:
    """A tier of a week to check or fetch, in these classes."""

    offer: Offer
    classes: tuple[VenueClass, ...]

    @property
    def keys(self) -> list[Key]:
        """Its answers."""
        return [(self.offer.week_ending, self.offer.tier, item) for item in self.classes]


@dataclass(frozen=True)
class Wanted:
    """Which answers a user wants.

    Attributes:
        weeks: Week endings; None for all.
        recheck: Also answers fetched long after publication, which FINRA hardly changes any more.
    """

    weeks: Collection[date] | None = None
    tiers: Collection[Tier] = tuple(Tier)
    classes: Collection[VenueClass] = tuple(VenueClass)
    recheck: bool = False


def offered(client: FinraClient) -> dict[tuple[date, Tier], Offer]:
    """What FINRA offers now, by week and tier; the current dataset where both have it."""
    found = client.offers(Dataset.HISTORIC) + client.offers(Dataset.CURRENT)
    return {(offer.week_ending, offer.tier): offer for offer in found}


def plan(
    offers: Mapping[tuple[date, Tier], Offer], holdings: Holdings, wanted: Wanted
) -> list[FetchTask]:
    """The answers worth a request, oldest week first."""
    tasks = []
    for (week, tier), offer in sorted(offers.items()):
        if tier not in wanted.tiers or (wanted.weeks is not None and week not in wanted.weeks):
            continue
        due = tuple(
            venue_class
            for venue_class in VenueClass
            if venue_class in wanted.classes
            and (wanted.recheck or _may_differ((week, tier, venue_class), holdings))
        )
        if due:
            tasks.append(FetchTask(offer, due))
    return tasks


def missing(offers: Iterable[tuple[date, Tier]], holdings: Holdings) -> list[Key]:
    """The offered answers that are missing, without those that FINRA reported to be empty."""
    keys = [(week, tier, venue_class) for week, tier in offers for venue_class in VenueClass]
    return [key for key in sorted(keys) if key not in holdings]


def newest(offers: Iterable[tuple[date, Tier]], weeks: int) -> list[date]:
    """The newest weeks of each tier, oldest first; tiers are published with different lags."""
    by_tier: dict[Tier, list[date]] = {}
    for week, tier in sorted(offers):
        by_tier.setdefault(tier, []).append(week)
    return sorted({week for found in by_tier.values() for week in found[-weeks:]})


def _may_differ(key: Key, holdings: Holdings) -> bool:
    if key not in holdings:
        return True
    holding = holdings.latest(key)
    return holding is None or not holding.is_settled


class Fetcher:
    """Carries out tasks with one client."""

    def __init__(
        self,
        client: FinraClient,
        holdings: Holdings,
        landing: Path,
        spool: Path,
        clock: Callable[[], datetime],
    ) -> None:
        self._client, self._holdings = client, holdings
        self._landing, self._spool, self._clock = landing, spool, clock

    def run(self, task: FetchTask, on_page: OnPage = lambda rows, total: None) -> Iterator[Fetched]:
        """Check each answer of a task, and fetch it if it is missing or has changed.

        Raises:
            FinraError: an answer cannot be fetched; its pages are kept for the next attempt.
            OSError: a file cannot be written.
        """
        offer = task.offer
        question = Question(offer.week_ending, offer.tier, offer.dataset)
        if offer.dataset is Dataset.HISTORIC:  # it has no filters for class and date
            yield from self._fetch(question, task.classes, on_page)
            return
        for key in task.keys:
            narrowed = replace(question, venue_class=key[2])
            holding = self._holdings.latest(key)
            if holding is not None and not self._has_changed(narrowed, holding):
                yield Fetched(key, FetchOutcome.UNCHANGED, holding.rows)
            else:
                yield from self._fetch(narrowed, (key[2],), on_page)

    def _has_changed(self, question: Question, holding: Holding) -> bool:
        if holding.may_lack_that_day or self._client.count(question) != holding.rows:
            return True
        since = holding.last_update + timedelta(days=1)
        return self._client.count(replace(question, updated_from=since)) > 0

    def _fetch(
        self, question: Question, classes: Collection[VenueClass], on_page: OnPage
    ) -> Iterator[Fetched]:
        with spooled(self._spool, question, self._clock()) as spool:
            for left in reversed(range(_ATTEMPTS)):
                try:
                    self._fill(spool, question, on_page)
                    break
                except AnswerChanged:
                    spool.drop()
                    if not left:
                        raise
            for venue_class in classes:
                rows = spool.rows if question.venue_class else of_class(spool.rows, venue_class)
                found = self._deliver(rows, replace(question, venue_class=venue_class))
                self._holdings.mark_checked(found.key, self._clock())
                yield found
            spool.drop()

    def _fill(self, spool: Spool, question: Question, on_page: OnPage) -> None:
        """Fetch the remaining pages of an answer.

        Raises:
            AnswerChanged: FINRA changed it between its pages.
        """
        for page in self._client.pages(question, len(spool.rows), spool.total):
            spool.add(page.rows, page.total)
            on_page(len(spool.rows), page.total)
        if spool.resumed and _changed_since(spool.rows, spool.begun):
            raise AnswerChanged(f"{question.description}: rows changed since the first page")

    def _deliver(self, rows: list[Row], question: Question) -> Fetched:
        """Write an answer of one class as a file, unless the newest file is equal."""
        venue_class = question.venue_class or VenueClass.ATS
        key = (question.week_ending, question.tier, venue_class)
        if not rows:
            return Fetched(key, FetchOutcome.EMPTY, 0)
        text = content(rows, question)
        holding = self._holdings.latest(key)
        if holding and holding.path and gzip.decompress(holding.path.read_bytes()) == text:
            return Fetched(key, FetchOutcome.SAME, len(rows))
        name = FetchedName(key, self._clock())
        while (self._landing / name.path).exists():
            name = replace(name, fetched_at=name.fetched_at + _ONE_SECOND)
        atomic_write.write(self._landing / name.path, packed(text))
        return Fetched(key, FetchOutcome.FETCHED, len(rows), name.path)


def _changed_since(rows: Iterable[Row], begun: datetime) -> bool:
    """Whether FINRA changed a row on or after the day of the first page."""
    day = str(begun.astimezone(NEW_YORK).date())
    return any(str(row.get("lastUpdateDate")) >= day for row in rows)
