"""Which answers FINRA may have changed, whenever it changes them.

FINRA restates weeks up to 164 days after their publication, as far as is known, so asking about the
newest weeks alone misses most. One question for each tier and class returns the changed rows of all
weeks of the current dataset. Nobody has seen FINRA answer it, so its answer is tested, and where
FINRA refuses it or answers something else, each answer is asked about at growing intervals. Either
way this module only names answers; `fetching` then asks FINRA about each of them.

Does not belong here: what is fetched of them (`fetching`), and the historic dataset, which has no
filter by day: its weeks are fetched completely when a person names them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from spine_assets.core.weeks import Tier, VenueClass, monday_of, publication_day
from spine_assets.finra.api import ROW_KEY, ChangesQuestion, Dataset, Offer
from spine_assets.finra.errors import AnswerChanged, FinraContradicts, FinraRefused
from spine_assets.finra.fetching import require_distinct
from spine_assets.finra.holdings import NEW_YORK, Holdings
from spine_assets.finra.looks import Looks, Refusal
from spine_assets.otc.delivery.placement import Key

if TYPE_CHECKING:
    from spine_assets.finra.client import FinraClient

_LOG = logging.getLogger(__name__)
# FINRA may change rows later on the day of a look, so the next one looks from the day before.
_OVERLAP = timedelta(days=1)
_ATTEMPTS = 3
WIDTHS = ((28, 1), (182, 7), (None, 28))
"""Days since publication, and after how many days an answer is asked about again where FINRA does
not answer for all weeks: restatements were seen until the 164th day, and are to be found within a
week."""


@dataclass(frozen=True)
class Changes:
    """What a look found.

    Attributes:
        changed: Answers to ask about, with the time since when that is known.
        refusal: Why FINRA was not asked for all weeks at once, if it was not.
    """

    changed: Mapping[Key, datetime]
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Restatements:
    """The answers that are here, and what FINRA was asked about them.

    Attributes:
        offers: What FINRA offers.
        holdings: The answers that the project has.
        looks: Earlier looks.
        now: The current time.
    """

    offers: Mapping[tuple[date, Tier], Offer]
    holdings: Holdings
    looks: Looks
    now: datetime

    def ask(self, client: FinraClient) -> Changes:
        """The answers that are here and that FINRA may have changed.

        A look that was interrupted continues with the next tier or class. An answer that was named
        is named again until it is asked about.

        Raises:
            FinraUnavailable: FINRA cannot be reached.
        """
        with suppress(Timeout), self.looks.one_at_a_time(self.now):  # another process is looking
            if self.looks.refusal(self.now) is None:
                try:
                    self._look(client)
                except (FinraRefused, FinraContradicts) as error:
                    self.looks.refuse(self.now, str(error))
                    _LOG.warning("FINRA does not answer which weeks changed: %s", error)
        return self.known()

    def ask_once_a_day(self, client: FinraClient) -> Changes:
        """As `ask`, with one look a day at most."""
        last = self.looks.latest()
        if last is not None and _day(last) == _day(self.now):
            return self.known()
        return self.ask(client)

    def known(self) -> Changes:
        """The answers that were named and not asked about since, without a request."""
        found = {}
        refusal, named = self.looks.refusal(self.now), self.looks.changed(self.now)
        for key in self._held():
            checked, since = self.holdings.checked_at(key, self.now), named.get(key)
            if since is not None and (checked is None or checked < since):
                found[key] = since
            elif refusal is not None and _is_due(key, checked, self.now):
                found[key] = self.now
        return Changes(found, refusal)

    def _held(self) -> list[Key]:
        keys = [
            (week, tier, venue_class)
            for (week, tier), offer in sorted(self.offers.items())
            if offer.dataset is Dataset.CURRENT
            for venue_class in VenueClass
        ]
        return [key for key in keys if key in self.holdings]

    def _look(self, client: FinraClient) -> None:
        """Ask for the changes of each tier and class that this look has not asked for yet."""
        is_proved, held = False, self._held()
        for tier in Tier:
            for venue_class in VenueClass:
                if self.looks.is_done(tier, venue_class):
                    continue
                keys = [key for key in held if key[1:] == (tier, venue_class)]
                last = self.looks.last(tier, venue_class, self.now)
                checked = {key: self.holdings.checked_at(key, self.now) for key in keys}
                alone, question = _asked(checked, last)
                if question is not None:
                    if not is_proved:
                        _prove(client, keys, self.holdings)
                        is_proved = True
                    mondays = _mondays(client, question)
                    alone |= {key for key in keys if str(monday_of(key[0])) in mondays}
                self.looks.add(tier, venue_class, alone)


def _is_due(key: Key, checked: datetime | None, now: datetime) -> bool:
    """Whether an answer is to be asked about alone, by the time since its publication."""
    if checked is None:
        return True
    week, tier, _ = key
    age = (_day(now) - publication_day(week, tier)).days
    wait = next(wait for days, wait in WIDTHS if days is None or age <= days)
    return (_day(now) - _day(checked)).days >= wait


def _asked(
    checked: Mapping[Key, datetime | None], last: datetime | None
) -> tuple[set[Key], ChangesQuestion | None]:
    """Answers of a tier and class to ask about alone, and the question for all others.

    Alone: what was never asked about, as a file that a person dropped, and what was published
    since the last look, whose rows all have a later date.

    Args:
        checked: When each answer was asked for, or found unchanged.
        last: When the last look began.
    """
    times = [at for at in checked.values() if at is not None]
    if not times:
        return set(checked), None
    since = _day(last or min(times)) - _OVERLAP
    alone = {
        key for key, at in checked.items() if at is None or publication_day(key[0], key[1]) >= since
    }
    others = sorted(set(checked) - alone)
    if not others:
        return alone, None
    week, tier, venue_class = others[-1]
    return alone, ChangesQuestion(tier, venue_class, since, week)


def _mondays(client: FinraClient, question: ChangesQuestion) -> set[str]:
    """The weeks of the rows that changed, by their Monday.

    Raises:
        FinraRefused: FINRA does not answer the question.
        FinraContradicts: it answers another one.
        FinraUnavailable: it cannot be reached.
    """
    for left in reversed(range(_ATTEMPTS)):
        try:
            pages = [page.rows for page in client.pages(question)]
            require_distinct(pages, question.description)
            break
        except AnswerChanged:
            if not left:
                raise
    rows = [row for page in pages for row in page]
    outside = [row for row in rows if not _is_asked_for(row, question)]
    if outside:
        named = {name: outside[0].get(name) for name in (*ROW_KEY, "lastUpdateDate")}
        raise FinraContradicts(
            f"{question.description}: {len(outside)} of {len(rows)} rows are outside of it, for "
            f"example {named}"
        )
    return {str(row["weekStartDate"]) for row in rows}


def _is_asked_for(row: Mapping[str, Any], question: ChangesQuestion) -> bool:
    return (
        str(row.get("lastUpdateDate")) >= str(question.updated_from)
        and str(row.get("weekStartDate")) <= str(monday_of(question.last_week))
        and row.get("tierIdentifier") == question.tier.api_id
        and row.get("summaryTypeCode") in question.summary_types
    )


def _prove(client: FinraClient, keys: Iterable[Key], holdings: Holdings) -> None:
    """Ask for rows that FINRA must have, since they are here.

    Otherwise a FINRA that returns nothing for older weeks looks like one that changed nothing.

    Raises:
        FinraContradicts: they are missing in the answer.
    """
    here = next(_with_rows(keys, holdings), None)
    if here is None:
        return
    (week, tier, venue_class), last_update = here
    question = ChangesQuestion(tier, venue_class, last_update, week)
    if client.count(question) == 0:
        raise FinraContradicts(
            f"{question.description}: no row came, although rows of week {week} were last updated "
            f"on {last_update}"
        )


def _with_rows(keys: Iterable[Key], holdings: Holdings) -> Iterator[tuple[Key, date]]:
    for key in keys:
        holding = holdings.latest(key)
        if holding is not None and holding.rows:
            yield key, holding.last_update


def _day(at: datetime) -> date:
    """FINRA's day."""
    return at.astimezone(NEW_YORK).date()
