"""The client of FINRA's API: one connection below FINRA's rate limit, with retries.

Belongs here: sending, waiting, following redirects, retrying, and paging. Does not belong here: the
body of a request (`api`) and the reading of a response (`answers`).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib.metadata import version
from typing import Any, Self, TypeVar

import httpx
import tenacity

from spine_assets.core.settings import FinraSettings
from spine_assets.core.weeks import FIRST_WEEK, monday_of, tier_of, week_ending_of
from spine_assets.finra.answers import MOST_BYTES, Page, page_of, read_json, require_answered
from spine_assets.finra.api import (
    GROUP,
    MARKET_TIERS,
    MOST_OFFSET,
    ChangesQuestion,
    Dataset,
    Offer,
    Question,
)
from spine_assets.finra.credentials import ClientCredentials
from spine_assets.finra.errors import (
    AnswerChanged,
    FinraContradicts,
    FinraRefused,
    FinraUnavailable,
)
from spine_assets.outbound.client import AddressRefused, TooLarge, after, client, read
from spine_assets.outbound.shown import shown, shown_server
from spine_assets.outbound.urls import is_same_server

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_ABOUT = "FINRA OTC Transparency weekly data; https://pypi.org/project/spine-assets"
_SECOND = 1.0
_PARTITION = ["weekStartDate", "tierIdentifier"]
_FOLLOWED = frozenset({301, 302, 307, 308})
_MOST_REDIRECTS = 5  # one sets a cookie where networks do so; more are a circle


@dataclass(frozen=True)
class Patience:
    """How transient errors are retried.

    Attributes:
        attempts: Attempts per request, including the first.
        first_seconds: Longest wait before the second attempt; doubled each time. The wait is
            random up to that, so that many clients do not come back together.
        most_seconds: Longest wait of all; if FINRA asks for more, the request fails at once.
    """

    attempts: int = 6
    first_seconds: float = 1.0
    most_seconds: float = 60.0


class FinraClient:
    """A session with FINRA's query API; use it as a context manager.

    Attributes:
        requests: Number of requests sent so far, including retries.
    """

    def __init__(self, settings: FinraSettings, patience: Patience | None = None) -> None:
        self.requests = 0
        self._patience = patience or Patience()
        auth = None
        if settings.client_id is not None and settings.client_secret is not None:
            secret = settings.client_secret.get_secret_value()
            auth = ClientCredentials(settings.token_url, settings.client_id, secret)
        self._answered: deque[float] = deque(maxlen=settings.requests_per_second)
        self._http = client(
            settings.timeout_seconds,
            base_url=settings.url,
            headers={
                "Accept": "application/json",
                "User-Agent": f"spine-assets/{version('spine-assets')} ({_ABOUT})",
            },
            auth=auth,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def offers(self, dataset: Dataset) -> list[Offer]:
        """The weeks and tiers that a dataset has now, oldest first.

        Raises:
            FinraError: no usable answer came.
        """
        path = f"/partitions/group/{GROUP}/name/{dataset}"

        def ask() -> Any:
            response = self._send("GET", path)
            require_answered(response)
            return read_json(response)

        answer = self._with_retries(ask)
        try:
            found = [part["partitions"] for part in answer["availablePartitions"]]
            if found and answer.get("partitionFields", _PARTITION) != _PARTITION:
                raise ValueError(f"partitions by {answer['partitionFields']}")
            offers = {_offer(monday, tier_id, dataset) for monday, tier_id in found}
            return sorted(offer for offer in offers if offer is not None)
        except (KeyError, TypeError, ValueError) as error:
            raise FinraContradicts(f"{path}: partitions cannot be read ({error!r})") from error

    def page(self, question: Question | ChangesQuestion, offset: int = 0) -> Page:
        """One page of rows after `offset`.

        Raises:
            FinraError: no usable answer came, even after retries.
        """
        if offset > MOST_OFFSET:
            raise FinraContradicts(
                f"{question.description}: FINRA serves no rows after the first {MOST_OFFSET:,}"
            )
        path = f"/data/group/{GROUP}/name/{question.dataset}"
        return self._with_retries(
            lambda: page_of(self._send("POST", path, json=question.body(offset)))
        )

    def pages(
        self, question: Question | ChangesQuestion, begun: int = 0, total: int | None = None
    ) -> Iterator[Page]:
        """All pages of an answer in order, from row `begun` on.

        A short page is not the end: the next page starts after the received rows, until
        `Record-Total` rows have come.

        Args:
            question: The request.
            begun: Number of rows that an earlier fetch received.
            total: Number of rows of the answer at that time.

        Raises:
            AnswerChanged: the number of rows changed between two pages.
            FinraContradicts: a page is empty, or has too many rows.
            FinraError: no usable answer came, even after retries.
        """
        have = begun
        while total is None or have < total:
            page = self.page(question, have)
            if total is not None and page.total != total:
                raise AnswerChanged(
                    f"{question.description}: {total} rows became {page.total} during the fetch"
                )
            total = page.total
            if not page.rows and have < total:
                raise FinraContradicts(
                    f"{question.description}: no row came after {have} of {total}; try again later"
                )
            have += len(page.rows)
            if have > total:
                raise FinraContradicts(f"{question.description}: {have} rows came of {total}")
            yield page

    def count(self, question: Question | ChangesQuestion) -> int:
        """The number of rows of an answer, by one small request."""
        return self.page(replace(question, limit=1)).total

    def _send(self, method: str, path: str, json: Any = None) -> httpx.Response:
        """Send a request, and the same request to where FINRA redirects it.

        Raises:
            FinraUnavailable: FINRA cannot be reached.
            FinraRefused: the redirect leaves FINRA's address, or there are too many.
        """
        request = self._http.build_request(method, path, json=json)
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                response = self._send_once(request)
            except AddressRefused as error:  # only after a response that redirects
                raise FinraRefused(f"{method} {error}", response.status_code) from None
            if response.status_code not in _FOLLOWED:
                return response
            url, extensions = _redirected(response), after(response)
            request = self._http.build_request(method, url, json=json, extensions=extensions)
        raise FinraRefused(
            f"{method} {shown(url)}: redirected more than {_MOST_REDIRECTS} times; try again later",
            response.status_code,
        )

    def _send_once(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the client keeps cookies of its response for the next one."""
        self._wait_for_turn()
        self.requests += 1
        try:
            return read(self._http.send(request, stream=True), MOST_BYTES)
        except TooLarge as error:
            raise FinraContradicts(f"{request.method} {shown(request.url)}: {error}") from None
        except httpx.RequestError as error:
            raise FinraUnavailable(
                f"{request.method} {shown(request.url)}: {type(error).__name__}: {error}; is "
                "the network up, and the address (SPINE_FINRA_URL) right?"
            ) from error
        finally:
            self._answered.append(time.monotonic())

    def _wait_for_turn(self) -> None:
        """Wait until the rate holds at FINRA's end too.

        A limit on the times of sending would not do: a request may be slow to arrive, and the next
        ones quick. A request arrives before its answer does, so the n-th last answer is a second
        old before another request is sent. Each process waits for itself; the default rate leaves
        room for a second one.
        """
        if len(self._answered) == self._answered.maxlen:
            time.sleep(max(self._answered[0] + _SECOND - time.monotonic(), 0.0))

    def _with_retries(self, ask: Callable[[], T]) -> T:
        """Send a request, and again after transient errors."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._is_worth_waiting),
            stop=tenacity.stop_after_attempt(self._patience.attempts),
            wait=self._wait,
            before_sleep=self._log_retry,
            reraise=True,
        )
        return retrying(ask)

    def _is_worth_waiting(self, error: BaseException) -> bool:
        if not isinstance(error, FinraUnavailable):
            return False
        return (error.wait_seconds or 0.0) <= self._patience.most_seconds

    def _log_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        seconds = state.next_action.sleep if state.next_action else 0.0
        attempts = (state.attempt_number, self._patience.attempts)
        _LOG.info("%s; retry in %.1f s after %d of %d attempts", error, seconds, *attempts)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """The wait that FINRA asks for, plus a random part of a growing time."""
        patience = self._patience
        backoff = tenacity.wait_random_exponential(patience.first_seconds, patience.most_seconds)
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_seconds if isinstance(error, FinraUnavailable) else None
        return (asked or 0.0) + min(backoff(state), patience.most_seconds)


def _redirected(response: httpx.Response) -> httpx.URL:
    """Where a response redirects to, on the same host.

    Credentials, cookies and questions go nowhere else.

    Raises:
        FinraRefused: it names no address, another host or port, or http instead of https.
    """
    asked = response.request.url
    before = f"{response.request.method} {shown(asked)}: {response.status_code}"
    try:
        url = asked.join(response.headers["location"])
        _ = url.host
    except (KeyError, httpx.InvalidURL, UnicodeError):
        message = f"{before} without the address to go to; try again later"
        raise FinraRefused(message, response.status_code) from None
    if is_same_server(asked, url):
        return url
    raise FinraRefused(
        f"{before} redirects to {shown_server(url)}, which is not followed: requests go to "
        f"{shown_server(asked)} alone. If FINRA has moved, set SPINE_FINRA_URL; "
        "if your network wants you to sign in first, do so in a browser",
        response.status_code,
    )


@cache  # once per process
def _report_other_tier(tier_id: str) -> None:
    """Report a tier that no table has."""
    if tier_id in MARKET_TIERS:
        _LOG.info("FINRA also offers tier %s, totals of several tiers: not fetched", tier_id)
    else:
        _LOG.warning("FINRA also offers tier %r, which is not known here: not fetched", tier_id)


def _offer(monday: str, tier_id: str, dataset: Dataset) -> Offer | None:
    """A partition as an offer; None for weeks and tiers that this project does not have."""
    day, tier = date.fromisoformat(monday), tier_of(tier_id)
    if tier is None:
        _report_other_tier(tier_id)
    if tier is None or day < monday_of(FIRST_WEEK):
        return None
    if day.weekday():
        raise ValueError(f"{monday} is not a Monday")
    return Offer(week_ending_of(day), tier, dataset)
