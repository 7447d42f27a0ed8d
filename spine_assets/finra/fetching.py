"""Fetching: which answers are worth asking for, and each as a file in the landing folder.

An answer is one tier and class of a week. One that is not here is fetched; one that is here is
asked about in two small requests (how many rows, and how many changed since), and fetched again
when FINRA holds something else. Files are never changed: another answer is another file.
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
from spine_assets.finra.holdings import NEW_YORK, Held, Holdings
from spine_assets.finra.spool import Spool, spooled
from spine_assets.lake import atomic_write
from spine_assets.otc.delivery.placement import Key

if TYPE_CHECKING:
    from spine_assets.finra.client import FinraClient

_BEGINNINGS = 3  # FINRA publishes within minutes; an answer that changes more often is no answer
_ONE_SECOND = timedelta(seconds=1)

Told = Callable[[int, int], object]
"""Called after each page with the rows that came, and how many there are."""


class Outcome(StrEnum):
    """What became of an answer."""

    FETCHED = "fetched"
    SAME = "same"  # fetched again, and what is here already
    UNCHANGED = "unchanged"  # FINRA says that nothing changed
    EMPTY = "empty"  # FINRA holds no row of that class


@dataclass(frozen=True)
class Fetched:
    """An answer that was asked for.

    Attributes:
        key: Week, tier and class.
        outcome: What became of it.
        rows: How many FINRA holds.
        file: Path below the landing folder, of a new file.
    """

    key: Key
    outcome: Outcome
    rows: int
    file: str | None = None


@dataclass(frozen=True)
class Task:
    """A tier of a week that is to be looked at, in these classes."""

    offer: Offer
    classes: tuple[VenueClass, ...]

    @property
    def keys(self) -> list[Key]:
        """Its answers."""
        return [(self.offer.week_ending, self.offer.tier, item) for item in self.classes]


@dataclass(frozen=True)
class Wanted:
    """What is asked for; None where nothing is left out.

    Attributes:
        weeks: Week endings.
        tiers: Tiers.
        classes: Classes.
        recheck: Also what came long after its publication, and is hardly changed any more.
    """

    weeks: Collection[date] | None = None
    tiers: Collection[Tier] = tuple(Tier)
    classes: Collection[VenueClass] = tuple(VenueClass)
    recheck: bool = False


def offered(client: FinraClient) -> dict[tuple[date, Tier], Offer]:
    """What FINRA holds now, by week and tier; where both datasets do, the current one."""
    found = client.offers(Dataset.HISTORIC) + client.offers(Dataset.CURRENT)
    return {(offer.week_ending, offer.tier): offer for offer in found}


def plan(
    offers: Mapping[tuple[date, Tier], Offer], holdings: Holdings, wanted: Wanted
) -> list[Task]:
    """The answers that are worth asking for, the oldest week first."""
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
            tasks.append(Task(offer, due))
    return tasks


def missing(offers: Iterable[tuple[date, Tier]], holdings: Holdings) -> list[Key]:
    """The offered answers of which nothing is here, and of which FINRA did not say so itself."""
    keys = [(week, tier, venue_class) for week, tier in offers for venue_class in VenueClass]
    return [key for key in sorted(keys) if key not in holdings]


def newest(offers: Iterable[tuple[date, Tier]], weeks: int) -> list[date]:
    """The newest weeks of each tier, the oldest first; tiers are published at different lags."""
    by_tier: dict[Tier, list[date]] = {}
    for week, tier in sorted(offers):
        by_tier.setdefault(tier, []).append(week)
    return sorted({week for found in by_tier.values() for week in found[-weeks:]})


def _may_differ(key: Key, holdings: Holdings) -> bool:
    if key not in holdings:
        return True
    held = holdings.latest(key)
    return held is None or not held.is_settled


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

    def run(self, task: Task, told: Told = lambda rows, total: None) -> Iterator[Fetched]:
        """Look at each answer of a task.

        Raises:
            FinraError: an answer cannot be had; what came of it is kept for the next time.
            OSError: a file cannot be written.
        """
        offer = task.offer
        question = Question(offer.week_ending, offer.tier, offer.dataset)
        if offer.dataset is Dataset.HISTORIC:  # it cannot be asked for a class or a date
            yield from self._whole(question, task.classes, told)
            return
        for key in task.keys:
            asked = replace(question, venue_class=key[2])
            held = self._holdings.latest(key)
            if held is not None and not self._has_changed(asked, held):
                yield Fetched(key, Outcome.UNCHANGED, held.rows)
            else:
                yield from self._whole(asked, (key[2],), told)

    def _has_changed(self, question: Question, held: Held) -> bool:
        if held.may_lack_that_day or self._client.count(question) != held.rows:
            return True
        since = held.last_update + timedelta(days=1)
        return self._client.count(replace(question, updated_from=since)) > 0

    def _whole(
        self, question: Question, classes: Collection[VenueClass], told: Told
    ) -> Iterator[Fetched]:
        with spooled(self._spool, question, self._clock()) as spool:
            for left in reversed(range(_BEGINNINGS)):
                try:
                    self._fill(spool, question, told)
                    break
                except AnswerChanged:
                    spool.drop()
                    if not left:
                        raise
            for venue_class in classes:
                rows = spool.rows if question.venue_class else of_class(spool.rows, venue_class)
                found = self._deliver(rows, replace(question, venue_class=venue_class))
                self._holdings.looked(found.key, self._clock())
                yield found
            spool.drop()

    def _fill(self, spool: Spool, question: Question, told: Told) -> None:
        """Fetch what is left of an answer.

        Raises:
            AnswerChanged: FINRA changed it between its pages.
        """
        for page in self._client.pages(question, len(spool.rows), spool.total):
            spool.add(page.rows, page.total)
            told(len(spool.rows), page.total)
        if spool.resumed and _changed_since(spool.rows, spool.begun):
            raise AnswerChanged(f"{question.said}: rows changed since its first page came")

    def _deliver(self, rows: list[Row], question: Question) -> Fetched:
        """Write an answer of one class as a file, unless that file is here."""
        venue_class = question.venue_class or VenueClass.ATS
        key = (question.week_ending, question.tier, venue_class)
        if not rows:
            return Fetched(key, Outcome.EMPTY, 0)
        text = content(rows, question)
        held = self._holdings.latest(key)
        if held and held.path and gzip.decompress(held.path.read_bytes()) == text:
            return Fetched(key, Outcome.SAME, len(rows))
        name = FetchedName(key, self._clock())
        while (self._landing / name.path).exists():
            name = replace(name, fetched_at=name.fetched_at + _ONE_SECOND)
        atomic_write.write(self._landing / name.path, packed(text))
        return Fetched(key, Outcome.FETCHED, len(rows), name.path)


def _changed_since(rows: Iterable[Row], begun: datetime) -> bool:
    """Whether FINRA changed a row on the day of the first page or later."""
    day = str(begun.astimezone(NEW_YORK).date())
    return any(str(row.get("lastUpdateDate")) >= day for row in rows)
