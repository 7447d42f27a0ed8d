"""One answer of FINRA as rows: what is accepted as an answer at all.

Belongs here: status, content type, headers and JSON of a response. Does not belong here:
retrying and pages (`client`), and what rows mean.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from spine_assets.finra.errors import FinraContradicts, FinraRefused, FinraUnavailable

if TYPE_CHECKING:
    import httpx

TOTAL = "Record-Total"
_NO_CONTENT, _OK = 204, 200
# Worth asking again: too many requests, and what servers and those before them say when busy.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_QUOTED_CHARS = 300  # of what FINRA said
_SIGN_IN = {401, 403}

Row = dict[str, Any]
"""A row as delivered: numbers with a point or an exponent are Decimal, so none is rounded."""


@dataclass(frozen=True)
class Page:
    """Rows of an answer, and how many the whole answer has."""

    rows: list[Row]
    total: int


def page_of(response: httpx.Response) -> Page:
    """The rows of a response.

    Raises:
        FinraUnavailable: FINRA is busy; ask again.
        FinraRefused: FINRA refused the question.
        FinraContradicts: the answer is no list of rows with its total.
    """
    require_answered(response)
    if response.status_code == _NO_CONTENT:
        return Page([], 0)
    rows = read_json(response)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FinraContradicts(f"{_where(response)}: JSON, but no list of rows: {_said(response)}")
    total = response.headers.get(TOTAL, "")
    if not (total.isascii() and total.isdigit()):
        raise FinraContradicts(
            f"{_where(response)}: no usable {TOTAL} header ({total!r}), so that it cannot be told "
            "whether all rows came"
        )
    return Page(rows, int(total))


def read_json(response: httpx.Response) -> Any:
    """The JSON of a response, numbers exact.

    Raises:
        FinraContradicts: it is something else.
    """
    kind = response.headers.get("content-type", "")
    if "json" not in kind.lower():
        raise FinraContradicts(
            f"{_where(response)}: {kind or 'no content type'} instead of JSON; is the address "
            f"(SPINE_FINRA_URL) right? It says: {_said(response)}"
        )
    try:
        return json.loads(response.content, parse_float=Decimal)
    except ValueError as error:
        raise FinraContradicts(
            f"{_where(response)}: broken JSON ({error}): {_said(response)}"
        ) from None


def require_answered(response: httpx.Response) -> None:
    """Raise what a status other than 200 and 204 means."""
    status = response.status_code
    if status in {_OK, _NO_CONTENT}:
        return
    said = f"{_where(response)}: {status} {response.reason_phrase}: {_said(response)}"
    if status in PASSING:
        raise FinraUnavailable(said, _asked_to_wait(response.headers.get("retry-after", "")))
    if status in _SIGN_IN:
        said += (
            "; set SPINE_FINRA_CLIENT_ID and SPINE_FINRA_CLIENT_SECRET to credentials of FINRA's "
            "API console that may read otcMarket, or unset both to ask without"
        )
    raise FinraRefused(said)


def _asked_to_wait(text: str) -> float | None:
    """Seconds of a `Retry-After`, which is a number or a date; None of anything else."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((until - datetime.now(UTC)).total_seconds(), 0.0) if until.tzinfo else None


def _where(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url}"


def _said(response: httpx.Response) -> str:
    """The beginning of a body, on one line."""
    text = " ".join(response.text.split())
    return text[:_QUOTED_CHARS] + ("..." if len(text) > _QUOTED_CHARS else "") or "(empty)"
