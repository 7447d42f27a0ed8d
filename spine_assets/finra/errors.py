"""Errors of requests to FINRA; each message quotes the response."""

from __future__ import annotations

from http import HTTPStatus

from spine_assets.core.errors import Explained
from spine_assets.core.text import Shown


class FinraError(Explained):
    """FINRA's answer cannot be used; the message says why and what to do.

    Attributes:
        is_transient: The same request may succeed later.
    """

    is_transient = False

    def __init__(self, message: str) -> None:
        super().__init__(Shown(message))


class FinraUnavailable(FinraError):
    """FINRA could not be reached or was busy, even after retries: try again later.

    Attributes:
        wait_seconds: The wait that FINRA asked for (`Retry-After`), if it did.
    """

    is_transient = True

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class FinraRefused(FinraError):
    """FINRA refused the request (400, 401, 403 and the like): a retry changes nothing.

    Attributes:
        status: FINRA's status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_of_client(self) -> bool:
        """Whether the client, and not the question, was refused: others will be refused too."""
        return self.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class FinraContradicts(FinraError):
    """An answer is not what was requested, or contradicts the other pages: it is dropped."""


class AnswerChanged(FinraContradicts):
    """FINRA changed the rows, or their order, while they were fetched: start again."""

    is_transient = True
