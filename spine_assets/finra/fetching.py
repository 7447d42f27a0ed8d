"""Fetching: which answers are requested, and how each becomes files in the landing folder.

An answer is the rows of one tier and class of a week, together with FINRA's control totals of them.
A missing answer is fetched. For one that is in the landing folder or the lake, two small requests
return how many rows it has and how many changed since; it is fetched again if either differs.
Files are never changed: a different answer becomes a new file. Does not belong here: which answers
FINRA may have changed (`restatements`).
"""

from __future__ import annotations

import gzip
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from spine_assets.core.weeks import Tier, VenueClass
from spine_assets.finra.answers import Row
from spine_assets.finra.api import ROW_KEY, Dataset, Offer, Question
from spine_assets.finra.delivered import FetchedName, content, of_part, packed, require_requested
from spine_assets.finra.errors import AnswerChanged, FinraRefused
from spine_assets.finra.holdings import NEW_YORK, Holding, Holdings
from spine_assets.finra.spool import Spool, spooled
from spine_assets.lake import atomic_write
from spine_assets.otc.captures.model import moment_after
from spine_assets.otc.delivery.placement import Grain, Key

if TYPE_CHECKING:
    from spine_assets.finra.client import FinraClient

_LOG = logging.getLogger(__name__)
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
    REFUSED = "refused"  # FINRA sends no control totals


@dataclass(frozen=True)
class Fetched:
    """A part of an answer that was requested.

    Attributes:
        key: Week, tier and class.
        outcome: What happened.
        rows: Number of rows at FINRA.
        file: Path of a new file, below the landing folder.
        grain: Rows by venue, or FINRA's control totals.
    """

    key: Key
    outcome: FetchOutcome
    rows: int
    file: str | None = None
    grain: Grain = Grain.VENUES


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
        recheck: Also answers that are here and that FINRA need not have changed.
        missing: Also answers that are not here.
    """

    weeks: Collection[date] | None = None
    tiers: Collection[Tier] = tuple(Tier)
    classes: Collection[VenueClass] = tuple(VenueClass)
    recheck: bool = False
    missing: bool = True


def offered(client: FinraClient) -> dict[tuple[date, Tier], Offer]:
    """What FINRA offers now, by week and tier; the current dataset where both have it."""
    found = client.offers(Dataset.HISTORIC) + client.offers(Dataset.CURRENT)
    return {(offer.week_ending, offer.tier): offer for offer in found}


def plan(
    offers: Mapping[tuple[date, Tier], Offer],
    holdings: Holdings,
    wanted: Wanted,
    changed: Collection[Key] = (),
) -> list[FetchTask]:
    """The answers worth a request, oldest week first.

    Args:
        offers: What FINRA offers.
        holdings: The answers that the project has.
        wanted: Which of them.
        changed: Those that FINRA may have changed (`restatements`).
    """
    tasks = []
    for (week, tier), offer in sorted(offers.items()):
        if tier not in wanted.tiers or (wanted.weeks is not None and week not in wanted.weeks):
            continue
        keys = [(week, tier, item) for item in VenueClass if item in wanted.classes]
        due = tuple(
            key[2]
            for key in keys
            if key in changed or (wanted.recheck if key in holdings else wanted.missing)
        )
        if due:
            tasks.append(FetchTask(offer, due))
    return tasks


def missing(offers: Iterable[tuple[date, Tier]], holdings: Holdings) -> list[Key]:
    """The offered answers that are missing, without those that FINRA reported to be empty."""
    keys = [(week, tier, venue_class) for week, tier in offers for venue_class in VenueClass]
    return [key for key in sorted(keys) if key not in holdings]


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
        self._with_totals = True

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
            narrowed = replace(question, venue_class=key[2], with_totals=self._with_totals)
            try:
                yield from self._bring(key, narrowed, on_page)
            except FinraRefused as error:
                if error.status != HTTPStatus.BAD_REQUEST or not self._with_totals:
                    raise
                yield from self._bring(key, replace(narrowed, with_totals=False), on_page)
                self._with_totals = False  # since the rows alone are not refused
                _LOG.warning("FINRA sends no control totals: %s", error)
            if not self._with_totals:
                yield Fetched(key, FetchOutcome.REFUSED, 0, grain=Grain.TOTALS)

    def _bring(self, key: Key, question: Question, on_page: OnPage) -> Iterator[Fetched]:
        """One answer of the current dataset: found unchanged, or fetched."""
        rows = self._holdings.latest(key)
        totals = self._holdings.totals(key) if question.with_totals else None
        here = [part for part in (rows, totals) if part is not None]
        if rows is None or self._has_changed(question, _whole(rows, here)):
            yield from self._fetch(question, (key[2],), on_page)
            return
        self._holdings.mark_checked(key, self._clock())
        for part in here:
            yield Fetched(key, FetchOutcome.UNCHANGED, part.rows, grain=part.grain)

    def _has_changed(self, question: Question, holding: Holding) -> bool:
        if holding.may_lack_that_day(self._clock()) or self._client.count(question) != holding.rows:
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
                # Totals first, so that they are there when a sensor sees the rows.
                for grain in (Grain.TOTALS, Grain.VENUES):
                    if grain is Grain.VENUES or question.with_totals:
                        narrowed = replace(question, venue_class=venue_class)
                        yield self._deliver(spool.rows, narrowed, grain)
                key = (question.week_ending, question.tier, venue_class)
                self._holdings.mark_checked(key, self._clock())
            spool.drop()

    def _fill(self, spool: Spool, question: Question, on_page: OnPage) -> None:
        """Fetch the remaining pages of an answer.

        Raises:
            AnswerChanged: FINRA changed it between its pages, or cut them differently.
        """
        for page in self._client.pages(question, spool.count, spool.total):
            spool.add(page.rows, page.total)
            on_page(spool.count, page.total)
        require_distinct(spool.pages, question.description)
        if question.venue_class:
            require_requested(spool.rows, question)
        if spool.resumed and _changed_since(spool.rows, spool.begun):
            raise AnswerChanged(f"{question.description}: rows changed since the first page")

    def _deliver(self, answer: list[Row], question: Question, grain: Grain) -> Fetched:
        """Write a part of an answer as a file, unless the newest file is equal."""
        venue_class = question.venue_class or VenueClass.ATS
        key = (question.week_ending, question.tier, venue_class)
        rows = of_part(answer, venue_class, grain)
        if not rows:
            return Fetched(key, FetchOutcome.EMPTY, 0, grain=grain)
        text = content(rows, question)
        held = self._holdings
        holding = held.totals(key) if grain is Grain.TOTALS else held.latest(key)
        if holding and holding.path and gzip.decompress(holding.path.read_bytes()) == text:
            return Fetched(key, FetchOutcome.SAME, len(rows), grain=grain)
        before = [holding.at.astimezone(UTC).replace(tzinfo=None)] if holding else []
        name = FetchedName(key, moment_after(before, self._clock()), grain)
        while (self._landing / name.path).exists():
            name = replace(name, fetched_at=name.fetched_at + _ONE_SECOND)
        path = self._landing / name.path
        # Of a fetch that was killed; the lock of the spool is that of this answer.
        atomic_write.remove_all(path.parent.glob(name.temporaries))
        atomic_write.write(path, packed(text))
        return Fetched(key, FetchOutcome.FETCHED, len(rows), name.path, grain)


def _whole(rows: Holding, parts: Collection[Holding]) -> Holding:
    """An answer of several parts as one: they are of the same moment."""
    last = max(part.last_update for part in parts)
    return replace(rows, rows=sum(part.rows for part in parts), last_update=last)


def require_distinct(pages: Iterable[Collection[Row]], description: str) -> None:
    """Refuse an answer of which a row is on two pages, because another is then on none.

    The rows of an unsorted answer may change their order between two pages. Rows that stand twice
    on one page are FINRA's.

    Raises:
        AnswerChanged: a row is on two pages.
    """
    on_pages: Counter[tuple[object, ...]] = Counter()
    for page in pages:
        on_pages.update({tuple(row.get(name) for name in ROW_KEY) for row in page})
    twice = [key for key, number in on_pages.items() if number > 1]
    if twice:
        raise AnswerChanged(
            f"{description}: {len(twice)} rows came on two pages, so as many others are missing, "
            f"for example {dict(zip(ROW_KEY, twice[0], strict=True))}; try again later"
        )


def _changed_since(rows: Iterable[Row], begun: datetime) -> bool:
    """Whether FINRA changed a row on or after the day of the first page."""
    day = str(begun.astimezone(NEW_YORK).date())
    return any(str(row.get("lastUpdateDate")) >= day for row in rows)
