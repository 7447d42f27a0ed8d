"""One response of FINRA as rows, and which responses are accepted.

Belongs here: status, content type, headers and JSON of a response. Does not belong here: retries
and paging (`client`), and the meaning of rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from spine_assets.core.text import Shown
from spine_assets.finra.errors import FinraContradicts, FinraRefused, FinraUnavailable
from spine_assets.outbound.shown import shown

if TYPE_CHECKING:
    import httpx

TOTAL = "Record-Total"
_NO_CONTENT, _OK = 204, 200
# Too many requests, and what servers and proxies answer when they are busy: worth a retry.
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
MOST_BYTES = 64_000_000  # of a body, unpacked: twenty times the largest page, of 5,000 rows
_QUOTED_CHARS = 300  # of a body, in messages
_HEADER_CHARS = 100  # of a header

Row = dict[str, Any]
"""A row as delivered: numbers with a point or an exponent are Decimal, so none is rounded."""


@dataclass(frozen=True)
class Page:
    """Rows of one response, and the number of rows of the complete answer."""

    rows: list[Row]
    total: int


def page_of(response: httpx.Response) -> Page:
    """The rows of a response.

    Raises:
        FinraUnavailable: FINRA is busy; try again.
        FinraRefused: FINRA refused the request.
        FinraContradicts: the body is not a list of rows, or the total is missing.
    """
    require_answered(response)
    if response.status_code == _NO_CONTENT:
        return Page([], 0)
    rows = read_json(response)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FinraContradicts(f"{_where(response)}: not a list of rows: {_quoted(response)}")
    total = response.headers.get(TOTAL, "")
    if not (total.isascii() and total.isdigit()):
        raise FinraContradicts(
            f"{_where(response)}: no valid {TOTAL} header ('{Shown(total, _HEADER_CHARS)}'), "
            "so that nobody can know whether the rows are complete"
        )
    return Page(rows, int(total))


def read_json(response: httpx.Response) -> Any:
    """The JSON of a response, with exact numbers.

    Raises:
        FinraContradicts: the body is not JSON.
    """
    kind = Shown(response.headers.get("content-type", ""), _HEADER_CHARS)
    if "json" not in kind.lower():
        raise FinraContradicts(
            f"{_where(response)}: {kind or 'no content type'} instead of JSON; is the address "
            f"(SPINE_FINRA_URL) right? The body: {_quoted(response)}"
        )
    try:
        return json.loads(response.content, parse_float=Decimal)
    except ValueError as error:
        message = f"{_where(response)}: invalid JSON ({error}): {_quoted(response)}"
        raise FinraContradicts(message) from None


def require_answered(response: httpx.Response) -> None:
    """Raise the error that a status other than 200 and 204 means."""
    status = response.status_code
    if status in {_OK, _NO_CONTENT}:
        return
    phrase = Shown(response.reason_phrase, _HEADER_CHARS)
    message = f"{_where(response)}: {status} {phrase}: {_quoted(response)}"
    if status in TRANSIENT:
        raise FinraUnavailable(message, _retry_after(response.headers.get("retry-after", "")))
    refused = FinraRefused(message, status)
    if refused.is_of_client:
        message += (
            "; set SPINE_FINRA_CLIENT_ID and SPINE_FINRA_CLIENT_SECRET to credentials of FINRA's "
            "API console that may read otcMarket, or unset both to use none"
        )
    raise FinraRefused(message, status)


def _retry_after(text: str) -> float | None:
    """Seconds of a `Retry-After` header, which is a number or a date; None if it is neither."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((until - datetime.now(UTC)).total_seconds(), 0.0) if until.tzinfo else None


def _where(response: httpx.Response) -> str:
    return f"{response.request.method} {shown(response.request.url)}"


def _quoted(response: httpx.Response) -> str:
    """The beginning of a body, on one line."""
    return Shown(response.text, _QUOTED_CHARS) or "(empty)"
